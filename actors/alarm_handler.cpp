#include "actors/alarm_handler.hpp"

#include <map>
#include <string>

#include "actors/call_error.hpp"
#include "actors/table_operations.hpp"
#include "storage/registry.hpp"

namespace kontract {

namespace {

Task<Returned> run_record(FunctionContext& ctx, std::string function, Json args) {
  JsonText result = co_await ctx.record(std::move(function), std::move(args));
  co_return Returned{std::move(result)};
}

Task<Returned> run_batch(FunctionContext& ctx, Json operations) {
  JsonText results = "[";
  for (Json& operation : operations) {
    std::string function = operation[0].get<std::string>();
    operation.erase(0);
    if (results.size() > 1) results += ',';
    if (find_table_function(function) == nullptr) {
      results += to_text(ctx.alarms().call(function, operation));
    } else {
      const JsonText result = co_await ctx.record(std::move(function), std::move(operation));
      results += result;
    }
    if (results.size() > limits::kBatchBytesMax) {
      throw CallError(Error(Errc::too_large, "The batch's results have more than " +
                                                 std::to_string(limits::kBatchBytesMax) +
                                                 " bytes"));
    }
  }
  co_return Returned{results += ']'};
}

using RecordFunctions = std::map<std::string, BackendFunction, std::less<>>;

const RecordFunctions& record_functions() {
  static const RecordFunctions all = [] {
    RecordFunctions made;
    for (const char* name : {"table.get", "table.set", "table.update", "table.delete", "table.push",
                             "table.pop", "table.shift", "table.query", "table.exec"}) {
      const TableFunction& table = *find_table_function(name);
      BackendFunction function;
      function.options.name = name;
      function.options.perm = table.needs | table.may_need;
      function.run = [name](FunctionContext& ctx, const Json& args) {
        return run_record(ctx, name, args);
      };
      made.emplace(name, std::move(function));
    }
    return made;
  }();
  return all;
}

}  // namespace

Status AlarmHandler::check_caller(const Peer& peer, Perm perm) const {
  const std::string& group = function->options.ugroup;
  if (!group.empty() && !peer.in_group(group)) {
    return Error(Errc::forbidden,
                 "Only the group " + group + " may call " + function->options.name);
  }
  const Perm needs = record != nullptr ? record->needs : function->options.perm;
  const Perm may_need = record != nullptr ? record->may_need : perms::none;
  if (allows(perm, needs) && (may_need == perms::none || (perm & may_need) != 0)) return {};
  return Error(Errc::permission_denied, "Insufficient permissions",
               function->options.name + " needs permission bits " +
                   std::to_string(needs | may_need) +
                   " (R=4, W=2, X=1), which who sets the alarm must have.");
}

Status AlarmHandler::check_args(const Json& args) const {
  return record == nullptr ? Status() : check_table_args(*record, args);
}

Result<AlarmHandler> find_alarm_handler(const Backend* backend, std::string_view function) {
  if (const auto known = record_functions().find(function); known != record_functions().end()) {
    return AlarmHandler{&known->second, find_table_function(function)};
  }
  const BackendFunction* added = backend == nullptr ? nullptr : backend->find(function);
  if (added != nullptr) return AlarmHandler{added, nullptr};
  return Error(Errc::not_found, "No function " + shown(function) + " that an alarm can run",
               "Alarms run functions of the program, and table.set and the other record "
               "functions.");
}

const BackendFunction& batch_with_alarms() {
  static const BackendFunction batch = [] {
    BackendFunction function;
    function.options.name = "table.batch";
    function.options.perm = perms::RWX;
    function.run = [](FunctionContext& ctx, const Json& args) { return run_batch(ctx, args[0]); };
    return function;
  }();
  return batch;
}

}  // namespace kontract
