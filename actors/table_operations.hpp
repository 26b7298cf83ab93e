// The built-in functions of egroup `storage` that work on the records of one table: what each needs
// and how its JSON arguments become an operation on a Table. Arguments and results are those of
// docs/protocol.md.

#pragma once

#include <span>
#include <string>
#include <string_view>

#include "storage/json.hpp"
#include "storage/perms.hpp"
#include "storage/table.hpp"

namespace kontract {

struct TableFunction {
  std::string_view name;
  Perm needs;
  std::size_t args_min, args_max;                           // the table's name included
  std::string_view usage;                                   // for messages
  Result<JsonText> (*run)(Table& table, const Json& args);  // args[0] is the table's name
  Perm may_need = perms::none;  // on top, as the table decides; one bit of it must be there
};

// The function of this name, or null.
const TableFunction* find_table_function(std::string_view name);

// Checks number of arguments and that the first is a table's name.
// Errors: invalid_request, with the usage as the hint.
Status check_table_args(const TableFunction& function, const Json& args);

}  // namespace kontract
