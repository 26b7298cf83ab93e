#include "net/raystream_message.hpp"

#include <array>
#include <utility>

#include "storage/assert.hpp"

namespace kontract::raystream {

namespace {

// The most frequent first.
constexpr std::array<std::pair<std::string_view, FrameType>, 10> kTypes{
    {{"result", FrameType::result},
     {"call", FrameType::call},
     {"event", FrameType::event},
     {"error", FrameType::error},
     {"heartbeat", FrameType::heartbeat},
     {"hello", FrameType::call},
     {"welcome", FrameType::result},
     {"subscribe", FrameType::subscribe},
     {"unsubscribe", FrameType::subscribe},
     {"close", FrameType::close}}};

constexpr std::string_view kStart = R"({"t":")";

}  // namespace

std::optional<FrameType> record_type(std::string_view t) {
  for (const auto& [name, type] : kTypes) {
    if (name == t) return type;
  }
  return std::nullopt;
}

FrameType record_type_of(std::string_view message) {
  KONTRACT_ASSERT(message.starts_with(kStart));
  message.remove_prefix(kStart.size());
  const auto type = record_type(message.substr(0, message.find('"')));
  KONTRACT_ASSERT(type.has_value());
  return *type;
}

bool agree(FrameType type, std::string_view t) {
  const auto expected = record_type(t);
  return !expected || *expected == type;
}

}  // namespace kontract::raystream
