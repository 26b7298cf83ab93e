// The operations of MvccTable that go by `_order`.

#include <algorithm>
#include <charconv>

#include "storage/index_key.hpp"
#include "storage/mvcc_table.hpp"
#include "storage/order_scan.hpp"

namespace kontract {
namespace {

// A cursor is the order of the last record that was looked at, in hexadecimal.
constexpr std::size_t kCursorChars = 16;

std::string cursor_text(std::uint64_t order) {
  char digits[kCursorChars];
  const auto end = std::to_chars(digits, digits + kCursorChars, order, 16).ptr;
  const auto used = static_cast<std::size_t>(end - digits);
  return std::string(kCursorChars - used, '0') + std::string(digits, used);
}

Result<std::optional<std::uint64_t>> parse_cursor(std::string_view text) {
  if (text.empty()) return std::optional<std::uint64_t>{};
  std::uint64_t order = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), order, 16);
  if (error != std::errc{} || end != text.data() + text.size() || text != cursor_text(order) ||
      order >> 63 != 0) {
    return Error{Errc::invalid_request, "`after` is not a cursor",
                 "Pass the `next` of the page before, as it is."};
  }
  return std::optional(order);
}

std::size_t count_values(const Json& value) {
  if (!value.is_structured()) return 1;
  std::size_t values = 1;
  for (const Json& element : value) values += count_values(element);
  return values;
}

Status validate(const Json& filter, const QueryOptions& options) {
  if (!filter.is_null() && !filter.is_object()) {
    return Error{Errc::invalid_request, std::string("A filter is a JSON object or null; this is ") +
                                            "of type " + filter.type_name()};
  }
  if (const std::size_t values = count_values(filter); values > limits::kFilterValuesMax) {
    return Error{Errc::too_large,
                 "The filter has " + std::to_string(values) + " values; " +
                     std::to_string(limits::kFilterValuesMax) + " are allowed",
                 "Filter by less, and the rest where you read the rows."};
  }
  if (options.limit < 1 || options.limit > limits::kQueryRowsMax) {
    return Error{Errc::invalid_request, "`limit` is 1 to " + std::to_string(limits::kQueryRowsMax) +
                                            "; this is " + std::to_string(options.limit)};
  }
  return {};
}

// Collects the rows of a page as JSON text.
class Page {
 public:
  // False if the row does not fit the page any more.
  bool add(std::string_view id, std::string_view data) {
    if (rows_ > 0 && text_.size() + id.size() + data.size() > limits::kQueryBytesMax) return false;
    text_ += rows_++ == 0 ? R"({"id":)" : R"(,{"id":)";
    append_json_string(text_, id);
    text_ += R"(,"data":)";
    text_ += data;
    text_ += '}';
    return true;
  }
  std::size_t rows() const { return rows_; }
  JsonText take(std::optional<std::uint64_t> next) && {
    text_ += R"(],"next":)";
    text_ += next ? '"' + cursor_text(*next) + '"' : "null";
    text_ += '}';
    return std::move(text_);
  }

 private:
  JsonText text_ = R"({"rows":[)";
  std::size_t rows_ = 0;
};

SqlValue scalar_value(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_integer()) return sql_value(value.dump());
  if (value.is_number_float()) return value.get<double>();
  if (value.is_boolean()) return std::int64_t{value.get<bool>()};
  return std::monostate();
}

// What a filter asks of a field: a scalar, or nothing that an index could find.
struct Fixed {
  const Json* value = nullptr;
  bool nested = false;  // by stepping into objects
};

Fixed fixed_field(const Json& filter, std::string_view path) {
  const auto scalar = [](const Json& object, std::string_view name) -> const Json* {
    const auto member = object.find(name);
    return member != object.end() && member->is_primitive() ? &*member : nullptr;
  };
  if (const Json* value = scalar(filter, path)) return {value, false};
  const Json* object = &filter;
  for (auto dot = path.find('.'); dot != path.npos; dot = path.find('.')) {
    const auto member = object->find(path.substr(0, dot));
    if (member == object->end() || !member->is_object()) return {};
    object = &*member;
    path.remove_prefix(dot + 1);
  }
  if (object == &filter) return {};
  return {scalar(*object, path), true};
}

// The entries that records which match the filter have in this index, if it fixes all fields.
struct IndexChoice {
  IndexNo index = 0;
  std::size_t fields = 0;
  std::string entry;
  bool nested = false;
};

std::optional<IndexChoice> choose(const IndexRow& index, const Json& filter) {
  IndexChoice choice{index.no, index.definition.fields.size(), entry_prefix(index.no), false};
  for (const std::string& path : index.definition.fields) {
    const Fixed fixed = fixed_field(filter, path);
    if (fixed.value == nullptr) return std::nullopt;
    append_index_value(choice.entry, scalar_value(*fixed.value));
    choice.nested = choice.nested || fixed.nested;
  }
  return choice;
}

}  // namespace

// The records that a filter may match, in `_order`.
class MvccTable::QueryScan {
 public:
  explicit QueryScan(OrderScan scan) : orders_(std::move(scan)) {}
  explicit QueryScan(IndexScan scan) : entries_(std::move(scan)) {}

  Result<bool> next() { return orders_ ? orders_->next() : entries_->next(); }
  std::uint64_t order() const { return orders_ ? orders_->order() : entries_->order(); }
  std::string_view id() const { return orders_ ? orders_->id() : entries_->id(); }

 private:
  std::optional<OrderScan> orders_;  // or else
  std::optional<IndexScan> entries_;
};

// Whether records may have a mark in this index: then a filter that steps into objects does not go
// by it.
Result<bool> MvccTable::marked(IndexNo index, const ReadTxn& txn) const {
  auto marks = IndexScan::start(txn, session_, row_.no, range_of(mark_of(index)),
                                pending_.entries(), staged_.entries());
  if (!marks) return std::move(marks).error();
  return marks->next();
}

// Entries of equal values are in `_order`. So a page is the same whichever way its records are
// found.
Result<MvccTable::QueryScan> MvccTable::start_query(const Json& filter,
                                                    std::optional<std::uint64_t> after,
                                                    bool descending, Snapshot& snapshot) {
  auto txn = snapshot.txn();
  if (!txn) return std::move(txn).error();
  std::optional<IndexChoice> best;
  for (const IndexRow& index : indexes_.rows()) {
    if (filter.empty() || index.state != IndexState::ready) continue;
    auto choice = choose(index, filter);
    if (!choice || (best && best->fields >= choice->fields)) continue;
    if (choice->nested) {
      note_read(range_of(mark_of(index.no)));
      auto found = marked(index.no, **txn);
      if (!found) return std::move(found).error();
      if (*found) continue;
    }
    best = std::move(choice);
  }
  if (!best) {
    note_all_read();
    auto scan = OrderScan::start(**txn, {session_, row_.no, after, descending}, pending_.inserted(),
                                 staged_.inserted());
    if (!scan) return std::move(scan).error();
    return QueryScan(*std::move(scan));
  }
  IndexScan::Range range = range_of(best->entry);
  note_read(range);
  range.descending = descending;
  if (after && descending) range.to = IndexOverlay::key(best->entry, *after);
  if (after && !descending) range.from = IndexOverlay::key(best->entry, *after + 1);
  auto scan = IndexScan::start(**txn, session_, row_.no, std::move(range), pending_.entries(),
                               staged_.entries());
  if (!scan) return std::move(scan).error();
  return QueryScan(*std::move(scan));
}

Status MvccTable::may_follow(const Json& filter) {
  if (Status allowed = require(perms::R__, "subscribe"); !allowed) return allowed;
  if (Status valid = validate(filter, {}); !valid) return valid;
  return schema_ ? schema_->check_filter(filter) : Status();
}

Result<JsonText> MvccTable::query(const Json& filter, const QueryOptions& options) {
  if (auto allowed = require(perms::R__, "table.query"); !allowed) {
    return std::move(allowed).error();
  }
  if (auto valid = validate(filter, options); !valid) return std::move(valid).error();
  if (schema_) {
    if (auto readable = schema_->check_filter(filter); !readable) {
      return std::move(readable).error();
    }
  }
  auto after = parse_cursor(options.after);
  if (!after) return std::move(after).error();

  Snapshot in = snapshot();
  auto scan = start_query(filter, *after, options.descending, in);
  if (!scan) return std::move(scan).error();

  Page page;
  std::optional<std::uint64_t> last;  // order that was dealt with
  std::size_t looked_at = 0, bytes_looked_at = 0;
  for (;;) {
    auto found = scan->next();
    if (!found) return std::move(found).error();
    if (!*found) return std::move(page).take(std::nullopt);
    if (page.rows() == options.limit || looked_at == limits::kQueryScanMax ||
        bytes_looked_at >= limits::kQueryScanBytesMax) {
      return std::move(page).take(last);
    }
    ++looked_at;
    auto record = visible_record(scan->id(), in);
    if (!record) return std::move(record).error();
    if (record->live() && record->order == scan->order()) {
      bytes_looked_at += record->data.size();
      bool matches = true;
      if (!filter.empty()) {
        auto data = parse_data(scan->id(), *record);
        if (!data) return std::move(data).error();
        matches = contains(*data, filter);
      }
      if (matches && !(hides() ? page.add(scan->id(), visible_data(*record))
                               : page.add(scan->id(), record->data))) {
        return std::move(page).take(last);
      }
    }
    last = scan->order();
  }
}

// What lies dead at this end is passed over once, then remembered; in one call no more of it than
// kQueryScanMax, so that the next call gets further.
Result<JsonText> MvccTable::take(Direction direction, std::string_view function) {
  if (auto ok = admit(perms::R_X, function, true); !ok) return std::move(ok).error();
  // Apart from the present, what is dead there is no help, and the end would be another one.
  if (current_ <= last_write_) return conflict(last_write_);
  note_all_read();
  Snapshot in = snapshot();
  auto txn = in.txn();
  if (!txn) return std::move(txn).error();
  const bool from_the_end = direction == Direction::last;
  OrderScan::Range range{session_, row_.no, std::nullopt, from_the_end};
  const auto start = [&] {
    return OrderScan::start(**txn, range, pending_.inserted(), staged_.inserted());
  };
  auto scan = start();
  if (!scan) return std::move(scan).error();
  std::optional<DeadOrders::Range> dead;  // what this walk is in
  for (std::size_t passed = 0; passed < limits::kQueryScanMax; ++passed) {
    auto found = scan->next();
    if (!found) return std::move(found).error();
    if (!*found) return JsonText("null");
    const std::uint64_t order = scan->order();
    if (const auto known = dead_orders_.around(order)) {
      observed_ = std::max(observed_, dead_orders_.observed());
      dead = dead ? DeadOrders::Range{std::min(dead->first, known->first),
                                      std::max(dead->last, known->last)}
                  : *known;
      range.after = from_the_end ? known->first : known->last;
      scan = start();
      if (!scan) return std::move(scan).error();
      continue;
    }
    const bool own = staged_.find(scan->id()) != nullptr;
    auto record = record_to_change(scan->id(), in);
    if (!record) return std::move(record).error();
    if (record->live() && record->order == order) {
      JsonText data = visible_data(*record);
      changed();
      staged_.erase(scan->id(), *record);
      return data;
    }
    if (own) {  // dead only if this transaction commits
      dead.reset();
      continue;
    }
    dead = dead ? DeadOrders::Range{std::min(dead->first, order), std::max(dead->last, order)}
                : DeadOrders::Range{order, order};
    dead_orders_.add(*dead, observed_);
  }
  Error error(Errc::overloaded,
              "More deleted records than one call passes over wait here to be "
              "collected; nothing was taken",
              "Repeat the call: it goes on where this one stopped.");
  error.retry_after = std::chrono::milliseconds(10);
  return error;
}

Result<JsonText> MvccTable::pop() { return take(Direction::last, "table.pop"); }
Result<JsonText> MvccTable::shift() { return take(Direction::first, "table.shift"); }

Result<std::uint64_t> MvccTable::count() {
  if (auto allowed = require(perms::R__, "table.list"); !allowed) {
    return std::move(allowed).error();
  }
  note_all_read();
  if (current_ > count_.changed) {
    if (!log_.acknowledged(count_ticket_)) observed_ = std::max(observed_, count_ticket_);
    return count_.records + static_cast<std::uint64_t>(staged_.count_delta());
  }
  // A reader of the past: count what it sees.
  Snapshot in = snapshot();
  auto txn = in.txn();
  if (!txn) return std::move(txn).error();
  auto scan = OrderScan::start(**txn, {session_, row_.no, std::nullopt, false}, pending_.inserted(),
                               staged_.inserted());
  if (!scan) return std::move(scan).error();
  std::uint64_t records = 0;
  for (;;) {
    auto found = scan->next();
    if (!found) return std::move(found).error();
    if (!*found) return records;
    auto record = visible_record(scan->id(), in);
    if (!record) return std::move(record).error();
    if (record->live() && record->order == scan->order()) ++records;
  }
}

}  // namespace kontract
