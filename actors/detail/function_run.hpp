// FunctionRun: one run of a backend function, from its call to what it returned: the coroutine,
// what that waits for, and its transaction over the tables that the session has been lent. Belongs
// to the session, which does what it waits for (actors/function_call.cpp); touched on the session's
// actor only, and by a worker while it is `on_worker`.
//
// When it waits for something outside, it steps aside: it keeps its changes and what it has read,
// lets go of its tables, and comes back at a new txid, if others did not change what it has seen.

#pragma once

#include <chrono>
#include <coroutine>
#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "actors/alarm_stage.hpp"
#include "actors/backend.hpp"
#include "actors/call.hpp"
#include "actors/function_context.hpp"
#include "actors/table_loan.hpp"
#include "actors/txid_allocator.hpp"
#include "storage/sql_limits.hpp"

namespace kontract::detail {

// A call of another session's function.
struct OtherCall {
  std::string session, function;
  Json args;
};

class FunctionRun {
 public:
  enum class State : std::uint8_t {
    running,
    wants_table,   // wanted_table() is to be lent
    wants_worker,  // a statement takes too long for this thread: work(), then worked()
    outside,       // what wanted() says
    ended,
  };

  // What is waited for outside.
  struct Time {
    std::chrono::milliseconds span;
  };
  using Outside = std::variant<Time, OtherCall>;

  // `lent` is the session's, and outlives it or is cleared with it.
  FunctionRun(CallPtr call, const BackendFunction& function, LentTables& lent, SharedState& shared,
              std::chrono::milliseconds sql_time, AlarmStage alarms);
  FunctionRun(const FunctionRun&) = delete;
  FunctionRun& operator=(const FunctionRun&) = delete;

  State state() const { return state_; }
  Call& call() { return *call_; }
  const Call& call() const { return *call_; }
  bool read_only() const { return function_.read_only(); }
  SharedState& shared() { return shared_; }
  AlarmStage& alarms() { return alarms_; }

  // Starts the handler; it runs until it waits or ends.
  void begin();

  // wants_table.
  const std::string& wanted_table() const { return step_->table(); }
  void table_is_here();
  void table_is_refused(Error error);

  // wants_worker.
  void work();  // on another thread
  void worked();

  // outside.
  const Outside& wanted() const { return *outside_; }
  std::uint64_t wait() const { return wait_; }  // another number for each
  // What was waited for has come, or failed: the session's next turn is this run's.
  void outside_is_over(Answer answer) {
    ++wait_;  // what else would end the wait comes too late
    answer_ = std::move(answer);
  }
  // Lets go of the tables. They are to be read at its txid until it comes back.
  void step_aside();
  // The tables that it needs to come back, one after the other; nothing if all are here.
  std::optional<std::string> missing_table() const;
  // Whether what it has read still holds. REQUIRES: no table is missing; not read_only.
  Status revalidate();
  // Its transaction goes on at this txid. REQUIRES: revalidated, or read_only and the same one.
  Status come_back(const TxidAllocator::Grant& grant, Txid oldest_reader);
  // Goes on with what outside_is_over() said or, if there is one, this error.
  void go_on(std::optional<Error> instead = std::nullopt);

  // ended. The outcome; an error takes back all that it staged.
  Result<Returned> take_outcome(std::string& unforeseen);
  WriteBatch take_batch();
  void seal(Ticket ticket);
  void roll_back();
  Ticket observed() const { return observed_; }

  // For what the handler awaits.
  bool try_step(TableStep& step);
  void wait_for_step(TableStep& step, std::coroutine_handle<> waiting);
  void wait_outside(Outside what, std::coroutine_handle<> waiting);
  Answer take_answer() { return std::move(answer_); }
  // Errors: invalid_request if that session waits for this run already, or too many do.
  Status check_call_to(const std::string& session) const;

 private:
  struct Part {
    TableLoanPtr loan;  // null while it stands aside
    bool begun = false;
    bool taken = false;
    ReadLog reads;  // unless it only reads
    // While it stands aside.
    std::vector<RecordChange> changes;
    std::uint64_t opening = 0;
    TableNo number = 0;
    Txid last_write = 0;
  };

  Part* part_of(const std::string& table);
  Status begin_part(Part& part, Access::Stand stand = Access::Stand::present);
  Result<JsonText> perform(Part& part, const TableStep& step);
  Result<JsonText> exec(Part& part, const TableStep& step, std::chrono::milliseconds time);
  Status check_unchanged(Part& part);
  Error broken(Part& part, const std::exception& failure);
  void resume();

  const CallPtr call_;
  const BackendFunction& function_;
  LentTables& lent_;
  SharedState& shared_;
  const std::chrono::milliseconds sql_time_;
  AlarmStage alarms_;
  FunctionContext context_{*this};
  std::map<std::string, Part, std::less<>> parts_;
  Ticket observed_ = 0;
  std::optional<Error> doomed_;  // why nothing may be committed, whatever the handler does
  std::string unforeseen_;       // for the log

  State state_ = State::running;
  std::coroutine_handle<> waiting_;
  TableStep* step_ = nullptr;  // wants_table, wants_worker
  std::optional<Outside> outside_;
  std::uint64_t wait_ = 0;
  Answer answer_{JsonText()};
  std::exception_ptr refused_;  // the handler could not be started
  Task<Returned> task_;         // last: what it holds may use the rest
};

}  // namespace kontract::detail
