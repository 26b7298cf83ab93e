#include "runtime/runtime.hpp"

#include <spdlog/spdlog.h>

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <functional>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "actors/detail/asio_scheduler.hpp"
#include "actors/local_run.hpp"
#include "actors/routes.hpp"

namespace kontract {

namespace {

using namespace std::chrono_literals;

constexpr auto kStopPoll = 1ms;  // how often stop() looks whether what it waits for is over

void run_until_stopped(boost::asio::io_context& io) {
  // A handler's exception must not end the thread: Beast lets some escape (docs/architecture.md).
  for (;;) {
    try {
      io.run();
      return;
    } catch (const std::exception& failure) {
      spdlog::error("a handler failed: {}", failure.what());
    }
  }
}

bool wait_for(const std::function<bool()>& over, Clock::time_point until) {
  while (!over()) {
    if (Clock::now() > until) return false;
    std::this_thread::sleep_for(kStopPoll);
  }
  return true;
}

void add_metric(std::string& text, std::string_view name, std::string_view type,
                std::string_view help, std::uint64_t value) {
  text += fmt::format("# HELP kontract_{0} {1}\n# TYPE kontract_{0} {2}\nkontract_{0} {3}\n", name,
                      help, type, value);
}

}  // namespace

// stop() ends them in their order. What is left in the io_context, connections above all, still
// needs the directory when it is destroyed: so the io_context goes before it.
struct Runtime::Parts {
  Options options;
  std::unique_ptr<Store> store;
  caf::actor_system_config config;
  std::unique_ptr<caf::actor_system> actors;
  std::unique_ptr<Directory> directory;
  std::unique_ptr<Front> front;
  boost::asio::io_context io;
  std::optional<boost::asio::executor_work_guard<boost::asio::io_context::executor_type>> work;
  std::vector<std::thread> threads;
  std::shared_ptr<Server> server;
  std::atomic<bool> serving{false};  // `server` is set, and stays
  bool stopped = false;

  explicit Parts(Options given, unsigned thread_count)
      : options(std::move(given)), io(static_cast<int>(thread_count)) {}
};

Runtime::Runtime(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Result<std::unique_ptr<Runtime>> Runtime::start(Options options, Backend backend) {
  if (Status checked = backend.check(); !checked) return std::move(checked).error();
  const unsigned threads =
      options.threads > 0 ? options.threads : std::max(1U, std::thread::hardware_concurrency());
  if (!options.store.alarm) {
    options.store.alarm = Alarm([](const std::string& what) { spdlog::warn("{}", what); });
  }
  std::unique_ptr<Runtime> runtime(
      new Runtime(std::make_unique<Parts>(std::move(options), threads)));
  Parts& parts = *runtime->parts_;

  Result<std::unique_ptr<Store>> store = Store::open(parts.options.store);
  if (!store) return std::move(store).error();
  parts.store = std::move(*store);

  parts.config.set("scheduler.max-threads", static_cast<std::size_t>(threads));
  if (parts.options.scheduler == Scheduler::asio) AsioScheduler::install(parts.config, parts.io);
  parts.work.emplace(parts.io.get_executor());
  for (unsigned i = 0; i < threads; ++i) {
    parts.threads.emplace_back([&io = parts.io] { run_until_stopped(io); });
  }
  parts.actors = std::make_unique<caf::actor_system>(parts.config);
  release_actor_system();  // stop() may come from another thread, and would wait for this one
  const auto shared_backend = std::make_shared<const Backend>(std::move(backend));
  parts.options.sessions.backend = shared_backend;
  parts.directory =
      std::make_unique<Directory>(*parts.actors, *parts.store, parts.options.sessions);

  parts.front = std::make_unique<Front>(*parts.actors, shared_backend, parts.store->shared(),
                                        parts.options.store.alarm);

  if (!parts.options.listen) return runtime;
  parts.options.server.record_bytes_max = parts.options.store.record_bytes_max;
  parts.options.server.record_id_bytes_max = parts.options.store.record_id_bytes_max;
  Server::Parts server;
  server.io = &parts.io;
  server.directory = parts.directory.get();
  server.front = parts.front.get();
  server.routes_text = [shared_backend] { return to_text(routes(*shared_backend)); };
  server.durability = parts.options.store.durability == Durability::sync ? "sync" : "relaxed";
  server.metrics_text = [raw = runtime.get()] { return raw->metrics_text(); };
  Result<std::shared_ptr<Server>> listening = Server::listen(parts.options.server, server);
  if (!listening) return std::move(listening).error();
  parts.server = std::move(*listening);
  parts.serving = true;
  return runtime;
}

Runtime::~Runtime() { stop(); }

std::uint16_t Runtime::port() const { return parts_->server ? parts_->server->port() : 0; }

Directory& Runtime::directory() { return *parts_->directory; }

const Front& Runtime::front() const { return *parts_->front; }

Store& Runtime::store() { return *parts_->store; }

RuntimeMetrics Runtime::metrics() const {
  RuntimeMetrics metrics;
  metrics.store = parts_->store->metrics();
  metrics.sessions = parts_->directory->metrics();
  if (parts_->serving) metrics.server = parts_->server->metrics();
  metrics.calls_in_middleware = parts_->front->in_flight();
  return metrics;
}

std::string Runtime::metrics_text() const {
  const RuntimeMetrics m = metrics();
  std::string text;
  add_metric(text, "connections", "gauge", "Open WebSocket connections.", m.server.connections);
  add_metric(text, "connections_total", "counter", "Accepted connections of any kind.",
             m.server.connections_total);
  add_metric(text, "connections_refused_total", "counter", "Connections over a limit.",
             m.server.refused);
  add_metric(text, "frames_in_total", "counter", "Messages received.", m.server.frames_in);
  add_metric(text, "frames_out_total", "counter", "Messages sent.", m.server.frames_out);
  add_metric(text, "sessions_awake", "gauge", "Sessions with an actor.", m.sessions.awake);
  add_metric(text, "sessions_known", "gauge", "Sessions awake or with a connection.",
             m.sessions.known);
  add_metric(text, "session_wakes_total", "counter", "Sessions woken.", m.sessions.wakes);
  add_metric(text, "session_passivations_total", "counter", "Sessions put to sleep.",
             m.sessions.passivations);
  add_metric(text, "calls_total", "counter", "Calls sent to sessions.", m.sessions.calls);
  add_metric(text, "calls_in_middleware", "gauge", "Calls that middleware is at.",
             m.calls_in_middleware);
  add_metric(text, "commits_total", "counter", "Synced write transactions.", m.store.commits);
  add_metric(text, "batches_total", "counter", "Batches in them.", m.store.batches);
  add_metric(text, "written_bytes_total", "counter", "Keys and values written.",
             m.store.bytes_written);
  add_metric(text, "failed_groups_total", "counter", "Commit groups that failed.",
             m.store.failed_groups);
  add_metric(text, "map_used_bytes", "gauge", "Of the fullest shard's map.",
             m.store.map_used_bytes);
  add_metric(text, "disk_free_bytes", "gauge", "On the data directory's disk.",
             m.store.disk_free_bytes);
  add_metric(text, "writable", "gauge", "1 if writes are taken.", m.store.writable ? 1 : 0);
  return text;
}

void Runtime::stop() {
  Parts& parts = *parts_;
  if (std::exchange(parts.stopped, true)) return;
  const auto until = Clock::now() + parts.options.drain_timeout;
  if (parts.server) {
    parts.server->drain();
    if (!wait_for([&] { return parts.server->drained(); }, until)) {
      spdlog::warn("connections still open after {} ms are cut",
                   parts.options.drain_timeout.count());
    }
    parts.server->stop();
  }
  if (parts.front) {
    parts.front->stop();
    if (!wait_for([&] { return parts.front->stopped(); }, until)) {
      spdlog::warn("calls that are still in middleware are cut");
    }
  }
  if (parts.directory) {
    parts.directory->stop();
    if (!wait_for([&] { return parts.directory->stopped(); }, until)) {
      spdlog::warn("sessions are still busy; waiting for their last commits");
    }
  }
  if (parts.front) parts.front->close();
  // Waits for the actors that are left, while the threads still run them: what they wrote is
  // decided by the commit log, which does not hang for longer than the disk does.
  parts.actors.reset();
  parts.work.reset();
  parts.io.stop();
  for (std::thread& thread : parts.threads) thread.join();
  parts.threads.clear();
  if (parts.store) {
    if (Status flushed = parts.store->flush(); !flushed) {
      spdlog::error("{}", flushed.error().message);
    }
  }
}

}  // namespace kontract
