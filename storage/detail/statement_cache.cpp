#include "storage/detail/statement_cache.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <set>

#include "storage/registry.hpp"

namespace kontract {
namespace {

Error bad_parameters(std::string what) {
  return {Errc::invalid_request, std::move(what),
          "Parameters are an array for ? and $1, or an object for :name, @name and $name."};
}

// The number that a parameter goes by in an array: of $2 that is 2, and of ? its place. 0: none.
std::size_t number_of(sqlite3_stmt* statement, int place) {
  const char* const name = sqlite3_bind_parameter_name(statement, place);
  if (name == nullptr) return static_cast<std::size_t>(place);
  const std::string_view digits = std::string_view(name).substr(1);
  std::size_t number = 0;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  const bool all = read.ec == std::errc{} && read.ptr == digits.data() + digits.size();
  return all ? number : 0;
}

int bind_value(sqlite3_stmt* statement, int place, const Json& value) {
  switch (value.type()) {
    case Json::value_t::null:
      return sqlite3_bind_null(statement, place);
    case Json::value_t::boolean:
      return sqlite3_bind_int(statement, place, value.get<bool>() ? 1 : 0);
    case Json::value_t::number_integer:
      return sqlite3_bind_int64(statement, place, value.get<std::int64_t>());
    case Json::value_t::number_unsigned:
      if (value.get<std::uint64_t>() <= std::numeric_limits<std::int64_t>::max()) {
        return sqlite3_bind_int64(statement, place, value.get<std::int64_t>());
      }
      return sqlite3_bind_double(statement, place, value.get<double>());
    case Json::value_t::number_float:
      return sqlite3_bind_double(statement, place, value.get<double>());
    case Json::value_t::string: {
      const auto& text = value.get_ref<const std::string&>();
      return sqlite3_bind_text64(statement, place, text.data(), text.size(), SQLITE_STATIC,
                                 SQLITE_UTF8);
    }
    default: {
      const JsonText text = to_text(value);
      return sqlite3_bind_text64(statement, place, text.data(), text.size(), SQLITE_TRANSIENT,
                                 SQLITE_UTF8);
    }
  }
}

Status bind_one(sqlite3_stmt* statement, int place, const Json& value) {
  switch (bind_value(statement, place, value)) {
    case SQLITE_OK:
      return {};
    case SQLITE_TOOBIG:
      return Error(Errc::exec_limit, "A parameter has more bytes than a value may have");
    default:
      return Error(Errc::exec_limit, "There is no memory for the parameters");
  }
}

Status bind_array(sqlite3_stmt* statement, const Json& params, int count) {
  std::size_t needed = 0;
  bool numbered = false, in_turn = false;
  for (int place = 1; place <= count; ++place) {
    const char* const name = sqlite3_bind_parameter_name(statement, place);
    const std::size_t number = number_of(statement, place);
    if (number == 0) {
      return bad_parameters("Parameter " + shown(name) + " has a name: it takes an object");
    }
    numbered |= name != nullptr && *name != '?';
    in_turn |= name == nullptr;
    needed = std::max(needed, number);
  }
  if (numbered && in_turn) return bad_parameters("? and $1 cannot be in one statement");
  if (params.size() != needed) {
    return bad_parameters("The statement takes " + std::to_string(needed) + " parameters; " +
                          std::to_string(params.size()) + " were given");
  }
  for (int place = 1; place <= count; ++place) {
    const Json& value = params[number_of(statement, place) - 1];
    if (auto bound = bind_one(statement, place, value); !bound) return bound;
  }
  return {};
}

Status bind_object(sqlite3_stmt* statement, const Json& params, int count) {
  std::set<std::string_view> used;
  for (int place = 1; place <= count; ++place) {
    const char* const name = sqlite3_bind_parameter_name(statement, place);
    if (name == nullptr || *name == '?') {
      return bad_parameters("A parameter that is ? takes an array");
    }
    auto value = params.find(std::string_view(name));
    if (value == params.end()) value = params.find(std::string_view(name).substr(1));
    if (value == params.end()) return bad_parameters("Parameter " + shown(name) + " is missing");
    used.insert(value.key());
    if (auto bound = bind_one(statement, place, *value); !bound) return bound;
  }
  for (const auto& [name, value] : params.items()) {
    if (!used.contains(name)) {
      return bad_parameters("The statement has no parameter " + shown(name));
    }
  }
  return {};
}

}  // namespace

std::size_t CachedStatement::bytes() const {
  const int memory = sqlite3_stmt_status(prepared.get(), SQLITE_STMTSTATUS_MEMUSED, 0);
  return sql.size() + static_cast<std::size_t>(memory);
}

Status bind_sql(sqlite3_stmt* statement, const Json& params) {
  const int count = sqlite3_bind_parameter_count(statement);
  if (params.is_array()) return bind_array(statement, params, count);
  if (params.is_object()) return bind_object(statement, params, count);
  if (!params.is_null()) {
    return bad_parameters(std::string("Parameters of type ") + params.type_name());
  }
  if (count == 0) return {};
  return bad_parameters("The statement takes parameters; none were given");
}

CachedStatement* StatementCache::find(std::string_view sql) {
  const auto known = by_sql_.find(sql);
  if (known == by_sql_.end()) return nullptr;
  statements_.splice(statements_.begin(), statements_, known->second);
  return &*known->second;
}

CachedStatement& StatementCache::keep(CachedStatement statement) {
  bytes_ += statement.bytes();
  statements_.push_front(std::move(statement));
  by_sql_.emplace(statements_.front().sql, statements_.begin());
  return statements_.front();
}

void StatementCache::trim() {
  while (statements_.size() > limits_.statements ||
         (bytes_ > limits_.statement_bytes && !statements_.empty())) {
    const CachedStatement& last = statements_.back();
    by_sql_.erase(last.sql);
    bytes_ -= std::min(bytes_, last.bytes());
    statements_.pop_back();
  }
  if (statements_.empty()) bytes_ = 0;
}

}  // namespace kontract
