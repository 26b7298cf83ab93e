// Alarms of a session: the functions `alarm.*`, and what happens when one is due. What a handler
// writes and that its alarm has fired are one batch; so an alarm that fires a second time, because
// nobody learned of the first, finds that it has been.

#include <caf/all.hpp>

#include "actors/alarm_functions.hpp"
#include "actors/alarm_handler.hpp"
#include "actors/alarm_progress.hpp"
#include "actors/call_key.hpp"
#include "actors/detail/call_arguments.hpp"
#include "actors/detail/function_run.hpp"
#include "actors/session_do.hpp"
#include "actors/settle.hpp"

namespace kontract {

using detail::FunctionRun;

namespace {

// Nobody's fault: the same may go well in a moment.
bool passes_by_itself(Errc code) {
  return code == Errc::txn_conflict || code == Errc::overloaded || code == Errc::storage_full;
}

Result<AlarmSpec> spec_of(const AlarmRow& row) {
  return AlarmSpec::parse(Json::parse(row.spec, nullptr, /*allow_exceptions=*/false), 0);
}

}  // namespace

// A batch with rows of alarms in it, maybe. The session reads them at once.
Ticket SessionDO::append(WriteBatch batch, Epoch epoch, Reply reply, Answer answer) {
  alarms_.stage(batch);
  const Ticket ticket = log_.append(
      std::move(batch), epoch, std::make_unique<HeldAnswer>(std::move(reply), std::move(answer)));
  alarms_.appended(ticket);
  return ticket;
}

// ------------------------------------------------------------------------------------ functions

void SessionDO::alarm_function(Call& call) {
  const AlarmFunction* function = find_alarm_function(call.function);
  if (function == nullptr) {
    return call.reply.fail(Error(Errc::not_found, "No function " + shown(call.function)));
  }
  Status status = check_count(call, function->args_min, function->args_max, function->usage);
  if (status) status = admit(call, function->needs);
  if (status && function->writes()) status = log_.admit(call.function == "alarm.cancel");
  if (!status) return call.reply.fail(std::move(status).error());
  AlarmStage stage(alarms_);
  const Result<Json> result = run_alarm_function(stage, call.function, call.args, call.context);
  Answer answer{Error(), call.told_txid};
  WriteBatch batch;
  if (!result) {
    answer.result = result.error();
  } else if (Status taken = stage.take(batch, call.context.current_txid); !taken) {
    answer.result = std::move(taken).error();
    batch = {};
  } else {
    answer.result = to_text(*result);
  }
  if (!batch.empty()) {
    keep_reply(call, answer, batch);
    append(std::move(batch), epoch_, std::move(call.reply), std::move(answer));
    return;
  }
  const Ticket wait_for = std::max(call.settle_after, alarms_.last_change());
  deliver_when_settled(log_, wait_for, std::move(call.reply), std::move(answer));
}

// One transaction over tables and alarms; table.batch has checked that it is an array of few.
void SessionDO::batch_with_alarms(const CallPtr& call) {
  Perm needs = perms::none;
  Perm may_need = perms::none;
  std::size_t number = 0;
  for (const Json& operation : call->args[0]) {
    const std::string where = "Operation " + std::to_string(++number) + ": ";
    if (!operation.is_array() || operation.empty() || !operation[0].is_string()) {
      return call->reply.fail(invalid_call(where + "must be [function, arguments...]"));
    }
    const std::string& name = operation[0].get_ref<const std::string&>();
    const TableFunction* record = find_table_function(name);
    const AlarmFunction* alarm = find_alarm_function(name);
    if (record == nullptr && alarm == nullptr) {
      return call->reply.fail(invalid_call(where + shown(name) + " cannot be part of a batch"));
    }
    needs |= record != nullptr ? record->needs : alarm->needs;
    may_need |= record != nullptr ? record->may_need : perms::none;
  }
  if (Status status = admit(*call, needs, may_need); !status) {
    return call->reply.fail(std::move(status).error());
  }
  start_run(call, kontract::batch_with_alarms());
}

// ------------------------------------------------------------------------------------ firing

// The clock says that an alarm is due. Errors go to the clock, which comes again.
void SessionDO::fire_alarm(const CallPtr& call) {
  Status status = admit(*call, perms::none);
  if (status) status = log_.admit(/*frees_space=*/false);
  if (!status) return call->reply.fail(std::move(status).error());
  AlarmFiring& firing = *call->alarm;
  const auto row = alarms_.find(firing.name);
  if (!row) return call->reply.fail(row.error());
  const bool is_it = *row && (*row)->waits() && (*row)->due_ms == firing.due_ms;
  if (!is_it || firing.due_ms > alarms_.now()) return alarm_is_stale(*call);
  firing.revision = (*row)->revision;
  firing.occurrence_ms = (*row)->occurrence_ms;
  firing.started_ms = alarms_.now();
  firing.attempt = (*row)->attempts + 1;
  run_alarm(call, **row);
}

void SessionDO::run_alarm(const CallPtr& call, const AlarmRow& row) {
  const auto spec = spec_of(row);
  if (!spec) return alarm_failed(*call, spec.error());
  if (is_to_be_skipped(row, *spec, alarms_.now())) {
    AlarmRow after = row;
    after.revision = call->context.current_txid;
    const AlarmFireRow fire = alarm_skipped(after, *spec, alarms_.now());
    WriteBatch batch;
    put_alarm(batch, facts_->no, &row, after);
    put_alarm_fire(batch, facts_->no, row.name, fire);
    append(std::move(batch), epoch_, std::move(call->reply),
           {JsonText(alarm_answers::kSkipped), call->told_txid});
    return;
  }
  const AlarmCaller caller = AlarmCaller::parse(row.by);
  const auto handler = find_alarm_handler(options_.backend.get(), spec->function);
  Status may = handler ? handler->check_caller(caller.peer, caller.perm) : handler.error();
  if (!may) return alarm_failed(*call, may.error());
  call->context.peer = std::make_shared<const Peer>(caller.peer);
  call->context.perm = handler->perm_of(caller.perm);
  call->function = spec->function;
  call->args = spec->args;
  start_run(call, *handler->function);
}

// What the run has staged of alarms, its own among them, as a part of its batch.
Status SessionDO::keep_alarms(FunctionRun& run, WriteBatch& batch) {
  Call& call = run.call();
  AlarmStage& stage = run.alarms();
  if (!call.alarm && !stage.looked()) return {};
  if (call.epoch != epoch_) return lost_its_ground();
  if (call.alarm) {
    const AlarmFiring& firing = *call.alarm;
    const auto stored = alarms_.find(firing.name);
    if (!stored) return stored.error();
    if (!*stored || (*stored)->revision != firing.revision) {
      return Error(Errc::txn_conflict, "The alarm was changed meanwhile");
    }
    auto row = stage.find(firing.name);
    if (!row) return std::move(row).error();
    const auto spec = spec_of(**stored);
    if (!spec) return spec.error();
    if (*row) {  // or the handler has cancelled it
      AlarmRow fired = **stored;
      AlarmFireRow fire = alarm_fired(fired, *spec, firing.started_ms, alarms_.now());
      const bool set_anew = stage.changes(firing.name);
      if (set_anew) (*row)->fires = fired.fires;
      stage.put(set_anew ? **row : std::move(fired));
      stage.add_fire(firing.name, std::move(fire));
    }
  }
  if (Status same = stage.check(); !same) return same;
  return stage.take(batch, call.context.current_txid);
}

// Nothing of what the handler did is kept, but that it failed.
void SessionDO::alarm_failed(Call& call, const Error& error) {
  const AlarmFiring& firing = *call.alarm;
  if (Status loaded = ensure_loaded(); !loaded) {
    return call.reply.fail(std::move(loaded).error());
  }
  const auto row = alarms_.find(firing.name);
  if (!row) return call.reply.fail(row.error());
  if (!*row || (*row)->revision != firing.revision) return alarm_is_stale(call);
  const bool may_come_again = passes_by_itself(error.code) && !firing.counts_all;
  if (may_come_again || call.epoch != epoch_) return call.reply.fail(error);
  const auto spec = spec_of(**row);
  AlarmRow after = **row;
  after.revision = call.context.current_txid;
  const AlarmFireRow fire = kontract::alarm_failed(after, spec ? &*spec : nullptr, error,
                                                   firing.started_ms, alarms_.now());
  const bool dead = fire.outcome == AlarmOutcome::dead;
  WriteBatch batch;
  put_alarm(batch, facts_->no, &**row, after);
  put_alarm_fire(batch, facts_->no, firing.name, fire);
  append(std::move(batch), epoch_, std::move(call.reply),
         {JsonText(dead ? alarm_answers::kDead : alarm_answers::kFailed), call.told_txid});
}

// It was set anew, cancelled or has fired. The clock forgets it once that is sure.
void SessionDO::alarm_is_stale(Call& call) {
  deliver_when_settled(log_, alarms_.last_change(), std::move(call.reply),
                       {JsonText(alarm_answers::kStale), call.told_txid});
}

}  // namespace kontract
