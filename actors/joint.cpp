#include "actors/joint.hpp"

#include "actors/call_key.hpp"
#include "actors/settle.hpp"

namespace kontract {

Error results_too_large() {
  return {Errc::too_large,
          "The results of the batch have more than " + std::to_string(limits::kBatchBytesMax) +
              " bytes, which is the limit",
          "Read less at once."};
}

Joint::Joint(CallPtr call, CommitLog& log, Epoch epoch, std::size_t parts, std::size_t slots,
             Combine combine)
    : call_(std::move(call)),
      log_(log),
      epoch_(epoch),
      combine_(std::move(combine)),
      parts_left_(parts),
      results_(slots),
      observed_(call_->settle_after) {}

void Joint::finish(Report report) {
  std::unique_lock lock(mutex_);
  for (auto& [slot, result] : report.results) {
    result_bytes_ += result.size();
    results_[slot] = std::move(result);
  }
  if (report.error && (!error_ || report.error->first < error_->first))
    error_ = std::move(report.error);
  if (report.stale && !stale_) stale_ = std::move(report.stale);
  batch_.merge(std::move(report.staged));
  observed_ = std::max(observed_, report.observed);
  if (report.notify) notify_.push_back(std::move(report.notify));
  if (--parts_left_ == 0) settle(std::move(lock));
}

void Joint::abandon() {
  const std::lock_guard lock(mutex_);
  if (!settled_ && !error_) {
    error_.emplace(0, Error(Errc::internal, "A table of the call had to be restarted"));
  }
}

void Joint::settle(std::unique_lock<std::mutex> lock) {
  settled_ = true;
  if (!error_ && stale_ && !batch_.empty()) error_.emplace(0, *std::move(stale_));
  if (!error_ && batch_.own_bytes() > limits::kBatchBytesMax) {
    error_.emplace(0, Error(Errc::too_large,
                            "The batch writes " + std::to_string(batch_.own_bytes()) +
                                " bytes; the limit is " + std::to_string(limits::kBatchBytesMax),
                            "Split it into several calls."));
  }
  if (!error_ && result_bytes_ > limits::kBatchBytesMax) error_.emplace(0, results_too_large());
  const Txid txid = call_->told_txid;
  Outcome outcome;
  if (error_) {
    Answer answer{std::move(error_->second), txid};
    lock.unlock();
    deliver_when_settled(log_, observed_, std::move(call_->reply), std::move(answer));
  } else {
    outcome.committed = true;
    Answer answer{combine_(results_), txid};
    if (batch_.empty()) {
      lock.unlock();
      deliver_when_settled(log_, observed_, std::move(call_->reply), std::move(answer));
    } else {
      keep_reply(*call_, answer, batch_);
      // A batch comes after all that its operations observed, so it settles after it as well.
      outcome.ticket =
          log_.append(std::move(batch_), epoch_,
                      std::make_unique<HeldAnswer>(std::move(call_->reply), std::move(answer)));
      lock.unlock();
    }
  }
  for (const Notify& notify : notify_) notify(outcome);
}

JointPart::~JointPart() {
  if (finished_) return;
  Joint::Report report;
  report.error.emplace(operations_.empty() ? 0 : operations_.front().slot,
                       Error(Errc::internal, "A table of the call was restarted"));
  finish(std::move(report));
}

void JointPart::finish(Joint::Report report) {
  finished_ = true;
  joint_->finish(std::move(report));
}

}  // namespace kontract
