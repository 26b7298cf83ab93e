#include "storage/index_key.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>

#include "storage/byte_codec.hpp"

namespace kontract {
namespace {

constexpr char kNull = 1;
constexpr char kNumber = 2;
constexpr char kText = 3;
constexpr std::uint64_t kSign = std::uint64_t{1} << 63;

void append_number(std::string& out, double number) {
  auto bits = std::bit_cast<std::uint64_t>(number == 0 ? 0.0 : number);  // -0 is 0
  // Of negative numbers the greater has the smaller bits.
  bits = (bits & kSign) != 0 ? ~bits : bits | kSign;
  char bytes[sizeof bits];
  put_be(bytes, bits);
  out += kNumber;
  out.append(bytes, sizeof bytes);
}

void append_text(std::string& out, std::string_view text) {
  out += kText;
  for (auto nul = text.find('\0'); nul != text.npos; nul = text.find('\0')) {
    out.append(text.substr(0, nul + 1));
    out += '\xFF';
    text.remove_prefix(nul + 1);
  }
  out.append(text);
  out.append(2, '\0');
}

}  // namespace

void append_index_value(std::string& out, const SqlValue& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    append_number(out, static_cast<double>(*integer));
  } else if (const auto* number = std::get_if<double>(&value)) {
    append_number(out, *number);
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    append_text(out, *text);
  } else {
    out += kNull;
  }
}

bool has_null(std::string_view values) {
  while (!values.empty()) {
    if (values[0] == kNull) return true;
    std::size_t end = 1 + sizeof(std::uint64_t);
    if (values[0] == kText) {
      end = values.find('\0', 1);
      while (end != values.npos && values.substr(end + 1, 1) == "\xFF") {
        end = values.find('\0', end + 2);
      }
      if (end == values.npos) return false;
      end += 2;
    }
    values.remove_prefix(std::min(end, values.size()));
  }
  return false;
}

}  // namespace kontract
