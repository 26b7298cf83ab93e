#include "storage/detail/sql_shape.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "storage/detail/sql_state.hpp"

namespace kontract {
namespace {

struct SqlToken {
  enum class Kind : std::uint8_t { end, word, quoted, sign };
  Kind kind = Kind::end;
  std::string_view text;  // of what is quoted, what is between the quotes
};

bool in_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '$' || static_cast<unsigned char>(c) >= 0x80;
}

// Splits as SQLite does, as far as it matters where words and names begin and end.
class SqlTokens {
 public:
  explicit SqlTokens(std::string_view sql) : rest_(sql) {}

  SqlToken next() {
    skip_blanks();
    if (rest_.empty()) return {};
    const char first = rest_.front();
    if (in_word(first)) {
      const auto end = std::find_if_not(rest_.begin(), rest_.end(), in_word);
      return {SqlToken::Kind::word, take(static_cast<std::size_t>(end - rest_.begin()))};
    }
    if (first == '\'' || first == '"' || first == '`' || first == '[') return quoted(first);
    return {SqlToken::Kind::sign, take(1)};
  }

 private:
  std::string_view take(std::size_t size) {
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(taken.size());
    return taken;
  }

  void take_behind(std::string_view end, std::size_t from) {
    const std::size_t at = rest_.find(end, from);
    rest_.remove_prefix(at == rest_.npos ? rest_.size() : at + end.size());
  }

  void skip_blanks() {
    for (;;) {
      const std::size_t blanks = rest_.find_first_not_of(" \t\n\f\r");
      rest_.remove_prefix(blanks == rest_.npos ? rest_.size() : blanks);
      if (rest_.starts_with("--")) {
        take_behind("\n", 0);
      } else if (rest_.starts_with("/*")) {
        take_behind("*/", 2);
      } else {
        return;
      }
    }
  }

  SqlToken quoted(char first) {
    const char last = first == '[' ? ']' : first;
    std::size_t end = rest_.find(last, 1);
    // A quote in it is doubled.
    while (first != '[' && end != rest_.npos && rest_.substr(end + 1, 1) == rest_.substr(0, 1)) {
      end = rest_.find(last, end + 2);
    }
    const std::string_view text = take(end == rest_.npos ? rest_.size() : end + 1);
    return {SqlToken::Kind::quoted, text.substr(1, text.size() < 2 ? 0 : text.size() - 2)};
  }

  std::string_view rest_;
};

// Finds (a, b) IN among the tokens.
class RowValues {
 public:
  // Whether `token` is the IN of one.
  bool is_in(const SqlToken& before, const SqlToken& token) {
    const bool in = token.kind == SqlToken::Kind::word && sql_same_name(token.text, "IN");
    if (token.kind == SqlToken::Kind::sign) step(before, token.text);
    return in && before.text == ")" && closed_;
  }

 private:
  void step(const SqlToken& before, std::string_view sign) {
    if (sign == "(") {
      const bool name =
          before.kind == SqlToken::Kind::quoted ||
          (before.kind == SqlToken::Kind::word &&
           sqlite3_keyword_check(before.text.data(), static_cast<int>(before.text.size())) == 0);
      open_.push_back({name, false});
    } else if (sign == "," && !open_.empty()) {
      open_.back().several = true;
    } else if (sign == ")") {
      const bool around_one = before.text == ")" && closed_;  // ((a, b))
      const Parentheses its = open_.empty() ? Parentheses{} : open_.back();
      closed_ = (its.several || around_one) && !its.arguments;
      if (!open_.empty()) open_.pop_back();
    }
  }

  struct Parentheses {
    bool arguments = false;  // of a function
    bool several = false;    // values
  };
  std::vector<Parentheses> open_;
  bool closed_ = false;  // the last that were closed are a row value's
};

}  // namespace

SqlShape sql_shape(std::string_view sql, std::string_view table) {
  constexpr std::array<std::string_view, 4> kCompounds = {"UNION", "INTERSECT", "EXCEPT", "VALUES"};
  SqlShape shape;
  SqlTokens tokens(sql);
  int tables = 0;
  SqlToken before;
  RowValues row_values;
  for (SqlToken token = tokens.next(); token.kind != SqlToken::Kind::end;) {
    const SqlToken behind = tokens.next();
    const auto is = [&](std::string_view word) {
      return token.kind == SqlToken::Kind::word && sql_same_name(token.text, word);
    };
    shape.casts |= is("CAST");
    shape.joins |= is("WITH");
    shape.compounds |= std::any_of(kCompounds.begin(), kCompounds.end(), is);
    shape.row_values |= row_values.is_in(before, token);
    // SQLite takes what is in $a(...) for part of the parameter's name, quotes as well.
    const bool parameter = before.text == ":" || before.text == "@" || before.text == "#" ||
                           token.text.starts_with('$');
    if (parameter && behind.text == "(") return {true, true, true, true, false};
    // As in users.age it is the name of a column.
    const bool named = token.kind != SqlToken::Kind::sign && sql_same_name(token.text, table);
    if (named && behind.text != ".") ++tables;
    before = std::exchange(token, behind);
  }
  shape.joins |= tables > 1;
  return shape;
}

}  // namespace kontract
