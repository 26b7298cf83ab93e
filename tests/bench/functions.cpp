#include "tests/bench/functions.hpp"

#include <exception>
#include <map>
#include <memory>
#include <stdexcept>

#include "tests/bench/child_load.hpp"
#include "tests/bench/fill.hpp"
#include "tests/bench/http_client.hpp"

namespace kontract::bench {

namespace {

using nlohmann::json;

constexpr int kConnections = 64;
constexpr int kInFlight = 40;
constexpr int kKeys = 1000;                       // accounts, or records, of each session
constexpr std::int64_t kOpening = 1'000'000'000;  // so that no transfer is refused
constexpr int kGetSessions = 8;
constexpr int kGetInFlight = 16;
constexpr std::string_view kTransfer =
    R"({"t":"call","id":{id},"fn":"bank.transfer","args":["{key}","{other}",1]})";
constexpr std::string_view kGet =
    R"({"t":"call","id":{id},"fn":"table.get","args":["users","{key}"]})";

void fill_accounts(std::uint16_t port, const std::string& prefix, int sessions) {
  // As bank::table_arguments().
  const json integer{{"type", "integer"}, {"required", true}};
  const json fields{{"balance", integer}, {"sent", integer}, {"received", integer}};
  const json schema{{"schema", {{"fields", fields}}}};
  fill(port, {.prefix = prefix,
              .sessions = sessions,
              .keys = kKeys,
              .create = json::array({"accounts", schema}),
              .record = [] {
                return json{{"balance", kOpening}, {"sent", 0}, {"received", 0}};
              }});
}

void require_all_money(std::uint16_t port, const std::string& prefix, int sessions) {
  HttpClient client(port);
  for (int session = 0; session < sessions; ++session) {
    const std::string name = prefix + std::to_string(session);
    const json total = client.call(name, "bank.total", json::array());
    if (total == kOpening * kKeys) continue;
    throw std::runtime_error("the accounts of " + name + " have " + total.dump());
  }
}

class FunctionBench {
 public:
  FunctionBench(const Programs& programs, const ThroughputOptions& options)
      : programs_(programs), options_(options) {}

  // In turns: kInFlight calls on the way on each connection, and one, which waits for its answer.
  std::vector<Figure> bank(int sessions) {
    const std::string name = "bank_" + std::to_string(sessions);
    const std::string what = "bank.transfer, 64 x 40, " + std::to_string(sessions) +
                             (sessions == 1 ? " session, " : " sessions, ");
    std::vector<Figure> figures{
        {.name = name, .what = what + "rate", .unit = "1/s", .rival = "64 x 1"},
        {.name = name + "_p50", .what = what + "p50", .unit = "ms", .rival = "64 x 1"},
        {.name = name + "_p99", .what = what + "p99", .unit = "ms", .rival = "64 x 1"}};
    std::string failure;
    try {
      const std::uint16_t port = server("none");
      const std::string prefix = name + "-";
      fill_accounts(port, prefix, sessions);
      for (int round = 0; round < options_.rounds; ++round) {
        const json piped = transfer(port, prefix, sessions, kInFlight);
        const json alone = transfer(port, prefix, sessions, 1);
        for (std::size_t i = 0; i < figures.size(); ++i) {
          figures[i].measured.push_back(value(piped, i));
          figures[i].baseline.push_back(value(alone, i));
        }
      }
      require_all_money(port, prefix, sessions);
    } catch (const std::exception& error) {
      failure = error.what();
    }
    for (Figure& figure : figures) figure.failure = failure;
    return figures;
  }

  Figure middleware(const std::string& form) {
    Figure figure{.name = form,
                  .what = "table.get through one " + form + ", 8 x 16, rate",
                  .unit = "1/s",
                  .rival = "none"};
    try {
      const std::uint16_t through = server_with_users(form);
      const std::uint16_t without = server_with_users("none");
      for (int round = 0; round < options_.rounds; ++round) {
        figure.measured.push_back(get(through));
        figure.baseline.push_back(get(without));
      }
    } catch (const std::exception& error) {
      figure.failure = error.what();
    }
    return figure;
  }

 private:
  static double value(const json& load, std::size_t figure) {
    if (figure == 0) return load.at("rate").get<double>();
    return load.at(figure == 1 ? "p50_us" : "p99_us").get<double>() / 1000;
  }

  json transfer(std::uint16_t port, const std::string& prefix, int sessions, int inflight) const {
    return run_wsload(programs_, {.port = port,
                                  .prefix = prefix,
                                  .message = kTransfer,
                                  .connections = kConnections,
                                  .inflight = inflight,
                                  .sessions = sessions,
                                  .keys = kKeys,
                                  .seconds = options_.seconds});
  }

  double get(std::uint16_t port) const {
    const json load = run_wsload(programs_, {.port = port,
                                             .prefix = "s",
                                             .message = kGet,
                                             .connections = kGetSessions,
                                             .inflight = kGetInFlight,
                                             .sessions = kGetSessions,
                                             .keys = kKeys,
                                             .seconds = options_.seconds});
    return load.at("rate").get<double>();
  }

  std::uint16_t server(const std::string& middleware) {
    auto& one = servers_[middleware];
    if (!one) {
      one = std::make_unique<FunctionServer>(
          programs_, programs_.work / ("functions-" + middleware), middleware);
    }
    return one->port();
  }

  std::uint16_t server_with_users(const std::string& middleware) {
    const std::uint16_t port = server(middleware);
    if (!with_users_.insert(middleware).second) return port;
    fill(port, {.sessions = kGetSessions, .keys = kKeys});
    return port;
  }

  const Programs& programs_;
  const ThroughputOptions& options_;
  std::map<std::string, std::unique_ptr<FunctionServer>> servers_;  // by their middleware
  std::set<std::string> with_users_;
};

}  // namespace

std::vector<Figure> function_figures(const Programs& programs, const ThroughputOptions& options) {
  FunctionBench bench(programs, options);
  std::vector<Figure> figures;
  for (const int sessions : {1, 64}) {
    if (!options.names.contains("bank_" + std::to_string(sessions))) continue;
    for (Figure& figure : bench.bank(sessions)) figures.push_back(std::move(figure));
  }
  for (const std::string form : {"guard", "around"}) {
    if (options.names.contains(form)) figures.push_back(bench.middleware(form));
  }
  return figures;
}

}  // namespace kontract::bench
