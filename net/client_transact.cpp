// Client::transact.

#include <algorithm>
#include <random>
#include <thread>

#include "net/client.hpp"

namespace kontract {

namespace {

// Of a call in a transaction: nothing of that one can be committed any more, and another may do
// better. A transaction ends with its connection, so a lost call takes it along.
bool ends_transaction(const Error& error) {
  return error.code == Errc::txn_conflict || error.code == Errc::txid_invalid ||
         error.code == Errc::timeout;
}

Error outcome_unknown(const Error& why) {
  return {Errc::timeout, "Whether the transaction was committed is unknown: " + why.message,
          "Read the state again, or repeat it if running it twice does no harm."};
}

}  // namespace

Result<CallResult> Client::Transaction::call(std::string_view function, Json args) {
  if (broken_) return *broken_;
  Result<CallResult> result = client_.wait(function, std::move(args), tx_);
  if (!result && ends_transaction(result.error())) broken_ = result.error();
  return result;
}

Result<std::uint64_t> Client::transact_once(const Work& work, bool& again) {
  const Result<CallResult> begun = call("tx.begin", Json::array());
  if (!begun) {
    // What was begun and not heard of ends with its connection.
    again = traits(begun.error().code).retry;
    return begun.error();
  }
  const auto tx = begun->result.find("tx");
  if (tx == begun->result.end() || !tx->is_number_unsigned()) {
    return Error(Errc::internal, "The server did not say which transaction it began");
  }
  Transaction transaction(*this, tx->get<std::uint64_t>());
  const auto roll_back = [&] {
    if (!transaction.broken_) call("tx.rollback", Json::array({transaction.tx()}), [](auto&&) {});
  };
  Status done;
  try {
    done = work(transaction);
  } catch (...) {
    roll_back();
    throw;
  }
  if (transaction.broken_) {
    again = true;
    // One that only timed out is still there.
    if (transaction.broken_->code == Errc::timeout) {
      call("tx.rollback", Json::array({transaction.tx()}), [](auto&&) {});
    }
    return *std::move(transaction.broken_);
  }
  if (!done) {
    roll_back();
    return std::move(done).error();
  }
  Result<CallResult> committed = call("tx.commit", Json::array({transaction.tx()}));
  if (committed) return committed->txid;
  if (committed.error().code == Errc::timeout) return outcome_unknown(committed.error());
  again = ends_transaction(committed.error());
  return std::move(committed).error();
}

Result<std::uint64_t> Client::transact(const Work& work, const TransactOptions& options) {
  using std::chrono::milliseconds;
  std::minstd_rand random{std::random_device{}()};
  milliseconds bound = options.backoff_min;
  for (int attempt = 1;; ++attempt) {
    bool again = false;
    Result<std::uint64_t> committed = transact_once(work, again);
    if (committed || !again || attempt >= options.attempts_max) return committed;
    std::uniform_int_distribution<milliseconds::rep> jitter(0, bound.count());
    const milliseconds asked = committed.error().retry_after.value_or(milliseconds(0));
    std::this_thread::sleep_for(asked + milliseconds(jitter(random)));
    bound = std::min(bound * 2, options.backoff_max);
  }
}

}  // namespace kontract
