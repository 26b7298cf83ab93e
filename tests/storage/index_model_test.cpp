// Random operations on a table with indexes that come and go, compared with a model that keeps a
// whole copy of the table for each transaction. The log applies and loses batches at random,
// readers of the past hold versions back, garbage is collected while indexes are built. Whatever an
// index shows is what a search of the copy finds. Each run prints its seed on failure.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "storage/index_key.hpp"
#include "tests/share.hpp"
#include "tests/storage/index_driver.hpp"
#include "tests/storage/sql_order.hpp"

namespace kontract {
namespace {

using testing::compare_sql;
using testing::ids;
using testing::kSession;
using testing::ManualShard;
using testing::mvcc;
using testing::TableDriver;

struct Indexed {
  std::uint64_t order = 0;
  Json data;
};
using Records = std::map<std::string, Indexed>;
using Ids = std::vector<std::string>;

class IndexModelRun {
 public:
  explicit IndexModelRun(unsigned seed, std::chrono::milliseconds retention)
      : random_(seed), shard_(retention), driver_(shard_) {
    WriteBatch batch;
    put_table(batch, kSession, testing::users_row());
    shard_.commit(std::move(batch));
  }

  void steps(int count) {
    for (int i = 0; i < count && !::testing::Test::HasFailure(); ++i) step();
    if (!::testing::Test::HasFailure()) finish();
  }
  int scans_by_index() const { return scans_by_index_; }

 private:
  unsigned pick(std::size_t below) { return static_cast<unsigned>(random_() % below); }
  template <class T>
  const T& one_of(const std::vector<T>& of) {
    return of[pick(of.size())];
  }

  void step() {
    const unsigned choice = pick(100);
    if (choice < 50) {
      transaction();
    } else if (choice < 65) {
      for (std::size_t left = pick(shard_.log().waiting() + 1); left > 0; --left) {
        shard_.log().apply();
      }
    } else if (choice < 73) {
      read_the_past();
    } else if (choice < 76) {
      readers_.push_back(driver_.last_txid() + 1);
    } else if (choice < 80) {
      if (!readers_.empty()) readers_.erase(readers_.begin() + pick(readers_.size()));
    } else if (choice < 94) {
      maintain();
    } else if (choice < 95) {
      if (pick(3) == 0) change_indexes();
    } else if (choice < 98) {
      EXPECT_EQ(testing::index_problems(shard_), Ids{});
    } else if (choice < 99) {
      if (pick(2) == 0) return;
      shard_.log().fail();
      std::erase_if(states_,
                    [&](const auto& item) { return item.second.second > shard_.log().applied(); });
    } else {
      ASSERT_TRUE(shard_.log().flush());
      driver_.reopen();
    }
  }

  Txid oldest_reader() const {
    const Txid next = driver_.last_txid() + 1;
    return readers_.empty() ? next : std::min(next, readers_.front());
  }
  bool epoch_is_over() { return driver_.table().epoch() != shard_.log().epoch(); }

  // ---- writing

  Json random_data() {
    static const std::vector<Json> values = {nullptr, 0, 1, 1.0, true, "a", "b", Json::array({1})};
    Json data{{"n", ++data_}};
    if (pick(5) != 0) data["k"] = one_of(values);
    if (pick(2) == 0) data["address"] = Json{{"city", one_of(values)}};
    if (pick(30) == 0) data["address.city"] = one_of(values);
    if (pick(2) == 0) data["u"] = pick(25);
    return data;
  }

  bool taken(const Records& records, const std::string& id, const Json& data) {
    const auto value = data.find("u");
    return value != data.end() && std::any_of(records.begin(), records.end(), [&](const auto& r) {
             return r.first != id && r.second.data.value("u", Json()) == *value;
           });
  }

  void transaction() {
    const Txid txid = driver_.last_txid() + 1;
    driver_.begin(std::min(txid + 1, readers_.empty() ? txid + 1 : readers_.front()));
    Records records = states_.rbegin()->second.first;
    std::uint64_t inserts = 0;
    for (unsigned left = 1 + pick(4); left > 0; --left) {
      if (!operation(txid, records, inserts)) {
        driver_.table().rollback();
        return;
      }
    }
    if (pick(3) == 0) compare(records);
    if (pick(8) == 0) {
      driver_.table().rollback();
      return;
    }
    const Ticket ticket = driver_.end();
    if (ticket != 0) states_[txid] = {std::move(records), ticket};
  }

  // False if it was refused.
  bool operation(Txid txid, Records& records, std::uint64_t& inserts) {
    Table& table = driver_.table();
    const std::string id = "id" + std::to_string(pick(12));
    if (pick(4) == 0) {
      EXPECT_EQ(TableDriver::text_of(table.erase(id)), records.contains(id) ? "true" : "false");
      records.erase(id);
      return true;
    }
    Json data = random_data();
    // Of its indexed fields an update often changes none, or goes back to earlier values.
    const auto before = records.find(id);
    if (before != records.end() && pick(2) == 0) {
      data = before->second.data;
      data["n"] = ++data_;
    }
    const bool duplicate = taken(records, id, data);
    const bool changes = before == records.end() ||
                         before->second.data.value("u", Json()) != data.value("u", Json());
    const auto result = table.set(id, data);
    const IndexRow* unique = unique_index();
    if (!result) {
      EXPECT_EQ(result.error().code, Errc::schema_violation) << result.error().message;
      EXPECT_TRUE(duplicate && changes && unique != nullptr) << result.error().message;
      return false;
    }
    if (unique != nullptr && unique->state == IndexState::ready) {
      EXPECT_FALSE(duplicate) << id << ' ' << data;
    }
    if (before == records.end()) records[id].order = make_order(txid, inserts++);
    records[id].data = data;
    return true;
  }

  const IndexRow* unique_index() {
    for (const IndexRow& row : driver_.table().index_rows()) {
      if (row.definition.unique && is_kept(row.state)) return &row;
    }
    return nullptr;
  }

  // ---- indexes and garbage

  void change_indexes() {
    if (epoch_is_over()) return;
    static const std::vector<IndexDefinition> all = {
        {{"k"}, false}, {{"address.city", "k"}, false}, {{"u"}, true}, {{"n"}, false}};
    std::vector<IndexDefinition> wanted;
    for (const IndexDefinition& definition : all) {
      if (pick(4) != 0) wanted.push_back(definition);
    }
    driver_.table().rollback();
    testing::want_indexes(shard_, driver_.table(), wanted);
  }

  void maintain() {
    if (epoch_is_over()) return;
    driver_.table().rollback();
    WriteBatch batch;
    const auto now = std::chrono::system_clock::now() +
                     (pick(2) == 0 ? shard_.options().version_retention + std::chrono::seconds(1)
                                   : std::chrono::seconds(0));
    const std::size_t ops_max = 12 + pick(2) * pick(500);
    const auto more = pick(3) != 0
                          ? driver_.table().maintain_indexes(ops_max, batch)
                          : driver_.table().collect_garbage(oldest_reader(), now, ops_max, batch);
    ASSERT_TRUE(more) << more.error().message;
    if (!batch.empty()) {
      shard_.log().append(std::move(batch), driver_.table().epoch(), nullptr);
    }
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

  void compare(const Records& records) {
    for (int i = 0; i < 4; ++i) compare_query(records);
    compare_scans(records);
    for (const IndexRow& index : mvcc(driver_).indexes()) {
      compare_index(records, index, {});
      compare_index(records, index, random_scan(index));
    }
  }

  Ids sorted(const Records& records, bool descending,
             const std::function<bool(const std::string&, const std::string&)>& before) {
    Ids out;
    for (const auto& [id, record] : records) out.push_back(id);
    std::sort(out.begin(), out.end(), before);
    if (descending) std::reverse(out.begin(), out.end());
    return out;
  }
  Ids in_order(const Records& records, bool descending) {
    return sorted(records, descending, [&](const auto& a, const auto& b) {
      return records.at(a).order < records.at(b).order;
    });
  }

  void compare_query(const Records& records) {
    static const std::vector<Json> values = {nullptr, 0, 1, 1.0, true, "a", "c", Json::array({1})};
    Json filter = Json::object();
    if (pick(2) == 0) filter["k"] = one_of(values);
    if (pick(2) == 0) filter["address"] = Json{{"city", one_of(values)}};
    if (pick(6) == 0) filter["address.city"] = one_of(values);
    if (pick(4) == 0) filter["u"] = pick(25);
    const bool descending = pick(2) == 0;
    Ids expected, seen;
    for (const std::string& id : in_order(records, descending)) {
      const Json& data = records.at(id).data;
      if (contains(data, filter)) expected.push_back(id + data.dump());
    }
    QueryOptions options{1 + pick(5), "", descending};
    for (;;) {
      const auto page = driver_.table().query(filter, options);
      ASSERT_TRUE(page) << page.error().message;
      const Json parsed = Json::parse(*page);
      for (const Json& row : parsed["rows"]) {
        seen.push_back(row["id"].get<std::string>() + row["data"].dump());
      }
      if (parsed["next"].is_null()) break;
      options.after = parsed["next"].get<std::string>();
    }
    EXPECT_EQ(seen, expected) << filter;
  }

  void compare_scans(const Records& records) {
    MvccTable& table = mvcc(driver_);
    for (const bool descending : {false, true}) {
      RecordScan scan;
      scan.descending = descending;
      EXPECT_EQ(ids(table, scan), sorted(records, descending, std::less<>()));
      scan.by = RecordScan::By::order;
      EXPECT_EQ(ids(table, scan), in_order(records, descending));
    }
    const std::string id = "id" + std::to_string(pick(12));
    RecordScan one;
    one.id = id;
    EXPECT_EQ(ids(table, one), records.contains(id) ? Ids{id} : Ids{});
    for (const auto& [known, record] : records) {
      const auto found = table.by_order(record.order);
      ASSERT_TRUE(found && *found) << known;
      EXPECT_EQ((*found)->id, known);
      EXPECT_EQ((*found)->data, record.data.dump());
    }
    EXPECT_FALSE(*table.by_order(make_order(driver_.last_txid() + 1, 9)));
  }

  RecordScan random_scan(const IndexRow& index) {
    static const std::vector<SqlValue> values = {
        std::monostate(), std::int64_t{0}, 1.0, std::int64_t{5}, "a", "b"};
    RecordScan scan;
    scan.descending = pick(2) == 0;
    const std::size_t fields = pick(index.definition.fields.size() + 1);
    for (std::size_t i = 0; i < fields; ++i) scan.equal.push_back(one_of(values));
    if (fields == index.definition.fields.size()) return scan;
    if (pick(2) == 0) scan.from = {one_of(values), pick(2) == 0};
    if (pick(2) == 0) scan.to = {one_of(values), pick(2) == 0};
    return scan;
  }

  void compare_index(const Records& records, const IndexRow& index, RecordScan scan) {
    ++scans_by_index_;
    scan.by = RecordScan::By::index;
    scan.index = index.no;
    std::map<std::string, std::vector<SqlValue>> values;
    for (const auto& [id, record] : records) {
      const std::string data = record.data.dump();
      for (const std::string& path : index.definition.fields) {
        values[id].push_back(sql_value(json_field(data, path)));
      }
    }
    const auto before = [&](const auto& a, const auto& b) {
      for (std::size_t i = 0; i < index.definition.fields.size(); ++i) {
        if (const int order = compare_sql(values[a][i], values[b][i]); order != 0) return order < 0;
      }
      return records.at(a).order < records.at(b).order;
    };
    Ids expected = sorted(records, scan.descending, before);
    std::erase_if(expected, [&](const std::string& id) {
      std::size_t at = 0;
      for (; at < scan.equal.size(); ++at) {
        if (compare_sql(values[id][at], scan.equal[at]) != 0) return true;
      }
      const auto outside = [&](const std::optional<RecordScan::Bound>& bound, int side) {
        if (!bound) return false;
        const int order = side * compare_sql(values[id][at], bound->value);
        return order < 0 || (order == 0 && !bound->inclusive);
      };
      return outside(scan.from, 1) || outside(scan.to, -1);
    });
    EXPECT_EQ(ids(mvcc(driver_), scan), expected) << "index " << index.no;
  }

  // ---- the end

  // With nobody left who reads the past, there is an entry for each record in each index.
  void finish() {
    readers_.clear();
    driver_.begin();
    driver_.table().rollback();
    ASSERT_TRUE(shard_.log().flush());
    shard_.commit({});  // is applied, whatever of the tickets before it was lost
    testing::finish_indexes(shard_, driver_.table());
    driver_.settle(std::chrono::system_clock::now() + shard_.options().version_retention +
                   std::chrono::seconds(1));
    EXPECT_EQ(testing::index_problems(shard_), Ids{});

    const Records& records = states_.rbegin()->second.first;
    driver_.reopen();
    EXPECT_FALSE(driver_.table().indexes_unfinished() &&
                 testing::finish_indexes(shard_, driver_.table()) == 0);
    driver_.begin();
    compare(records);
    const IndexSet ready(mvcc(driver_).indexes());
    std::set<std::string> expected, stored;
    for (const auto& [id, record] : records) {
      for (const std::string& entry : ready.entries(record.data.dump())) {
        expected.insert(format::index_key({kSession, 1, entry, record.order}).str());
      }
    }
    for (const auto& [key, value] : shard_.rows(Keyspace::indexes)) stored.insert(key);
    EXPECT_EQ(stored, expected);
  }

  std::mt19937 random_;
  ManualShard shard_;
  TableDriver driver_;
  // After each transaction; the empty table is state 0, settled from the start.
  std::map<Txid, std::pair<Records, Ticket>> states_{{0, {}}};
  std::vector<Txid> readers_;  // ascending
  int data_ = 0;
  int scans_by_index_ = 0;
};

TEST(IndexModelTest, WhatAnIndexShowsIsWhatASearchFinds) {
  unsigned seed = std::random_device{}();
  int scans_by_index = 0;
  const int runs = test::share_of(6) + 1;
  for (const auto retention : {std::chrono::hours(0), std::chrono::hours(1)}) {
    for (int i = 0; i < runs; ++i, ++seed) {
      SCOPED_TRACE("seed " + std::to_string(seed) + ", retention " +
                   std::to_string(retention.count()) + " h");
      IndexModelRun run(seed, retention);
      run.steps(1200);
      if (HasFailure()) return;
      scans_by_index += run.scans_by_index();
    }
  }
  EXPECT_GT(scans_by_index, 2 * runs * 80) << "indexes that are never ready prove nothing";
}

}  // namespace
}  // namespace kontract
