// xBestIndex: which way of reading the table serves a statement best.

#include <algorithm>
#include <cmath>
#include <string>

#include "storage/detail/sql_bounds.hpp"
#include "storage/detail/sql_module.hpp"

namespace kontract {
namespace {

// A table may grow while a plan is kept, and a small one is fast with any: so that an index that
// fits is used from the start.
constexpr double kRecordsLeast = 1000;

// What a term of the WHERE clause asks of a column, by its place in sqlite3_index_info.
struct ColumnTerms {
  int equal = -1, from = -1, to = -1;
};

struct Candidate {
  SqlPlan plan;
  std::vector<int> terms;  // in the order of the plan's values
  double rows = 1, cost = 1;
  bool ordered = false;  // yields the rows as ORDER BY asks
};

constexpr double kEqualShare = 1.0 / 20, kRangeShare = 1.0 / 3;  // of rows, where nothing is known
constexpr double kSoughtIds = 25;  // of a value in doubt or of IN, for which SQLite takes the same
constexpr double kRowCost = 1, kOrderRowCost = 1.5, kIndexRowCost = 2;

class Planner {
 public:
  Planner(SqlState& state, sqlite3_index_info& info)
      : state_(state),
        info_(info),
        records_(std::max(kRecordsLeast, static_cast<double>(state.table.records()))),
        terms_(kSqlFirstField + state.fields.size()) {
    gather();
  }

  int choose() {
    consider(by_key(RecordScan::By::id, kSqlId, kRowCost));
    consider(by_key(RecordScan::By::order, kSqlOrder, kOrderRowCost));
    for (std::size_t i = 0; i < state_.indexes.size(); ++i) consider(by_index(i));
    return use(best_);
  }

 private:
  // rowid is _order.
  static int column_of(int number) { return number < 0 ? kSqlOrder : number; }

  void gather() {
    for (int i = 0; i < info_.nConstraint; ++i) {
      const auto& term = info_.aConstraint[i];
      if (!term.usable || sqlite3_stricmp(sqlite3_vtab_collation(&info_, i), "BINARY") != 0) {
        continue;
      }
      if (refuses(i)) continue;
      // LIMIT and OFFSET name no column; what they have there is of no meaning.
      ColumnTerms* const of_column = &terms_[static_cast<std::size_t>(
          term.op >= SQLITE_INDEX_CONSTRAINT_LIMIT ? kSqlData : column_of(term.iColumn))];
      switch (term.op) {
        case SQLITE_INDEX_CONSTRAINT_EQ:
          of_column->equal = i;
          break;
        case SQLITE_INDEX_CONSTRAINT_GT:
        case SQLITE_INDEX_CONSTRAINT_GE:
          of_column->from = i;
          break;
        case SQLITE_INDEX_CONSTRAINT_LT:
        case SQLITE_INDEX_CONSTRAINT_LE:
          of_column->to = i;
          break;
        default:
          break;
      }
    }
  }

  // How the value of a term may have been meant.
  SqlDoubt doubt(int term) const {
    const int column = column_of(info_.aConstraint[term].iColumn);
    if (!state_.shape.doubtful() || sql_affinity(state_, column) == SqlAffinity::numeric) {
      return SqlDoubt::none;  // numbers are compared with as numbers
    }
    if (!state_.shape.casts && is_literal(term)) return SqlDoubt::none;
    return state_.shape.compounds ? SqlDoubt::texts : SqlDoubt::numbers;
  }

  // Where SQLite looks the values of an IN up one by one it tests the column against each without
  // an affinity of theirs, and the IN no more. Where that matters it must be known as one.
  bool refuses(int term) const {
    const auto& its = info_.aConstraint[term];
    constexpr int kListsMax = 32;  // sqlite3_vtab_in() knows the first terms only
    return its.op == SQLITE_INDEX_CONSTRAINT_EQ && (state_.shape.row_values || term >= kListsMax) &&
           is_text_or_doubtful(term) && !is_literal(term);
  }
  // Whether the records for an equality are found by looking up its values ourselves.
  bool seeks(int term) const {
    return doubt(term) != SqlDoubt::none || (is_list(term) && is_text_or_doubtful(term));
  }
  bool is_list(int term) const { return sqlite3_vtab_in(&info_, term, -1) != 0; }
  bool is_text_or_doubtful(int term) const {
    const int column = column_of(info_.aConstraint[term].iColumn);
    return sql_affinity(state_, column) == SqlAffinity::text || doubt(term) != SqlDoubt::none;
  }
  // SQLite computes CAST(literal), too, and shows the result in its place.
  bool is_literal(int term) const {
    sqlite3_value* literal = nullptr;
    return sqlite3_vtab_rhs_value(&info_, term, &literal) == SQLITE_OK;
  }

  SqlPlan::Bound bound(int term, unsigned char inclusive_op) const {
    if (term < 0) return SqlPlan::Bound::none;
    return info_.aConstraint[term].op == inclusive_op ? SqlPlan::Bound::inclusive
                                                      : SqlPlan::Bound::exclusive;
  }

  void add_range(Candidate& candidate, int column) const {
    const ColumnTerms& terms = terms_[static_cast<std::size_t>(column)];
    candidate.plan.bounded = column;
    if (terms.equal >= 0) {
      candidate.plan.sought = is_list(terms.equal) ? SqlPlan::Sought::list : SqlPlan::Sought::value;
      candidate.plan.doubt = doubt(terms.equal);
      candidate.terms.push_back(terms.equal);
      candidate.rows *= kEqualShare;
      return;
    }
    candidate.plan.from = bound(terms.from, SQLITE_INDEX_CONSTRAINT_GE);
    candidate.plan.to = bound(terms.to, SQLITE_INDEX_CONSTRAINT_LE);
    for (const int term : {terms.from, terms.to}) {
      if (term < 0) continue;
      candidate.plan.doubt = std::max(candidate.plan.doubt, doubt(term));
      candidate.terms.push_back(term);
      candidate.rows *= kRangeShare;
    }
  }

  Candidate by_key(RecordScan::By by, int column, double row_cost) const {
    Candidate candidate;
    candidate.plan.by = by;
    const int equal = terms_[static_cast<std::size_t>(column)].equal;
    if (equal >= 0 && !seeks(equal)) {
      candidate.plan.single = true;
      candidate.plan.equal = {column};
      candidate.terms = {equal};
      candidate.ordered = true;
      candidate.cost = row_cost;
      return candidate;
    }
    candidate.rows = records_;
    add_range(candidate, column);
    candidate.rows = std::max(1.0, candidate.rows);
    if (equal >= 0) candidate.rows = std::min(candidate.rows, kSoughtIds);
    candidate.cost = candidate.rows * row_cost;
    order(candidate, {column});
    return candidate;
  }

  Candidate by_index(std::size_t index) const {
    const IndexRow& row = state_.indexes[index];
    Candidate candidate;
    candidate.plan.by = RecordScan::By::index;
    candidate.plan.index = index;
    candidate.rows = records_;
    std::vector<int> columns;
    bool equal_so_far = true;
    for (const std::string& path : row.definition.fields) {
      const auto field = std::find_if(
          state_.fields.begin(), state_.fields.end(),
          [&](const SqlField& candidate_field) { return candidate_field.column.path == path; });
      if (field == state_.fields.end()) break;  // no column: the rest of the index is of no use
      const int column = kSqlFirstField + static_cast<int>(field - state_.fields.begin());
      columns.push_back(column);
      const ColumnTerms& terms = terms_[static_cast<std::size_t>(column)];
      if (equal_so_far && terms.equal >= 0 && !seeks(terms.equal)) {
        candidate.plan.equal.push_back(column);
        candidate.terms.push_back(terms.equal);
        candidate.rows *= kEqualShare;
      } else if (equal_so_far) {
        add_range(candidate, column);
        equal_so_far = false;
      }
    }
    const bool all_fields = columns.size() == row.definition.fields.size();
    if (row.definition.unique && candidate.plan.equal.size() == row.definition.fields.size()) {
      candidate.rows = 1;
    }
    candidate.rows = std::max(1.0, candidate.rows);
    candidate.cost = 1 + candidate.rows * kIndexRowCost;
    columns.erase(columns.begin(),
                  columns.begin() + static_cast<std::ptrdiff_t>(candidate.plan.equal.size()));
    if (all_fields) columns.push_back(kSqlOrder);
    order(candidate, columns);
    return candidate;
  }

  // Whether the rows come as ORDER BY asks, if they come by `columns` in turn; those that are equal
  // in all rows do not matter, nor does what follows a column in which no two rows are equal.
  void order(Candidate& candidate, const std::vector<int>& columns) const {
    std::size_t at = 0;
    std::optional<bool> descending;
    for (int i = 0; i < info_.nOrderBy; ++i) {
      const int column = column_of(info_.aOrderBy[i].iColumn);
      const auto& equal = candidate.plan.equal;
      if (std::find(equal.begin(), equal.end(), column) != equal.end()) continue;
      if (at > 0 && (columns[at - 1] == kSqlId || columns[at - 1] == kSqlOrder)) break;
      const bool this_descending = info_.aOrderBy[i].desc != 0;
      if (at == columns.size() || columns[at] != column ||
          descending.value_or(this_descending) != this_descending) {
        return;
      }
      descending = this_descending;
      ++at;
    }
    candidate.ordered = true;
    candidate.plan.descending = descending.value_or(false);
  }

  // What SQLite would have to add to sort the rows.
  double total_cost(const Candidate& candidate) const {
    if (info_.nOrderBy == 0 || candidate.ordered) return candidate.cost;
    return candidate.cost + candidate.rows * std::log2(candidate.rows + 1) / 4;
  }

  void consider(Candidate candidate) {
    if (!chosen_ || total_cost(candidate) < total_cost(best_)) best_ = std::move(candidate);
    chosen_ = true;
  }

  std::string column_name(int column) const {
    if (column == kSqlId) return "id";
    if (column == kSqlOrder) return "_order";
    return state_.fields[static_cast<std::size_t>(column - kSqlFirstField)].column.path;
  }

  std::string text_of(const SqlPlan& plan) const {
    std::string terms;
    const auto add = [&](int column, const char* how) {
      terms += (terms.empty() ? "" : " AND ") + column_name(column) + how;
    };
    for (const int column : plan.equal) add(column, "=?");
    if (plan.sought != SqlPlan::Sought::none) add(plan.bounded, "=?");
    if (plan.from != SqlPlan::Bound::none) {
      add(plan.bounded, plan.from == SqlPlan::Bound::inclusive ? ">=?" : ">?");
    }
    if (plan.to != SqlPlan::Bound::none) {
      add(plan.bounded, plan.to == SqlPlan::Bound::inclusive ? "<=?" : "<?");
    }
    std::string text = plan.by == RecordScan::By::id ? "id" : "_order";
    if (plan.by == RecordScan::By::index) {
      text = "index on ";
      for (const std::string& path : state_.indexes[plan.index].definition.fields) {
        if (!text.ends_with(' ')) text += ", ";
        text += path;
      }
    }
    if (!terms.empty()) text += " (" + terms + ')';
    return plan.descending ? text + " descending" : text;
  }

  int use(const Candidate& candidate) {
    const auto known =
        std::find_if(state_.plans.begin(), state_.plans.end(),
                     [&](const NumberedSqlPlan& plan) { return plan.plan == candidate.plan; });
    info_.idxNum = static_cast<int>(known - state_.plans.begin());
    if (known == state_.plans.end()) {
      state_.plans.push_back({candidate.plan, text_of(candidate.plan)});
    }
    info_.idxStr = state_.plans[static_cast<std::size_t>(info_.idxNum)].text.data();
    info_.needToFreeIdxStr = 0;
    // SQLite tests every term again (`omit` stays unset): a scan may yield more than was asked.
    int argument = 0;
    for (const int term : candidate.terms) info_.aConstraintUsage[term].argvIndex = ++argument;
    if (candidate.plan.sought == SqlPlan::Sought::list) {
      sqlite3_vtab_in(&info_, candidate.terms.back(), 1);  // all at once
    }
    info_.orderByConsumed = info_.nOrderBy > 0 && candidate.ordered ? 1 : 0;
    info_.estimatedCost = candidate.cost;
    info_.estimatedRows = static_cast<sqlite3_int64>(candidate.rows);
    if (candidate.plan.single) info_.idxFlags = SQLITE_INDEX_SCAN_UNIQUE;
    return SQLITE_OK;
  }

  SqlState& state_;
  sqlite3_index_info& info_;
  const double records_;
  std::vector<ColumnTerms> terms_;  // by column
  Candidate best_;
  bool chosen_ = false;
};

}  // namespace

int sql_best_index(sqlite3_vtab* table, sqlite3_index_info* info) noexcept {
  return Planner(static_cast<SqlVirtualTable*>(table)->state, *info).choose();
}

}  // namespace kontract
