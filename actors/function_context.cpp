#include "actors/function_context.hpp"

#include "actors/call_error.hpp"
#include "actors/detail/function_run.hpp"
#include "actors/table_operations.hpp"

namespace kontract {

namespace detail {

bool TableStep::await_ready() { return run_.try_step(*this); }

void TableStep::await_suspend(std::coroutine_handle<> waiting) {
  run_.wait_for_step(*this, waiting);
}

JsonText TableStep::take() {
  if (!*result_) throw CallError(std::move(*result_).error());
  return **std::move(result_);
}

namespace {

Json parse(const JsonText& text) { return Json::parse(text, nullptr, /*allow_exceptions=*/false); }

std::optional<Json> record(const JsonText& text) {
  if (text == "null") return std::nullopt;
  return parse(text);
}

}  // namespace
}  // namespace detail

template <>
void TableOperation<void>::await_resume() {
  take();
}

template <>
bool TableOperation<bool>::await_resume() {
  return take() == "true";
}

template <>
std::string TableOperation<std::string>::await_resume() {
  return detail::parse(take()).get<std::string>();
}

template <>
std::uint64_t TableOperation<std::uint64_t>::await_resume() {
  return detail::parse(take()).get<std::uint64_t>();
}

template <>
std::optional<Json> TableOperation<std::optional<Json>>::await_resume() {
  return detail::record(take());
}

template <>
QueryPage TableOperation<QueryPage>::await_resume() {
  Json page = detail::parse(take());
  QueryPage result;
  for (Json& row : page["rows"]) {
    result.rows.push_back({row["id"].get<std::string>(), std::move(row["data"])});
  }
  if (page["next"].is_string()) result.next = page["next"].get<std::string>();
  return result;
}

template <>
ExecResult TableOperation<ExecResult>::await_resume() {
  Json answer = detail::parse(take());
  ExecResult result;
  result.columns = answer["columns"].get<std::vector<std::string>>();
  result.rows = std::move(answer["rows"]);
  result.changes = answer["changes"].get<std::uint64_t>();
  return result;
}

using Kind = detail::TableStep::Kind;

TableOperation<std::optional<Json>> FunctionTable::get(std::string id) {
  return {*run_, name_, Kind::get, {.id = std::move(id)}};
}

TableOperation<void> FunctionTable::set(std::string id, Json data) {
  return {*run_, name_, Kind::set, {.id = std::move(id), .data = std::move(data)}};
}

TableOperation<void> FunctionTable::set(Json data) {
  return {*run_, name_, Kind::set_by_key, {.data = std::move(data)}};
}

TableOperation<void> FunctionTable::update(std::string id, Json partial) {
  return {*run_, name_, Kind::update, {.id = std::move(id), .data = std::move(partial)}};
}

TableOperation<bool> FunctionTable::erase(std::string id) {
  return {*run_, name_, Kind::erase, {.id = std::move(id)}};
}

TableOperation<std::string> FunctionTable::push(Json data) {
  return {*run_, name_, Kind::push, {.data = std::move(data)}};
}

TableOperation<std::optional<Json>> FunctionTable::pop() { return {*run_, name_, Kind::pop, {}}; }

TableOperation<std::optional<Json>> FunctionTable::shift() {
  return {*run_, name_, Kind::shift, {}};
}

TableOperation<QueryPage> FunctionTable::query(Json filter, QueryOptions options) {
  return {*run_, name_, Kind::query, {.data = std::move(filter), .options = std::move(options)}};
}

TableOperation<ExecResult> FunctionTable::exec(std::string sql, Json params) {
  return {*run_, name_, Kind::exec, {.id = std::move(sql), .data = std::move(params)}};
}

TableOperation<std::uint64_t> FunctionTable::count() { return {*run_, name_, Kind::count, {}}; }

RecordCall FunctionContext::record(std::string function, Json args) {
  const TableFunction* known = find_table_function(function);
  if (known == nullptr) {
    throw CallError(Error(Errc::invalid_request, "No record function " + shown(function)));
  }
  if (Status checked = check_table_args(*known, args); !checked) {
    throw CallError(std::move(checked).error());
  }
  std::string table = args[0].get<std::string>();
  if (function != "table.exec") {
    return {
        run_, std::move(table), Kind::call, {.id = std::move(function), .data = std::move(args)}};
  }
  if (!args[1].is_string()) {
    throw CallError(Error(Errc::invalid_request, "Argument 2 (sql) must be a string"));
  }
  Json params = args.size() > 2 ? std::move(args[2]) : Json();
  return {run_,
          std::move(table),
          Kind::exec,
          {.id = args[1].get<std::string>(), .data = std::move(params)}};
}

void Sleep::await_suspend(std::coroutine_handle<> waiting) {
  run_.wait_outside(detail::FunctionRun::Time{time_}, waiting);
}

void Sleep::await_resume() {
  if (time_.count() <= 0) return;
  const Answer woken = run_.take_answer();
  if (!woken.result) throw CallError(woken.result.error());
}

bool SessionCall::await_suspend(std::coroutine_handle<> waiting) {
  if (Status may_wait = run_.check_call_to(session_); !may_wait) {
    run_.outside_is_over({std::move(may_wait).error()});
    return false;
  }
  run_.wait_outside(detail::OtherCall{std::move(session_), std::move(function_), std::move(args_)},
                    waiting);
  return true;
}

Json SessionCall::await_resume() {
  Answer answer = run_.take_answer();
  if (!answer.result) throw CallError(std::move(answer.result).error());
  return detail::parse(*answer.result);
}

const AlarmFiring* FunctionContext::alarm() const { return run_.call().alarm.get(); }

SharedState& FunctionContext::shared() { return run_.shared(); }

const Peer& FunctionContext::peer() const { return *run_.call().context.peer; }

const SessionFacts& FunctionContext::facts() const { return *run_.call().context.session; }

Perm FunctionContext::perm() const { return run_.call().context.perm; }

Txid FunctionContext::txid() const { return run_.call().context.current_txid; }

}  // namespace kontract
