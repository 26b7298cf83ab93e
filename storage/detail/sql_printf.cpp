// printf() and format() in a form that is bounded: SQLite's own counts through the precision of %c,
// a thousand million if it is told so, though nothing more fits the result. Each conversion is left
// to SQLite's C function, which does as the one of SQL; only widths are looked at before.

#include <algorithm>
#include <charconv>
#include <memory>
#include <string>

#include "storage/detail/sql_module.hpp"
#include "storage/detail/sql_values.hpp"

namespace kontract {
namespace {

struct FreeSqlite {
  void operator()(char* text) const { sqlite3_free(text); }
};

class Formatter {
 public:
  Formatter(std::string_view format, int argc, sqlite3_value** argv, std::size_t bytes_max)
      : format_(format), argc_(argc), argv_(argv), bytes_max_(bytes_max) {}

  // False if the result would be too large.
  bool run() {
    while (at_ < format_.size()) {
      const std::size_t percent = std::min(format_.find('%', at_), format_.size());
      out_.append(format_, at_, percent - at_);
      at_ = percent + 1;
      if (percent >= format_.size()) break;
      if (at_ == format_.size()) out_ += '%';
      if (at_ < format_.size() && !convert()) return false;
      if (out_.size() > bytes_max_) return false;
    }
    return true;
  }
  const std::string& text() const { return out_; }

 private:
  char peek() const { return at_ < format_.size() ? format_[at_] : '\0'; }
  sqlite3_value* argument() { return next_ < argc_ ? argv_[next_++] : nullptr; }

  std::int64_t integer() {
    sqlite3_value* const value = argument();
    return value == nullptr ? 0 : sqlite3_value_int64(value);
  }

  // A width or precision: digits, or '*' for an argument. Nothing if it is too large.
  std::optional<std::int64_t> size() {
    const auto max = static_cast<std::int64_t>(bytes_max_);
    std::int64_t value = 0;
    if (peek() == '*') {
      ++at_;
      value = integer();
    } else {
      for (; peek() >= '0' && peek() <= '9'; ++at_) {
        value = std::min(value * 10 + (peek() - '0'), max + 1);
      }
    }
    if (value > max || value < -max) return std::nullopt;
    return value;
  }

  // What is behind a '%'.
  bool convert() {
    std::string spec = "%";
    while (peek() != '\0' && std::string_view("-+ #!0,").find(peek()) != std::string_view::npos) {
      spec += format_[at_++];
    }
    const auto width = size();
    if (!width) return false;
    if (*width < 0) spec += '-';
    if (*width != 0) spec += std::to_string(std::max(*width, -*width));
    std::optional<std::int64_t> precision;
    if (peek() == '.') {
      ++at_;
      precision = size();
      if (!precision) return false;
      precision = std::max(*precision, -*precision);
    }
    while (peek() == 'l') ++at_;
    const char type = peek();
    ++at_;
    if (type == 'c') {
      append_characters(spec, precision.value_or(1));
      return true;
    }
    if (precision) spec += '.' + std::to_string(*precision);
    append(spec, type);
    return true;
  }

  void append(std::string& spec, char type) {
    switch (type) {
      case '%':
        out_ += '%';
        break;
      case 'd':
      case 'i':
      case 'u':
      case 'x':
      case 'X':
      case 'o':
        spec += "ll";
        add(sqlite3_mprintf((spec += type).c_str(), sqlite3_int64{integer()}));
        break;
      case 'f':
      case 'e':
      case 'E':
      case 'g':
      case 'G': {
        sqlite3_value* const value = argument();
        const double number = value == nullptr ? 0.0 : sqlite3_value_double(value);
        add(sqlite3_mprintf((spec += type).c_str(), number));
        break;
      }
      case 's':
      case 'z':  // of C: frees its argument
      case 'q':
      case 'Q':
      case 'w': {
        sqlite3_value* const value = argument();
        const unsigned char* const text = value == nullptr ? nullptr : sqlite3_value_text(value);
        add(sqlite3_mprintf((spec += type == 'z' ? 's' : type).c_str(), text));
        break;
      }
      default:  // SQLite's own ends here as well
        at_ = format_.size();
    }
  }

  // %c: the first character of the argument, as often as the precision says.
  void append_characters(std::string& spec, std::int64_t times) {
    sqlite3_value* const value = argument();
    const std::string_view text = value == nullptr ? std::string_view() : sql_text(value);
    std::size_t bytes = text.empty() ? 0 : 1;
    while (bytes < text.size() && (static_cast<unsigned char>(text[bytes]) & 0xC0) == 0x80) ++bytes;
    std::string characters;
    for (std::int64_t i = 0; bytes > 0 && i < std::max<std::int64_t>(times, 1); ++i) {
      characters.append(text, 0, bytes);
    }
    // '!' counts the width in characters.
    add(sqlite3_mprintf(spec.insert(1, "!").append("s").c_str(), characters.c_str()));
  }

  void add(char* text) {
    const std::unique_ptr<char, FreeSqlite> owned(text);
    if (owned) out_ += owned.get();
  }

  const std::string_view format_;
  const int argc_;
  sqlite3_value** const argv_;
  const std::size_t bytes_max_;
  std::size_t at_ = 0;
  int next_ = 0;
  std::string out_;
};

}  // namespace

void sql_printf(sqlite3_context* context, int argc, sqlite3_value** argv) noexcept {
  const SqlState& state = *static_cast<SqlState*>(sqlite3_user_data(context));
  if (argc < 1 || sqlite3_value_type(argv[0]) == SQLITE_NULL) return;
  Formatter formatter(sql_text(argv[0]), argc - 1, argv + 1, state.limits.value_bytes);
  if (!formatter.run()) return sqlite3_result_error_toobig(context);
  sqlite3_result_text64(context, formatter.text().data(), formatter.text().size(), SQLITE_TRANSIENT,
                        SQLITE_UTF8);
}

}  // namespace kontract
