#include "storage/registry_guard.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <string_view>

#include "storage/detail/sql_common.hpp"

namespace kontract {
namespace {

std::string_view view(const char* text) { return text == nullptr ? "" : text; }

bool same(std::string_view a, std::string_view b) {  // names in SQL have no case
  return sqlite3_strnicmp(a.data(), b.data(), static_cast<int>(std::max(a.size(), b.size()))) == 0;
}

}  // namespace

void RegistryGuard::begin(sqlite3* db) {
  sqlite3_set_authorizer(
      db,
      [](void* self, int action, const char* first, const char* second, const char* database,
         const char* /*trigger or view: there are none*/) {
        return static_cast<RegistryGuard*>(self)->decide(action, first, second, database);
      },
      this);
}

void RegistryGuard::end(sqlite3* db) { sqlite3_set_authorizer(db, nullptr, nullptr); }

int RegistryGuard::decide(int action, const char* first, const char* second, const char* database) {
  switch (action) {
    case SQLITE_SELECT:
      statement_ = true;
      return SQLITE_OK;
    case SQLITE_READ:
      return read(first, database);
    case SQLITE_INSERT:
    case SQLITE_UPDATE:
      return write(first, second, perms::_W_);
    case SQLITE_DELETE:
      return write(first, second, perms::__X);
    case SQLITE_FUNCTION:
      return is_common_sql_function(view(second)) ? SQLITE_OK : SQLITE_DENY;
    default:
      return SQLITE_DENY;
  }
}

// A table of which only the rows are counted comes without a database.
int RegistryGuard::read(const char* table, const char* database) {
  const bool ours = same(view(table), "storage") || same(view(table), "trxs");
  if (ours && (database == nullptr || same(database, "main"))) return SQLITE_OK;
  return refuse({Errc::exec_cross_table, "Cannot access other tables",
                 "The registry has the tables storage and trxs. Records are read with table.get "
                 "and table.query."});
}

int RegistryGuard::write(const char* table, const char* column, Perm bit) {
  if (same(view(table), "trxs")) {
    return refuse({Errc::permission_denied, "trxs is read-only",
                   "Transactions begin and end with calls of their own."});
  }
  if (!same(view(table), "storage")) return SQLITE_DENY;
  const std::string_view field = view(column);
  if (!field.empty() && !same(field, "owner") && !same(field, "permissions")) {
    return refuse({Errc::permission_denied, "Field '" + std::string(field) + "' is read-only",
                   "Of a table that is registered, owner and permissions can be changed."});
  }
  statement_ = true;
  writes_ |= bit;
  return SQLITE_OK;
}

int RegistryGuard::refuse(Error error) {
  refusal_ = std::move(error);
  return SQLITE_DENY;
}

}  // namespace kontract
