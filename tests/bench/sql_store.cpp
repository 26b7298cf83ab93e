#include "tests/bench/sql_store.hpp"

#include <algorithm>
#include <stdexcept>

#include "storage/index_registry.hpp"
#include "tests/bench/sql_records.hpp"

namespace kontract::bench {

namespace {

constexpr SessionNo kSession = 1;
constexpr TableNo kTable = 1;

template <class T>
T value(Result<T> result) {
  if (!result) throw std::runtime_error("kontract: " + result.error().message);
  return *std::move(result);
}
void require(const Status& status) {
  if (!status) throw std::runtime_error("kontract: " + status.error().message);
}

TableRow table_row() {
  return {"t",        "tbl_t_1", "bench",
          perms::RWX, kTable,    R"({"fields":{"city":{"type":"integer","index":true}}})"};
}

}  // namespace

SqlStore::SqlStore(const std::filesystem::path& directory, std::uint64_t records)
    : records_(records) {
  open(directory, true);
  fill();
  table_.reset();
  store_.reset();
  open(directory, false);
}

void SqlStore::open(const std::filesystem::path& directory, bool is_new) {
  StoreOptions options;
  options.data = directory;
  options.ballast_bytes = 0;
  options.disk_floor_bytes = 0;
  store_ = value(Store::open(std::move(options)));
  Shard& shard = store_->shard(0);
  if (is_new) {
    WriteBatch batch;
    put_table(batch, kSession, table_row());
    const auto indexes = value(plan_index_changes({}, {{{"city"}, false}}, IndexState::ready));
    for (const IndexRow& row : indexes.put) put_index(batch, kSession, kTable, row);
    shard.log().append(std::move(batch), shard.log().epoch(), nullptr);
    require(shard.log().flush());
    require(store_->flush());
    store_.reset();  // the table reads its indexes from LMDB
    return open(directory, false);
  }
  table_ = value(Table::open(shard, kSession, table_row()));
}

void SqlStore::begin() {
  ++txid_;
  require(table_->begin({"bench", "bench", txid_, perms::RWX, txid_ + 1}));
}

void SqlStore::fill() {
  CommitLog& log = store_->shard(0).log();
  for (std::uint64_t turn = 0; turn < records_;) {
    begin();
    const std::uint64_t end = std::min<std::uint64_t>(records_, turn + 1000);
    for (; turn < end; ++turn) {
      const std::uint64_t number = sql_number(turn, records_);
      value(table_->set(sql_id(number), sql_data(number, records_)));
    }
    table_->seal(log.append(table_->take_staged(), table_->epoch(), nullptr));
    require(log.flush());
  }
}

std::string SqlStore::exec(std::string_view sql, const Json& params) {
  begin();
  return value(table_->exec(sql, params));
}

std::size_t SqlStore::query(const Json& filter) {
  constexpr std::string_view kRow = R"({"id":)";
  std::size_t rows = 0;
  QueryOptions options;
  do {
    begin();
    const std::string page = value(table_->query(filter, options));
    for (auto at = page.find(kRow); at != page.npos; at = page.find(kRow, at + 1)) ++rows;
    constexpr std::string_view kNext = R"(],"next":)";
    const std::string next = page.substr(page.rfind(kNext) + kNext.size());
    options.after = next.starts_with('"') ? next.substr(1, next.size() - 3) : "";
  } while (!options.after.empty());
  return rows;
}

}  // namespace kontract::bench
