// IndexOverlay: entries of a table's indexes that LMDB may not show yet.

#pragma once

#include <map>
#include <string>
#include <string_view>

#include "storage/assert.hpp"
#include "storage/byte_codec.hpp"
#include "storage/version.hpp"

namespace kontract {

class IndexOverlay {
 public:
  struct Holder {
    std::string_view id;
    Txid txid = 0;       // of the latest version that put the entry
    unsigned count = 0;  // of the versions that did
  };
  using Entries = std::map<std::string, Holder, std::less<>>;  // by entry and order

  static std::string key(std::string_view entry, std::uint64_t order) {
    char bytes[sizeof order];
    put_be(bytes, order);
    std::string key;
    key.reserve(entry.size() + sizeof bytes);
    return key.append(entry).append(bytes, sizeof bytes);
  }

  // REQUIRES: the id lives as long as the entry does; txids of one entry ascend.
  void add(const std::string& key, std::string_view id, Txid txid) {
    Holder& holder = entries_[key];
    if (holder.count++ == 0) holder.id = id;
    holder.txid = txid;
  }
  void remove(const std::string& key) {
    const auto entry = entries_.find(key);
    KONTRACT_ASSERT(entry != entries_.end());
    if (--entry->second.count == 0) entries_.erase(entry);
  }
  void clear() { entries_.clear(); }

  const Entries& entries() const { return entries_; }
  Txid txid_of(std::string_view key) const {  // 0 if it is not there
    if (entries_.empty()) return 0;
    const auto entry = entries_.find(key);
    return entry == entries_.end() ? 0 : entry->second.txid;
  }

 private:
  Entries entries_;
};

}  // namespace kontract
