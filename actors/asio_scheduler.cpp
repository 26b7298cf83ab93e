#include <boost/asio/post.hpp>
#include <caf/all.hpp>
#include <vector>

#include "actors/detail/asio_scheduler.hpp"
#include "actors/local_run.hpp"

namespace kontract {

namespace {

constexpr std::size_t kLocalRunMax = 64;     // resumes in one scope, before others get their turn
constexpr std::size_t kMessagesPerRun = 32;  // of one actor, likewise

struct LocalJob {
  AsioScheduler* scheduler;
  caf::resumable* job;
};

// What became ready on this thread inside a LocalRun.
struct LocalQueue {
  int scopes = 0;
  std::size_t next = 0;  // of `jobs`
  std::vector<LocalJob> jobs;
};

thread_local LocalQueue local;

class Unit final : public caf::execution_unit {
 public:
  explicit Unit(AsioScheduler* scheduler)
      : caf::execution_unit(&scheduler->system()), scheduler_(scheduler) {}
  void exec_later(caf::resumable* job) override { scheduler_->enqueue(job); }

 private:
  AsioScheduler* scheduler_;
};

}  // namespace

void release_actor_system() { caf::logger::set_current_actor_system(nullptr); }

SpawnScope::SpawnScope(caf::actor_system& system)
    : was_of_it_(caf::logger::current_logger() == &system.logger()) {}

SpawnScope::~SpawnScope() {
  if (!was_of_it_) release_actor_system();
}

LocalRun::LocalRun() { ++local.scopes; }

LocalRun::~LocalRun() {
  if (local.scopes == 1) {
    // Running a job may add jobs; they are part of this scope.
    while (local.next < local.jobs.size()) {
      const LocalJob next = local.jobs[local.next++];
      if (local.next <= kLocalRunMax) {
        next.scheduler->run(next.job);
      } else {
        next.scheduler->post(next.job);
      }
    }
    local.jobs.clear();
    local.next = 0;
    release_actor_system();
  }
  --local.scopes;
}

void AsioScheduler::install(caf::actor_system_config& config, boost::asio::io_context& io) {
  config.set("scheduler.max-throughput", kMessagesPerRun);
  config.module_factories.push_back([&io](caf::actor_system& system) -> caf::actor_system::module* {
    return new AsioScheduler(system, io);
  });
}

AsioScheduler::AsioScheduler(caf::actor_system& system, boost::asio::io_context& io)
    : abstract_coordinator(system), io_(io) {}

void AsioScheduler::enqueue(caf::resumable* job) {
  if (local.scopes > 0 && local.next < kLocalRunMax) {
    local.jobs.push_back({this, job});
  } else {
    post(job);
  }
}

void AsioScheduler::post(caf::resumable* job) {
  {
    const std::lock_guard lock(mutex_);
    ++posted_;
  }
  boost::asio::post(io_, [this, job] {
    {
      LocalRun scope;
      run(job);
    }
    // Under the mutex, so that stop() cannot return, and the scheduler go, before this is over.
    const std::lock_guard lock(mutex_);
    if (--posted_ == 0) idle_.notify_all();
  });
}

void AsioScheduler::run(caf::resumable* job) {
  Unit unit(this);
  switch (job->resume(&unit, max_throughput_)) {
    case caf::resumable::resume_later:
      return post(job);
    case caf::resumable::awaiting_message:
    case caf::resumable::done:
    case caf::resumable::shutdown_execution_unit:
      caf::intrusive_ptr_release(job);
  }
}

void AsioScheduler::start() {
  abstract_coordinator::start();
  timer_ = std::thread([this] { clock_.run_dispatch_loop(); });
}

void AsioScheduler::stop() {
  stop_actors();
  clock_.cancel_dispatch_loop();
  timer_.join();
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [this] { return posted_ == 0; });
}

}  // namespace kontract
