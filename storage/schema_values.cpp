#include "storage/schema_values.hpp"

#include <array>
#include <cmath>

namespace kontract {
namespace {

struct TypeTraits {
  FieldType type;
  std::string_view name;
  std::string_view description;
};

constexpr std::array kTypes = {
    TypeTraits{FieldType::string, "string", "a string"},
    TypeTraits{FieldType::number, "number", "a number"},
    TypeTraits{FieldType::integer, "integer", "an integer within +-(2^53 - 1)"},
    TypeTraits{FieldType::boolean, "boolean", "true or false"},
    TypeTraits{FieldType::datetime, "datetime", "a date or date-time as text (RFC 3339)"},
    TypeTraits{FieldType::bytes, "bytes", "bytes as base64 text with padding (RFC 4648)"},
    TypeTraits{FieldType::array, "array", "an array"},
    TypeTraits{FieldType::object, "object", "an object"},
    TypeTraits{FieldType::any, "any", "a value"},
};
static_assert(kTypes.back().type == FieldType::any && kTypes.size() == 9);

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Takes `digits` digits off the front of `text`; a number that no date has if they are not there.
int take_number(std::string_view& text, std::size_t digits) {
  constexpr int kNone = 99'999;
  if (text.size() < digits) return kNone;
  int number = 0;
  for (const char c : text.substr(0, digits)) {
    if (!is_digit(c)) return kNone;
    number = 10 * number + (c - '0');
  }
  text.remove_prefix(digits);
  return number;
}

bool take(std::string_view& text, std::string_view one_of) {
  if (text.empty() || one_of.find(text.front()) == one_of.npos) return false;
  text.remove_prefix(1);
  return true;
}

int days_in(int year, int month) {
  if (month == 2) return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28;
  return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

bool take_date(std::string_view& text) {
  const int year = take_number(text, 4);
  if (year > 9999 || !take(text, "-")) return false;
  const int month = take_number(text, 2);
  if (month < 1 || month > 12 || !take(text, "-")) return false;
  const int day = take_number(text, 2);
  return day >= 1 && day <= days_in(year, month);
}

bool take_time(std::string_view& text) {
  const int hour = take_number(text, 2);
  if (hour > 23 || !take(text, ":")) return false;
  const int minute = take_number(text, 2);
  if (minute > 59 || !take(text, ":")) return false;
  const int second = take_number(text, 2);
  if (second > 60) return false;
  if (take(text, ".")) {
    if (text.empty() || !is_digit(text.front())) return false;
    while (take(text, "0123456789")) {
    }
  }
  int offset_minutes = 0;
  if (!take(text, "Zz")) {
    const bool behind = text.starts_with('-');
    if (!take(text, "+-")) return false;
    const int hours = take_number(text, 2);
    if (hours > 23 || !take(text, ":")) return false;
    const int minutes = take_number(text, 2);
    if (minutes > 59) return false;
    offset_minutes = (behind ? -1 : 1) * (60 * hours + minutes);
  }
  // A leap second is the last one of a day in UTC.
  constexpr int kMinutesOfDay = 24 * 60;
  const int utc = (60 * hour + minute - offset_minutes + kMinutesOfDay) % kMinutesOfDay;
  return second < 60 || utc == kMinutesOfDay - 1;
}

// The value of a base64 digit, -1 if it is none.
int base64_digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (is_digit(c)) return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool make_integer(Json& value) {
  constexpr std::int64_t kMax = limits::kSafeIntegerMax;
  if (value.is_number_unsigned()) return value.get<std::uint64_t>() <= std::uint64_t{kMax};
  if (value.is_number_integer()) {
    const auto number = value.get<std::int64_t>();
    return number >= -kMax && number <= kMax;
  }
  if (!value.is_number_float()) return false;
  const auto number = value.get<double>();
  if (std::trunc(number) != number || std::abs(number) > static_cast<double>(kMax)) return false;
  value = static_cast<std::int64_t>(number);
  return true;
}

bool is_text(const Json& value, bool (*of_form)(std::string_view)) {
  return value.is_string() && of_form(value.get_ref<const std::string&>());
}

}  // namespace

std::string_view name_of(FieldType type) { return kTypes[static_cast<std::size_t>(type)].name; }

std::string_view description(FieldType type) {
  return kTypes[static_cast<std::size_t>(type)].description;
}

std::optional<FieldType> field_type(std::string_view name) {
  for (const TypeTraits& type : kTypes) {
    if (type.name == name) return type.type;
  }
  return std::nullopt;
}

std::string_view field_type_names() {
  return "string, number, integer, boolean, datetime, bytes, array, object, any";
}

bool make_fit(FieldType type, Json& value) {
  switch (type) {
    case FieldType::string:
      return value.is_string();
    case FieldType::number:
      return value.is_number() && std::isfinite(value.get<double>());
    case FieldType::integer:
      return make_integer(value);
    case FieldType::boolean:
      return value.is_boolean();
    case FieldType::datetime:
      return is_text(value, is_datetime);
    case FieldType::bytes:
      return is_text(value, is_base64);
    case FieldType::array:
      return value.is_array();
    case FieldType::object:
      return value.is_object();
    case FieldType::any:
      return true;
  }
  return false;
}

bool widens(FieldType from, FieldType to) {
  if (from == to || to == FieldType::any) return true;
  if (to == FieldType::number) return from == FieldType::integer;
  return to == FieldType::string && (from == FieldType::datetime || from == FieldType::bytes);
}

bool is_datetime(std::string_view text) {
  if (!take_date(text)) return false;
  return text.empty() || (take(text, "Tt") && take_time(text) && text.empty());
}

bool is_base64(std::string_view text) {
  if (text.size() % 4 != 0) return false;
  std::size_t padding = 0;
  while (padding < 2 && text.ends_with('=')) {
    text.remove_suffix(1);
    ++padding;
  }
  int last = 0;
  for (const char c : text) {
    last = base64_digit(c);
    if (last < 0) return false;
  }
  return (last & ((1 << 2 * padding) - 1)) == 0;
}

}  // namespace kontract
