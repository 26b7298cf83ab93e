// Backend functions: how the session runs them, one at a time as long as they wait for its own
// tables only, and does what they wait for.

#include <caf/all.hpp>

#include "actors/call_error.hpp"
#include "actors/call_key.hpp"
#include "actors/detail/function_run.hpp"
#include "actors/detail/session_actor_access.hpp"
#include "actors/detail/workers.hpp"
#include "actors/session_do.hpp"
#include "actors/settle.hpp"

namespace kontract {

using detail::FunctionRun;

namespace {

// Brings the answer of another session's function back to the one that called it.
class AnswerToRun final : public ReplyTarget {
 public:
  AnswerToRun(SessionAddress session, const std::shared_ptr<FunctionRun>& run)
      : session_(std::move(session)), run_(run), wait_(run->wait()) {}
  void answer(std::uint64_t, Answer&& answer) noexcept override {
    caf::anon_send(session_,
                   FunctionAnswered{run_, wait_, std::make_shared<Answer>(std::move(answer))});
  }

 private:
  const SessionAddress session_;
  const std::weak_ptr<FunctionRun> run_;
  const std::uint64_t wait_;
};

Error stopping() {
  return {Errc::overloaded, "The server is shutting down", "Repeat the call in a moment."};
}

}  // namespace

void SessionDO::run_function(const CallPtr& call, const BackendFunction& function) {
  const std::string& group = function.options.ugroup;
  if (!group.empty() && !call->context.peer->in_group(group)) {
    return call->reply.fail(
        Error(Errc::forbidden, "Only the group " + group + " may call " + function.options.name));
  }
  if (Status status = admit(*call, function.options.perm); !status) {
    return call->reply.fail(std::move(status).error());
  }
  call->context.perm = function.options.perm;
  start_run(call, function);
}

// REQUIRES: admitted, with the bits that the function is to have.
void SessionDO::start_run(const CallPtr& call, const BackendFunction& function) {
  running_ = std::make_shared<FunctionRun>(call, function, lent_,
                                           SessionActorAccess::store(*handle_).shared(),
                                           shard_.options().sql.time, AlarmStage(alarms_));
  running_->begin();
  proceed();
}

// Does what the function that runs waits for, until that takes its time or the function has ended.
void SessionDO::proceed() {
  while (running_ && proceed_once()) {
  }
}

// False: it waits.
bool SessionDO::proceed_once() {
  switch (running_->state()) {
    case FunctionRun::State::wants_table:
      if (lend(running_->wanted_table())) return false;
      running_->table_is_refused(table_not_found(running_->wanted_table(), handle_->identity()));
      return true;
    case FunctionRun::State::wants_worker:
      SessionActorAccess::workers(*handle_).post(
          [run = running_, self = SessionAddress(this)]() mutable {
            run->work();
            caf::anon_send(self, FunctionWorked{std::move(run)});
          });
      return false;
    case FunctionRun::State::outside: {
      const std::shared_ptr<FunctionRun> run = std::exchange(running_, nullptr);
      run->step_aside();
      if (aside_.insert(run).second) reads_at_.insert(run->call().context.current_txid);
      wait_outside(run);
      return true;
    }
    case FunctionRun::State::ended: {
      const std::shared_ptr<FunctionRun> run = std::exchange(running_, nullptr);
      forget_aside(run);
      finish(*run);
      return true;
    }
    case FunctionRun::State::running:
      break;
  }
  return false;
}

// Asks for the table; false if there is none. It comes as SessionLent.
bool SessionDO::lend(const std::string& table) {
  TableEntry* entry = find_table(table);
  if (entry == nullptr || entry->row.owner != handle_->identity().owner) return false;
  auto end = std::make_shared<LendEnd>([self = SessionAddress(this), table](auto outcome) {
    caf::anon_send(self,
                   SessionLent{table, std::make_shared<Result<TableLoanPtr>>(std::move(outcome))});
  });
  caf::anon_send(actor_of(*entry), TableLend{std::move(end)});
  return true;
}

void SessionDO::lent(const SessionLent& message) {
  // Whoever asked for it holds up the session until it comes, or is gone.
  if (!running_) return;
  Result<TableLoanPtr>& outcome = *message.outcome;
  if (outcome) lent_[message.table] = std::move(*outcome);
  if (coming_back_) {
    come_back(outcome ? Status() : Status(std::move(outcome).error()));
  } else {
    if (outcome) {
      running_->table_is_here();
    } else {
      running_->table_is_refused(std::move(outcome).error());
    }
    proceed();
  }
  release_calls();
}

void SessionDO::worked(const FunctionWorked& message) {
  if (running_ != message.run) return;
  running_->worked();
  proceed();
  release_calls();
}

// ------------------------------------------------------------------------------------ outside

void SessionDO::wait_outside(const std::shared_ptr<FunctionRun>& run) {
  const SessionAddress self(this);
  if (SessionActorAccess::stopping(*handle_)) return end_wait(run, stopping());
  if (const auto* other = std::get_if<detail::OtherCall>(&run->wanted())) {
    return call_other(run, *other);
  }
  using std::chrono::milliseconds;
  milliseconds span = std::get<FunctionRun::Time>(run->wanted()).span;
  if (run->call().deadline != Clock::time_point::max()) {
    const auto left = std::chrono::ceil<milliseconds>(run->call().deadline - Clock::now());
    span = std::min(span, left + milliseconds(1));
  }
  delayed_anon_send(
      self, std::max(span, milliseconds(0)),
      FunctionAnswered{run, run->wait(), std::make_shared<Answer>(Answer{JsonText("null")})});
}

void SessionDO::end_wait(const std::shared_ptr<FunctionRun>& run, Error error) {
  anon_send(SessionAddress(this),
            FunctionAnswered{run, run->wait(), std::make_shared<Answer>(Answer{std::move(error)})});
}

void SessionDO::call_other(const std::shared_ptr<FunctionRun>& run,
                           const detail::OtherCall& other) {
  Call& from = run->call();
  auto handle = SessionActorAccess::find(*handle_, {handle_->identity().owner, other.session});
  if (!handle) return end_wait(run, std::move(handle).error());
  auto call = std::make_shared<Call>();
  call->context.peer = from.context.peer;
  call->context.perm = from.context.perm;
  call->function = other.function;
  call->args = other.args;
  call->deadline = from.deadline;
  call->origin = std::make_shared<const CallOrigin>(
      CallOrigin{handle_->identity(), from.function, from.origin});
  call->reply = Reply(std::make_shared<AnswerToRun>(SessionAddress(this), run), 0);
  (*handle)->send(std::move(call));
}

// Functions that sleep would keep the session from ending.
void SessionDO::wake_sleepers() {
  for (const auto& run : aside_) {
    const bool sleeps = run->state() == FunctionRun::State::outside &&
                        std::holds_alternative<FunctionRun::Time>(run->wanted());
    if (sleeps) end_wait(run, stopping());
  }
}

// What a function waited for outside has come: it goes on when the session comes to it.
void SessionDO::answered(const FunctionAnswered& message) {
  const std::shared_ptr<FunctionRun> run = message.run.lock();
  if (!run || run->wait() != message.wait || !aside_.contains(run)) return;
  run->outside_is_over(std::move(*message.answer));
  returning_.push_back(run);
  release_calls();
}

void SessionDO::go_on(const std::shared_ptr<FunctionRun>& run) {
  running_ = run;
  coming_back_ = true;
  come_back({});
}

// Gets back the tables, one after the other; then the function goes on, after all calls that ran
// meanwhile if what it has seen still holds.
void SessionDO::come_back(Status status) {
  if (status && running_->call().expired()) {
    status = Error(Errc::timeout, "The call's time ran out; nothing of it was kept");
  }
  if (status) status = ensure_loaded();
  if (status) {
    if (const auto missing = running_->missing_table()) {
      if (lend(*missing)) return;
      status = table_not_found(*missing, handle_->identity());
    }
  }
  coming_back_ = false;
  if (status && !running_->read_only()) status = rebase();
  running_->go_on(status ? std::nullopt : std::optional(std::move(status).error()));
  proceed();
}

void SessionDO::abandon_function() {
  running_ = nullptr;  // whose reply answers as it is dropped
  coming_back_ = false;
  lent_.clear();
}

Status SessionDO::rebase() {
  FunctionRun& run = *running_;
  if (run.call().epoch != epoch_) return lost_its_ground();
  if (Status same = run.revalidate(); !same) return same;
  const Result<TxidAllocator::Grant> grant = txids_->allocate();
  if (!grant) return grant.error();
  forget_aside(running_);
  return run.come_back(*grant, oldest_reader(txids_->peek()));
}

// It reads at its txid no more.
void SessionDO::forget_aside(const std::shared_ptr<FunctionRun>& run) {
  if (aside_.erase(run) == 0) return;
  reads_at_.erase(reads_at_.find(run->call().context.current_txid));
}

// ------------------------------------------------------------------------------------ the end

void SessionDO::finish(FunctionRun& run) {
  Call& call = run.call();
  std::string unforeseen;
  Result<Returned> outcome = run.take_outcome(unforeseen);
  if (!unforeseen.empty()) {
    shard_.options().alarm("function " + call.function + ": " + unforeseen);
  }
  WriteBatch batch;
  if (outcome) batch = run.take_batch();
  if (outcome) {
    if (Status kept = keep_alarms(run, batch); !kept) outcome = std::move(kept).error();
  }
  if (batch.own_bytes() > limits::kBatchBytesMax) {
    outcome = Error(Errc::too_large, "The function writes " + std::to_string(batch.own_bytes()) +
                                         " bytes; the limit is " +
                                         std::to_string(limits::kBatchBytesMax));
  }
  if (!outcome && call.alarm) {
    run.roll_back();
    return alarm_failed(call, outcome.error());
  }
  Ticket wait_for = std::max(run.observed(), call.settle_after);
  if (run.alarms().looked()) wait_for = std::max(wait_for, alarms_.last_change());
  Answer answer{Error(), call.told_txid};
  if (outcome) {
    answer.result = std::move(outcome->result);
    answer.head = std::move(outcome->head);
  } else {
    answer.result = std::move(outcome).error();
    batch = {};
  }
  if (batch.empty()) {
    run.roll_back();
    return deliver_when_settled(log_, wait_for, std::move(call.reply), std::move(answer));
  }
  keep_reply(call, answer, batch);
  // The batch settles after all that it observed, since tickets are applied in order.
  if (call.alarm) answer.result = JsonText(alarm_answers::kFired);
  run.seal(append(std::move(batch), call.epoch, std::move(call.reply), std::move(answer)));
}

}  // namespace kontract
