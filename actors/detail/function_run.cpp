#include "actors/detail/function_run.hpp"

#include <algorithm>

#include "actors/call_error.hpp"
#include "actors/table_operations.hpp"

namespace kontract::detail {

FunctionRun::FunctionRun(CallPtr call, const BackendFunction& function, LentTables& lent,
                         SharedState& shared, std::chrono::milliseconds sql_time, AlarmStage alarms)
    : call_(std::move(call)),
      function_(function),
      lent_(lent),
      shared_(shared),
      sql_time_(sql_time),
      alarms_(std::move(alarms)) {}

void FunctionRun::begin() {
  try {
    task_ = function_.run(context_, call_->args);
  } catch (...) {
    refused_ = std::current_exception();
    state_ = State::ended;
    return;
  }
  task_.start();
  if (task_.done()) state_ = State::ended;
}

void FunctionRun::resume() {
  state_ = State::running;
  step_ = nullptr;
  std::exchange(waiting_, nullptr).resume();
  if (task_.done()) state_ = State::ended;
}

// ------------------------------------------------------------------------------------ tables

FunctionRun::Part* FunctionRun::part_of(const std::string& table) {
  const auto known = parts_.find(table);
  if (known != parts_.end() && known->second.loan) return &known->second;
  const auto lent = lent_.find(table);
  if (lent == lent_.end()) return nullptr;
  Part& part = known != parts_.end() ? known->second : parts_[table];
  part.loan = lent->second;
  return &part;
}

Status FunctionRun::begin_part(Part& part, Access::Stand stand) {
  Table& table = part.loan->table();
  Access access = access_of(call_->context);
  access.stand = stand;
  if (Status begun = table.begin(access); !begun) return begun;
  if (table.epoch() != call_->epoch) return lost_its_ground();
  if (!read_only()) table.log_reads(part.reads);
  part.begun = true;
  return {};
}

// False: the step has to wait, for what the state says.
bool FunctionRun::try_step(TableStep& step) {
  if (doomed_) {
    step.finish(*doomed_);
    return true;
  }
  Part* part = part_of(step.table());
  if (part == nullptr) {
    state_ = State::wants_table;
    return false;
  }
  try {
    Result<JsonText> result = Error();
    if (Status begun = part->begun ? Status() : begin_part(*part); !begun) {
      result = std::move(begun).error();
    } else if (step.kind() == TableStep::Kind::exec) {
      const auto here = std::min<std::chrono::milliseconds>(limits::kSqlInlineTime, sql_time_);
      result = exec(*part, step, here);
      if (!result && !doomed_ && here < sql_time_ && part->loan->table().ran_out_of_time()) {
        state_ = State::wants_worker;
        return false;
      }
    } else {
      result = perform(*part, step);
    }
    observed_ = std::max(observed_, part->loan->table().observed());
    step.finish(std::move(result));
  } catch (const std::exception& failure) {
    step.finish(broken(*part, failure));
  }
  return true;
}

Error FunctionRun::broken(Part& part, const std::exception& failure) {
  part.loan->set_broken();
  lent_.erase(part.loan->table().row().id);
  unforeseen_ = failure.what();
  doomed_ = Error(Errc::internal, "An operation on a table failed");
  return *doomed_;
}

Result<JsonText> FunctionRun::perform(Part& part, const TableStep& step) {
  Table& table = part.loan->table();
  const TableStep::Arguments& given = step.arguments();
  using enum TableStep::Kind;
  switch (step.kind()) {
    case get:
      return table.get(given.id);
    case set:
      return table.set(given.id, given.data);
    case set_by_key:
      return table.set(given.data);
    case update:
      return table.update(given.id, given.data);
    case erase:
      return table.erase(given.id);
    case push:
      return table.push(given.data);
    case pop:
      return table.pop();
    case shift:
      return table.shift();
    case query:
      return table.query(given.data, given.options);
    case count: {
      const Result<std::uint64_t> count = table.count();
      return count ? Result<JsonText>(std::to_string(*count)) : count.error();
    }
    case call:
      return find_table_function(given.id)->run(table, given.data);
    case exec:
      break;
  }
  KONTRACT_ASSERT(false);  // exec() does that one
  return Error();
}

// A statement that failed may have changed some records: what was before it is put back.
Result<JsonText> FunctionRun::exec(Part& part, const TableStep& step,
                                   std::chrono::milliseconds time) {
  Table& table = part.loan->table();
  const std::vector<RecordChange> before = table.changes();
  table.set_sql_time(time);
  Result<JsonText> result = table.exec(step.arguments().id, step.arguments().data);
  if (result) return result;
  observed_ = std::max(observed_, table.observed());
  part.begun = false;
  Status back = begin_part(part);
  if (back) back = table.redo(before);
  if (!back) doomed_ = std::move(back).error();
  return result;
}

void FunctionRun::wait_for_step(TableStep& step, std::coroutine_handle<> waiting) {
  KONTRACT_ASSERT(state_ == State::wants_table || state_ == State::wants_worker);
  step_ = &step;
  waiting_ = waiting;
}

void FunctionRun::table_is_here() {
  TableStep& step = *step_;
  if (try_step(step)) resume();
}

void FunctionRun::table_is_refused(Error error) {
  step_->finish(std::move(error));
  resume();
}

void FunctionRun::work() {
  Part& part = *part_of(step_->table());
  try {
    step_->finish(exec(part, *step_, sql_time_));
    observed_ = std::max(observed_, part.loan->table().observed());
  } catch (const std::exception& failure) {
    step_->finish(broken(part, failure));
  }
}

void FunctionRun::worked() { resume(); }

// ------------------------------------------------------------------------------------ outside

void FunctionRun::wait_outside(Outside what, std::coroutine_handle<> waiting) {
  state_ = State::outside;
  outside_ = std::move(what);
  waiting_ = waiting;
  ++wait_;
}

Status FunctionRun::check_call_to(const std::string& session) const {
  const Identity& here = call_->context.session->identity;
  std::string chain = here.name + " (" + function_.options.name + ") -> " + session;
  bool waits = session == here.name;
  std::size_t depth = 1;
  for (const CallOrigin* one = call_->origin.get(); one != nullptr; one = one->before.get()) {
    chain = one->session.name + " (" + one->function + ") -> " + chain;
    waits = waits || session == one->session.name;
    ++depth;
  }
  if (waits) {
    return Error(Errc::invalid_request, "Sessions would wait for one another: " + chain,
                 "Do what the called function does in the calling one, or after it has returned.");
  }
  if (depth >= limits::kCallDepthMax) {
    return Error(Errc::invalid_request, "Too many sessions wait for one another: " + chain);
  }
  return {};
}

void FunctionRun::step_aside() {
  for (auto& [name, part] : parts_) {
    if (!part.begun) continue;
    Table& table = part.loan->table();
    part.changes = table.changes();
    part.opening = part.loan->opening();
    part.number = table.row().no;
    part.last_write = table.last_write();
    table.rollback();
    part.begun = false;
  }
  for (auto& [name, part] : parts_) part.loan.reset();
}

std::optional<std::string> FunctionRun::missing_table() const {
  if (read_only()) return std::nullopt;  // asks for them as it needs them
  for (const auto& [name, part] : parts_) {
    if (!lent_.contains(name)) return name;
  }
  return std::nullopt;
}

Status FunctionRun::revalidate() {
  if (doomed_) return {};
  for (auto& [name, part] : parts_) {
    part.loan = lent_.find(name)->second;
    if (part.loan->opening() == part.opening &&
        part.loan->table().last_write() == part.last_write &&
        part.loan->table().epoch() == call_->epoch) {
      continue;  // nobody wrote
    }
    if (Status same = check_unchanged(part); !same) return same;
  }
  return {};
}

Status FunctionRun::check_unchanged(Part& part) {
  Table& table = part.loan->table();
  if (Status begun = begin_part(part, Access::Stand::apart); !begun) return begun;
  Status same;
  if (part.number == table.row().no) {
    same = table.require_as_read(part.reads);
  } else {
    same = Error(Errc::txn_conflict, "Table " + table.row().id + " is another one by now");
  }
  observed_ = std::max(observed_, table.observed());
  table.rollback();
  part.begun = false;
  return same;
}

Status FunctionRun::come_back(const TxidAllocator::Grant& grant, Txid oldest_reader) {
  call_->context.current_txid = call_->told_txid = grant.txid;
  call_->context.oldest_reader = oldest_reader;
  call_->settle_after = std::max(call_->settle_after, grant.settle_after);
  for (auto& [name, part] : parts_) {
    if (doomed_ || part.changes.empty()) continue;
    Status status = begin_part(part);
    if (status) status = part.loan->table().redo(part.changes);
    if (!status) return status;
    part.changes.clear();
  }
  return {};
}

void FunctionRun::go_on(std::optional<Error> instead) {
  if (instead) {
    doomed_ = instead;
    answer_ = {*std::move(instead)};
  }
  resume();
}

// ------------------------------------------------------------------------------------ the end

Result<Returned> FunctionRun::take_outcome(std::string& unforeseen) {
  try {
    if (refused_) std::rethrow_exception(refused_);
    Returned returned = task_.result();
    if (!doomed_) return returned;
  } catch (...) {
    Error thrown = error_of(std::current_exception(), &unforeseen);
    if (!doomed_) return thrown;
  }
  unforeseen = unforeseen_;
  return *doomed_;  // whatever the handler made of it
}

WriteBatch FunctionRun::take_batch() {
  WriteBatch batch;
  for (auto& [name, part] : parts_) {
    if (!part.begun) continue;
    Table& table = part.loan->table();
    if (table.staged().empty()) continue;
    batch.merge(table.take_staged());
    part.taken = true;
  }
  return batch;
}

void FunctionRun::seal(Ticket ticket) {
  for (auto& [name, part] : parts_) {
    if (part.taken) part.loan->table().seal(ticket);
    part = {};
  }
}

void FunctionRun::roll_back() {
  for (auto& [name, part] : parts_) {
    if (part.begun) part.loan->table().rollback();
    part = {};
  }
}

}  // namespace kontract::detail
