// PendingRows: rows of one keyspace that batches have changed and that LMDB may not show yet. For
// who reads his own rows while the log is behind: rows are put in as they are appended, and a read
// looks here first.
//
//   pending.stage(batch);                                  // its rows of the keyspace
//   pending.appended(log.append(std::move(batch), ...));   // at once
//   ...
//   pending.drop_applied(log.applied());                   // before the transaction is begun
//   auto txn = environment.read();
//   auto row = pending.get(*txn, key);
//
// Then each row is here or there (or in both, with the same meaning), never in neither.

#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/commit_log.hpp"
#include "storage/environment.hpp"

namespace kontract {

class PendingRows {
 public:
  explicit PendingRows(Keyspace space) : space_(space) {}

  void stage(const WriteBatch& batch);
  void appended(Ticket ticket);
  void drop_applied(Ticket applied);
  void clear();  // what was not applied is lost
  bool empty() const { return rows_.empty(); }

  Result<std::optional<std::string>> get(const ReadTxn& txn, std::string_view key) const;

  // All rows whose key begins with `prefix`, in order from key `from` on, until `visit` says false.
  using Visit = std::function<Result<bool>(std::string_view key, std::string_view value)>;
  Status scan(const ReadTxn& txn, std::string_view prefix, std::string_view from,
              const Visit& visit) const;

 private:
  struct Row {
    std::optional<std::string> value;  // nothing: it is erased
    Ticket ticket = 0;                 // of the last batch that changed it
  };
  using Rows = std::map<std::string, Row, std::less<>>;

  const Keyspace space_;
  Rows rows_;
  std::vector<std::string> staged_;                      // keys
  std::deque<std::pair<Ticket, std::string>> appended_;  // keys, in the order of tickets
};

}  // namespace kontract
