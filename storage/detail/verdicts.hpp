// Verdicts: whom a commit log is to tell what became of his batch, once its mutex is free.

#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "storage/commit_log.hpp"

namespace kontract {

// Collects under the mutex, tells when it is destroyed: declare it before the lock.
class Verdicts {
 public:
  Verdicts() = default;
  Verdicts(const Verdicts&) = delete;
  Verdicts& operator=(const Verdicts&) = delete;
  ~Verdicts() {
    const Status ok;
    for (auto& [waiter, failed] : told_) waiter->settled(failed ? failure_ : ok);
  }
  void succeed(std::unique_ptr<Settled> waiter) {
    if (waiter) told_.push_back({std::move(waiter), false});
  }
  void fail(std::unique_ptr<Settled> waiter, const Error& error) {
    if (!waiter) return;
    if (failure_) failure_ = error;
    told_.push_back({std::move(waiter), true});
  }

 private:
  struct Told {
    std::unique_ptr<Settled> waiter;
    bool failed;
  };
  std::vector<Told> told_;
  Status failure_;
};

}  // namespace kontract
