// SqlState: what the parts of one SQL engine share. SQLite calls them back with a pointer to it.

#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "storage/detail/sql_shape.hpp"
#include "storage/sql_limits.hpp"
#include "storage/sql_table.hpp"

namespace kontract {

// How SQLite converts the other side of a comparison with a column (its documentation, "Datatypes
// In SQLite", section 3).
enum class SqlAffinity : std::uint8_t { none, text, numeric };

struct SqlField {
  SqlColumn column;
  SqlAffinity affinity = SqlAffinity::none;
};

// The columns, by number.
inline constexpr int kSqlId = 0;
inline constexpr int kSqlData = 1;
inline constexpr int kSqlTxid = 2;
inline constexpr int kSqlDeletedTxid = 3;
inline constexpr int kSqlOwner = 4;
inline constexpr int kSqlOrder = 5;
inline constexpr int kSqlFirstField = 6;  // of those that are declared

// How the value on the other side of a comparison may have been meant, see SqlShape.
enum class SqlDoubt : std::uint8_t {
  none,     // it has no affinity
  numbers,  // a number may have the affinity of numbers
  texts,    // and so may text
};

// How a statement reads the table. SQLite hands its number from xBestIndex to xFilter; the values
// come in this order: those of `equal`, then that of `sought`, or `from` and `to`.
struct SqlPlan {
  enum class Bound : std::uint8_t { none, exclusive, inclusive };
  enum class Sought : std::uint8_t { none, value, list };
  RecordScan::By by = RecordScan::By::id;
  bool single = false;  // the record whose id or _order equals the one value
  bool descending = false;
  std::size_t index = 0;   // in SqlState::indexes
  std::vector<int> equal;  // columns
  int bounded = kSqlId;    // the column that what follows is of
  // It equals a value that is in doubt, or one of the list of IN; then it has no bounds.
  Sought sought = Sought::none;
  Bound from = Bound::none, to = Bound::none;
  SqlDoubt doubt = SqlDoubt::none;  // about the values of `bounded`
  bool operator==(const SqlPlan&) const = default;
};

struct NumberedSqlPlan {
  SqlPlan plan;
  std::string text;  // for EXPLAIN QUERY PLAN
};

struct SqlState {
  SqlState(SqlTable& its_table, const SqlLimits& its_limits);

  // Keeps the first error of a statement, to come out of exec() as it is.
  void fail(Error reason) {
    if (!error) error = std::move(reason);
  }
  // Whether the statement's time is over; if so it fails.
  bool time_is_over();

  SqlTable& table;
  const SqlLimits limits;
  const std::string name;
  std::vector<SqlField> fields;  // the columns from kSqlFirstField on
  std::vector<IndexRow> indexes;
  std::deque<NumberedSqlPlan> plans;  // grows by distinct plans only; SQLite points into the texts

  // Of the statement that is being prepared or run.
  std::chrono::steady_clock::time_point deadline;
  bool timed_out = false;
  std::optional<Error> error;
  Perm needs = perms::none;  // gathered while it is prepared
  SqlShape shape;
};

Error sql_limit(std::string what);
Error sql_cross_table();

// The text that declares the table's columns to SQLite.
std::string sql_declaration(const SqlState& state);

// Whether two names are the same to SQLite.
bool sql_same_name(std::string_view a, std::string_view b);

}  // namespace kontract
