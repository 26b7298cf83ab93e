// FunctionContext: what a backend function works with, the `ctx` of its handler: the session's
// tables, other sessions, time, and who called.
//
// All that a function reads and writes is one serializable transaction. Its writes land together
// when it returns, or not at all if it throws. While it waits for its own tables nothing else of
// its session runs. While it waits for anything else (sleep, another session) other calls do; if
// one of them changes what the function has read or written, the wait ends with
// KONTRACT_TXN_CONFLICT and the function with it: call it again. A function that only reads
// (FunctionOptions::perm) goes on at its snapshot instead.
//
// Operations throw CallError (actors/call_error.hpp) with the errors of docs/protocol.md. Of one
// that failed nothing is left, and the function may go on.

#pragma once

#include <chrono>
#include <concepts>
#include <coroutine>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "actors/alarm_firing.hpp"
#include "actors/context.hpp"
#include "actors/function_alarms.hpp"
#include "actors/task.hpp"
#include "storage/json.hpp"
#include "storage/shared_state.hpp"
#include "storage/table.hpp"

namespace kontract {

namespace detail {

class FunctionRun;

// One operation on a table. Runs at once where the session has the table at hand.
class TableStep : public TaskAwaitable {
 public:
  enum class Kind : std::uint8_t {
    get,
    set,
    set_by_key,
    update,
    erase,
    push,
    pop,
    shift,
    query,
    exec,
    count,
    call  // the record function `id` with the arguments `data`
  };
  // What the operation takes; which of these, the kind says.
  struct Arguments {
    std::string id = {};  // or the SQL
    Json data = {};       // or the filter, or the parameters
    QueryOptions options = {};
  };

  TableStep(FunctionRun& run, std::string table, Kind kind, Arguments arguments)
      : run_(run), table_(std::move(table)), kind_(kind), arguments_(std::move(arguments)) {}

  bool await_ready();
  void await_suspend(std::coroutine_handle<> waiting);

  // For the run.
  const std::string& table() const { return table_; }
  Kind kind() const { return kind_; }
  const Arguments& arguments() const { return arguments_; }
  void finish(Result<JsonText> result) { result_.emplace(std::move(result)); }

 protected:
  JsonText take();  // throws CallError

 private:
  FunctionRun& run_;
  std::string table_;
  Kind kind_;
  Arguments arguments_;
  std::optional<Result<JsonText>> result_;
};

}  // namespace detail

struct TableRecord {
  std::string id;
  Json data;
};

struct QueryPage {
  std::vector<TableRecord> rows;
  std::string next;  // QueryOptions::after of the next page; empty: this was the last
};

struct ExecResult {
  std::vector<std::string> columns;
  Json rows;  // an array of objects
  std::uint64_t changes = 0;
};

// What an operation gives, once it is awaited.
template <class T>
class [[nodiscard]] TableOperation final : public detail::TableStep {
 public:
  using TableStep::TableStep;
  T await_resume();
};

// A record function by its name, as clients call it; gives its result as text.
class [[nodiscard]] RecordCall final : public detail::TableStep {
 public:
  using TableStep::TableStep;
  JsonText await_resume() { return take(); }
};

// A table of the session by its logical name. Errors of all operations: storage_ptr_not_found if
// there is none, and those of Table (storage/table.hpp).
class FunctionTable {
 public:
  FunctionTable(detail::FunctionRun& run, std::string name) : run_(&run), name_(std::move(name)) {}

  TableOperation<std::optional<Json>> get(std::string id);
  TableOperation<void> set(std::string id, Json data);
  TableOperation<void> set(Json data);  // under the id that its primary key has
  TableOperation<void> update(std::string id, Json partial);
  TableOperation<bool> erase(std::string id);   // whether it was there
  TableOperation<std::string> push(Json data);  // the new id
  TableOperation<std::optional<Json>> pop();    // the last by _order
  TableOperation<std::optional<Json>> shift();  // the first
  TableOperation<QueryPage> query(Json filter = Json::object(), QueryOptions options = {});
  TableOperation<ExecResult> exec(std::string sql, Json params = nullptr);
  TableOperation<std::uint64_t> count();

 private:
  detail::FunctionRun* run_;
  std::string name_;
};

// A wait for something outside the session's tables.
class [[nodiscard]] Sleep final : public detail::TaskAwaitable {
 public:
  Sleep(detail::FunctionRun& run, std::chrono::milliseconds time) : run_(run), time_(time) {}
  bool await_ready() const { return time_.count() <= 0; }
  void await_suspend(std::coroutine_handle<> waiting);
  void await_resume();

 private:
  detail::FunctionRun& run_;
  std::chrono::milliseconds time_;
};

class [[nodiscard]] SessionCall final : public detail::TaskAwaitable {
 public:
  SessionCall(detail::FunctionRun& run, std::string session, std::string function, Json args)
      : run_(run),
        session_(std::move(session)),
        function_(std::move(function)),
        args_(std::move(args)) {}
  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> waiting);
  Json await_resume();

 private:
  detail::FunctionRun& run_;
  std::string session_, function_;
  Json args_;
};

// Another session of the same owner. What is called there runs as the same user, with the calling
// function's bits, as a transaction of its own: it stays if the caller fails later. Errors: what it
// answers; invalid_request if it waits for this session, by however many others.
class OtherSession {
 public:
  OtherSession(detail::FunctionRun& run, std::string name) : run_(&run), name_(std::move(name)) {}

  template <class... Args>
  SessionCall call(std::string function, Args&&... args) {
    Json array = Json::array();
    (array.push_back(Json(std::forward<Args>(args))), ...);
    return {*run_, name_, std::move(function), std::move(array)};
  }

 private:
  detail::FunctionRun* run_;
  std::string name_;
};

class FunctionContext {
 public:
  explicit FunctionContext(detail::FunctionRun& run) : run_(run) {}
  FunctionContext(const FunctionContext&) = delete;
  FunctionContext& operator=(const FunctionContext&) = delete;

  FunctionTable table(std::string name) { return {run_, std::move(name)}; }
  // table.set and the others that table.batch takes, with their arguments. Errors: theirs, and
  // invalid_request for what is none of them.
  RecordCall record(std::string function, Json args);
  OtherSession session(std::string name) { return {run_, std::move(name)}; }
  // Errors: timeout when the call's time runs out meanwhile; overloaded if the runtime stops.
  Sleep sleep(std::chrono::milliseconds time) { return {run_, time}; }

  // The alarms of the session, a part of the transaction.
  FunctionAlarms alarms() { return FunctionAlarms(run_); }
  // The alarm that runs the function, or null. At least once: one that was cut off comes again,
  // with nothing left of the time before.
  const AlarmFiring* alarm() const;

  // What all sessions of the runtime share. Not a part of the transaction: its changes are made at
  // once and stay, even if the function fails. It gives results and does not throw.
  SharedState& shared();

  const Peer& peer() const;           // who called: owner, user, groups, headers
  const SessionFacts& facts() const;  // where it runs: owner, name, sid
  Perm perm() const;                  // the function's
  Txid txid() const;                  // reads see what is before it

 private:
  detail::FunctionRun& run_;
};

}  // namespace kontract
