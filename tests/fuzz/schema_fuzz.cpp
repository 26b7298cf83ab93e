// Takes the first line for a schema, the second for a record, the third for what replaces it. What
// is accepted must hold what storage/schema.hpp promises.

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "storage/schema.hpp"

namespace {

using namespace kontract;

std::string_view take_line(std::string_view& text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(text.size(), line.size() + 1));
  return line;
}

// The record as it is stored, if it may be.
Json stored(const Schema& schema, std::string_view text, const Json* old) {
  auto data = parse_json(text);
  if (!data || !data->is_object()) return nullptr;
  if (!schema.prepare("7", *data, old)) return nullptr;
  KONTRACT_ASSERT(data->is_object());
  const std::string visible = schema.visible_data(to_text(*data));
  const auto shown = parse_json(visible);
  KONTRACT_ASSERT(shown.has_value() && schema.check_filter(*shown).has_value());
  if (!schema.guards()) {  // it fits as it is now
    Json again = *data;
    KONTRACT_ASSERT(schema.prepare("7", again, nullptr).has_value() && again == *data);
  }
  return *std::move(data);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto given = parse_json(take_line(text));
  if (!given) return 0;
  const auto schema = Schema::parse(*given);
  if (!schema) return 0;
  const auto again = parse_json(schema->to_json());
  KONTRACT_ASSERT(again.has_value());
  const auto same = Schema::parse(*again);
  KONTRACT_ASSERT(same.has_value() && *same == *schema);
  const Json first = stored(*schema, take_line(text), nullptr);
  if (first.is_object()) stored(*schema, take_line(text), &first);
  return 0;
}
