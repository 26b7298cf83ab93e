#include "tests/bench/message_template.hpp"

#include <array>
#include <charconv>
#include <utility>

namespace kontract::bench {

namespace {

void append_number(std::string& out, std::uint64_t value) {
  std::array<char, 20> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  out.append(digits.data(), end);
}

}  // namespace

MessageTemplate::MessageTemplate(std::string_view text, std::uint64_t keys) : keys_(keys) {
  constexpr std::array<std::pair<std::string_view, Slot>, 5> kNames{{{"{id}", Slot::id},
                                                                     {"{key}", Slot::key},
                                                                     {"{other}", Slot::other},
                                                                     {"{u}", Slot::unique},
                                                                     {"{data200}", Slot::data200}}};
  std::string literal;
  while (!text.empty()) {
    bool matched = false;
    for (const auto& [name, slot] : kNames) {
      if (!text.starts_with(name)) continue;
      parts_.push_back({std::exchange(literal, {}), slot});
      text.remove_prefix(name.size());
      matched = true;
      break;
    }
    if (matched) continue;
    literal.push_back(text.front());
    text.remove_prefix(1);
  }
  parts_.push_back({literal, Slot::none});
}

void MessageTemplate::render(std::string& out, std::uint64_t id, std::uint64_t random) {
  out.clear();
  for (const Part& part : parts_) {
    out.append(part.literal);
    switch (part.slot) {
      case Slot::none:
        break;
      case Slot::id:
        append_number(out, id);
        break;
      case Slot::key:
        out.push_back('k');
        append_number(out, random % keys_);
        break;
      case Slot::other: {
        const std::uint64_t shift = 1 + random / keys_ % (keys_ - 1);
        out.push_back('k');
        append_number(out, (random % keys_ + shift) % keys_);
        break;
      }
      case Slot::unique:
        append_number(out, ++unique_);
        break;
      case Slot::data200:
        append_data200(out, random);
        break;
    }
  }
}

void append_data200(std::string& out, std::uint64_t random) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::array<char, 16> digits;
  for (char& digit : digits) {
    digit = kDigits[random & 15];
    random >>= 4;
  }
  const std::string_view word(digits.data(), digits.size());
  // 9 + 16 + 10 + 10 * 16 + 3 + 2 = 200 bytes.
  out.append(R"({"name":")").append(word).append(R"(","body":")");
  for (int i = 0; i < 10; ++i) out.append(word);
  out.append(word.substr(0, 3)).append(R"("})");
}

}  // namespace kontract::bench
