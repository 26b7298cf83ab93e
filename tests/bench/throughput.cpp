#include "tests/bench/throughput.hpp"

#include <exception>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "tests/bench/child_load.hpp"
#include "tests/bench/fill.hpp"
#include "tests/bench/welcomed_connection.hpp"
#include "tests/certificates.hpp"

namespace kontract::bench {

namespace {

using nlohmann::json;

constexpr int kSessions = 8;
constexpr int kKeys = 1000;
constexpr int kPutsPerCommit = 128;  // as many as wsload has requests on the way
constexpr std::string_view kGet =
    R"({"t":"call","id":{id},"fn":"table.get","args":["users","{key}"]})";
constexpr std::string_view kSet =
    R"({"t":"call","id":{id},"fn":"table.set","args":["users","{key}",{data200}]})";

struct Load {
  int connections;
  int inflight;
  std::string_view message;
  std::string cipher = {};  // empty: plain text
};

// Throws std::runtime_error if the server acknowledges writes before they are on disk.
void require_synced(std::uint16_t port) {
  const WelcomedConnection connection(port, "s0");
  const json welcome = json::parse(connection.welcome());
  if (welcome.value("durability", "") != "sync") {
    throw std::runtime_error("welcome does not name durability sync: " + connection.welcome());
  }
}

class Bench {
 public:
  Bench(const Programs& programs, const ThroughputOptions& options)
      : programs_(programs), options_(options) {}

  Figure get_1() {
    Figure figure{.name = "get_1",
                  .what = "table.get, 1 in flight, p50",
                  .unit = "us",
                  .rival = "beast_echo",
                  .target = 1.5,
                  .goal = Goal::at_most};
    const Load load{1, 1, kGet, {}};
    run(
        figure, [&] { return measure(kontract(), load).at("p50_us").get<double>(); },
        [&] { return measure(echo(), load).at("p50_us").get<double>(); });
    return figure;
  }

  Figure get_128() {
    Figure figure{.name = "get_128",
                  .what = "table.get, 8 x 16 in flight, rate",
                  .unit = "1/s",
                  .rival = "beast_echo",
                  .target = 0.6,
                  .goal = Goal::at_least};
    const Load load{kSessions, 16, kGet, {}};
    run(
        figure, [&] { return measure(kontract(), load).at("rate").get<double>(); },
        [&] { return measure(echo(), load).at("rate").get<double>(); });
    return figure;
  }

  Figure set_128() {
    Figure figure{.name = "set_128",
                  .what = "durable table.set, 8 x 16 in flight, rate",
                  .unit = "1/s",
                  .rival = "lmdb_put",
                  .target = 0.7,
                  .goal = Goal::at_least};
    const Load load{kSessions, 16, kSet, {}};
    run(
        figure, [&] { return measure(kontract(), load).at("rate").get<double>(); },
        [&] { return put().at("rate").get<double>(); });
    return figure;
  }

  // The same load on a server with TLS and on one without.
  Figure tls(const std::string& name, std::string_view message) {
    Figure figure{.name = name,
                  .what = name + ", 8 x 16 in flight, TLS 1.3, rate",
                  .unit = "1/s",
                  .rival = "plain TCP",
                  .target = 0.85,
                  .goal = Goal::at_least};
    const Load load{kSessions, 16, message, {}};
    run(
        figure, [&] { return measure(tls_port(), load, /*tls=*/true).at("rate").get<double>(); },
        [&] { return measure(kontract(), load).at("rate").get<double>(); });
    return figure;
  }

  // The same load on the same server, encrypted and not.
  Figure raystream(const std::string& name, std::string_view message, const std::string& cipher) {
    const bool aes = cipher.starts_with("aes");
    Figure figure{.name = name + (aes ? "_aes" : "_chacha"),
                  .what = name + ", 8 x 16 in flight, " + (aes ? "AES" : "ChaCha20") + ", rate",
                  .unit = "1/s",
                  .rival = "plain text",
                  .target = 0.85,
                  .goal = Goal::at_least};
    const Load sealed{kSessions, 16, message, cipher};
    const Load plain{kSessions, 16, message, {}};
    run(
        figure, [&] { return measure(kontract(), sealed).at("rate").get<double>(); },
        [&] { return measure(kontract(), plain).at("rate").get<double>(); });
    return figure;
  }

 private:
  using Measurement = std::function<double()>;

  void run(Figure& figure, const Measurement& ours, const Measurement& theirs) {
    for (int round = 0; round < options_.rounds && figure.failure.empty(); ++round) {
      attempt(figure, figure.measured, ours);
      attempt(figure, figure.baseline, theirs);
    }
  }

  static void attempt(Figure& figure, std::vector<double>& values, const Measurement& measure) {
    try {
      values.push_back(measure());
    } catch (const std::exception& error) {
      figure.failure += (figure.failure.empty() ? "" : "; ") + std::string(error.what());
    }
  }

  std::uint16_t kontract() {
    if (!kontract_) {
      auto server = std::make_unique<KontractServer>(programs_, programs_.work / "throughput");
      require_synced(server->port());
      fill(server->port(), {.sessions = kSessions, .keys = kKeys});
      kontract_ = std::move(server);
    }
    return kontract_->port();
  }

  std::uint16_t tls_port() {
    if (tls_) return tls_->port();
    const std::filesystem::path data = programs_.work / "throughput-tls";
    {
      const KontractServer plain(programs_, data);
      fill(plain.port(), {.sessions = kSessions, .keys = kKeys});
    }
    test::Authority authority(programs_.work, "bench");
    const auto files = authority.issue({.name = "bench"});
    tls_ = std::make_unique<KontractServer>(
        programs_, data, std::nullopt,
        std::vector<std::string>{"--tls-certificate", files.certificate, "--tls-key", files.key});
    return tls_->port();
  }

  std::uint16_t echo() {
    if (!echo_) echo_ = std::make_unique<EchoServer>(programs_);
    return echo_->port();
  }

  json measure(std::uint16_t port, const Load& load, bool tls = false) const {
    return run_wsload(programs_, {.port = port,
                                  .prefix = "s",
                                  .message = load.message,
                                  .connections = load.connections,
                                  .inflight = load.inflight,
                                  .sessions = kSessions,
                                  .keys = kKeys,
                                  .seconds = options_.seconds,
                                  .cipher = load.cipher,
                                  .tls = tls});
  }

  json put() const {
    return json_of(programs_,
                   {programs_.lmdb_put, "--json", "--dir", programs_.work, "--batch",
                    std::to_string(kPutsPerCommit), "--seconds", std::to_string(options_.seconds)},
                   options_.seconds);
  }

  const Programs& programs_;
  const ThroughputOptions& options_;
  std::unique_ptr<KontractServer> kontract_;
  std::unique_ptr<KontractServer> tls_;
  std::unique_ptr<EchoServer> echo_;
};

}  // namespace

std::vector<Figure> throughput_figures(const Programs& programs, const ThroughputOptions& options) {
  Bench bench(programs, options);
  std::vector<Figure> figures;
  if (options.names.contains("get_1")) figures.push_back(bench.get_1());
  if (options.names.contains("get_128")) figures.push_back(bench.get_128());
  if (options.names.contains("set_128")) figures.push_back(bench.set_128());
  if (options.names.contains("tls_get")) figures.push_back(bench.tls("tls_get", kGet));
  if (options.names.contains("tls_set")) figures.push_back(bench.tls("tls_set", kSet));
  for (const char* cipher : {"chacha20-poly1305", "aes-256-gcm"}) {
    if (options.names.contains("raystream_get")) {
      figures.push_back(bench.raystream("raystream_get", kGet, cipher));
    }
    if (options.names.contains("raystream_set")) {
      figures.push_back(bench.raystream("raystream_set", kSet, cipher));
    }
  }
  return figures;
}

}  // namespace kontract::bench
