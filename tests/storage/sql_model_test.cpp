// Random writes by the functions of a table and by SQL, compared with a model that keeps a whole
// copy of the table for each transaction. Some runs have indexes that come and go, some have none;
// the log applies and loses batches at random, readers of the past hold versions back. What a query
// or a statement answers is what a search of the copy finds. Each run prints its seed on failure.

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/share.hpp"
#include "tests/storage/index_driver.hpp"
#include "tests/storage/sql_model.hpp"

namespace kontract {
namespace {

using testing::compare_sql;
using testing::Condition;
using testing::ConditionMaker;
using testing::json_value;
using testing::kSession;
using testing::ManualShard;
using testing::model_columns;
using testing::model_field;
using testing::ModelColumn;
using testing::ModelRecords;
using testing::ModelRow;
using testing::mvcc;
using testing::TableDriver;

using Rows = std::vector<const ModelRow*>;

TableRow row_with_schema() {
  TableRow row = testing::users_row();
  row.schema = to_text(Json::parse(testing::kModelSchema));
  return row;
}

Json appended(Json params, const Json& more) {
  for (const Json& param : more) params.push_back(param);
  return params;
}

class SqlModelRun {
 public:
  SqlModelRun(unsigned seed, bool indexed, std::chrono::milliseconds retention)
      : random_(seed), indexed_(indexed), shard_(retention), driver_(shard_) {
    WriteBatch batch;
    put_table(batch, kSession, row_with_schema());
    shard_.commit(std::move(batch));
    reopen();
    change_indexes();
  }

  void steps(int count) {
    for (int i = 0; i < count && !::testing::Test::HasFailure(); ++i) step();
  }
  int by_index() const { return by_index_; }
  int changes() const { return changes_; }

 private:
  unsigned pick(std::size_t below) { return static_cast<unsigned>(random_() % below); }

  void reopen() {
    ASSERT_TRUE(shard_.log().flush());
    driver_.reopen();
    ASSERT_TRUE(driver_.table().set_row(row_with_schema()));
  }

  void step() {
    const unsigned choice = pick(100);
    if (choice < 55) {
      transaction();
    } else if (choice < 65) {
      for (std::size_t left = pick(shard_.log().waiting() + 1); left > 0; --left) {
        shard_.log().apply();
      }
    } else if (choice < 75) {
      read_the_past();
    } else if (choice < 79) {
      readers_.push_back(driver_.last_txid() + 1);
    } else if (choice < 83) {
      if (!readers_.empty()) readers_.erase(readers_.begin() + pick(readers_.size()));
    } else if (choice < 95) {
      maintain();
    } else if (choice < 97) {
      if (pick(3) == 0) change_indexes();
    } else if (choice < 98) {
      if (pick(2) == 0) return;
      shard_.log().fail();
      std::erase_if(states_,
                    [&](const auto& item) { return item.second.second > shard_.log().applied(); });
    } else {
      reopen();
    }
  }

  bool epoch_is_over() { return driver_.table().epoch() != shard_.log().epoch(); }

  void change_indexes() {
    if (!indexed_ || epoch_is_over()) return;
    static const std::vector<IndexDefinition> all = {
        {{"k"}, false}, {{"n"}, false}, {{"s", "n"}, false}, {{"a b"}, false}, {{"address.city"}}};
    std::vector<IndexDefinition> wanted;
    for (const IndexDefinition& definition : all) {
      if (pick(4) != 0) wanted.push_back(definition);
    }
    driver_.table().rollback();
    testing::want_indexes(shard_, driver_.table(), wanted);
    if (pick(4) == 0) return;  // they are built round by round, or not before the next change
    ASSERT_TRUE(shard_.log().flush());
    testing::finish_indexes(shard_, driver_.table());
  }

  void maintain() {
    if (epoch_is_over()) return;
    driver_.table().rollback();
    const Txid next = driver_.last_txid() + 1;
    WriteBatch batch;
    const auto now = std::chrono::system_clock::now() +
                     (pick(2) == 0 ? shard_.options().version_retention + std::chrono::seconds(1)
                                   : std::chrono::seconds(0));
    const auto more = pick(3) != 0 ? driver_.table().maintain_indexes(500, batch)
                                   : driver_.table().collect_garbage(
                                         readers_.empty() ? next : std::min(next, readers_.front()),
                                         now, 500, batch);
    ASSERT_TRUE(more) << more.error().message;
    if (!batch.empty()) {
      shard_.log().append(std::move(batch), driver_.table().epoch(), nullptr);
    }
  }

  // ---- writing

  void transaction() {
    const Txid txid = driver_.last_txid() + 1;
    driver_.begin(readers_.empty() ? txid + 1 : std::min(txid + 1, readers_.front()));
    ModelRecords records = states_.rbegin()->second.first;
    std::uint64_t inserts = 0;
    for (unsigned left = 1 + pick(3); left > 0 && !::testing::Test::HasFailure(); --left) {
      if (!write(txid, records, inserts)) {  // as its owner does when a call fails
        driver_.table().rollback();
        return;
      }
    }
    if (pick(2) == 0) compare(records);
    if (pick(8) == 0) {
      driver_.table().rollback();
      return;
    }
    const Ticket ticket = driver_.end();
    if (ticket != 0) states_[txid] = {std::move(records), ticket};
  }

  std::string random_id() { return "id" + std::to_string(pick(20)); }

  Json random_data() {
    ConditionMaker maker(random_, {});
    Json data{{"rest", ++data_}};
    if (pick(4) != 0) data["k"] = maker.value();
    if (pick(4) != 0) data["n"] = pick(6);
    if (pick(3) != 0) data["s"] = std::vector<Json>{"a", "b", "1", nullptr}[pick(4)];
    if (pick(3) == 0) data["b"] = pick(2) == 0;
    if (pick(3) == 0) data["a b"] = maker.value();
    if (pick(3) == 0) data["address"] = Json{{"city", maker.value()}};
    if (pick(30) == 0) data["address.city"] = maker.value();
    return data;
  }

  void put(ModelRecords& records, const std::string& id, const Json& data, Txid txid,
           std::uint64_t& inserts) {
    const auto [record, inserted] = records.try_emplace(id);
    if (inserted) record->second.order = make_order(txid, inserts++);
    record->second.data = data;
  }

  // False if it is refused.
  bool write(Txid txid, ModelRecords& records, std::uint64_t& inserts) {
    Table& table = driver_.table();
    const std::string id = random_id();
    const Json data = random_data();
    switch (pick(9)) {
      case 0:
        EXPECT_EQ(TableDriver::text_of(table.erase(id)), records.erase(id) > 0 ? "true" : "false");
        return true;
      case 1:
      case 2:
        EXPECT_EQ(TableDriver::text_of(table.set(id, data)), "true");
        put(records, id, data, txid, inserts);
        return true;
      case 3:
        return insert(id, data, txid, records, inserts);
      case 4:
        return copy(txid, records, inserts);
      case 5:
        return erase(records);
      default:
        return update(records);
    }
  }

  bool insert(const std::string& id, const Json& data, Txid txid, ModelRecords& records,
              std::uint64_t& inserts) {
    const unsigned how = pick(3);
    const bool taken = records.contains(id);
    const std::string sql = std::string(how == 0   ? "INSERT"
                                        : how == 1 ? "INSERT OR IGNORE"
                                                   : "INSERT OR REPLACE") +
                            " INTO users (id, data, n) VALUES ($1, $2, $3)";
    const auto number = static_cast<int>(pick(6));
    const auto result = driver_.table().exec(sql, {id, data, number});
    if (taken && how == 0) {
      EXPECT_EQ(TableDriver::text_of(result), "KONTRACT_EXEC_FAILED");
      return false;
    }
    const bool ignored = taken && how == 1;
    expect_changes(result, sql, ignored ? 0 : 1);
    if (ignored) return true;
    Json whole = data;
    whole["n"] = number;
    put(records, id, whole, txid, inserts);
    return true;
  }

  bool copy(Txid txid, ModelRecords& records, std::uint64_t& inserts) {
    Condition where = ConditionMaker(random_, records).make();
    const std::string sql =
        "INSERT OR REPLACE INTO users (id, data) SELECT 'copy' || substr(id, -1), data FROM users "
        "WHERE " +
        where.sql + " AND id LIKE 'id%' ORDER BY id";
    std::vector<std::pair<std::string, Json>> copies;
    for (const ModelRow* row : found(records, where)) {
      const std::string& id = row->first;
      if (id.starts_with("id"))
        copies.emplace_back("copy" + id.substr(id.size() - 1), row->second.data);
    }
    expect_changes(driver_.table().exec(sql, where.params), sql, copies.size());
    for (const auto& [id, data] : copies) put(records, id, data, txid, inserts);
    return true;
  }

  bool erase(ModelRecords& records) {
    Condition where = ConditionMaker(random_, records).make();
    const std::string sql = "DELETE FROM users WHERE " + where.sql;
    std::vector<std::string> ids;
    for (const ModelRow* row : found(records, where)) ids.push_back(row->first);
    if (ids.size() > 6) return true;  // the table would be empty most of the time
    expect_changes(driver_.table().exec(sql, where.params), sql, ids.size());
    for (const std::string& id : ids) records.erase(id);
    return true;
  }

  bool update(ModelRecords& records) {
    ConditionMaker maker(random_, records);
    Condition where = maker.make();
    const bool counts = pick(2) == 0;
    const Json value = counts ? Json(static_cast<int>(pick(3))) : maker.value();
    const std::string sql =
        std::string("UPDATE users SET ") + (counts ? "n = n + ?" : "k = ?") + " WHERE " + where.sql;
    std::vector<std::string> ids;
    for (const ModelRow* row : found(records, where)) ids.push_back(row->first);
    expect_changes(driver_.table().exec(sql, appended(Json::array({value}), where.params)), sql,
                   ids.size());
    for (const std::string& id : ids) {
      Json& data = records[id].data;
      if (counts) {
        const Json old = data.value("n", Json());
        if (old.is_null()) {
          data.erase("n");
        } else {
          data["n"] = old.get<int>() + value.get<int>();
        }
      } else if (value.is_null()) {
        data.erase("k");
      } else {
        data["k"] = json_value(testing::model_value(value));
      }
    }
    return true;
  }

  void expect_changes(const Result<JsonText>& result, const std::string& sql, std::size_t count) {
    ASSERT_TRUE(result) << sql << ": " << result.error().message;
    EXPECT_EQ(Json::parse(*result)["changes"], count) << sql;
    changes_ += static_cast<int>(count);
  }

  // ---- reading

  void read_the_past() {
    if (readers_.empty()) return;
    const Txid newest = driver_.last_txid() + 1;
    const Txid txid = readers_.front() + pick(newest - readers_.front() + 1);
    driver_.begin_at(txid, readers_.front());
    SCOPED_TRACE("reads at " + std::to_string(txid));
    compare(std::prev(states_.lower_bound(txid))->second.first);
  }

  static Rows found(const ModelRecords& records, const Condition& where) {
    Rows rows;
    for (const ModelRow& row : records) {
      if (where.holds(row).value_or(false)) rows.push_back(&row);
    }
    return rows;
  }

  Json rows_of(const std::string& sql, const Json& params) {
    const auto plan = driver_.table().exec("EXPLAIN QUERY PLAN " + sql, params);
    if (plan && plan->find("index on") != plan->npos) ++by_index_;
    const auto result = driver_.table().exec(sql, params);
    EXPECT_TRUE(result) << sql << ": " << result.error().message;
    return result ? Json::parse(*result)["rows"] : Json();
  }

  void compare(const ModelRecords& records) {
    for (int i = 0; i < 3; ++i) compare_select(records);
    compare_groups(records);
    compare_join(records);
    compare_query(records);
  }

  void compare_select(const ModelRecords& records) {
    Condition where = ConditionMaker(random_, records).make();
    std::vector<std::pair<const ModelColumn*, bool>> keys;
    std::string order;
    for (unsigned left = pick(3); left > 0; --left) {
      const bool descending = pick(2) == 0;
      keys.emplace_back(&model_columns()[pick(model_columns().size())], descending);
      order += keys.back().first->sql + (descending ? " DESC, " : ", ");
    }
    Rows rows = found(records, where);
    std::stable_sort(rows.begin(), rows.end(), [&](const ModelRow* a, const ModelRow* b) {
      for (const auto& [column, descending] : keys) {
        const int sign = compare_sql(column->value(*a), column->value(*b));
        if (sign != 0) return descending ? sign > 0 : sign < 0;
      }
      return false;  // by id, as the model has them
    });
    const std::size_t limit = pick(3) == 0 ? 1 + pick(5) : 1000,
                      offset = pick(3) == 0 ? pick(4) : 0;
    const std::string sql = "SELECT id, data, k, s, \"address.city\" AS city FROM users WHERE " +
                            where.sql + " ORDER BY " + order + "id LIMIT ? OFFSET ?";
    Json expected = Json::array();
    for (std::size_t i = offset; i < rows.size() && i < offset + limit; ++i) {
      expected.push_back({{"id", rows[i]->first},
                          {"data", rows[i]->second.data.dump()},
                          {"k", json_value(model_field(*rows[i], "k"))},
                          {"s", json_value(model_field(*rows[i], "s"))},
                          {"city", json_value(testing::model_city(*rows[i]))}});
    }
    const Json params = appended(where.params, Json::array({limit, offset}));
    EXPECT_EQ(rows_of(sql, params), expected) << sql << ' ' << params;
  }

  void compare_groups(const ModelRecords& records) {
    Condition where = ConditionMaker(random_, records).make();
    const auto before = [](const testing::ModelRow* a, const testing::ModelRow* b) {
      return compare_sql(model_field(*a, "k"), model_field(*b, "k")) < 0;
    };
    Rows rows = found(records, where);
    std::stable_sort(rows.begin(), rows.end(), before);
    Json expected = Json::array();
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (i == 0 || before(rows[i - 1], rows[i])) {
        expected.push_back({{"k", json_value(model_field(*rows[i], "k"))},
                            {"c", 0},
                            {"t", nullptr},
                            {"m", rows[i]->first}});
      }
      Json& group = expected.back();
      group["c"] = group["c"].get<int>() + 1;
      const Json number = json_value(model_field(*rows[i], "n"));
      if (!number.is_null())
        group["t"] = (group["t"].is_null() ? 0 : group["t"].get<int>()) + number.get<int>();
    }
    const std::string sql = "SELECT k, count(*) AS c, sum(n) AS t, min(id) AS m FROM users WHERE " +
                            where.sql + " GROUP BY k ORDER BY k";
    EXPECT_EQ(rows_of(sql, where.params), expected) << sql << ' ' << where.params;
  }

  void compare_join(const ModelRecords& records) {
    struct Join {
      const char* on;
      const char *left, *right;
      testing::ModelAffinity affinity;  // of the comparison
    };
    using enum testing::ModelAffinity;
    static const std::vector<Join> joins = {
        {"b.k = a.k", "k", "k", none},    {"b.s = a.k", "k", "s", none},
        {"b.n = a.s", "s", "n", numeric}, {"b.n = a.n", "n", "n", numeric},
        {"b.k = a.n", "n", "k", numeric}, {"b.n = a.k", "k", "n", numeric},
        {"b.s = a.n", "n", "s", numeric}, {"b.k = (SELECT a.n)", "n", "k", numeric}};
    const Join& join = joins[pick(joins.size())];
    const std::string sql =
        std::string("SELECT a.id AS x, b.id AS y FROM users AS a JOIN users AS b ") + "ON " +
        join.on + " AND b.id > a.id ORDER BY x, y";
    Json expected = Json::array();
    for (const ModelRow& a : records) {
      const SqlValue left = with_affinity(model_field(a, join.left), join.affinity);
      if (left == SqlValue()) continue;
      for (const ModelRow& b : records) {
        const SqlValue right = with_affinity(model_field(b, join.right), join.affinity);
        if (b.first > a.first && compare_sql(left, right) == 0) {
          expected.push_back({{"x", a.first}, {"y", b.first}});
        }
      }
    }
    EXPECT_EQ(rows_of(sql, nullptr), expected) << sql;
  }

  void compare_query(const ModelRecords& records) {
    ConditionMaker maker(random_, records);
    Json filter = Json::object();
    if (pick(2) == 0) filter["k"] = maker.value();
    if (pick(2) == 0) filter["n"] = pick(6);
    if (pick(4) == 0) filter["s"] = "a";
    if (pick(4) == 0) filter["address"] = Json{{"city", maker.value()}};
    Rows rows = found(
        records, {"", {}, [&](const ModelRow& row) { return contains(row.second.data, filter); }});
    QueryOptions options{1 + pick(6), "", pick(2) == 0};
    std::sort(rows.begin(), rows.end(), [&](const ModelRow* a, const ModelRow* b) {
      return options.descending ? a->second.order > b->second.order
                                : a->second.order < b->second.order;
    });
    Json expected = Json::array(), seen = Json::array();
    for (const ModelRow* row : rows) {
      expected.push_back({{"id", row->first}, {"data", row->second.data}});
    }
    for (;;) {
      const auto page = driver_.table().query(filter, options);
      ASSERT_TRUE(page) << page.error().message;
      const Json parsed = Json::parse(*page);
      seen = appended(std::move(seen), parsed["rows"]);
      if (parsed["next"].is_null()) break;
      options.after = parsed["next"].get<std::string>();
    }
    EXPECT_EQ(seen, expected) << filter;
  }

  std::mt19937 random_;
  const bool indexed_;
  ManualShard shard_;
  TableDriver driver_;
  // After each transaction; the empty table is state 0, settled from the start.
  std::map<Txid, std::pair<ModelRecords, Ticket>> states_{{0, {}}};
  std::vector<Txid> readers_;  // ascending
  int data_ = 0, by_index_ = 0, changes_ = 0;
};

TEST(SqlModelTest, AStatementAnswersWhatASearchOfTheRecordsFinds) {
  unsigned seed = std::random_device{}();
  int by_index = 0, changes = 0;
  for (const bool indexed : {true, true, false}) {
    for (const auto retention : {std::chrono::hours(0), std::chrono::hours(1)}) {
      SCOPED_TRACE("seed " + std::to_string(seed) + (indexed ? ", with" : ", without") +
                   " indexes, retention " + std::to_string(retention.count()) + " h");
      SqlModelRun run(seed++, indexed, retention);
      run.steps(test::share_of(600));
      if (HasFailure()) return;
      by_index += run.by_index();
      changes += run.changes();
      EXPECT_TRUE(indexed || run.by_index() == 0);
    }
  }
  EXPECT_GT(by_index, test::share_of(500)) << "indexes that are never used prove nothing";
  EXPECT_GT(changes, test::share_of(500)) << "statements that change nothing prove nothing";
}

}  // namespace
}  // namespace kontract
