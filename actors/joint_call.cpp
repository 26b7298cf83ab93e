// Calls over several tables of a session: table.batch and table.list.

#include <caf/all.hpp>

#include "actors/detail/call_arguments.hpp"
#include "actors/session_do.hpp"
#include "actors/settle.hpp"

namespace kontract {

void SessionDO::batch(const CallPtr& call) {
  const std::string hint = "Call it as table.batch([[function, arguments...], ...]).";
  if (call->args.size() != 1 || !call->args[0].is_array()) {
    return call->reply.fail(invalid_call("table.batch takes one array of operations", hint));
  }
  Json& operations = call->args[0];
  if (operations.size() > limits::kBatchOpsMax) {
    return call->reply.fail(Error(Errc::too_large,
                                  "The batch has " + std::to_string(operations.size()) +
                                      " operations; the limit is " +
                                      std::to_string(limits::kBatchOpsMax),
                                  "Split it into several calls."));
  }
  for (const Json& operation : operations) {
    const bool named = operation.is_array() && !operation.empty() && operation[0].is_string();
    if (named && operation[0].get_ref<const std::string&>().starts_with("alarm.")) {
      return batch_with_alarms(call);
    }
  }
  std::map<std::string, std::vector<JointPart::Operation>, std::less<>> parts;
  Perm needs = operations.empty() ? perms::R__ : perms::none;
  Perm may_need = perms::none;
  for (std::size_t slot = 0; slot < operations.size(); ++slot) {
    Json& operation = operations[slot];
    const std::string where = "Operation " + std::to_string(slot + 1) + ": ";
    if (!operation.is_array() || operation.empty() || !operation[0].is_string()) {
      return call->reply.fail(invalid_call(where + "must be [function, arguments...]", hint));
    }
    const std::string name = operation[0].get<std::string>();
    const TableFunction* function = find_table_function(name);
    if (function == nullptr) {
      return call->reply.fail(invalid_call(
          where + shown(name) + " cannot be part of a batch",
          "A batch takes table.get, set, update, delete, push, pop, shift, query and exec."));
    }
    operation.erase(0);
    if (Status checked = check_table_args(*function, operation); !checked) {
      return call->reply.fail(invalid_call(where + checked.error().message, checked.error().hint));
    }
    needs |= function->needs;
    may_need |= function->may_need;
    std::string table = operation[0].get<std::string>();
    parts[std::move(table)].push_back({slot, function, std::move(operation)});
  }
  if (Status status = admit(*call, needs, may_need); !status) {
    return call->reply.fail(std::move(status).error());
  }
  const auto combine = [](const std::vector<JsonText>& results) {
    JsonText text = "[";
    for (const JsonText& result : results) {
      if (text.size() > 1) text += ',';
      text += result;
    }
    return text += ']';
  };
  start_joint(call, std::move(parts), operations.size(), combine);
}

void SessionDO::list(const CallPtr& call) {
  Status status = check_count(*call, 0, 0, "table.list()");
  if (status) status = admit(*call, perms::R__);
  if (!status) return call->reply.fail(std::move(status).error());
  std::map<std::string, std::vector<JointPart::Operation>, std::less<>> parts;
  std::vector<std::pair<std::string, Perm>> rows;
  for (const auto& [id, entry] : tables_) {
    if (entry.row.owner != call->context.peer->owner) continue;
    parts[id].push_back({rows.size(), nullptr, Json::array()});
    rows.emplace_back(id, entry.row.permissions);
  }
  const std::size_t slots = rows.size();
  const auto combine = [rows = std::move(rows)](const std::vector<JsonText>& counts) {
    JsonText text = "[";
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (i > 0) text += ',';
      text += R"({"id":)";
      append_json_string(text, rows[i].first);
      text += R"(,"permissions":)" + std::to_string(rows[i].second) + R"(,"records":)" + counts[i] +
              '}';
    }
    return text += ']';
  };
  start_joint(call, std::move(parts), slots, combine);
}

void SessionDO::start_joint(
    const CallPtr& call,
    std::map<std::string, std::vector<JointPart::Operation>, std::less<>> parts, std::size_t slots,
    Joint::Combine combine) {
  if (parts.empty()) {
    Answer answer{combine({}), call->told_txid};
    return deliver_when_settled(log_, call->settle_after, std::move(call->reply),
                                std::move(answer));
  }
  for (const auto& [id, operations] : parts) {
    if (find_table_of(*call, id) == nullptr) return not_found(*call, id);
  }
  const auto joint =
      std::make_shared<Joint>(call, log_, epoch_, parts.size(), slots, std::move(combine));
  for (auto& [id, operations] : parts) {
    const JointPartPtr part = std::make_shared<JointPart>(
        joint, std::move(operations), call->tx != 0 ? part_of(*call, id) : nullptr);
    lent_.erase(id);
    caf::anon_send(actor_of(*find_table(id)), part);
  }
}

}  // namespace kontract
