// TableLoan: a table that its actor has lent to the session, for a backend function. Until it is
// given back, which its end does, the session alone may touch the table; what comes for the actor
// waits. The session keeps it between functions, so that they find it at hand, and gives it back
// before it sends the actor anything else.

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "storage/table.hpp"

namespace kontract {

class TableLoan {
 public:
  // Gets the table back, or null if it is in no state to be used again.
  using GiveBack = std::function<void(std::unique_ptr<Table>)>;

  // `opening` is another one for each time that a table is read from disk.
  TableLoan(std::unique_ptr<Table> table, std::uint64_t opening, GiveBack give_back)
      : table_(std::move(table)), opening_(opening), give_back_(std::move(give_back)) {}
  ~TableLoan() { give_back_(is_broken_ ? nullptr : std::move(table_)); }
  TableLoan(const TableLoan&) = delete;
  TableLoan& operator=(const TableLoan&) = delete;

  Table& table() { return *table_; }
  std::uint64_t opening() const { return opening_; }
  // An operation threw: of the table's memory nothing is known.
  void set_broken() { is_broken_ = true; }

 private:
  std::unique_ptr<Table> table_;
  const std::uint64_t opening_;
  const GiveBack give_back_;
  bool is_broken_ = false;
};

using TableLoanPtr = std::shared_ptr<TableLoan>;
using LentTables = std::map<std::string, TableLoanPtr, std::less<>>;  // by logical name

}  // namespace kontract
