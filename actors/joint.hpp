// Joint: one call that concerns several tables, executed by each at the call's place in its own
// order (table.batch over tables, table.list).
//
// The session sends every table its part. A table runs its part when it comes to it; if it wrote
// something it then waits with further calls (the gate) until the outcome is known. Whoever
// finishes last settles the outcome: one batch with all that was written, or nothing, and tells the
// tables. All parts of a session's calls are sent in the same order, so no two calls can wait for
// one another. A part that is dropped fails the call.

#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <vector>

#include "actors/call.hpp"
#include "storage/commit_log.hpp"

namespace kontract {

struct Outcome {
  bool committed = false;
  Ticket ticket = 0;  // of the batch, if committed and something was written
};

// A call's results together may have limits::kBatchBytesMax.
Error results_too_large();

class Joint {
 public:
  // Turns the results, by slot, into the call's result.
  using Combine = std::function<JsonText(const std::vector<JsonText>& results)>;
  using Notify = std::function<void(const Outcome&)>;

  Joint(CallPtr call, CommitLog& log, Epoch epoch, std::size_t parts, std::size_t slots,
        Combine combine);

  // What one table did. `notify` is called once with the outcome if it is set.
  struct Report {
    std::vector<std::pair<std::size_t, JsonText>> results;  // slot, result
    std::optional<std::pair<std::size_t, Error>> error;     // slot, first error
    std::optional<Error> stale;  // an error if the call writes anything, in whichever table
    WriteBatch staged;
    Ticket observed = 0;
    Notify notify;
  };
  void finish(Report report);

  // A table that had finished lost its memory of it: nothing may be committed any more. Without
  // effect if the outcome is settled.
  void abandon();

  const Call& call() const { return *call_; }

 private:
  void settle(std::unique_lock<std::mutex> lock);

  const CallPtr call_;
  CommitLog& log_;
  const Epoch epoch_;
  const Combine combine_;

  std::mutex mutex_;
  std::size_t parts_left_;
  bool settled_ = false;
  std::vector<JsonText> results_;
  std::optional<std::pair<std::size_t, Error>> error_;  // the one with the lowest slot
  std::optional<Error> stale_;
  std::size_t result_bytes_ = 0;
  WriteBatch batch_;
  Ticket observed_ = 0;
  std::vector<Notify> notify_;
};

// One table's part, in a message. Fails the call if it is dropped without being finished.
class JointPart {
 public:
  struct Operation {
    std::size_t slot;
    const struct TableFunction* function;  // null: count the records
    Json args;
  };

  JointPart(std::shared_ptr<Joint> joint, std::vector<Operation> operations,
            std::shared_ptr<detail::TransactionPart> of = nullptr, bool commits = false)
      : joint_(std::move(joint)),
        operations_(std::move(operations)),
        transaction_(std::move(of)),
        commits_(commits) {}
  ~JointPart();
  JointPart(const JointPart&) = delete;
  JointPart& operator=(const JointPart&) = delete;

  const std::vector<Operation>& operations() const { return operations_; }
  // Of a connection's transaction in which they run, or null; whether this is its end.
  const std::shared_ptr<detail::TransactionPart>& transaction() const { return transaction_; }
  bool commits() const { return commits_; }
  const std::shared_ptr<Joint>& joint() const { return joint_; }
  void finish(Joint::Report report);

 private:
  std::shared_ptr<Joint> joint_;
  std::vector<Operation> operations_;
  const std::shared_ptr<detail::TransactionPart> transaction_;
  const bool commits_;
  bool finished_ = false;
};

using JointPartPtr = std::shared_ptr<JointPart>;

}  // namespace kontract
