#include "storage/detail/sql_bounds.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "storage/detail/sql_values.hpp"
#include "storage/index_key.hpp"

namespace kontract {
namespace {

using Bound = RecordScan::Bound;
using Stretch = std::pair<Bound, Bound>;

// Numerals, text that SQLite may take for a number, begin with a blank (09 to 0D, 20), a sign, a
// point or a digit. They lie from the first to below the second of these.
constexpr std::string_view kNumeralsFrom = "\t", kNumeralsTo = ":";

bool among_numerals(const SqlValue& value) {
  const auto* text = std::get_if<std::string>(&value);
  return text != nullptr && *text >= kNumeralsFrom && *text < kNumeralsTo;
}

// What a column's values may be that are equal to one of some values.
class SoughtValues {
 public:
  SoughtValues(SqlAffinity column, SqlDoubt doubt) : column_(column), doubt_(doubt) {}

  void add(sqlite3_value* value) {
    const bool text = sqlite3_value_type(value) == SQLITE_TEXT;
    SqlValue as_it_is;
    if (fit_sql_value(value, column_, true, as_it_is) != SqlFit::use) return;
    keep(std::move(as_it_is));
    if (doubt_ == SqlDoubt::none || (text && doubt_ != SqlDoubt::texts)) return;
    // Asking for the number makes one of text that looks like it, so that this comes last.
    SqlValue number;
    fit_sql_value(value, SqlAffinity::numeric, true, number);
    if (std::holds_alternative<std::string>(number)) return;
    numerals_ = true;
    if (column_ == SqlAffinity::none) keep(std::move(number));
  }

  // Disjoint, in the order of the values.
  std::vector<Stretch> take() && {
    std::vector<Stretch> out;
    const auto add_numerals = [&] {
      out.emplace_back(Bound{std::string(kNumeralsFrom), true},
                       Bound{std::string(kNumeralsTo), false});
      numerals_ = false;
    };
    const std::string place = key_of(std::string(kNumeralsFrom));
    const bool numerals = numerals_;
    for (auto& [key, value] : values_) {
      if (numerals_ && key >= place) add_numerals();
      if (numerals && among_numerals(value)) continue;
      out.emplace_back(Bound{value, true}, Bound{value, true});
    }
    if (numerals_) add_numerals();
    return out;
  }

 private:
  static std::string key_of(const SqlValue& value) {
    std::string key;
    append_index_value(key, value);
    return key;
  }
  void keep(SqlValue value) {
    std::string key = key_of(value);
    values_.try_emplace(std::move(key), std::move(value));
  }

  const SqlAffinity column_;
  const SqlDoubt doubt_;
  bool numerals_ = false;                   // all of them
  std::map<std::string, SqlValue> values_;  // by index key: 5 and 5.0 are one
};

int seek(const SqlState& state, const SqlPlan& plan, sqlite3_value* values,
         std::vector<Stretch>& stretches) {
  SoughtValues sought(sql_affinity(state, plan.bounded), plan.doubt);
  if (plan.sought == SqlPlan::Sought::value) {
    sought.add(values);
  } else {
    sqlite3_value* value = nullptr;
    int rc = sqlite3_vtab_in_first(values, &value);
    for (; rc == SQLITE_OK; rc = sqlite3_vtab_in_next(values, &value)) sought.add(value);
    if (rc != SQLITE_DONE) return rc;
  }
  stretches = std::move(sought).take();
  if (plan.descending) std::reverse(stretches.begin(), stretches.end());
  return SQLITE_OK;
}

enum class Side : std::uint8_t { from, to };

// Takes one bound of `plan.bounded` into `out`. False if nothing can match.
bool bound_side(const SqlState& state, const SqlPlan& plan, Side side, sqlite3_value* value,
                std::optional<Bound>& out) {
  const SqlPlan::Bound kind = side == Side::from ? plan.from : plan.to;
  const SqlAffinity affinity = sql_affinity(state, plan.bounded);
  SqlValue as_it_is;
  const SqlFit fit = fit_sql_value(value, affinity, false, as_it_is);
  if (fit != SqlFit::use) return fit != SqlFit::nothing;
  if (plan.by == RecordScan::By::order && !std::get_if<std::int64_t>(&as_it_is)) return true;
  out = Bound{std::move(as_it_is), kind == SqlPlan::Bound::inclusive};
  const bool text = std::holds_alternative<std::string>(out->value);
  if (plan.doubt == SqlDoubt::none || (text && plan.doubt != SqlDoubt::texts)) return true;
  // As numbers, numerals are before all other text, wherever they lie.
  if (side == Side::to) {
    const Bound past{std::string(kNumeralsTo), false};
    if (!text || out->value < past.value) out = past;
  } else if (text && sqlite3_value_numeric_type(value) != SQLITE_TEXT) {
    out.reset();
  }
  return true;
}

}  // namespace

SqlAffinity sql_affinity(const SqlState& state, int column) {
  if (column == kSqlId || column == kSqlData || column == kSqlOwner) return SqlAffinity::text;
  if (column < kSqlFirstField) return SqlAffinity::numeric;
  return state.fields[static_cast<std::size_t>(column - kSqlFirstField)].affinity;
}

int sql_scans(const SqlState& state, const SqlPlan& plan, sqlite3_value** values,
              std::vector<RecordScan>& scans) {
  scans.clear();
  RecordScan scan;
  scan.by = plan.by;
  scan.descending = plan.descending;
  if (plan.by == RecordScan::By::index) scan.index = state.indexes[plan.index].no;
  for (const int column : plan.equal) {
    SqlValue value;
    const SqlFit fit = fit_sql_value(*values++, sql_affinity(state, column), true, value);
    if (fit == SqlFit::nothing) return SQLITE_OK;
    scan.equal.push_back(std::move(value));
  }
  if (plan.single && plan.by == RecordScan::By::id) {
    scan.id = std::get<std::string>(std::move(scan.equal.front()));
    scan.equal.clear();
  }
  if (plan.sought != SqlPlan::Sought::none) {
    std::vector<Stretch> stretches;
    const int rc = seek(state, plan, *values, stretches);
    for (Stretch& stretch : stretches) {
      RecordScan& its = scans.emplace_back(scan);
      if (plan.by == RecordScan::By::id && stretch.second.inclusive) {
        its.id = std::get<std::string>(std::move(stretch.first.value));
        continue;
      }
      its.from = std::move(stretch.first);
      its.to = std::move(stretch.second);
    }
    return rc;
  }
  if (plan.from != SqlPlan::Bound::none &&
      !bound_side(state, plan, Side::from, *values++, scan.from)) {
    return SQLITE_OK;
  }
  if (plan.to != SqlPlan::Bound::none && !bound_side(state, plan, Side::to, *values++, scan.to)) {
    return SQLITE_OK;
  }
  scans.push_back(std::move(scan));
  return SQLITE_OK;
}

bool sql_scan_asks(const RecordScan& scan, const RecordView& record) {
  if (scan.by != RecordScan::By::id) return true;  // of an index it yields nothing besides
  if (scan.id) return record.id == *scan.id;
  const auto bound = [](const std::optional<Bound>& side) {
    return std::string_view(std::get<std::string>(side->value));
  };
  if (scan.from && record.id < bound(scan.from)) return false;
  if (!scan.to) return true;
  return scan.to->inclusive ? record.id <= bound(scan.to) : record.id < bound(scan.to);
}

}  // namespace kontract
