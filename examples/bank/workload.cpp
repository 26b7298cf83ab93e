#include "examples/bank/workload.hpp"

#include <algorithm>
#include <future>

#include "examples/bank/bank_functions.hpp"

namespace bank {

using kontract::CallResult;
using kontract::Errc;
using kontract::Error;
using kontract::Json;
using kontract::Result;
using kontract::Status;

namespace {

constexpr std::int64_t kAmountMax = 10;
constexpr std::size_t kOpeningBatch = 500;

bool may_retry(const Error& error) { return kontract::traits(error.code).retry; }

bool is_too_little_money(const Error& error) { return error.code == Errc::schema_violation; }

}  // namespace

std::string account_id(std::size_t account) { return "a" + std::to_string(account); }

void Progress::settle() {
  const std::lock_guard lock(mutex_);
  ++settled_;
  changed_.notify_all();
}

void Progress::note_refusal(Error error) {
  const std::lock_guard lock(mutex_);
  refusal_ = std::move(error);
}

void Progress::fail(Error error) {
  const std::lock_guard lock(mutex_);
  if (!failure_) failure_ = std::move(error);
  changed_.notify_all();
}

Status Progress::wait_for(std::size_t settled) const {
  std::unique_lock lock(mutex_);
  while (!failure_ && settled_ < settled) {
    const std::size_t before = settled_;
    changed_.wait_for(lock, kStandstill, [&] { return failure_ || settled_ != before; });
    if (failure_ || settled_ != before) continue;
    const std::string last = refusal_ ? "; the last refusal: " + refusal_->message : "";
    return Error(Errc::timeout, "No transfer was settled for 30 s" + last);
  }
  if (failure_) return *failure_;
  return {};
}

Teller::Teller(kontract::ClientOptions options, const Load& load, Progress& progress,
               std::size_t index)
    : load_(load),
      progress_(progress),
      index_(index),
      quota_(load.transfers * (index + 1) / load.clients - load.transfers * index / load.clients),
      random_(load.seed * 1'000'003 + index),
      sent_(load.accounts),
      made_(load.accounts),
      gained_(load.accounts),
      client_(std::move(options)) {}

Teller::~Teller() { stopping_ = true; }

void Teller::start() {
  client_.on_connection([this](bool connected) {
    if (!connected || started_) return;
    started_ = true;
    go_on();
  });
}

void Teller::go_on() {
  while (in_flight_ < load_.in_flight && begun_ < quota_) send(next());
}

Teller::Transfer Teller::next() {
  using Pick = std::uniform_int_distribution<std::size_t>;
  const std::size_t own = (load_.accounts - 1 - index_) / load_.clients;  // the last one of them
  Transfer transfer;
  transfer.order = begun_++;
  transfer.from = index_ + load_.clients * Pick(0, own)(random_);
  transfer.to = Pick(0, load_.accounts - 2)(random_);
  if (transfer.to >= transfer.from) ++transfer.to;
  transfer.amount = std::uniform_int_distribution<std::int64_t>(1, kAmountMax)(random_);
  return transfer;
}

void Teller::send(Transfer transfer) {
  ++in_flight_;
  // What may have been made keeps its number. Behind one that was refused none was made.
  if (transfer.number == 0 || transfer.number > made_[transfer.from]) {
    transfer.number = ++sent_[transfer.from];
  }
  client_.call("bank.transfer",
               Json::array({account_id(transfer.from), account_id(transfer.to), transfer.amount,
                            transfer.number}),
               [this, transfer](const Result<CallResult>& result) { answered(transfer, result); });
}

void Teller::answered(Transfer transfer, const Result<CallResult>& result) {
  if (stopping_) return;
  --in_flight_;
  if (result) {
    settle(transfer, result->result.at("repeated").get<bool>());
  } else if (is_too_little_money(result.error())) {
    ++tally_.refused;
    progress_.settle();
    draining_ = true;  // those behind it came too early: its number is the next one's
  } else if (may_retry(result.error())) {
    if (result.error().code == Errc::timeout && !transfer.unknown) {
      transfer.unknown = true;
      ++tally_.unknown;
    }
    progress_.note_refusal(result.error());
    again_.push_back(transfer);
    draining_ = true;
  } else {
    progress_.fail(result.error());
  }
  if (!draining_) return go_on();
  if (in_flight_ == 0) send_again();
}

void Teller::settle(const Transfer& transfer, bool repeated) {
  std::int64_t& made = made_[transfer.from];
  if (repeated ? !transfer.unknown : transfer.number <= made) {
    return progress_.fail(
        Error(Errc::internal,
              "Transfer " + std::to_string(transfer.number) + " from " + account_id(transfer.from) +
                  (repeated ? " was made before it was sent" : " was lost and is made again")));
  }
  made = std::max(made, transfer.number);
  ++tally_.made;
  if (repeated) ++tally_.unknown_made;
  gained_[transfer.from].balance -= transfer.amount;
  gained_[transfer.to].balance += transfer.amount;
  ++gained_[transfer.from].sent;
  ++gained_[transfer.to].received;
  progress_.settle();
}

// In the order in which they were sent first.
void Teller::send_again() {
  draining_ = false;
  sent_ = made_;
  std::vector<Transfer> again;
  again.swap(again_);
  std::ranges::sort(again, {}, &Transfer::order);
  for (const Transfer& transfer : again) send(transfer);
  go_on();
}

Auditor::Auditor(kontract::ClientOptions options, std::int64_t expected, Progress& progress)
    : expected_(expected), progress_(progress), client_(std::move(options)) {
  thread_ = std::thread([this] { run(); });
}

Auditor::~Auditor() { stop(); }

std::size_t Auditor::stop() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
  return readings_;
}

void Auditor::run() {
  while (!stopping_) {
    const auto total = client_.call("bank.total", Json::array());
    if (!total && may_retry(total.error())) continue;
    if (!total) return progress_.fail(total.error());
    if (total->result != expected_) {
      return progress_.fail(Error(Errc::internal, "The accounts have " + total->result.dump() +
                                                      ", not " + std::to_string(expected_)));
    }
    ++readings_;
  }
}

Status open_accounts(kontract::Client& client, const Load& load) {
  const auto created = client.call("table.create", table_arguments());
  if (!created) return created.error();
  std::vector<std::future<Status>> opened;
  for (std::size_t account = 0; account < load.accounts; ++account) {
    auto promise = std::make_shared<std::promise<Status>>();
    opened.push_back(promise->get_future());
    client.call("bank.open", Json::array({account_id(account), load.opening}),
                [promise](const Result<CallResult>& result) {
                  promise->set_value(result ? Status() : Status(result.error()));
                });
    if (opened.size() < kOpeningBatch && account + 1 < load.accounts) continue;
    for (auto& each : opened) {
      Status status = each.get();
      if (!status) return status;
    }
    opened.clear();
  }
  return {};
}

Result<std::vector<Account>> read_accounts(kontract::Client& client, const Load& load) {
  std::map<std::string, std::size_t> numbers;
  for (std::size_t account = 0; account < load.accounts; ++account) {
    numbers[account_id(account)] = account;
  }
  std::vector<Account> accounts(load.accounts);
  Json page = Json::object();
  for (;;) {
    const auto read = client.call("table.query", Json::array({kTable, Json::object(), page}));
    if (!read) return read.error();
    for (const Json& row : read->result.at("rows")) {
      const auto number = numbers.find(row.at("id").get<std::string>());
      if (number == numbers.end()) {
        return Error(Errc::internal, "An account that nobody opened: " + row.dump());
      }
      const Json& data = row.at("data");
      accounts[number->second] = {data.at("balance").get<std::int64_t>(),
                                  data.at("sent").get<std::int64_t>(),
                                  data.at("received").get<std::int64_t>()};
    }
    if (read->result.at("next").is_null()) return accounts;
    page["after"] = read->result.at("next");
  }
}

}  // namespace bank
