#include "actors/table_actor.hpp"

#include <atomic>
#include <caf/all.hpp>

#include "actors/call_key.hpp"
#include "actors/detail/send_when.hpp"
#include "actors/detail/transaction_part.hpp"
#include "actors/detail/workers.hpp"
#include "actors/event_hub.hpp"
#include "actors/settle.hpp"
#include "storage/index_registry.hpp"

namespace kontract {

TableActor::TableActor(caf::actor_config& config, Shard& shard, SessionNo session, TableRow row,
                       Ticket barrier, const Hook* hook, Workers& workers, Living living,
                       std::shared_ptr<EventHub> events)
    : TableAddress::base(config),
      shard_(shard),
      session_(session),
      row_(std::move(row)),
      hook_(hook),
      workers_(workers),
      barrier_(barrier),
      living_(std::move(living)),
      events_(std::move(events)) {}

TableActor::behavior_type TableActor::make_behavior() {
  wait_for_barrier();
  return {
      [this](const CallPtr& call) { take(call); },
      [this](const JointPartPtr& part) { take(part); },
      [this](const Outcome& outcome) { settle_gate(outcome); },
      [this](const TableMaintain& request) { maintain(request); },
      [this](const TableSetRow& changed) { take(changed); },
      [this](const TableAlter& alter) { take(alter); },
      [this](const TableLend& request) { take(request); },
      [this](const TableReturned& returned) { take_back(std::move(*returned.table)); },
      [this](TableClose close) { take(close); },
      [this](TableBack) {
        away_ = false;
        if (auto alter = std::exchange(checked_, {})) waiting_.push_front(*std::move(alter));
        if (const std::string failure = std::exchange(failed_away_, {}); !failure.empty()) {
          shard_.options().alarm("table " + row_.id + " is read again after: " + failure);
          restart();
        }
        drain();
      },
      [this](TableResume) {
        if (!behind_barrier_) return;
        if (shard_.log().applied() >= barrier_) {
          behind_barrier_ = false;
          drain();
        } else if (!shard_.log().admit(/*frees_space=*/true)) {
          behind_barrier_ = false;
          refuse_waiting();
        }
      },
  };
}

void TableActor::on_exit() {
  KONTRACT_ASSERT(!away_);  // nothing ends it while a worker has its table
  // What this actor staged for a joint dies with its memory of it.
  if (gate_) gate_->abandon();
  gate_.reset();
  waiting_.clear();
  table_.reset();
  living_.end();
}

void TableActor::take(Work work) {
  if (!busy() && !table_) wait_for_barrier();
  if (busy()) {
    waiting_.push_back(std::move(work));
    // A store without room may never let the barrier be reached.
    if (behind_barrier_ && !shard_.log().admit(/*frees_space=*/true)) refuse_waiting();
  } else {
    run(work);
  }
}

// The log will not apply what the table is to be read after. What waits fails; what comes next asks
// again.
void TableActor::refuse_waiting() {
  const Status admitted = shard_.log().admit(/*frees_space=*/true);
  const Error refused = admitted ? Error(Errc::overloaded,
                                         "The table is being read again; the "
                                         "call has not run",
                                         "Repeat it.")
                                 : admitted.error();
  for (Work& work : std::exchange(waiting_, {})) {
    if (const auto* call = std::get_if<CallPtr>(&work)) {
      (*call)->reply.fail(refused, (*call)->told_txid);
    } else if (const auto* changed = std::get_if<TableSetRow>(&work)) {
      row_ = changed->row;
    } else if (const auto* request = std::get_if<TableLend>(&work)) {
      request->end->outcome = refused;
    } else if (std::holds_alternative<TableClose>(work)) {
      quit();
    }  // The others fail as they are dropped.
  }
}

void TableActor::drain() {
  while (!waiting_.empty() && !busy()) {
    Work work = std::move(waiting_.front());
    waiting_.pop_front();
    run(work);
  }
}

void TableActor::run(Work& work) {
  try {
    if (const auto* call = std::get_if<CallPtr>(&work)) {
      run_call(*call);
    } else if (const auto* part = std::get_if<JointPartPtr>(&work)) {
      run_part(**part);
    } else if (const auto* changed = std::get_if<TableSetRow>(&work)) {
      set_row(changed->row);
    } else if (auto* alter = std::get_if<TableAlter>(&work)) {
      run_alter(*alter);
    } else if (auto* request = std::get_if<TableLend>(&work)) {
      lend(*request->end);
    } else {
      quit();
    }
  } catch (const std::exception& failure) {
    // The call is answered as its reply is dropped; of the table's memory nothing is known now.
    shard_.options().alarm("table " + row_.id + " is read again after: " + failure.what());
    restart();
  }
}

void TableActor::run_call(const CallPtr& call) {
  if (call->expired()) return call->reply.fail(ran_out_of_time());
  if (Status opened = ensure_open(); !opened) {
    return call->reply.fail(std::move(opened).error(), call->told_txid);
  }
  if (hook_ != nullptr && *hook_) (*hook_)(*call);
  if (call->subscribe) return subscribe(*call);
  if (!run_function(*call, limits::kSqlInlineTime)) send_away(call);
}

bool TableActor::run_function(Call& call, std::chrono::milliseconds sql_time) {
  const TableFunction* function = find_table_function(call.function);
  KONTRACT_ASSERT(function != nullptr);  // the session looked it up
  if (call.part) return run_in_transaction(call, *function, sql_time);
  const Txid txid = call.told_txid;
  if (Status begun = begin(call); !begun) {
    call.reply.fail(std::move(begun).error(), txid);
    return true;
  }
  table_->set_sql_time(sql_time);
  Answer answer{function->run(*table_, call.args), txid};
  // An error, too, tells of what it saw.
  const Ticket wait_for = std::max(table_->observed(), call.settle_after);
  if (!answer.result) {
    const bool too_long = sql_time < shard_.options().sql.time && table_->ran_out_of_time();
    table_->rollback();
    if (too_long) return false;
  }
  if (table_->staged().empty()) {
    deliver_when_settled(shard_.log(), wait_for, std::move(call.reply), std::move(answer));
    return true;
  }
  // The batch settles after all that it observed, since tickets are applied in order.
  WriteBatch batch = table_->take_staged();
  keep_reply(call, answer, batch);
  const Ticket ticket =
      shard_.log().append(std::move(batch), table_->epoch(),
                          std::make_unique<HeldAnswer>(std::move(call.reply), std::move(answer)));
  table_->seal(ticket);
  return true;
}

// A statement that runs for long would hold up every connection of this thread. It begins again on
// a worker; what comes meanwhile for this table waits, as behind any other call.
void TableActor::send_away(const CallPtr& call) {
  away_ = true;
  workers_.post([this, self = TableAddress(this), call] {
    try {
      if (call->expired()) {
        call->reply.fail(ran_out_of_time(), call->told_txid);
      } else {
        run_function(*call, shard_.options().sql.time);
      }
    } catch (const std::exception& failure) {
      failed_away_ = failure.what();
    } catch (...) {
      failed_away_ = "something that is no exception";
    }
    caf::anon_send(self, TableBack{});
  });
}

void TableActor::lend(LendEnd& end) {
  if (Status opened = ensure_open(); !opened) {
    end.outcome = std::move(opened).error();
    return;
  }
  lent_ = true;
  auto give_back = [self = TableAddress(this)](std::unique_ptr<Table> table) {
    caf::anon_send(self, TableReturned{std::make_shared<std::unique_ptr<Table>>(std::move(table))});
  };
  end.outcome = std::make_shared<TableLoan>(std::move(table_), opening_, std::move(give_back));
}

void TableActor::take_back(std::unique_ptr<Table> table) {
  lent_ = false;
  table_ = std::move(table);
  if (!table_) restart();
  drain();
}

void TableActor::run_part(JointPart& part) {
  if (part.commits()) return run_commit(part);
  if (part.transaction()) return run_part_in_transaction(part);
  Joint::Report report;
  Status status = ensure_open();
  if (status && part.joint()->call().expired()) status = ran_out_of_time();
  if (status && hook_ != nullptr && *hook_) (*hook_)(part.joint()->call());
  if (status) status = begin(part.joint()->call());
  std::size_t slot = part.operations().empty() ? 0 : part.operations().front().slot;
  std::size_t result_bytes = 0;
  for (const JointPart::Operation& operation : part.operations()) {
    if (!status) break;
    slot = operation.slot;
    status = execute(operation, report);
    if (!status) break;
    result_bytes += report.results.back().second.size();
    if (result_bytes > limits::kBatchBytesMax) status = results_too_large();
  }
  if (!status) {
    if (table_) {
      report.observed = table_->observed();
      table_->rollback();
    }
    report.error.emplace(slot, std::move(status).error());
    return part.finish(std::move(report));
  }
  report.observed = table_->observed();
  if (!table_->staged().empty()) {
    report.staged = table_->take_staged();
    await_outcome(part, report);
  }
  part.finish(std::move(report));
}

void TableActor::set_row(const TableRow& row) {
  row_ = row;
  if (!table_) return;
  // A schema that cannot be read: the next call opens the table and says so.
  if (Status set = table_->set_row(row); !set) table_.reset();
}

void TableActor::run_alter(TableAlter& alter) {
  Call& call = *alter.call;
  const Txid txid = call.told_txid;
  if (call.expired()) return call.reply.fail(ran_out_of_time());
  Status status = ensure_open();
  if (status) status = begin(call);
  if (!status) return call.reply.fail(std::move(status).error(), txid);
  if (!alter.checked && !alter.check->empty()) return check_away(alter);
  table_->rollback();
  WriteBatch batch;
  if (status = prepare_alter(alter, batch); !status) {
    restart();  // what it goes by may be neither the old nor the new
    return call.reply.fail(std::move(status).error(), txid);
  }
  Answer answer{std::move(alter.result), txid};
  keep_reply(call, answer, batch);
  alter.end->ticket =
      shard_.log().append(std::move(batch), table_->epoch(),
                          std::make_unique<HeldAnswer>(std::move(call.reply), std::move(answer)));
  row_ = alter.row;
  events_->changed(row_);
  if (table_->indexes_unfinished()) caf::anon_send(TableAddress(this), TableMaintain{0});
}

// A look at all records may take long: a worker takes it. What comes meanwhile for this table
// waits.
void TableActor::check_away(const TableAlter& alter) {
  away_ = true;
  workers_.post([this, self = TableAddress(this), alter = alter]() mutable {
    try {
      if (fits(alter)) {
        alter.checked = true;
        checked_ = std::move(alter);
      }
    } catch (const std::exception& failure) {
      failed_away_ = failure.what();
    } catch (...) {
      failed_away_ = "something that is no exception";
    }
    caf::anon_send(self, TableBack{});
  });
}

// Whether all records do. If not, the call is answered.
bool TableActor::fits(TableAlter& alter) {
  Call& call = *alter.call;
  Result<Misfits> found = table_->find_misfits(*alter.check, [&call] { return call.expired(); });
  const Ticket wait_for = std::max(table_->observed(), call.settle_after);
  table_->rollback();
  Status status;
  if (!found) {
    status = std::move(found).error();
  } else if (call.expired()) {
    status = ran_out_of_time();
  } else if (found->records > 0) {
    status = misfits_error(row_.id, *found, *alter.check);
  }
  if (status) return true;
  deliver_when_settled(shard_.log(), wait_for, std::move(call.reply),
                       {std::move(status).error(), call.told_txid});
  return false;
}

// The table goes by the row before that is appended: if the batch fails, so does the epoch that
// both were in.
Status TableActor::prepare_alter(const TableAlter& alter, WriteBatch& batch) {
  if (Status admitted = shard_.log().admit(/*frees_space=*/false); !admitted) return admitted;
  auto changes = plan_index_changes(table_->index_rows(), alter.indexes, IndexState::building);
  if (!changes) return std::move(changes).error();
  withhold(*changes, alter.check->names(), alter.call->context.current_txid);
  put_table(batch, session_, alter.row);
  for (const IndexRow& index : changes->put) put_index(batch, session_, alter.row.no, index);
  if (Status set = table_->set_row(alter.row); !set) return set;
  if (Status set = table_->set_indexes(std::move(changes->after)); !set) return set;
  return same_epoch(alter.call->epoch);
}

Status TableActor::execute(const JointPart::Operation& operation, Joint::Report& report) {
  table_->set_sql_time(shard_.options().sql.time);
  Result<JsonText> result = JsonText("null");
  if (operation.function != nullptr) {
    result = operation.function->run(*table_, operation.args);
  } else if (allows(row_.permissions, perms::R__)) {
    const Result<std::uint64_t> count = table_->count();
    if (!count) return count.error();
    result = std::to_string(*count);
  }
  if (!result) return std::move(result).error();
  report.results.emplace_back(operation.slot, std::move(*result));
  return {};
}

// Holds back later calls until the joint, which gets this report, is settled.
void TableActor::await_outcome(const JointPart& part, Joint::Report& report) {
  report.notify = [self = TableAddress(this)](const Outcome& outcome) {
    caf::anon_send(self, outcome);
  };
  gate_ = part.joint();
}

void TableActor::settle_gate(const Outcome& outcome) {
  if (!gate_) return;  // restarted meanwhile
  gate_.reset();
  if (const auto part = std::exchange(proposed_, nullptr)) {
    part->settle(outcome.committed);
  } else if (outcome.committed) {
    table_->seal(outcome.ticket);
  } else {
    table_->rollback();
  }
  drain();
}

void TableActor::maintain(const TableMaintain& request) {
  if (request.continued) collecting_ = false;
  if (!table_ || busy() || collecting_) return;  // the next round will do
  CommitLog& log = shard_.log();
  // After a failed group the table is read again by its next call; until then nothing is known.
  if (log.epoch() != table_->epoch() || !log.admit(/*frees_space=*/true)) return;
  WriteBatch batch;
  const Result<bool> more = maintain_round(request, batch);
  if (!more) shard_.options().alarm(more.error().message);
  if (!more) return;
  if (!batch.empty()) log.append(std::move(batch), table_->epoch(), nullptr);
  if (!*more) return;
  // Goes on when this is applied, so that it is not found again.
  collecting_ = true;
  log.when_applied(log.appended(),
                   send_when(TableAddress(this), TableMaintain{request.oldest_reader, true}));
}

// As long as indexes are not finished, every other round is theirs. They need room.
Result<bool> TableActor::maintain_round(const TableMaintain& request, WriteBatch& batch) {
  const bool indexes =
      table_->indexes_unfinished() && shard_.log().admit(/*frees_space=*/false).has_value();
  index_turn_ = indexes && !index_turn_;
  Result<bool> more =
      index_turn_ ? table_->maintain_indexes(limits::kBatchOpsMax, batch)
                  : table_->collect_garbage(request.oldest_reader, std::chrono::system_clock::now(),
                                            limits::kBatchOpsMax, batch);
  if (more && indexes) more = true;
  return more;
}

// What the call was let in under must still hold: if a group failed since, the txid, or the table
// itself, may have gone with it.
Status TableActor::begin(const Call& call) {
  if (Status begun = table_->begin(access_of(call.context)); !begun) return begun;
  return same_epoch(call.epoch);
}

Status TableActor::same_epoch(Epoch admitted_in) const {
  if (table_->epoch() == admitted_in) return {};
  return lost_its_ground();
}

Status TableActor::ensure_open() {
  if (table_) return {};
  Result<std::unique_ptr<Table>> opened = Table::open(shard_, session_, row_);
  if (!opened) return std::move(opened).error();
  table_ = std::move(*opened);
  if (auto channel = events_->find(row_.no)) table_->tell(std::move(channel));
  static std::atomic<std::uint64_t> openings{0};
  opening_ = ++openings;
  // What was not finished goes on; no garbage is collected without a word of who reads.
  if (table_->indexes_unfinished()) caf::anon_send(TableAddress(this), TableMaintain{0});
  return {};
}

void TableActor::restart() {
  if (gate_) gate_->abandon();
  gate_.reset();
  proposed_.reset();
  table_.reset();
  barrier_ = shard_.log().appended();
  wait_for_barrier();
}

void TableActor::wait_for_barrier() {
  if (shard_.log().applied() >= barrier_) return;
  behind_barrier_ = true;
  CommitLog& log = shard_.log();
  log.when_applied(barrier_, send_when(TableAddress(this), TableResume{}));
  // If it fails, what was acknowledged before it may wait for room, and is not applied for long.
  if (!log.acknowledged(barrier_)) {
    log.when_settled(barrier_, send_when(TableAddress(this), TableResume{}));
  }
}

}  // namespace kontract
