#include "actors/table_operations.hpp"

#include <array>

namespace kontract {

namespace {

Error bad_argument(std::string what) {
  return {Errc::invalid_request, std::move(what),
          "See the function's arguments in docs/protocol.md."};
}

// The string in args[at]; empty optional if it is of another type.
Result<std::string_view> string_arg(const Json& args, std::size_t at, std::string_view name) {
  if (!args[at].is_string()) {
    return bad_argument("Argument " + std::to_string(at + 1) + " (" + std::string(name) +
                        ") must be a string");
  }
  return std::string_view(args[at].get_ref<const std::string&>());
}

Result<const Json*> object_arg(const Json& args, std::size_t at, std::string_view name) {
  if (!args[at].is_object()) {
    return bad_argument("Argument " + std::to_string(at + 1) + " (" + std::string(name) +
                        ") must be an object");
  }
  return &args[at];
}

Result<JsonText> run_get(Table& table, const Json& args) {
  const auto id = string_arg(args, 1, "id");
  return id ? table.get(*id) : id.error();
}

using WithData = Result<JsonText> (Table::*)(std::string_view, const Json&);

template <WithData operation>
Result<JsonText> run_with_data(Table& table, const Json& args) {
  const auto id = string_arg(args, 1, "id");
  if (!id) return id.error();
  const auto data = object_arg(args, 2, "data");
  return data ? (table.*operation)(*id, **data) : data.error();
}

Result<JsonText> run_set(Table& table, const Json& args) {
  if (args.size() > 2) return run_with_data<&Table::set>(table, args);
  const auto data = object_arg(args, 1, "data");
  return data ? table.set(**data) : data.error();
}

Result<JsonText> run_delete(Table& table, const Json& args) {
  const auto id = string_arg(args, 1, "id");
  return id ? table.erase(*id) : id.error();
}

Result<JsonText> run_push(Table& table, const Json& args) {
  const auto data = object_arg(args, 1, "data");
  return data ? table.push(**data) : data.error();
}

Result<QueryOptions> query_options(const Json& given) {
  QueryOptions options;
  if (given.is_null()) return options;
  if (!given.is_object()) return bad_argument("Argument 3 (options) must be an object");
  for (const auto& [key, value] : given.items()) {
    if (key == "limit") {
      if (!value.is_number_integer() || value.get<std::int64_t>() < 0) {
        return bad_argument("Option limit must be a positive integer");
      }
      options.limit = value.get<std::size_t>();
    } else if (key == "after") {
      if (value.is_null()) continue;
      if (!value.is_string()) return bad_argument("Option after must be a cursor from `next`");
      options.after = value.get<std::string>();
    } else if (key == "order") {
      if (value != "asc" && value != "desc") {
        return bad_argument("Option order must be \"asc\" or \"desc\"");
      }
      options.descending = value == "desc";
    } else {
      return bad_argument("Unknown option " + shown(key) + "; known are limit, after, order");
    }
  }
  return options;
}

Result<JsonText> run_query(Table& table, const Json& args) {
  static const Json all = Json::object();
  const Json& filter = args.size() > 1 && !args[1].is_null() ? args[1] : all;
  if (!filter.is_object()) return bad_argument("Argument 2 (filter) must be an object");
  const auto options = query_options(args.size() > 2 ? args[2] : Json());
  return options ? table.query(filter, *options) : options.error();
}

Result<JsonText> run_exec(Table& table, const Json& args) {
  static const Json none;
  const auto sql = string_arg(args, 1, "sql");
  return sql ? table.exec(*sql, args.size() > 2 ? args[2] : none) : sql.error();
}

constexpr std::array kFunctions = {
    TableFunction{"table.get", perms::R__, 2, 2, "table.get(table, id)", run_get},
    TableFunction{"table.set", perms::_W_, 2, 3,
                  "table.set(table, id, data), or table.set(table, data) with a primary key",
                  run_set},
    TableFunction{"table.update", perms::_W_, 3, 3, "table.update(table, id, partial)",
                  run_with_data<&Table::update>},
    TableFunction{"table.delete", perms::__X, 2, 2, "table.delete(table, id)", run_delete},
    TableFunction{"table.push", perms::_W_, 2, 2, "table.push(table, data)", run_push},
    TableFunction{"table.pop", perms::R_X, 1, 1, "table.pop(table)",
                  [](Table& table, const Json&) { return table.pop(); }},
    TableFunction{"table.shift", perms::R_X, 1, 1, "table.shift(table)",
                  [](Table& table, const Json&) { return table.shift(); }},
    TableFunction{"table.query", perms::R__, 1, 3,
                  "table.query(table, filter?, {limit?, after?, order?})", run_query},
    TableFunction{"table.exec", perms::none, 2, 3, "table.exec(table, sql, params?)", run_exec,
                  perms::RWX},
};

}  // namespace

const TableFunction* find_table_function(std::string_view name) {
  for (const TableFunction& function : kFunctions) {
    if (function.name == name) return &function;
  }
  return nullptr;
}

Status check_table_args(const TableFunction& function, const Json& args) {
  const std::string hint = "Call it as " + std::string(function.usage) + ".";
  if (args.size() < function.args_min || args.size() > function.args_max) {
    const std::string wanted =
        function.args_min == function.args_max
            ? std::to_string(function.args_min)
            : std::to_string(function.args_min) + " to " + std::to_string(function.args_max);
    return Error(Errc::invalid_request,
                 std::string(function.name) + " takes " + wanted + " arguments, " +
                     std::to_string(args.size()) + " were given",
                 hint);
  }
  if (!args[0].is_string()) {
    return Error(Errc::invalid_request, "Argument 1 (table) must be a string", hint);
  }
  return {};
}

}  // namespace kontract
