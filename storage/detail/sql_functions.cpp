// contains(), and bounded forms of those of SQLite's functions that take time in proportion to the
// product of two sizes: one call of theirs could outlast a statement's time by minutes, since the
// clock is only looked at between steps. Results are SQLite's.

#include <algorithm>
#include <cstring>
#include <string>
#include <unordered_set>

#include "storage/detail/sql_module.hpp"
#include "storage/detail/sql_values.hpp"

namespace kontract {
namespace {

constexpr std::size_t kPatternWorkMax = 64 * limits::kMiB;  // bytes of text x bytes of pattern
constexpr unsigned int kJsonSubtype = 'J';  // what SQLite's JSON functions call their results

SqlState& state_of(sqlite3_context* context) {
  return *static_cast<SqlState*>(sqlite3_user_data(context));
}

bool any_null(int argc, sqlite3_value** argv) {
  return std::any_of(argv, argv + argc,
                     [](sqlite3_value* value) { return sqlite3_value_type(value) == SQLITE_NULL; });
}

void fail(sqlite3_context* context, Error error) {
  sqlite3_result_error(context, error.message.c_str(), -1);
  state_of(context).fail(std::move(error));
}

void set_text(sqlite3_context* context, std::string_view text) {
  sqlite3_result_text64(context, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
}

// ---- contains(data, part)

void contains_function(sqlite3_context* context, int argc, sqlite3_value** argv) noexcept {
  if (state_of(context).time_is_over()) return sqlite3_result_error(context, "", 0);
  if (any_null(argc, argv)) return;
  const Json* part = static_cast<const Json*>(sqlite3_get_auxdata(context, 1));
  Json parsed;
  if (part == nullptr) {
    auto given = parse_json(sql_text(argv[1]), {.values = limits::kFilterValuesMax});
    if (!given) {
      return fail(context, {Errc::exec_failed, "contains(): argument 2: " + given.error().message});
    }
    parsed = *std::move(given);
    part = &parsed;
  }
  const Json whole = Json::parse(sql_text(argv[0]), nullptr, false);
  if (whole.is_discarded()) {
    return fail(context, {Errc::exec_failed, "contains(): argument 1 is not JSON"});
  }
  sqlite3_result_int(context, contains(whole, *part) ? 1 : 0);
  // Kept if the argument is the same in all rows. Last: SQLite may destroy it at once.
  if (part == &parsed) {
    sqlite3_set_auxdata(
        context, 1, std::make_unique<Json>(std::move(parsed)).release(),
        [](void* json) { std::unique_ptr<Json>(static_cast<Json*>(json)).reset(); });
  }
}

// json_patch(target, patch), RFC 7396. SQLite's compares each member of one with all of the other.
void json_patch_function(sqlite3_context* context, int argc, sqlite3_value** argv) noexcept {
  if (any_null(argc, argv)) return;
  Json target = Json::parse(sql_text(argv[0]), nullptr, false);
  const Json patch = Json::parse(sql_text(argv[1]), nullptr, false);
  if (target.is_discarded() || patch.is_discarded()) {
    return sqlite3_result_error(context, "malformed JSON", -1);
  }
  target.merge_patch(patch);
  set_text(context, to_text(target));
  sqlite3_result_subtype(context, kJsonSubtype);
}

// ---- patterns

// The one character of ESCAPE; 0 if there is none.
std::optional<unsigned int> escape_character(std::string_view text) {
  if (text.empty() || !is_utf8(text)) return std::nullopt;
  const auto lead = static_cast<unsigned char>(text[0]);
  const std::size_t bytes = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  if (text.size() != bytes || text == "%" || text == "_") return std::nullopt;
  unsigned int character = bytes == 1 ? lead : lead & (0x7Fu >> bytes);
  for (std::size_t i = 1; i < bytes; ++i) {
    character = character << 6 | (static_cast<unsigned char>(text[i]) & 0x3Fu);
  }
  return character;
}

// Whether the pattern may be matched against the text.
bool admit_pattern(sqlite3_context* context, std::string_view pattern, std::string_view text) {
  SqlState& state = state_of(context);
  if (state.time_is_over()) {
    sqlite3_result_error(context, "", 0);
    return false;
  }
  if (pattern.size() > kSqlPatternBytesMax) {
    fail(context,
         sql_limit("A pattern has more than " + std::to_string(kSqlPatternBytesMax) + " bytes"));
    return false;
  }
  if (pattern.size() * text.size() > kPatternWorkMax) {
    fail(context, sql_limit("A pattern's bytes times those of its text are more than " +
                            std::to_string(kPatternWorkMax)));
    return false;
  }
  return true;
}

bool is_blob(sqlite3_value* value) { return sqlite3_value_type(value) == SQLITE_BLOB; }

void like_function(sqlite3_context* context, int argc, sqlite3_value** argv) noexcept {
  // As Debian's SQLite is built, a BLOB is like nothing.
  if (is_blob(argv[0]) || is_blob(argv[1])) return sqlite3_result_int(context, 0);
  if (any_null(argc, argv)) return;
  std::optional<unsigned int> escape = 0;
  if (argc == 3) escape = escape_character(sql_text(argv[2]));
  if (!escape) {
    return sqlite3_result_error(context, "ESCAPE expression must be a single character, not % or _",
                                -1);
  }
  const std::string_view pattern = sql_text(argv[0]), text = sql_text(argv[1]);
  if (!admit_pattern(context, pattern, text)) return;
  // SQLite ends its texts with a NUL.
  sqlite3_result_int(context, sqlite3_strlike(pattern.data(), text.data(), *escape) == 0 ? 1 : 0);
}

void glob_function(sqlite3_context* context, int argc, sqlite3_value** argv) noexcept {
  if (is_blob(argv[0]) || is_blob(argv[1])) return sqlite3_result_int(context, 0);
  if (any_null(argc, argv)) return;
  const std::string_view pattern = sql_text(argv[0]), text = sql_text(argv[1]);
  if (!admit_pattern(context, pattern, text)) return;
  sqlite3_result_int(context, sqlite3_strglob(pattern.data(), text.data()) == 0 ? 1 : 0);
}

// ---- search

constexpr std::size_t kNowhere = std::string_view::npos;

// In linear time, unlike string_view::find.
std::size_t find_part(std::string_view text, std::string_view part, std::size_t from) {
  const void* const at = memmem(text.data() + from, text.size() - from, part.data(), part.size());
  return at == nullptr ? kNowhere
                       : static_cast<std::size_t>(static_cast<const char*>(at) - text.data());
}

bool continues_character(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

void instr_function(sqlite3_context* context, int argc, sqlite3_value** argv) noexcept {
  if (any_null(argc, argv)) return;
  const bool bytes = is_blob(argv[0]) && is_blob(argv[1]);
  const auto read = [&](sqlite3_value* value) -> std::string_view {
    if (!bytes) return sql_text(value);
    const void* const begin = sqlite3_value_blob(value);
    return {static_cast<const char*>(begin), static_cast<std::size_t>(sqlite3_value_bytes(value))};
  };
  const std::string_view text = read(argv[0]), part = read(argv[1]);
  const std::size_t at = part.empty()                ? 0
                         : text.size() < part.size() ? kNowhere
                                                     : find_part(text, part, 0);
  if (at == kNowhere) return sqlite3_result_int(context, 0);
  auto place = static_cast<sqlite3_int64>(at);
  if (!bytes) place -= std::count_if(text.begin(), text.begin() + place, continues_character);
  sqlite3_result_int64(context, place + 1);
}

void replace_function(sqlite3_context* context, int argc, sqlite3_value** argv) noexcept {
  if (any_null(argc, argv)) return;
  const std::string_view text = sql_text(argv[0]), part = sql_text(argv[1]);
  const std::string_view by = sql_text(argv[2]);
  if (part.empty()) return sqlite3_result_value(context, argv[0]);
  std::string out;
  std::size_t from = 0;
  while (from < text.size()) {
    const std::size_t at = find_part(text, part, from);
    if (at == kNowhere) break;
    out.append(text, from, at - from);
    out += by;
    from = at + part.size();
    if (out.size() > state_of(context).limits.value_bytes) {
      return sqlite3_result_error_toobig(context);
    }
  }
  out.append(text, from);
  set_text(context, out);
}

// ---- trim(text, characters)

enum class Side : std::uintptr_t { left = 1, right = 2, both = 3 };

std::size_t character_bytes(std::string_view text, std::size_t at) {
  std::size_t bytes = 1;
  while (at + bytes < text.size() && continues_character(text[at + bytes])) ++bytes;
  return bytes;
}

template <Side side>
void trim_function(sqlite3_context* context, int argc, sqlite3_value** argv) noexcept {
  if (any_null(argc, argv)) return;
  std::string_view text = sql_text(argv[0]);
  const std::string_view characters = sql_text(argv[1]);
  std::unordered_set<std::string_view> set;
  for (std::size_t at = 0; at < characters.size();) {
    const std::size_t bytes = character_bytes(characters, at);
    set.insert(characters.substr(at, bytes));
    at += bytes;
  }
  if constexpr (side != Side::right) {
    while (!text.empty()) {
      const std::size_t bytes = character_bytes(text, 0);
      if (!set.contains(text.substr(0, bytes))) break;
      text.remove_prefix(bytes);
    }
  }
  if constexpr (side != Side::left) {
    while (!text.empty()) {
      std::size_t at = text.size() - 1;
      while (at > 0 && continues_character(text[at])) --at;
      if (!set.contains(text.substr(at))) break;
      text = text.substr(0, at);
    }
  }
  set_text(context, text);
}

struct Function {
  const char* name;
  int argc;
  void (*run)(sqlite3_context*, int, sqlite3_value**);
};

constexpr Function kFunctions[] = {
    {"contains", 2, contains_function},
    {"json_patch", 2, json_patch_function},
    {"printf", -1, sql_printf},
    {"format", -1, sql_printf},
    {"like", 2, like_function},
    {"like", 3, like_function},
    {"glob", 2, glob_function},
    {"instr", 2, instr_function},
    {"replace", 3, replace_function},
    {"ltrim", 2, trim_function<Side::left>},
    {"rtrim", 2, trim_function<Side::right>},
    {"trim", 2, trim_function<Side::both>},
};

}  // namespace

Status add_sql_functions(sqlite3* db, SqlState& state) {
  constexpr int kFlags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS;
  for (const Function& function : kFunctions) {
    const int rc = sqlite3_create_function_v2(db, function.name, function.argc, kFlags, &state,
                                              function.run, nullptr, nullptr, nullptr);
    if (rc != SQLITE_OK) {
      return Error(Errc::internal, "SQLite takes no function " + std::string(function.name));
    }
  }
  return {};
}

}  // namespace kontract
