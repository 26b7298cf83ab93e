// lmdb_put: what bare LMDB reaches with synced transactions of many puts, as the yardstick for
// kontract's durable writes.
//
//   lmdb_put [--dir DIR] [--batch 128] [--seconds 3] [--value 200] [--json]
//
// One thread rewrites 8 x 1000 keys in pseudo-random order; keys have the shape of kontract's:
//
//   key := session:u64be  table:u32be  id:"k0".."k999"  0:u8  version:u64be
//
// All keys are there before counting starts, so that the tree neither grows nor splits, which is
// LMDB's best case. Flags are LMDB's defaults: each commit is synced. Prints puts per second and
// how long a commit took.

#include <lmdb.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/bench/flags.hpp"
#include "tests/bench/message_template.hpp"
#include "tests/bench/percentile.hpp"
#include "tests/bench/process.hpp"

namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

constexpr std::uint64_t kSessions = 8;
constexpr std::uint64_t kKeysPerSession = 1000;
constexpr std::size_t kMapBytes = std::size_t{1} << 30;

void check(int rc, const char* what) {
  if (rc != MDB_SUCCESS) throw std::runtime_error(std::string(what) + ": " + mdb_strerror(rc));
}

void append_big_endian(std::string& out, std::uint64_t value, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(value >> shift));
  }
}

std::vector<std::string> make_keys() {
  std::vector<std::string> keys;
  for (std::uint64_t session = 0; session < kSessions; ++session) {
    for (std::uint64_t number = 0; number < kKeysPerSession; ++number) {
      std::string key;
      append_big_endian(key, session, 8);
      append_big_endian(key, 1, 4);
      key += "k" + std::to_string(number);
      key.push_back('\0');
      append_big_endian(key, 0, 8);
      keys.push_back(std::move(key));
    }
  }
  return keys;
}

class Database {
 public:
  explicit Database(const std::string& path) {
    check(mdb_env_create(&env_), "mdb_env_create");
    check(mdb_env_set_mapsize(env_, kMapBytes), "mdb_env_set_mapsize");
    check(mdb_env_open(env_, path.c_str(), 0, 0644), "mdb_env_open");
    MDB_txn* txn = nullptr;
    check(mdb_txn_begin(env_, nullptr, 0, &txn), "mdb_txn_begin");
    check(mdb_dbi_open(txn, nullptr, 0, &dbi_), "mdb_dbi_open");
    check(mdb_txn_commit(txn), "mdb_txn_commit");
  }
  ~Database() { mdb_env_close(env_); }
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // Puts `count` records, `next` naming each key, in one transaction. Returns the commit's time.
  template <typename NextKey>
  Clock::duration put_all(std::size_t count, std::string& value, NextKey next) {
    MDB_txn* txn = nullptr;
    check(mdb_txn_begin(env_, nullptr, 0, &txn), "mdb_txn_begin");
    for (std::size_t i = 0; i < count; ++i) {
      const std::string& key = next();
      ++value[i % value.size()];
      MDB_val k{key.size(), const_cast<char*>(key.data())};
      MDB_val v{value.size(), value.data()};
      check(mdb_put(txn, dbi_, &k, &v, 0), "mdb_put");
    }
    const auto from = Clock::now();
    check(mdb_txn_commit(txn), "mdb_txn_commit");
    return Clock::now() - from;
  }

 private:
  MDB_env* env_ = nullptr;
  MDB_dbi dbi_ = 0;
};

void measure(const kontract::bench::Flags& flags) {
  const auto batch = static_cast<std::size_t>(flags.count("--batch", 128));
  const Seconds seconds(flags.number("--seconds", 3));
  std::string value(static_cast<std::size_t>(flags.count("--value", 200)), 'v');

  const kontract::bench::TemporaryDirectory directory(flags.text("--dir", "."), "lmdb_put");
  Database database(directory.path());
  const std::vector<std::string> keys = make_keys();
  std::size_t filled = 0;
  database.put_all(keys.size(), value, [&]() -> const std::string& { return keys[filled++]; });

  std::uint64_t random = 0x9E3779B97F4A7C15ull;
  std::vector<double> commits_us;
  const auto from = Clock::now();
  do {
    const auto took = database.put_all(batch, value, [&]() -> const std::string& {
      return keys[kontract::bench::next_random(random) % keys.size()];
    });
    commits_us.push_back(std::chrono::duration<double, std::micro>(took).count());
  } while (Clock::now() - from < seconds);
  const Seconds took = Clock::now() - from;
  const double rate = static_cast<double>(commits_us.size() * batch) / took.count();

  std::sort(commits_us.begin(), commits_us.end());
  const double p50 = kontract::bench::percentile(commits_us, .5);
  const double p99 = kontract::bench::percentile(commits_us, .99);
  if (flags.has("--json")) {
    const nlohmann::ordered_json line{{"rate", rate},         {"commit_p50_us", p50},
                                      {"commit_p99_us", p99}, {"commits", commits_us.size()},
                                      {"batch", batch},       {"value_bytes", value.size()}};
    std::printf("%s\n", line.dump().c_str());
  } else {
    std::printf("%.0f puts/s commit p50=%.0fus p99=%.0fus commits=%zu batch=%zu value=%zuB\n", rate,
                p50, p99, commits_us.size(), batch, value.size());
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    measure({argc, argv, {"--dir", "--batch", "--seconds", "--value"}, {"--json"}});
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "lmdb_put: %s\n", error.what());
    return 2;
  }
}
