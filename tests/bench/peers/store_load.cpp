// store_load: reads or writes records of 200 bytes in Redis, PostgreSQL or SQLite as hard as they
// can, and prints what wsload prints with --json.
//
//   store_load redis|postgres --op get|set --port PORT [--conns 8] [--inflight 16]
//   store_load sqlite --op get|set --dir DIR
//              [--keys 1000] [--seconds 5] [--warmup 0.5]
//
// The records are there before: store_load ... --op fill. SQLite runs in this process, on one
// thread: WAL, synchronous = FULL, each write a transaction of its own.

#include <sqlite3.h>

#include <cstdio>
#include <exception>
#include <string>

#include "tests/bench/flags.hpp"
#include "tests/bench/load_report.hpp"
#include "tests/bench/peers/closed_loop.hpp"
#include "tests/bench/peers/postgres_connection.hpp"
#include "tests/bench/peers/redis_connection.hpp"

namespace {

using namespace kontract::bench;

struct Options {
  std::uint16_t port = 0;
  std::string dir, op;
  int connections = 8, inflight = 16, keys = 1000;
  std::chrono::duration<double> seconds{5}, warmup{0.5};

  bool writes() const { return op == "set"; }
};

template <class Connection>
LoadResult run_loop(const Options& options) {
  std::vector<std::unique_ptr<Connection>> connections;
  for (int i = 0; i < options.connections; ++i) {
    connections.push_back(
        std::make_unique<Connection>(options.port, options.writes(), options.keys));
  }
  ClosedLoop<Connection> loop(std::move(connections), options.inflight);
  return loop.run(options.warmup, options.seconds);
}

std::string value(int key) {
  std::string data;
  append_data200(data, 0x9E3779B97F4A7C15ull * static_cast<std::uint64_t>(key + 1));
  return data;
}

void fill_redis(const Options& options) {
  redisContext* const context = redisConnect("127.0.0.1", options.port);
  if (context == nullptr || context->err != 0) throw std::runtime_error("no Redis to connect to");
  for (int key = 0; key < options.keys; ++key) {
    const std::string data = value(key);
    freeReplyObject(redisCommand(context, "SET k%d %b", key, data.data(), data.size()));
  }
  redisFree(context);
}

void fill_postgres(const Options& options) {
  std::string statements =
      "CREATE TABLE IF NOT EXISTS users (id text PRIMARY KEY, data text NOT NULL);";
  for (int key = 0; key < options.keys; ++key) {
    statements += "INSERT INTO users VALUES ('k" + std::to_string(key) + "', '" + value(key) +
                  "') ON CONFLICT DO NOTHING;";
  }
  PostgresConnection::execute(options.port, statements);
}

// A database with one statement.
class Sqlite {
 public:
  explicit Sqlite(const Options& options) {
    const std::string file = options.dir + "/peer.sqlite";
    check(sqlite3_open(file.c_str(), &database_));
    execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
    execute("CREATE TABLE IF NOT EXISTS users (id TEXT PRIMARY KEY, data TEXT NOT NULL)");
    const char* const sql =
        options.op == "get" ? "SELECT data FROM users WHERE id = ?1"
                            : "INSERT INTO users VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET "
                              "data = ?2";
    check(sqlite3_prepare_v2(database_, sql, -1, &statement_, nullptr));
  }
  ~Sqlite() {
    sqlite3_finalize(statement_);
    sqlite3_close(database_);
  }
  Sqlite(const Sqlite&) = delete;
  Sqlite& operator=(const Sqlite&) = delete;

  void execute(const char* sql) { check(sqlite3_exec(database_, sql, nullptr, nullptr, nullptr)); }

  // `data` is empty to read.
  void run(const std::string& key, const std::string& data) {
    sqlite3_bind_text(statement_, 1, key.data(), static_cast<int>(key.size()), SQLITE_STATIC);
    if (!data.empty()) {
      sqlite3_bind_text(statement_, 2, data.data(), static_cast<int>(data.size()), SQLITE_STATIC);
    }
    if (sqlite3_step(statement_) != (data.empty() ? SQLITE_ROW : SQLITE_DONE)) check(SQLITE_ERROR);
    check(sqlite3_reset(statement_));
  }

 private:
  void check(int code) {
    if (code == SQLITE_OK) return;
    throw std::runtime_error(std::string("SQLite: ") + sqlite3_errmsg(database_));
  }

  sqlite3* database_ = nullptr;
  sqlite3_stmt* statement_ = nullptr;
};

void fill_sqlite(const Options& options) {
  Sqlite database(options);
  database.execute("BEGIN");
  for (int key = 0; key < options.keys; ++key) {
    database.run("k" + std::to_string(key), value(key));
  }
  database.execute("COMMIT");
}

LoadResult run_sqlite(const Options& options) {
  using Clock = std::chrono::steady_clock;
  Sqlite database(options);
  LoadResult result;
  std::uint64_t random = 1;
  const auto begin = Clock::now();
  const auto from = begin + std::chrono::duration_cast<Clock::duration>(options.warmup);
  const auto until = from + std::chrono::duration_cast<Clock::duration>(options.seconds);
  for (auto now = begin; now < until;) {
    const std::uint64_t drawn = next_random(random);
    std::string data;
    if (options.writes()) append_data200(data, drawn);
    database.run("k" + std::to_string(drawn % static_cast<std::uint64_t>(options.keys)), data);
    const auto end = Clock::now();
    if (now >= from) {
      result.latencies_ns.push_back(
          static_cast<std::uint64_t>(std::chrono::nanoseconds(end - now).count()));
    }
    now = end;
  }
  result.rate = static_cast<double>(result.latencies_ns.size()) / options.seconds.count();
  std::sort(result.latencies_ns.begin(), result.latencies_ns.end());
  return result;
}

void run(const std::string& store, const Options& options) {
  const bool redis = store == "redis";
  const bool postgres = store == "postgres";
  if (!redis && !postgres && store != "sqlite") {
    throw std::invalid_argument("the store is redis, postgres or sqlite, not " + store);
  }
  if (options.op == "fill") {
    if (redis) return fill_redis(options);
    return postgres ? fill_postgres(options) : fill_sqlite(options);
  }
  if (options.op != "get" && options.op != "set") {
    throw std::invalid_argument("--op is fill, get or set, not " + options.op);
  }
  const LoadResult result = redis      ? run_loop<RedisConnection>(options)
                            : postgres ? run_loop<PostgresConnection>(options)
                                       : run_sqlite(options);
  std::printf("%s\n", load_report(result).dump().c_str());
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc < 2) throw std::invalid_argument("which store?");
    const Flags flags(
        argc - 1, argv + 1,
        {"--op", "--port", "--dir", "--conns", "--inflight", "--keys", "--seconds", "--warmup"});
    Options options;
    options.op = flags.text("--op", "");
    options.port = static_cast<std::uint16_t>(flags.count("--port", 0, 0));
    options.dir = flags.text("--dir", ".");
    options.connections = flags.count("--conns", options.connections);
    options.inflight = flags.count("--inflight", options.inflight);
    options.keys = flags.count("--keys", options.keys);
    options.seconds = std::chrono::duration<double>(flags.number("--seconds", 5));
    options.warmup = std::chrono::duration<double>(flags.number("--warmup", 0.5));
    run(argv[1], options);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "store_load: %s\n", error.what());
    return 2;
  }
}
