#include "storage/json.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <vector>

namespace kontract {
namespace {

// Walks the text and leaves in `*seen` how far the parser is, which nlohmann's events do not say.
struct TrackedIterator {
  using iterator_category = std::forward_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  const char* at = nullptr;
  const char** seen = nullptr;

  reference operator*() const { return *at; }
  TrackedIterator& operator++() {
    *seen = ++at;
    return *this;
  }
  TrackedIterator operator++(int) {
    TrackedIterator before = *this;
    ++*this;
    return before;
  }
  bool operator==(const TrackedIterator& other) const { return at == other.at; }
};

// The reason inside of nlohmann's message, without what it quotes of the text.
std::string reason(std::string_view what) {
  if (const auto at = what.find(" - "); at != what.npos) what.remove_prefix(at + 3);
  std::string out(what.substr(0, what.find("; last read")));
  const auto expected = what.rfind("; expected ");
  return expected == what.npos ? out : out + std::string(what.substr(expected));
}

// Builds the value from the parser's events and enforces what the grammar alone does not.
class Builder {
 public:
  Builder(const JsonLimits& bounds, const char* begin) : bounds_(bounds), begin_(begin) {}

  bool null() { return add(nullptr); }
  bool boolean(bool value) { return add(value); }
  bool number_integer(std::int64_t value) {
    return value < -limits::kSafeIntegerMax ? refuse_integer() : add(value);
  }
  bool number_unsigned(std::uint64_t value) {
    return value > std::uint64_t{limits::kSafeIntegerMax} ? refuse_integer() : add(value);
  }
  bool number_float(double value, const std::string& text) {
    // Integers that fit 64 bits no more arrive here as well.
    if (text.find_first_of(".eE") == text.npos) return refuse_integer();
    return std::isfinite(value) ? add(value) : refuse("a number is not finite");
  }
  bool string(std::string& value) { return add(std::move(value)); }
  bool binary(Json::binary_t&) { return refuse("binary values are not JSON"); }

  bool start_object(std::size_t) { return enter(Json::object()); }
  bool end_object() { return leave(); }
  bool start_array(std::size_t) { return enter(Json::array()); }
  bool end_array() { return leave(); }

  bool key(std::string& name) {
    auto [member, added] = open_.back()->get_ref<Json::object_t&>().try_emplace(std::move(name));
    if (!added) return refuse("an object has two members of the same name");
    member_ = &member->second;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const Json::exception& error) {
    constexpr int kNumberOverflow = 406;
    at_ = position;
    problem_ = error.id == kNumberOverflow ? "a number is too large" : reason(error.what());
    return false;
  }

  const char** seen() { return &seen_; }
  Json take() { return std::move(root_); }
  Error error() const {
    return {Errc::invalid_request,
            "JSON is not valid at byte " + std::to_string(at_) + ": " + problem_, hint_};
  }

 private:
  bool refuse(std::string problem, std::string hint = {}) {
    at_ = static_cast<std::size_t>(seen_ - begin_);
    problem_ = std::move(problem);
    hint_ = std::move(hint);
    return false;
  }

  bool refuse_integer() {
    return refuse("an integer is outside of +-(2^53 - 1)",
                  "Send it as a string: not every reader keeps such an integer exactly.");
  }

  // Puts a value where the next one belongs. Null without a reason not to.
  Json* place(Json value) {
    if (++values_ > bounds_.values) {
      refuse("it has more than " + std::to_string(bounds_.values) + " values");
      return nullptr;
    }
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    if (member_ != nullptr) {
      *member_ = std::move(value);
      return std::exchange(member_, nullptr);
    }
    return &open_.back()->get_ref<Json::array_t&>().emplace_back(std::move(value));
  }

  template <class T>
  bool add(T&& value) {
    return place(Json(std::forward<T>(value))) != nullptr;
  }

  bool enter(Json container) {
    if (open_.size() >= bounds_.depth) {
      return refuse("it is nested deeper than " + std::to_string(bounds_.depth));
    }
    Json* placed = place(std::move(container));
    if (placed == nullptr) return false;
    open_.push_back(placed);
    return true;
  }

  bool leave() {
    open_.pop_back();
    return true;
  }

  const JsonLimits bounds_;
  const char* const begin_;
  const char* seen_ = begin_;
  Json root_;
  std::vector<Json*> open_;  // the containers we are in; each stays put until it is left
  Json* member_ = nullptr;   // named by the last key and still without a value
  std::size_t values_ = 0;

  std::size_t at_ = 0;
  std::string problem_, hint_;
};

// Containment below the top level.
bool contains_deep(const Json& whole, const Json& part) {
  if (part.is_object()) {
    if (!whole.is_object()) return false;
    for (const auto& [name, value] : part.get_ref<const Json::object_t&>()) {
      const auto member = whole.find(name);
      if (member == whole.end() || !contains_deep(*member, value)) return false;
    }
    return true;
  }
  if (part.is_array()) {
    return whole.is_array() && std::all_of(part.begin(), part.end(), [&](const Json& element) {
             return std::any_of(whole.begin(), whole.end(), [&](const Json& candidate) {
               return contains_deep(candidate, element);
             });
           });
  }
  return whole == part;  // numbers compare by value: 1 is 1.0
}

}  // namespace

Result<Json> parse_json(std::string_view text, const JsonLimits& bounds) {
  // nlohmann's lexer takes a NUL for the end of the text and would not look at what follows.
  if (const auto nul = text.find('\0'); nul != text.npos) {
    return Error{Errc::invalid_request,
                 "JSON is not valid at byte " + std::to_string(nul + 1) + ": it has a NUL byte"};
  }
  Builder builder(bounds, text.data());
  const TrackedIterator first{text.data(), builder.seen()};
  const TrackedIterator last{text.data() + text.size(), builder.seen()};
  if (!Json::sax_parse(first, last, &builder)) return builder.error();
  return builder.take();
}

JsonText to_text(const Json& value) {
  // `replace` because a program's strings may not be UTF-8, and dump would throw.
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void append_json_string(std::string& out, std::string_view text) {
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) {
    return c >= 0x20 && c < 0x7F && c != '"' && c != '\\';
  });
  if (!plain) {
    out += to_text(Json(text));
    return;
  }
  out.reserve(out.size() + text.size() + 2);
  out += '"';
  out += text;
  out += '"';
}

bool is_utf8(std::string_view text) {
  const auto* at = reinterpret_cast<const unsigned char*>(text.data());
  const auto* const end = at + text.size();
  while (at != end) {
    const unsigned char lead = *at++;
    if (lead < 0x80) continue;
    const int following = lead >= 0xC2 && lead < 0xE0   ? 1
                          : lead >= 0xE0 && lead < 0xF0 ? 2
                          : lead >= 0xF0 && lead < 0xF5 ? 3
                                                        : 0;
    if (following == 0 || end - at < following) return false;
    // The second byte's range excludes overlong forms, surrogates and what is past U+10FFFF.
    const unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    const unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (at[0] < low || at[0] > high) return false;
    for (int i = 1; i < following; ++i) {
      if (at[i] < 0x80 || at[i] > 0xBF) return false;
    }
    at += following;
  }
  return true;
}

bool contains(const Json& whole, const Json& part) {
  if (whole.is_array() && part.is_primitive()) {
    return std::find(whole.begin(), whole.end(), part) != whole.end();
  }
  return contains_deep(whole, part);
}

}  // namespace kontract
