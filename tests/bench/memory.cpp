#include "tests/bench/memory.hpp"

#include <poll.h>

#include <chrono>
#include <exception>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>

#include "tests/bench/http_client.hpp"
#include "tests/bench/process_memory.hpp"
#include "tests/bench/welcomed_connection.hpp"

namespace kontract::bench {

namespace {

using Clock = std::chrono::steady_clock;
using nlohmann::json;

constexpr std::chrono::milliseconds kNeverIdle = std::chrono::hours(1);
constexpr std::chrono::milliseconds kSoonIdle{1000};
constexpr std::chrono::seconds kSettleTimeout{60};
constexpr int kWarmUpWaves = 5;
constexpr int kWarmUp = 100;  // sessions and connections before the first look

Memory each(const Memory& before, const Memory& after, int count) {
  return {(after.resident - before.resident) / count, (after.anonymous - before.anonymous) / count};
}

// The value of an unlabelled metric. Throws std::runtime_error if the server has none such.
double metric(HttpClient& client, const std::string& name) {
  const HttpResponse response = client.get("/metrics");
  std::istringstream lines(response.body);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(name + " ")) return std::stod(line.substr(name.size()));
  }
  throw std::runtime_error("GET /metrics answered " + std::to_string(response.status) +
                           " without " + name);
}

// Waits until the metric has this value: servers tell of no such change by themselves.
void wait_for_metric(HttpClient& client, const std::string& name, double value) {
  const auto deadline = Clock::now() + kSettleTimeout;
  double seen = 0;
  while ((seen = metric(client, name)) != value) {
    if (Clock::now() > deadline) {
      throw std::runtime_error(name + " stayed at " + std::to_string(seen) + ", not " +
                               std::to_string(value));
    }
    poll(nullptr, 0, 50);
  }
}

void create_sessions(HttpClient& client, const std::string& prefix, int count) {
  for (int i = 0; i < count; ++i) {
    client.call(prefix + std::to_string(i), "table.create", json::array({"t", json::object()}));
  }
}

struct Measured {
  Memory awake;
  Memory connection;
};

// All sessions stay awake; then connections come to sessions that are awake already.
Measured measure_awake(const Programs& programs, const MemoryOptions& options) {
  const KontractServer server(programs, programs.work / "memory-awake", kNeverIdle);
  HttpClient client(server.port());
  create_sessions(client, "warm", kWarmUp);
  const Memory before = memory_of(server.pid());
  create_sessions(client, "m", options.sessions);
  wait_for_metric(client, "kontract_sessions_awake", kWarmUp + options.sessions);
  Measured measured;
  measured.awake = each(before, memory_of(server.pid()), options.sessions);

  std::vector<std::unique_ptr<WelcomedConnection>> connections;
  const auto connect = [&](const std::string& prefix, int count) {
    for (int i = 0; i < count; ++i) {
      const std::string session = prefix + std::to_string(i);
      connections.push_back(std::make_unique<WelcomedConnection>(server.port(), session));
    }
  };
  connect("warm", kWarmUp);
  const Memory unconnected = memory_of(server.pid());
  connect("m", options.connections);
  wait_for_metric(client, "kontract_connections", kWarmUp + options.connections);
  measured.connection = each(unconnected, memory_of(server.pid()), options.connections);
  return measured;
}

// Some waves of sessions make the heap as large as it gets, which takes a few, as the allocator's
// arenas fill one by one; what a further wave of other sessions adds once all are passivated is
// what passivated sessions cost.
Memory measure_passivated(const Programs& programs, const MemoryOptions& options) {
  const KontractServer server(programs, programs.work / "memory-passivated", kSoonIdle);
  HttpClient client(server.port());
  for (int wave = 0; wave < kWarmUpWaves; ++wave) {
    create_sessions(client, "warm-" + std::to_string(wave), options.sessions);
    wait_for_metric(client, "kontract_sessions_awake", 0);
  }
  const Memory before = memory_of(server.pid());
  create_sessions(client, "measured", options.sessions);
  wait_for_metric(client, "kontract_sessions_awake", 0);
  return each(before, memory_of(server.pid()), options.sessions);
}

constexpr double kKiB = 1024;

Figure resident(std::string name, std::string what, double target_kib) {
  return {.name = std::move(name),
          .what = std::move(what) + ", RSS",
          .unit = "B",
          .rival = "",
          .target = target_kib * kKiB,
          .goal = Goal::at_most};
}

Figure anonymous(const Figure& whole, std::string what) {
  return {.name = whole.name + "_anonymous",
          .what = std::move(what) + ", of it heap",
          .unit = "B",
          .rival = ""};
}

void put(const Memory& memory, Figure& whole, Figure& heap) {
  whole.measured.push_back(memory.resident);
  heap.measured.push_back(memory.anonymous);
}

}  // namespace

std::vector<Figure> memory_figures(const Programs& programs, const MemoryOptions& options) {
  Figure awake = resident("memory_awake", "awake idle session, one table", 16);
  Figure awake_heap = anonymous(awake, "awake idle session");
  Figure passivated = resident("memory_passivated", "passivated session", 0.5);
  Figure passivated_heap = anonymous(passivated, "passivated session");
  Figure connection = resident("memory_connection", "idle connection", 24);
  Figure connection_heap = anonymous(connection, "idle connection");
  try {
    const Measured measured = measure_awake(programs, options);
    put(measured.awake, awake, awake_heap);
    put(measured.connection, connection, connection_heap);
  } catch (const std::exception& error) {
    for (Figure* figure : {&awake, &awake_heap, &connection, &connection_heap}) {
      figure->failure = error.what();
    }
  }
  try {
    put(measure_passivated(programs, options), passivated, passivated_heap);
  } catch (const std::exception& error) {
    for (Figure* figure : {&passivated, &passivated_heap}) figure->failure = error.what();
  }
  return {awake, awake_heap, passivated, passivated_heap, connection, connection_heap};
}

}  // namespace kontract::bench
