// Feeds arbitrary bytes to everything that reads what a stranger sent: JSON, frames, tokens, HTTP
// targets. What is accepted must hold what the header files promise.

#include <cstdint>
#include <string_view>

#include "net/detail/http_message.hpp"
#include "net/protocol.hpp"
#include "net/token.hpp"

namespace {

using namespace kontract;

void json_comes_back_the_same(std::string_view text) {
  const auto value = parse_json(text);
  if (!value) return;
  const auto again = parse_json(to_text(*value));
  KONTRACT_ASSERT(again.has_value() && *again == *value);
}

void ids_are_in_range(std::string_view text) {
  const auto message = protocol::decode(text, {});
  if (!message) return;
  if (const auto* call = std::get_if<protocol::CallMessage>(&*message)) {
    KONTRACT_ASSERT(call->id >= 1 && call->id <= std::uint64_t{limits::kSafeIntegerMax});
    KONTRACT_ASSERT(call->args.is_array());
    KONTRACT_ASSERT(!call->timeout || *call->timeout <= limits::kCallTimeoutMax);
  }
  if (const auto* refused = std::get_if<protocol::Refused>(&*message)) {
    KONTRACT_ASSERT(parse_json(protocol::error(refused->id, refused->error)).has_value());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  json_comes_back_the_same(text);
  ids_are_in_range(text);
  static const TokenKeys keys = [] {
    TokenKeys all;
    KONTRACT_ASSERT(all.add(secret_key("0123456789abcdef0123456789abcdef")).has_value());
    return all;
  }();
  KONTRACT_ASSERT(!verify_token(text, keys, {}).has_value());  // nobody guesses a MAC
  static_cast<void>(read_jwks(text, "i", JwkParts::with_seed));
  static_cast<void>(protocol::decode_opened(text));
  if (const auto segments = detail::path_segments(text)) {
    KONTRACT_ASSERT(text.starts_with('/') && !segments->empty());
  }
  return 0;
}
