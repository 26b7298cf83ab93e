// SqlStore: a table of kontract in this process, on a real store, used as its actor uses it.

#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "storage/table.hpp"

namespace kontract::bench {

class SqlStore {
 public:
  // Makes a store in `directory` with that many records (sql_records.hpp) in table `t`, and opens
  // it anew, so that all of it is in LMDB. Throws std::runtime_error for what fails.
  SqlStore(const std::filesystem::path& directory, std::uint64_t records);

  std::uint64_t records() const { return records_; }

  // Each runs in a transaction of its own and returns the JSON text that a client would get.
  std::string exec(std::string_view sql, const Json& params);
  // All pages; returns how many rows there were.
  std::size_t query(const Json& filter);

 private:
  void open(const std::filesystem::path& directory, bool is_new);
  void fill();
  void begin();

  const std::uint64_t records_;
  Txid txid_ = 0;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Table> table_;  // goes before the store
};

}  // namespace kontract::bench
