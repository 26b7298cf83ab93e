#include "tests/bench/sql.hpp"

#include <chrono>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>

#include "tests/bench/message_template.hpp"
#include "tests/bench/native_sqlite.hpp"
#include "tests/bench/sql_records.hpp"
#include "tests/bench/sql_store.hpp"

namespace kontract::bench {

namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;
using Call = std::function<void(std::uint64_t random)>;

constexpr double kSqlTarget = 0.4;
constexpr double kGrowthTarget = 5;  // for a hundred times the records; a scan grows by a hundred

// Calls per second.
double rate_of(double seconds, const Call& call) {
  std::uint64_t random = 0x9E3779B97F4A7C15ull;
  const auto run = [&](Seconds time) {
    std::uint64_t calls = 0;
    const auto from = Clock::now();
    Seconds took{};
    do {
      call(next_random(random));
      ++calls;
      took = Clock::now() - from;
    } while (took < time);
    return static_cast<double>(calls) / took.count();
  };
  run(Seconds(seconds / 10));
  return run(Seconds(seconds));
}

class SqlBench {
 public:
  SqlBench(const Programs& programs, const SqlOptions& options)
      : programs_(programs), options_(options) {}

  Figure point() {
    const auto parameter = [](std::uint64_t number) { return sql_id(number); };
    return compare("sql_point", "exec, SELECT by id, rate", "SELECT id, data FROM t WHERE id = ?",
                   parameter);
  }

  Figure by_index() {
    const auto parameter = [this](std::uint64_t number) {
      return static_cast<std::int64_t>(number % cities_of(records()));
    };
    return compare("sql_index", "exec, 10 rows by index, rate",
                   "SELECT id, city, data FROM t WHERE city = ?", parameter);
  }

  Figure scan() {
    const auto parameter = [this](std::uint64_t number) {
      return static_cast<std::int64_t>(records() - 1 - number % 10);
    };
    return compare("sql_scan", "exec, scan by data->>, rate",
                   "SELECT count(*) AS n FROM t WHERE data->>'n' >= ?", parameter);
  }

  // How a query by index grows with the table, and what a scan takes.
  std::vector<Figure> queries() {
    std::vector<Figure> figures;
    const std::uint64_t all = records();
    for (const std::uint64_t count : {all / 100, all / 10, all}) {
      Figure figure{.name = "query_" + std::to_string(count),
                    .what = "table.query by index of " + std::to_string(count),
                    .unit = "us",
                    .rival = "scan"};
      rounds(
          figure, [&] { return query_us(count, "city"); },
          [&] { return query_us(count, "place"); });
      figures.push_back(std::move(figure));
    }
    Figure growth{.name = "query_growth",
                  .what = "table.query by index, x 100 records",
                  .unit = "us",
                  .rival = "x 1",
                  .measured = figures.back().measured,
                  .baseline = figures.front().measured,
                  .target = kGrowthTarget,
                  .goal = Goal::at_most,
                  .failure = figures.back().failure + figures.front().failure};
    figures.push_back(std::move(growth));
    return figures;
  }

 private:
  std::uint64_t records() const { return static_cast<std::uint64_t>(options_.records); }

  template <class Parameter>
  Figure compare(const char* name, const char* what, const std::string& sql,
                 const Parameter& parameter) {
    Figure figure{.name = name,
                  .what = what,
                  .unit = "1/s",
                  .rival = "sqlite",
                  .target = kSqlTarget,
                  .goal = Goal::at_least};
    const auto number = [this](std::uint64_t random) { return random % records(); };
    const auto ours = [&](std::uint64_t random) {
      return store(records()).exec(sql, Json::array({parameter(number(random))}));
    };
    const auto theirs = [&](std::uint64_t random) {
      return native().exec(sql, parameter(number(random)));
    };
    rounds(
        figure,
        [&] {
          if (ours(1) != theirs(1)) throw std::runtime_error("different answers to " + sql);
          return rate_of(options_.seconds, ours);
        },
        [&] { return rate_of(options_.seconds, theirs); });
    return figure;
  }

  double query_us(std::uint64_t count, const char* field) {
    SqlStore& table = store(count);
    const std::uint64_t cities = cities_of(count);
    return 1e6 / rate_of(options_.seconds / 3, [&](std::uint64_t random) {
             if (table.query(Json{{field, random % cities}}) != count / cities) {
               throw std::runtime_error("table.query found other records than it should");
             }
           });
  }

  void rounds(Figure& figure, const std::function<double()>& ours,
              const std::function<double()>& theirs) const {
    try {
      for (int round = 0; round < options_.rounds; ++round) {
        figure.measured.push_back(ours());
        figure.baseline.push_back(theirs());
      }
    } catch (const std::exception& error) {
      figure.failure = error.what();
    }
  }

  SqlStore& store(std::uint64_t count) {
    auto& store = stores_[count];
    if (!store) {
      store = std::make_unique<SqlStore>(programs_.work / ("sql-" + std::to_string(count)), count);
    }
    return *store;
  }
  NativeSqlite& native() {
    if (!native_) {
      native_ = std::make_unique<NativeSqlite>(programs_.work / "native.sqlite", records());
    }
    return *native_;
  }

  const Programs& programs_;
  const SqlOptions& options_;
  std::map<std::uint64_t, std::unique_ptr<SqlStore>> stores_;  // by the number of records
  std::unique_ptr<NativeSqlite> native_;
};

}  // namespace

std::vector<Figure> sql_figures(const Programs& programs, const SqlOptions& options) {
  SqlBench bench(programs, options);
  std::vector<Figure> figures;
  if (options.names.contains("sql_point")) figures.push_back(bench.point());
  if (options.names.contains("sql_index")) figures.push_back(bench.by_index());
  if (options.names.contains("sql_scan")) figures.push_back(bench.scan());
  if (options.names.contains("query")) {
    for (Figure& figure : bench.queries()) figures.push_back(std::move(figure));
  }
  return figures;
}

}  // namespace kontract::bench
