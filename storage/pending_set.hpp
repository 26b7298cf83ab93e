// PendingSet: the versions of one table that sealed transactions made and that the log may not have
// applied yet. LMDB does not show them; a read looks here first.
//
// Whoever reads drops what is applied first and opens the LMDB transaction afterwards: then each
// version is here or there (or in both, with the same meaning), never in neither.

#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "storage/commit_log.hpp"
#include "storage/index_overlay.hpp"
#include "storage/version.hpp"

namespace kontract {

struct PendingVersion {
  Ticket ticket = 0;
  Txid txid = 0;
  bool deleted = false;   // the record ends here; it has no order and no data
  bool inserted = false;  // its order is new with it
  bool alone = false;     // see RecordState
  std::uint64_t order = 0;
  std::string data;
  Txid erased = 0;                   // the version before it, if it goes in the same batch
  std::vector<std::string> entries;  // that it put into indexes: keys of IndexOverlay
};

class PendingSet {
 public:
  using Chain = std::list<PendingVersion>;                   // of one id, oldest first
  using Orders = std::map<std::uint64_t, std::string_view>;  // order -> id

  // REQUIRES: ticket and txid are not below those of any version before.
  void add(std::string id, PendingVersion version);

  // Forgets versions with a ticket up to `applied`; costs what it forgets, not what it holds.
  void drop_applied(Ticket applied);
  void clear();

  bool empty() const { return chains_.empty(); }
  const Chain* find(std::string_view id) const;  // null if there is none
  const Orders& inserted() const { return orders_; }
  const IndexOverlay& entries() const { return entries_; }

  // All ids, sorted. Views live until versions are added or forgotten.
  std::vector<std::string_view> ids() const;

 private:
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  using Chains = std::unordered_map<std::string, Chain, Hash, std::equal_to<>>;

  struct Arrival {
    Ticket ticket;
    Chains::value_type* chain;  // whose oldest version it is when its turn comes
  };

  Chains chains_;                  // no empty chain
  Orders orders_;                  // of versions with `inserted`; views of keys of chains_
  IndexOverlay entries_;           // of all versions; views of keys of chains_
  std::vector<Arrival> arrivals_;  // in order of ticket, from head_ on
  std::size_t head_ = 0;
};

}  // namespace kontract
