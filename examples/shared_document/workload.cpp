#include "workload.hpp"

#include <algorithm>

namespace shared_document {

using kontract::CallResult;
using kontract::Errc;
using kontract::Error;
using kontract::Json;
using kontract::Result;
using kontract::Status;

namespace {

constexpr std::size_t kPageRows = 1000;
constexpr std::size_t kReadings = 8;  // of each reader, while the text is written

std::string id_of(std::size_t seq) {
  const std::string digits = std::to_string(seq);
  return std::string(8 - std::min<std::size_t>(8, digits.size()), '0') + digits;
}

bool may_retry(const Error& error) { return kontract::traits(error.code).retry; }

}  // namespace

void Progress::acknowledge(std::size_t seq) {
  const std::lock_guard lock(mutex_);
  if (acknowledged_[seq]) return;
  acknowledged_[seq] = true;
  ++count_;
  while (watermark_ < acknowledged_.size() && acknowledged_[watermark_]) ++watermark_;
  changed_.notify_all();
}

void Progress::fail(Error error) {
  const std::lock_guard lock(mutex_);
  if (!error_) error_ = std::move(error);
  changed_.notify_all();
}

std::size_t Progress::watermark() const {
  const std::lock_guard lock(mutex_);
  return watermark_;
}

std::optional<Error> Progress::error() const {
  const std::lock_guard lock(mutex_);
  return error_;
}

bool Progress::wait(const std::function<bool()>& reached) const {
  std::unique_lock lock(mutex_);
  while (!error_ && !reached()) {
    if (changed_.wait_for(lock, kStandstill) == std::cv_status::timeout) return false;
  }
  return !error_;
}

bool Progress::wait_for_count(std::size_t count) const {
  return wait([&] { return count_ >= count; });
}

bool Progress::wait_for_watermark(std::size_t watermark) const {
  return wait([&] { return watermark_ >= watermark; });
}

Writer::Writer(kontract::ClientOptions options, const Edits& edits, Progress& progress,
               std::size_t first, std::size_t step)
    : edits_(edits),
      progress_(progress),
      writer_(first),
      step_(step),
      next_(first),
      client_(std::move(options)) {}

void Writer::start() {
  for (int i = 0; i < kInFlight; ++i) send_next();
}

void Writer::send_next() {
  const std::size_t seq = next_.fetch_add(step_);
  if (seq < edits_.size()) send(seq);
}

void Writer::send(std::size_t seq) {
  const Json data = {{"seq", seq}, {"writer", writer_}, {"patches", edits_[seq]}};
  client_.call("table.set", Json::array({kTable, id_of(seq), data}),
               [this, seq](const Result<CallResult>& result) {
                 if (result) {
                   progress_.acknowledge(seq);
                   send_next();
                 } else if (may_retry(result.error())) {
                   ++repeats_;
                   send(seq);
                 } else {
                   progress_.fail(result.error());
                 }
               });
}

Result<std::vector<Json>> read_rows(kontract::Client& client) {
  std::vector<Json> rows;
  Json page = {{"limit", kPageRows}};
  for (;;) {
    auto answer = client.call("table.query", Json::array({kTable, Json::object(), page}));
    if (!answer) {
      if (may_retry(answer.error())) continue;
      return std::move(answer).error();
    }
    for (Json& row : answer->result.at("rows")) rows.push_back(std::move(row));
    Json next = std::move(answer->result.at("next"));
    if (next.is_null()) return rows;
    page["after"] = std::move(next);
  }
}

Result<Seen> examine(const std::vector<Json>& rows, const Edits& written) {
  Seen seen;
  seen.edits.resize(written.size());
  for (const Json& row : rows) {
    const Json& data = row.at("data");
    const auto seq = data.value("seq", written.size());
    if (seq >= written.size() || row.at("id") != id_of(seq) || data.at("patches") != written[seq]) {
      return Error(Errc::internal, "A row that nobody wrote: " + row.dump());
    }
    if (seen.edits[seq] != nullptr) {
      return Error(Errc::internal, "Edit " + std::to_string(seq) + " is there twice");
    }
    seen.edits[seq] = &data.at("patches");
    ++seen.count;
  }
  return seen;
}

Reader::Reader(kontract::ClientOptions options, const Edits& edits, Progress& progress)
    : edits_(edits), progress_(progress), client_(std::move(options)) {
  thread_ = std::thread([this] { run(); });
}

Reader::~Reader() { thread_.join(); }

void Reader::run() {
  for (std::size_t i = 1; i <= kReadings; ++i) {
    if (!progress_.wait_for_watermark(edits_.size() * i / kReadings)) return;
    const Status read = read_once();
    if (!read) return progress_.fail(read.error());
    ++readings_;
  }
}

Status Reader::read_once() {
  const std::size_t watermark = progress_.watermark();
  const auto rows = read_rows(client_);
  if (!rows) return rows.error();
  const auto seen = examine(*rows, edits_);
  if (!seen) return seen.error();
  const auto present = std::ranges::find(seen->edits, nullptr) - seen->edits.begin();
  if (static_cast<std::size_t>(present) >= watermark) return {};
  return Error(Errc::internal, "Edit " + std::to_string(present) +
                                   " was acknowledged and a later reading does not have it");
}

}  // namespace shared_document
