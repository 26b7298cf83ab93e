// History: what clients did to a table of registers, and whether it can have been so. A checker of
// serializability with versions: txids say where everything claims to have happened.
//
// - What a transaction saw must be what the transactions with a lower txid left, and its own
// writes.
// - What one that wrote saw must still have been so at its commit, whose txid is its place.
// - What was answered happened; what was refused did not; what nobody knows of is looked up.
// - Whoever began after an answer has a higher txid than what was answered.

#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "storage/json.hpp"

namespace kontract::test {

struct Step {
  enum class Kind : std::uint8_t {
    get,     // seen: the record or null
    select,  // seen: {"id": record, ...} of all in this group
    set,     // data
    erase,
  };
  Kind kind;
  std::string id = {};
  int group = 0;
  Json data = nullptr;
  Json seen = nullptr;
};

struct Transaction {
  enum class Outcome : std::uint8_t { committed, refused, unknown };
  std::string name;            // of its marker, if it wrote
  std::uint64_t begin = 0;     // its steps see what is before this txid
  std::uint64_t commit = 0;    // if committed
  std::uint64_t asked = 0;     // two moments of real time: before it began,
  std::uint64_t answered = 0;  // and after its end was answered
  Outcome outcome = Outcome::unknown;
  std::vector<Step> steps = {};

  bool writes() const {
    for (const Step& step : steps) {
      if (step.kind == Step::Kind::set || step.kind == Step::Kind::erase) return true;
    }
    return false;
  }
};

// Records as they are at some point.
using Registers = std::map<std::string, Json>;

class HistoryChecker {
 public:
  // `markers`: the txid of each transaction that is in the store.
  HistoryChecker(std::vector<Transaction> all, const std::map<std::string, std::uint64_t>& markers)
      : all_(std::move(all)) {
    for (Transaction& one : all_) settle(one, markers);
    for (const Transaction& one : all_) {
      if (one.outcome == Transaction::Outcome::committed && one.writes()) write(one);
    }
    for (const Transaction& one : all_) {
      replay(one, one.begin, "saw what was not so at its begin");
      if (one.outcome != Transaction::Outcome::committed || !one.writes()) continue;
      ++committed_;
      replay(one, one.commit, "saw what was not so any more at its commit");
    }
    check_real_time();
  }

  const std::vector<std::string>& problems() const { return problems_; }
  std::size_t committed() const { return committed_; }  // of those that wrote

 private:
  void settle(Transaction& one, const std::map<std::string, std::uint64_t>& markers) {
    if (!one.writes()) return;
    const auto marker = markers.find(one.name);
    const bool is_there = marker != markers.end();
    if (one.outcome == Transaction::Outcome::committed) {
      if (!is_there) {
        problem(one, "was acknowledged and is not there");
        one.outcome = Transaction::Outcome::refused;
      } else if (marker->second != one.commit) {
        problem(one, "is there under another txid");
      }
    } else if (is_there) {
      if (one.outcome == Transaction::Outcome::refused) problem(one, "was refused and is there");
      one.outcome = Transaction::Outcome::committed;
      one.commit = marker->second;
    } else {
      one.outcome = Transaction::Outcome::refused;
    }
  }

  void write(const Transaction& one) {
    for (const Step& step : one.steps) {
      if (step.kind == Step::Kind::set) versions_[step.id][one.commit] = step.data;
      if (step.kind == Step::Kind::erase) versions_[step.id][one.commit] = nullptr;
    }
  }

  Registers before(std::uint64_t txid) const {
    Registers now;
    for (const auto& [id, versions] : versions_) {
      const auto after = versions.lower_bound(txid);
      if (after == versions.begin()) continue;
      const Json& data = std::prev(after)->second;
      if (!data.is_null()) now[id] = data;
    }
    return now;
  }

  void replay(const Transaction& one, std::uint64_t txid, const std::string& what) {
    Registers now = before(txid);
    for (const Step& step : one.steps) {
      Json expected = nullptr;
      if (step.kind == Step::Kind::set) {
        now[step.id] = step.data;
      } else if (step.kind == Step::Kind::erase) {
        now.erase(step.id);
      } else if (step.kind == Step::Kind::get) {
        if (const auto found = now.find(step.id); found != now.end()) expected = found->second;
      } else {
        expected = Json::object();
        for (const auto& [id, data] : now) {
          if (data["g"] == step.group) expected[id] = data;
        }
      }
      if (step.seen == expected) continue;
      return problem(one, what + ": " + step.id + " as " + step.seen.dump() + " instead of " +
                              expected.dump());
    }
  }

  void check_real_time() {
    std::map<std::uint64_t, std::uint64_t> highest;  // by the moment of the answer
    for (const Transaction& one : all_) {
      if (one.answered != 0 && one.outcome == Transaction::Outcome::committed) {
        highest[one.answered] = one.writes() ? one.commit : one.begin;
      }
    }
    std::uint64_t so_far = 0;
    for (auto& [moment, txid] : highest) txid = so_far = std::max(so_far, txid);
    for (const Transaction& one : all_) {
      const auto later = highest.lower_bound(one.asked);
      if (later == highest.begin() || one.begin == 0) continue;
      if (std::prev(later)->second > one.begin) problem(one, "began before what was answered");
    }
  }

  void problem(const Transaction& one, const std::string& what) {
    problems_.push_back(one.name + " (" + std::to_string(one.begin) + ", " +
                        std::to_string(one.commit) + ") " + what);
  }

  std::vector<Transaction> all_;
  std::map<std::string, std::map<std::uint64_t, Json>> versions_;
  std::vector<std::string> problems_;
  std::size_t committed_ = 0;
};

}  // namespace kontract::test
