#include "runtime/runtime.hpp"

#include <spdlog/spdlog.h>

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "actors/detail/asio_scheduler.hpp"
#include "actors/local_run.hpp"
#include "actors/routes.hpp"
#include "net/server_identity.hpp"
#include "net/signing_keys.hpp"
#include "net/token_keyring.hpp"
#include "runtime/detail/local_caller.hpp"
#include "storage/assert.hpp"

namespace kontract {

namespace {

using namespace std::chrono_literals;

constexpr auto kNever = Clock::time_point::max();
constexpr auto kStopPoll = 1ms;       // how often stop() looks whether what it waits for is over
constexpr auto kLastAnswers = 200ms;  // of sessions, on their way back through middleware

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

void add_metric(std::string& text, std::string_view name, std::string_view type,
                std::string_view help, std::uint64_t value) {
  text += fmt::format("# HELP kontract_{0} {1}\n# TYPE kontract_{0} {2}\nkontract_{0} {3}\n", name,
                      help, type, value);
}

}  // namespace

// stop() ends them in their order. What is left in an io_context of its own, connections above all,
// still needs the directory when it is destroyed: so the io_context goes before it.
struct Runtime::Parts {
  Options options;
  const Host host;
  std::unique_ptr<Store> store;
  caf::actor_system_config config;
  std::unique_ptr<caf::actor_system> own_actors;
  std::unique_ptr<Directory> directory;
  std::unique_ptr<AlarmClock> alarm_clock;
  std::unique_ptr<Front> front;
  std::shared_ptr<AccountTable> account_table;  // null: there are no accounts, or another's
  std::unique_ptr<boost::asio::io_context> own_io;
  boost::asio::io_context& io;
  std::optional<boost::asio::executor_work_guard<boost::asio::io_context::executor_type>> work;
  std::vector<std::thread> threads;
  std::shared_ptr<Server> server;
  std::shared_ptr<detail::LocalReturn> local;
  std::atomic<bool> serving{false};  // `server` is set, and stays
  std::mutex stop_mutex;
  bool stopped = false;                      // under stop_mutex
  std::atomic<std::thread::id> stopping_on;  // the thread that is, or was, in stop()
  bool io_was_stopped = false;               // by the program

  Parts(Options given, const Host& lent, unsigned thread_count)
      : options(std::move(given)),
        host(lent),
        own_io(host.io == nullptr
                   ? std::make_unique<boost::asio::io_context>(static_cast<int>(thread_count))
                   : nullptr),
        io(own_io ? *own_io : *host.io),
        work(io.get_executor()),
        local(std::make_shared<detail::LocalReturn>(io)) {}

  caf::actor_system& start_actors(unsigned thread_count);
  Result<std::shared_ptr<AccountProvider>> start_accounts();
  bool run_one();
  bool wait_for(const std::function<bool()>& over, Clock::time_point until = kNever);
};

caf::actor_system& Runtime::Parts::start_actors(unsigned thread_count) {
  if (host.actors != nullptr) return *host.actors;
  config.set("scheduler.max-threads", static_cast<std::size_t>(thread_count));
  if (options.scheduler == Scheduler::asio) AsioScheduler::install(config, io);
  own_actors = std::make_unique<caf::actor_system>(config);
  release_actor_system();  // stop() may come from another thread, and would wait for this one
  return *own_actors;
}

// Null: there are none. REQUIRES: options.server.signing_keys is set.
Result<std::shared_ptr<AccountProvider>> Runtime::Parts::start_accounts() {
  if (!options.accounts && !options.account_provider) return std::shared_ptr<AccountProvider>();
  ServerOptions ours;  // keys of a provider sign nothing here
  ours.secret = options.server.secret;
  ours.signing_keys = options.server.signing_keys;
  if (!tokens_required(ours)) {
    const auto kid = rotate_signing_keys(ours.signing_keys);
    if (!kid) return kid.error();
    spdlog::info("made the signing key {} for the tokens of accounts", *kid);
  }
  if (options.account_provider) return options.account_provider;
  account_table = std::make_shared<AccountTable>(*directory, options.account_table);
  return std::shared_ptr<AccountProvider>(account_table);
}

// Runs a handler of a lent io_context if one is ready; true if it did.
bool Runtime::Parts::run_one() {
  if (io.stopped()) {
    io_was_stopped = true;
    io.restart();
  }
  try {
    return io.poll_one() > 0;
  } catch (const std::exception& failure) {
    spdlog::error("a handler failed: {}", failure.what());
    return true;
  }
}

// On a lent io_context this thread may be the only one that can run what is waited for.
bool Runtime::Parts::wait_for(const std::function<bool()>& over, Clock::time_point until) {
  while (!over()) {
    if (Clock::now() > until) return false;
    if (!own_io && run_one()) continue;
    std::this_thread::sleep_for(kStopPoll);
  }
  return true;
}

Runtime::Runtime(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Result<std::unique_ptr<Runtime>> Runtime::start(Options options, Backend backend, Host host) {
  if (Status checked = backend.check(); !checked) return std::move(checked).error();
  const unsigned threads =
      options.threads > 0 ? options.threads : std::max(1U, std::thread::hardware_concurrency());
  if (!options.store.alarm) {
    options.store.alarm = Alarm([](const std::string& what) { spdlog::warn("{}", what); });
  }
  std::unique_ptr<Runtime> runtime(
      new Runtime(std::make_unique<Parts>(std::move(options), host, threads)));
  Parts& parts = *runtime->parts_;

  Result<std::unique_ptr<Store>> store = Store::open(parts.options.store);
  if (!store) return std::move(store).error();
  parts.store = std::move(*store);

  for (unsigned i = 0; parts.own_io && i < threads; ++i) {
    parts.threads.emplace_back([&io = parts.io] { run_until_stopped(io); });
  }
  caf::actor_system& actors = parts.start_actors(threads);
  const auto shared_backend = std::make_shared<const Backend>(std::move(backend));
  parts.options.sessions.backend = shared_backend;
  parts.options.sessions.on_destroyed =
      [raw = runtime->parts_.get(),
       also = parts.options.sessions.on_destroyed](const std::string& sid) {
        if (raw->serving) raw->server->session_destroyed(sid);
        if (also) also(sid);
      };
  parts.directory = std::make_unique<Directory>(actors, *parts.store, parts.options.sessions);
  parts.front = std::make_unique<Front>(actors, shared_backend, parts.store->shared(),
                                        parts.options.store.alarm);

  if (parts.options.server.signing_keys.empty()) {
    parts.options.server.signing_keys = (parts.options.store.data / kSigningKeysFile).string();
  }
  auto accounts = parts.start_accounts();
  if (!accounts) return std::move(accounts).error();
  if (parts.options.server.identity_keys.empty()) {
    parts.options.server.identity_keys = (parts.options.store.data / kIdentityFile).string();
  }
  parts.options.server.record_bytes_max = parts.options.store.record_bytes_max;
  parts.options.server.record_id_bytes_max = parts.options.store.record_id_bytes_max;
  Server::Parts server;
  server.io = &parts.io;
  server.directory = parts.directory.get();
  server.front = parts.front.get();
  server.shared = &parts.store->shared();
  server.accounts = std::move(*accounts);
  server.store = parts.store.get();
  server.routes_text = [shared_backend] { return to_text(routes(*shared_backend)); };
  server.durability = parts.options.store.durability == Durability::sync ? "sync" : "relaxed";
  server.metrics_text = [raw = runtime.get()] { return raw->metrics_text(); };
  Result<std::shared_ptr<Server>> started =
      parts.options.listen ? Server::listen(parts.options.server, std::move(server))
                           : Server::without_listener(parts.options.server, std::move(server));
  if (!started) return std::move(started).error();
  parts.alarm_clock = std::make_unique<AlarmClock>(*parts.store, *parts.directory);
  parts.server = std::move(*started);
  parts.serving = true;
  return runtime;
}

Runtime::~Runtime() { stop(); }

std::uint16_t Runtime::port() const { return parts_->server->port(); }

std::string Runtime::identity() const { return parts_->server->identity(); }

Directory& Runtime::directory() { return *parts_->directory; }

const Front& Runtime::front() const { return *parts_->front; }

Store& Runtime::store() { return *parts_->store; }

LocalSession Runtime::session(std::string owner, std::string name) {
  Peer caller;
  caller.owner = std::move(owner);
  caller.perm = perms::RWX;
  caller.ugroups = {"admin"};
  return session(std::move(caller), std::move(name));
}

LocalSession Runtime::session(Peer caller, std::string name) {
  const auto find = [&]() -> Result<std::shared_ptr<Entrance>> {
    if (caller.only_session && *caller.only_session != name) {
      return Error(Errc::forbidden, "The caller is allowed another session only");
    }
    auto handle = parts_->directory->find({caller.owner, std::move(name)});
    if (!handle) return std::move(handle).error();
    return parts_->front->entrance(std::move(*handle));
  };
  caller.method = "LOCAL";
  auto entrance = find();
  const ServerOptions& options = parts_->options.server;
  return LocalSession(std::make_shared<detail::LocalCaller>(
      parts_->local, std::move(caller), std::move(entrance), options.call_timeout,
      JsonLimits{.depth = options.json_depth_max}));
}

Status Runtime::take_over(int socket, std::string_view received) {
  const detail::LocalReturn::Visit visit(*parts_->local);
  return parts_->server->accept(socket, received);
}

Status Runtime::reload_tls() { return parts_->server->reload_tls(); }

RuntimeMetrics Runtime::metrics() const {
  RuntimeMetrics metrics;
  metrics.store = parts_->store->metrics();
  metrics.sessions = parts_->directory->metrics();
  if (parts_->serving) metrics.server = parts_->server->metrics();
  if (parts_->serving) metrics.alarms = parts_->alarm_clock->metrics();
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
  text +=
      "# HELP kontract_refused_total The same, and requests that were refused, by reason.\n"
      "# TYPE kontract_refused_total counter\n";
  for (std::size_t i = 0; i < kRefusals; ++i) {
    text += fmt::format("kontract_refused_total{{reason=\"{}\"}} {}\n",
                        name_of(static_cast<Refusal>(i)), m.server.refused_for[i]);
  }
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
  add_metric(text, "alarms_in_flight", "gauge", "Alarms that run now.", m.alarms.in_flight);
  add_metric(text, "alarms_fired_total", "counter", "Alarms that have run.", m.alarms.fired);
  add_metric(text, "alarms_failed_total", "counter", "Attempts that will be repeated.",
             m.alarms.failed);
  add_metric(text, "alarms_dead_total", "counter", "Occurrences that were given up.",
             m.alarms.dead);
  add_metric(text, "alarms_skipped_total", "counter", "Missed occurrences that were not to fire.",
             m.alarms.skipped);
  add_metric(text, "alarms_deferred_total", "counter", "Attempts that could not be made.",
             m.alarms.deferred);
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
  if (parts.stopping_on.load() == std::this_thread::get_id()) return;
  // On one of its own threads it would wait for itself.
  KONTRACT_ASSERT(!parts.own_io || !parts.io.get_executor().running_in_this_thread());
  const std::lock_guard lock(parts.stop_mutex);
  if (std::exchange(parts.stopped, true)) return;
  parts.stopping_on = std::this_thread::get_id();
  parts.io_was_stopped = parts.io.stopped();
  const auto until = Clock::now() + parts.options.drain_timeout;
  if (parts.alarm_clock) parts.alarm_clock->stop();
  if (parts.server) {
    parts.server->drain();
    if (!parts.wait_for([&] { return parts.server->drained(); }, until)) {
      spdlog::warn("connections still open after {} ms are cut",
                   parts.options.drain_timeout.count());
    }
    parts.server->stop();
  }
  if (parts.account_table) parts.account_table->stop();
  if (parts.front) {
    parts.front->stop();
    if (!parts.wait_for([&] { return parts.front->stopped(); }, until)) {
      spdlog::warn("calls that are still in middleware are cut");
    }
  }
  if (parts.directory) {
    parts.directory->stop();
    if (!parts.wait_for([&] { return parts.directory->stopped(); }, until)) {
      spdlog::warn("sessions are still busy; waiting for their last commits");
    }
  }
  // From here on without a limit: what follows takes away what actors and connections stand on.
  // What actors wrote is decided by the commit log, which does not hang for longer than the disk.
  if (parts.directory) parts.wait_for([&] { return parts.directory->stopped(); });
  if (parts.front) {
    parts.wait_for([&] { return parts.front->stopped(); }, Clock::now() + kLastAnswers);
    parts.front->close();
    parts.wait_for([&] { return parts.front->closed(); });
  }
  if (parts.server) parts.wait_for([&] { return parts.server->drained(); });
  parts.local->close();
  parts.wait_for([&] { return parts.local->waiting() == 0; });
  std::atomic<bool> ended{false};
  std::thread actors_end([&] {
    parts.own_actors.reset();
    ended = true;
  });
  parts.wait_for([&] { return ended.load(); });
  actors_end.join();
  parts.work.reset();
  if (parts.own_io || parts.io_was_stopped) parts.io.stop();
  for (std::thread& thread : parts.threads) thread.join();
  parts.threads.clear();
  if (parts.store) {
    if (Status flushed = parts.store->flush(); !flushed) {
      spdlog::error("{}", flushed.error().message);
    }
  }
}

}  // namespace kontract
