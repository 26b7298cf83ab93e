// "Table X not found" of storage/registry.hpp, with the command that helps.

#include <string>

#include "storage/registry.hpp"

namespace kontract {
namespace {

std::string replaced(std::string_view text, char what, std::string_view by) {
  std::string out;
  for (const char c : text) c == what ? out.append(by) : out.append(1, c);
  return out;
}

std::string sql_quoted(std::string_view text) { return "'" + replaced(text, '\'', "''") + "'"; }

// As one word of a shell, interactive or not. In double quotes if it can be, since SQL has single
// ones.
std::string shell_quoted(std::string_view text) {
  const bool plain = text.find_first_of("\"$`\\!") == text.npos;
  return plain ? '"' + std::string(text) + '"' : "'" + replaced(text, '\'', "'\\''") + "'";
}

// A value may begin with a dash, so it is not a word of its own.
std::string command(const Identity& session, std::string_view sql) {
  std::string text = "kontract sql";
  if (session.owner != "dev") text += " --owner=" + shell_quoted(session.owner);
  if (session.name != "default") text += " --session=" + session.name;
  return text + " " + shell_quoted(sql);
}

Error not_found(std::string_view id) {
  Error error(Errc::storage_ptr_not_found, "Table " + shown(id) + " not found");
  if (Status valid = validate_table_id(id); !valid) error.hint = std::move(valid).error().message;
  return error;
}

}  // namespace

Error table_not_found(std::string_view id) { return not_found(id); }

Error table_not_found(std::string_view id, const Identity& session) {
  Error error = not_found(id);
  // Only a name that may be one goes into a command.
  if (!error.hint.empty()) return error;
  error.hint = "Register it first: " +
               command(session, "INSERT INTO storage (id, ptr, owner, permissions) VALUES (" +
                                    sql_quoted(id) + ", " + sql_quoted(make_ptr(id)) + ", " +
                                    sql_quoted(session.owner) + ", 7);");
  return error;
}

Error table_of_another_owner(std::string_view id, const Identity& session) {
  Error error = not_found(id);
  error.hint = "It is registered for another owner. Take it over: " +
               command(session, "UPDATE storage SET owner = " + sql_quoted(session.owner) +
                                    " WHERE id = " + sql_quoted(id) + ";");
  return error;
}

}  // namespace kontract
