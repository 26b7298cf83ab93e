// RecordCursor: the records of a table that a transaction sees, one after the other. RecordScan:
// which of them, and in which order.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/index.hpp"
#include "storage/json_field.hpp"
#include "storage/result.hpp"
#include "storage/version.hpp"

namespace kontract {

struct RecordScan {
  enum class By : std::uint8_t {
    id,     // in order of id, by bytes
    order,  // by _order
    index,  // by the fields of `index`, NULL before numbers before text; then by _order
  };
  struct Bound {
    SqlValue value;
    bool inclusive = true;
  };
  By by = By::id;
  bool descending = false;

  // by id: only this one, or those between the bounds, which are text. By order, bounds are
  // integers.
  std::optional<std::string> id;

  // by index: the first fields equal these; the one after them lies between the bounds. By id and
  // by order the bounds are of the id (text) and of _order (integers, maybe negative). A scan may
  // yield records outside of what was asked (never fewer): the reader tests again. It yields each
  // record once.
  IndexNo index = 0;
  std::vector<SqlValue> equal;
  std::optional<Bound> from, to;
};

// Views live until the next call of next() and no longer than the transaction of the table.
struct RecordView {
  std::string_view id;
  std::string_view data;
  Txid txid = 0;
  std::uint64_t order = 0;
  bool lasts = false;  // `data` stays where it is until the statement is over; see SqlTable
};

// What the transaction itself writes while a cursor is open may be seen by it or not.
class RecordCursor {
 public:
  virtual ~RecordCursor() = default;
  virtual Result<bool> next() = 0;               // to the first or the next one; false at the end
  virtual const RecordView& record() const = 0;  // REQUIRES: next() returned true
};

}  // namespace kontract
