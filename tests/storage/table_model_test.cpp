// Random operations on a table, compared step by step with a model that keeps a whole copy of the
// table for each transaction. The log applies and loses batches at random, readers of the past hold
// versions back, garbage is collected, the table is reopened. Each run prints its seed on failure.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "storage/format.hpp"
#include "tests/share.hpp"
#include "tests/storage/table_driver.hpp"

namespace kontract {
namespace {

using testing::kSession;
using testing::ManualShard;
using testing::TableDriver;

struct Record {
  std::uint64_t order = 0;
  Json data;
};
using State = std::map<std::string, Record>;

// The table after each transaction that changed it.
class Model {
 public:
  // What a transaction sees: the last state before it.
  const State& before(Txid txid) const {
    return std::prev(states_.lower_bound(txid))->second.first;
  }
  const State& latest() const { return states_.rbegin()->second.first; }
  void commit(Txid txid, Ticket ticket, State state) { states_[txid] = {std::move(state), ticket}; }
  void lose_after(Ticket applied) {
    std::erase_if(states_, [&](const auto& item) { return item.second.second > applied; });
  }
  // The ticket that gave the record the state a transaction sees, if it came after `applied`.
  Ticket pending_ticket(Txid reader, const std::string& id, Ticket applied) const {
    Ticket found = 0;
    const State* older = nullptr;
    for (const auto& [txid, entry] : states_) {
      if (txid >= reader) break;
      if (older != nullptr && text(*older, id) != text(entry.first, id)) found = entry.second;
      older = &entry.first;
    }
    return found > applied ? found : 0;
  }
  static std::string text(const State& state, const std::string& id) {
    const auto record = state.find(id);
    return record == state.end() ? "null" : record->second.data.dump();
  }

 private:
  // The empty table is state 0, settled from the start.
  std::map<Txid, std::pair<State, Ticket>> states_{{0, {}}};
};

std::vector<std::string> in_order(const State& state, bool descending) {
  std::vector<std::string> ids;
  for (const auto& [id, record] : state) ids.push_back(id);
  std::sort(ids.begin(), ids.end(), [&](const auto& a, const auto& b) {
    const auto x = state.at(a).order, y = state.at(b).order;
    return descending ? x > y : x < y;
  });
  return ids;
}

class ModelRun {
 public:
  ModelRun(unsigned seed, std::chrono::milliseconds retention)
      : random_(seed), shard_(retention), driver_(shard_) {}

  void steps(int count) {
    for (int i = 0; i < count && !::testing::Test::HasFatalFailure(); ++i) step();
    finish();
  }

 private:
  unsigned pick(unsigned below) { return static_cast<unsigned>(random_() % below); }

  void step() {
    const unsigned choice = pick(100);
    if (choice < 60) {
      transaction();
    } else if (choice < 75) {
      shard_.log().apply();
    } else if (choice < 83) {
      read_the_past();
    } else if (choice < 87) {
      readers_.push_back(driver_.last_txid() + 1);
    } else if (choice < 92) {
      if (!readers_.empty()) readers_.erase(readers_.begin() + pick(size_of(readers_)));
    } else if (choice < 96) {
      collect();
    } else if (choice < 98) {
      check_rows();
    } else if (choice < 99) {
      shard_.log().fail();
      model_.lose_after(shard_.log().applied());
    } else {
      ASSERT_TRUE(shard_.log().flush());
      driver_.reopen();
    }
  }

  template <class T>
  static unsigned size_of(const T& container) {
    return static_cast<unsigned>(container.size());
  }

  // Readers hold a place in time: what they see must stay until they go.
  Txid oldest_reader(Txid otherwise) const {
    return readers_.empty() ? otherwise : std::min(otherwise, readers_.front());
  }

  void transaction() {
    const Txid txid = driver_.last_txid() + 1;
    driver_.begin(oldest_reader(txid + 1));
    State state = model_.latest();
    std::uint64_t inserts = 0;
    bool wrote = false;
    const unsigned operations = pick(4) == 0 ? 2 + pick(6) : 1;
    for (unsigned i = 0; i < operations; ++i)
      wrote |= operation(txid, state, inserts, operations == 1);
    if (pick(8) == 0) {
      driver_.table().rollback();
      return;
    }
    const Ticket ticket = driver_.end();
    if (ticket != 0) model_.commit(txid, ticket, std::move(state));
    // A transaction whose changes cancel out may stage nothing, but never the other way round.
    EXPECT_TRUE(wrote || ticket == 0);
  }

  bool operation(Txid txid, State& state, std::uint64_t& inserts, bool single) {
    Table& table = driver_.table();
    const std::string id = "id" + std::to_string(pick(12));
    const Json data{{"k", pick(3)}, {"n", ++data_}};
    const auto insert = [&](const std::string& new_id) {
      state[new_id] = {make_order(txid, inserts++), data};
    };
    switch (pick(9)) {
      case 0: {
        EXPECT_EQ(text(table.get(id)), Model::text(state, id));
        const Ticket pending = model_.pending_ticket(txid, id, shard_.log().applied());
        if (single) {
          EXPECT_GE(table.observed(), pending) << id;
        }
        return false;
      }
      case 1:
      case 2:
        EXPECT_EQ(text(table.set(id, data)), "true");
        if (auto found = state.find(id); found != state.end()) {
          found->second.data = data;
        } else {
          insert(id);
        }
        return true;
      case 3: {
        const Json partial{{"k", data["k"]}, {"u" + std::to_string(pick(2)), data_}};
        EXPECT_EQ(text(table.update(id, partial)), "true");
        if (!state.contains(id)) {
          insert(id);
          state[id].data = Json::object();
        }
        state[id].data.update(partial);
        return true;
      }
      case 4:
        EXPECT_EQ(text(table.erase(id)), state.contains(id) ? "true" : "false");
        return state.erase(id) != 0;
      case 5: {
        const auto pushed = table.push(data);
        EXPECT_TRUE(pushed);
        insert(Json::parse(*pushed).get<std::string>());
        return true;
      }
      case 6:
      case 7: {
        const bool pop = pick(2) == 0;
        const auto ids = in_order(state, pop);
        EXPECT_EQ(text(pop ? table.pop() : table.shift()),
                  ids.empty() ? "null" : state[ids[0]].data.dump());
        if (!ids.empty()) state.erase(ids[0]);
        return !ids.empty();
      }
      default:
        compare(state);
        return false;
    }
  }

  // The whole table through pages of random size, and its count.
  void compare(const State& state) {
    Table& table = driver_.table();
    const bool descending = pick(2) == 0;
    const Json filter = pick(2) == 0 ? Json() : Json{{"k", pick(3)}};
    std::string expected, seen;
    for (const std::string& id : in_order(state, descending)) {
      const Json& data = state.at(id).data;
      if (filter.is_null() || data["k"] == filter["k"]) expected += id + data.dump() + '\n';
    }
    QueryOptions options{1 + pick(5), "", descending};
    for (;;) {
      const auto page = table.query(filter, options);
      ASSERT_TRUE(page) << page.error().message;
      const Json parsed = Json::parse(*page);
      for (const Json& row : parsed["rows"]) {
        seen += row["id"].get<std::string>() + row["data"].dump() + '\n';
      }
      if (parsed["next"].is_null()) break;
      options.after = parsed["next"].get<std::string>();
    }
    EXPECT_EQ(seen, expected);
    EXPECT_EQ(*table.count(), state.size());
  }

  void read_the_past() {
    if (readers_.empty()) return;
    // Any time that is not before the oldest reader may be read.
    const Txid newest = driver_.last_txid() + 1;
    const Txid txid = readers_.front() + pick(static_cast<unsigned>(newest - readers_.front() + 1));
    driver_.begin_at(txid, readers_.front());
    SCOPED_TRACE("reads at " + std::to_string(txid));
    const State& state = model_.before(txid);
    for (int i = 0; i < 12; ++i) {
      const std::string id = "id" + std::to_string(i);
      EXPECT_EQ(text(driver_.table().get(id)), Model::text(state, id)) << id;
    }
    compare(state);
    EXPECT_TRUE(driver_.table().staged().empty());
  }

  void collect() {
    // Half of the time the retention is over.
    const auto now = std::chrono::system_clock::now() +
                     (pick(2) == 0 ? shard_.options().version_retention + std::chrono::seconds(1)
                                   : std::chrono::seconds(0));
    WriteBatch batch;
    const auto more = driver_.table().collect_garbage(oldest_reader(driver_.last_txid() + 1), now,
                                                      3 + pick(30), batch);
    ASSERT_TRUE(more) << more.error().message;
    if (batch.empty()) return;
    shard_.log().append(std::move(batch), driver_.table().epoch(), nullptr);
  }

  // Whatever was collected so far: each version has its order row, and each row that is not the
  // newest of its id, as well as each tombstone, is known as garbage.
  void check_rows() {
    ASSERT_TRUE(shard_.log().flush());
    std::map<std::uint64_t, std::string> orders;
    for (const auto& [key, value] : shard_.rows(Keyspace::order)) {
      orders[format::parse_order_key(key)->order] = *format::parse_order(key, value);
    }
    std::set<std::pair<std::string, Txid>> garbage;
    for (const auto& [key, value] : shard_.rows(Keyspace::garbage)) {
      const auto row = format::parse_garbage_key(key);
      EXPECT_TRUE(garbage.emplace(row->id, row->old).second);
    }
    std::set<std::uint64_t> used;
    std::string newest;
    std::size_t known = 0;
    for (const auto& [key, value] : shard_.rows(Keyspace::versions)) {
      const auto place = format::parse_version_key(key);
      const auto row = format::parse_version(key, value);
      ASSERT_TRUE(place && row);
      const std::string id(place->id);
      const bool superseded = std::exchange(newest, id) == id;
      const bool is_garbage = garbage.contains({id, place->txid});
      EXPECT_EQ(is_garbage, superseded || row->tombstone) << id << " txid " << place->txid;
      known += is_garbage;
      if (row->tombstone) continue;
      EXPECT_EQ(orders[row->order], id);
      used.insert(row->order);
    }
    EXPECT_EQ(known, garbage.size());
    EXPECT_EQ(used.size(), orders.size());
  }

  // With nobody left who reads the past, LMDB holds the records and nothing else.
  void finish() {
    readers_.clear();
    driver_.settle(std::chrono::system_clock::now() + shard_.options().version_retention +
                   std::chrono::seconds(1));
    const State& state = model_.latest();
    std::map<std::string, std::string> stored;
    std::map<std::string, std::uint64_t> orders;
    for (const auto& [key, value] : shard_.rows(Keyspace::versions)) {
      const auto row = format::parse_version(key, value);
      ASSERT_TRUE(row && !row->tombstone);
      const std::string id(format::parse_version_key(key)->id);
      EXPECT_TRUE(stored.emplace(id, row->data).second) << "two versions of " << id;
      orders[id] = row->order;
      EXPECT_EQ(row->owner, "tenant");
    }
    ASSERT_EQ(stored.size(), state.size());
    for (const auto& [id, data] : stored) EXPECT_EQ(data, Model::text(state, id));
    const auto order_rows = shard_.rows(Keyspace::order);
    EXPECT_EQ(order_rows.size(), state.size());
    for (const auto& [key, value] : order_rows) {
      EXPECT_EQ(format::parse_order_key(key)->order,
                orders[std::string(*format::parse_order(key, value))]);
    }
    EXPECT_TRUE(shard_.rows(Keyspace::garbage).empty());

    driver_.reopen();
    driver_.begin();
    compare(state);
  }

  static std::string text(const Result<JsonText>& result) { return TableDriver::text_of(result); }

  std::mt19937 random_;
  ManualShard shard_;
  TableDriver driver_;
  Model model_;
  std::vector<Txid> readers_;  // ascending
  int data_ = 0;
};

TEST(TableModelTest, ATableDoesWhatTheModelDoes) {
  unsigned seed = std::random_device{}();
  for (const auto retention : {std::chrono::hours(0), std::chrono::hours(1)}) {
    for (int i = 0; i < 4; ++i, ++seed) {
      SCOPED_TRACE("seed " + std::to_string(seed) + ", retention " +
                   std::to_string(retention.count()) + " h");
      ModelRun(seed, retention).steps(test::share_of(1500));
      if (HasFailure()) return;
    }
  }
}

}  // namespace
}  // namespace kontract
