#include "tests/bench/peers/peers.hpp"

#include <chrono>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>

#include "tests/bench/child_load.hpp"
#include "tests/bench/fill.hpp"
#include "tests/bench/message_template.hpp"
#include "tests/bench/peers/connect_many.hpp"
#include "tests/bench/peers/peer_servers.hpp"
#include "tests/bench/process_memory.hpp"

namespace kontract::bench {

namespace {

using nlohmann::json;

constexpr int kSessions = 8;
constexpr int kKeys = 1000;
constexpr int kCreated = 400;  // sessions a round: workerd makes a few hundred a second
constexpr int kConnectedAtOnce = 64;

std::string message(std::string_view function, std::string_view arguments) {
  std::string text = R"({"t":"call","id":{id},"fn":")";
  text += function;
  text += R"(","args":[)";
  text += arguments;
  return text + "]}";
}

std::string first_call(std::string_view function, std::string_view arguments) {
  std::string text = message(function, arguments);
  return text.replace(text.find("{id}"), 4, "1");
}

// One kind of call, as kontract and as the peer have it.
struct Case {
  std::string name, what, peer;
  std::string ours, theirs;  // functions; of a store the operation
  std::string our_arguments, their_arguments;
  int connections, inflight;
  std::optional<double> rate_at_least = {}, p50_at_most = {}, p99_at_most = {};
};

const std::string kGet = R"("users","{key}")";
const std::string kSet = R"("users","{key}",{data200})";
const std::string kKey = R"("{key}")";
const std::string kKeyValue = R"("{key}",{data200})";
const std::string kSelect = R"("users","SELECT data FROM users WHERE id = ?",["{key}"])";
const std::string kUpsert =
    R"sql("users","INSERT OR REPLACE INTO users (id, data) VALUES (?, ?)",["{key}",{data200}])sql";

std::vector<Case> cases() {
  return {
      {"workerd_echo", "echo", "workerd", "echo", "echo", "1", "1", 8, 16, {}, {}, 1},
      {"workerd_get", "get", "workerd", "table.get", "get", kGet, kKey, 8, 16, 2.5, {}, 1},
      {"workerd_set",
       "durable set",
       "workerd",
       "table.set",
       "put",
       kSet,
       kKeyValue,
       8,
       16,
       5,
       {},
       1},
      {"workerd_sql_get",
       "SQL select by id",
       "workerd",
       "table.exec",
       "sql_get",
       kSelect,
       kKey,
       8,
       16,
       {},
       {},
       1},
      {"workerd_sql_set",
       "durable SQL write",
       "workerd",
       "table.exec",
       "sql_put",
       kUpsert,
       kKeyValue,
       8,
       16,
       {},
       {},
       1},
      {"workerd_echo_1", "echo", "workerd", "echo", "echo", "1", "1", 1, 1, {}, {}, 1},
      {"workerd_get_1", "get", "workerd", "table.get", "get", kGet, kKey, 1, 1, {}, 0.45, 1},
      {"workerd_set_1",
       "durable set",
       "workerd",
       "table.set",
       "put",
       kSet,
       kKeyValue,
       1,
       1,
       {},
       {},
       1},
      {"node_echo", "echo", "node", "echo", "echo", "1", "1", 8, 16},
      {"redis_get", "get", "redis", "table.get", "get", kGet, "", 8, 16},
      {"redis_set", "durable set", "redis", "table.set", "set", kSet, "", 8, 16},
      {"postgres_get", "get by id", "postgres", "table.get", "get", kGet, "", 8, 16},
      {"postgres_set", "durable set", "postgres", "table.set", "set", kSet, "", 8, 16},
      {"sqlite_get", "get by id, SQLite in process", "sqlite", "table.get", "get", kGet, "", 8, 16},
      {"sqlite_set", "durable set, SQLite in process", "sqlite", "table.set", "set", kSet, "", 8,
       16},
  };
}

std::set<std::string> case_names() {
  std::set<std::string> names{"workerd_create", "workerd_memory"};
  for (const Case& one : cases()) names.insert(one.name);
  return names;
}

class PeerBench {
 public:
  PeerBench(const Programs& programs, const ThroughputOptions& options)
      : programs_(programs), options_(options) {}

  std::vector<Figure> compare(const Case& one) {
    const std::string size =
        ", " + std::to_string(one.connections) + " x " + std::to_string(one.inflight);
    std::vector<Figure> figures{{.name = one.name + "_rate",
                                 .what = one.what + size + ", rate",
                                 .unit = "1/s",
                                 .rival = one.peer},
                                {.name = one.name + "_p50",
                                 .what = one.what + size + ", p50",
                                 .unit = "us",
                                 .rival = one.peer},
                                {.name = one.name + "_p99",
                                 .what = one.what + size + ", p99",
                                 .unit = "us",
                                 .rival = one.peer}};
    set_target(figures[0], one.rate_at_least, Goal::at_least);
    set_target(figures[1], one.p50_at_most, Goal::at_most);
    set_target(figures[2], one.p99_at_most, Goal::at_most);
    rounds(figures, [&] {
      const json ours = load(kontract(), message(one.ours, one.our_arguments), one);
      const json theirs = their_load(one);
      static constexpr const char* kValues[] = {"rate", "p50_us", "p99_us"};
      for (std::size_t i = 0; i < figures.size(); ++i) {
        figures[i].measured.push_back(ours.at(kValues[i]).get<double>());
        figures[i].baseline.push_back(theirs.at(kValues[i]).get<double>());
      }
    });
    return figures;
  }

  // New sessions, each with a connection, a hello and a durable write.
  Figure creation() {
    return over_new_sessions({.name = "workerd_create",
                              .what = "sessions created, 64 at once, rate",
                              .unit = "1/s",
                              .rival = "workerd",
                              .target = 20,
                              .goal = Goal::at_least},
                             [](const Made& made) { return create(made); });
  }

  // What one more awake session with an open connection costs, over kCreated of them.
  Figure memory() {
    return over_new_sessions({.name = "workerd_memory",
                              .what = "awake session with a connection, RSS",
                              .unit = "B",
                              .rival = "workerd",
                              .target = 0.1,
                              .goal = Goal::at_most},
                             [](const Made& made) { return keep(made); });
  }

  nlohmann::ordered_json versions() const {
    auto all = nlohmann::ordered_json::object();
    for (const auto& [name, server] : servers_) all[name] = server->version();
    return all;
  }

 private:
  static void set_target(Figure& figure, std::optional<double> target, Goal goal) {
    if (!target) return;
    figure.target = *target;
    figure.goal = goal;
  }

  void rounds(std::vector<Figure>& figures, const std::function<void()>& once) const {
    try {
      for (int round = 0; round < options_.rounds; ++round) once();
    } catch (const std::exception& error) {
      for (Figure& figure : figures) figure.failure = error.what();
    }
  }

  // Sessions that are to be made.
  struct Made {
    std::uint16_t port;
    pid_t pid;
    std::string prefix;  // of their names
    std::string first;   // their first call
  };

  // One of kontract's and one of workerd's values a round, of other sessions each time.
  Figure over_new_sessions(Figure figure, const std::function<double(const Made&)>& value) {
    std::vector<Figure> figures{std::move(figure)};
    int round = 0;
    rounds(figures, [&] {
      const std::string prefix = figures[0].name + std::to_string(round++) + "-";
      const std::uint16_t ours = kontract(), theirs = workerd();
      figures[0].measured.push_back(
          value({ours, kontract_->pid(), prefix, first_call("table.create", R"("t",{})")}));
      figures[0].baseline.push_back(
          value({theirs, servers_.at("workerd")->pid(), prefix, first_call("put", R"("k",1)")}));
    });
    return std::move(figures[0]);
  }

  static double create(const Made& made) {
    const auto from = std::chrono::steady_clock::now();
    connect_many({made.port, made.prefix, made.first, kCreated, kConnectedAtOnce});
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - from;
    return kCreated / took.count();
  }

  static double keep(const Made& made) {
    const auto warm = connect_many({made.port, made.prefix + "warm", made.first, kCreated / 4, 1});
    const double before = memory_of(made.pid).resident;
    const auto kept = connect_many({made.port, made.prefix, made.first, kCreated, 1});
    return (memory_of(made.pid).resident - before) / kCreated;
  }

  json load(std::uint16_t port, const std::string& text, const Case& one) const {
    return run_wsload(programs_, {.port = port,
                                  .prefix = "s",
                                  .message = text,
                                  .connections = one.connections,
                                  .inflight = one.inflight,
                                  .sessions = kSessions,
                                  .keys = kKeys,
                                  .seconds = options_.seconds});
  }

  json their_load(const Case& one) {
    if (one.peer == "workerd") {
      return load(workerd(), message(one.theirs, one.their_arguments), one);
    }
    if (one.peer == "node") {
      return load(peer<NodeServer>("node"), message(one.theirs, one.their_arguments), one);
    }
    return store_load(one.peer, one.theirs, one.connections, one.inflight);
  }

  json store_load(const std::string& store, const std::string& operation, int connections,
                  int inflight) {
    std::vector<std::string> argv{programs_.store_load, store};
    if (store == "sqlite") {
      argv.insert(argv.end(), {"--dir", programs_.work});
    } else {
      const std::uint16_t port =
          store == "redis" ? peer<RedisServer>("redis") : peer<PostgresServer>("postgres");
      argv.insert(argv.end(), {"--port", std::to_string(port)});
    }
    argv.insert(argv.end(), {"--keys", std::to_string(kKeys)});
    if (filled_.insert(store).second) {
      std::vector<std::string> fill = argv;
      fill.insert(fill.end(), {"--op", "fill"});
      run_to_end(fill, programs_.work / "fill.log", std::chrono::seconds(60));
    }
    argv.insert(argv.end(),
                {"--op", operation, "--conns", std::to_string(connections), "--inflight",
                 std::to_string(inflight), "--seconds", std::to_string(options_.seconds)});
    return json_of(programs_, argv, options_.seconds);
  }

  std::uint16_t kontract() {
    if (!kontract_) {
      kontract_ = std::make_unique<FunctionServer>(programs_, programs_.work / "peers-kontract");
      fill(kontract_->port(), {.sessions = kSessions, .keys = kKeys});
    }
    return kontract_->port();
  }

  std::uint16_t workerd() {
    const std::uint16_t port = peer<WorkerdServer>("workerd");
    if (!filled_.insert("workerd").second) return port;
    std::string data;
    append_data200(data, 1);
    connect_many({port, "s", first_call("fill", std::to_string(kKeys) + "," + data), kSessions, 1});
    return port;
  }

  template <class Server>
  std::uint16_t peer(const std::string& name) {
    auto& server = servers_[name];
    if (!server) server = std::make_unique<Server>(programs_);
    return server->port();
  }

  const Programs& programs_;
  const ThroughputOptions& options_;
  std::unique_ptr<FunctionServer> kontract_;
  std::map<std::string, std::unique_ptr<PeerServer>> servers_;
  std::set<std::string> filled_;
};

}  // namespace

const std::set<std::string> kPeerNames = case_names();

PeerReport peer_figures(const Programs& programs, const ThroughputOptions& options) {
  PeerBench bench(programs, options);
  PeerReport report;
  for (const Case& one : cases()) {
    if (!options.names.contains(one.name)) continue;
    for (Figure& figure : bench.compare(one)) report.figures.push_back(std::move(figure));
  }
  if (options.names.contains("workerd_create")) report.figures.push_back(bench.creation());
  if (options.names.contains("workerd_memory")) report.figures.push_back(bench.memory());
  report.versions = bench.versions();
  return report;
}

}  // namespace kontract::bench
