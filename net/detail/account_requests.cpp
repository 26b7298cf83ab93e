#include "net/detail/account_requests.hpp"

#include <sodium.h>

#include <array>
#include <utility>

#include "net/detail/base64url.hpp"

namespace kontract::detail {

namespace {

constexpr std::size_t kUuidBytes = 16;

void wipe(std::string& text) {
  sodium_memzero(text.data(), text.size());
  text.clear();
}

Result<Json> read_object(std::string& body, const char* form) {
  auto parsed = parse_json(body, {.depth = 8, .values = 64});
  wipe(body);
  if (parsed && parsed->is_object()) return parsed;
  return Error(Errc::invalid_request,
               parsed ? "The body is no object" : "The body is no JSON: " + parsed.error().message,
               std::string("It is ") + form + ".");
}

std::string* text_member(Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? &found->get_ref<std::string&>() : nullptr;
}

Result<SecretBytes> take_password(Json& object, const char* name, PasswordUse use) {
  std::string* const text = text_member(object, name);
  if (text == nullptr) {
    return Error(Errc::invalid_request, std::string("The member ") + name + " must be text");
  }
  SecretBytes password{std::string_view(*text)};
  wipe(*text);
  const std::size_t least = use == PasswordUse::choose ? kPasswordBytesMin : 1;
  if (password.size() < least || password.size() > kPasswordBytesMax) {
    return Error(Errc::invalid_request, std::string("The member ") + name + " must have " +
                                            std::to_string(least) + " to " +
                                            std::to_string(kPasswordBytesMax) + " bytes");
  }
  return password;
}

}  // namespace

Result<Credentials> read_credentials(std::string& body, PasswordUse use) {
  auto object = read_object(body, R"({"login":"...","password":"..."})");
  if (!object) return std::move(object).error();
  auto password = take_password(*object, "password", use);
  if (!password) return std::move(password).error();
  const std::string* const given = text_member(*object, "login");
  if (given == nullptr) return Error(Errc::invalid_request, "The member login must be text");
  auto login = valid_login(*given);
  if (!login) return std::move(login).error();
  return Credentials{std::move(*login), std::move(*password)};
}

Result<PasswordChange> read_password_change(std::string& body) {
  auto object = read_object(body, R"({"password":"...","new_password":"..."})");
  if (!object) return std::move(object).error();
  auto old = take_password(*object, "password", PasswordUse::check);
  auto fresh = take_password(*object, "new_password", PasswordUse::choose);
  if (!old) return std::move(old).error();
  if (!fresh) return std::move(fresh).error();
  return PasswordChange{std::move(*old), std::move(*fresh)};
}

Result<std::optional<SecretBytes>> read_anonymous_key(std::string& body) {
  if (body.empty()) return std::optional<SecretBytes>();
  auto object = read_object(body, R"({}, or {"key":"..."} with the key of the first time)");
  if (!object) return std::move(object).error();
  if (!object->contains("key")) return std::optional<SecretBytes>();
  std::string* const text = text_member(*object, "key");
  std::optional<std::string> key;
  if (text != nullptr) {
    key = from_base64url(*text);
    wipe(*text);
  }
  if (!key || key->size() != kAnonymousKeyBytes) {
    return Error(Errc::invalid_request, "The key is not 32 bytes in base64url",
                 "Send the one that the first answer had, or none to be somebody new.");
  }
  std::optional<SecretBytes> kept{SecretBytes(std::string_view(*key))};
  wipe(*key);
  return kept;
}

std::string owner_of_key(const SecretBytes& key) {
  constexpr std::string_view kPurpose = "kontract anonymous owner";
  std::array<unsigned char, kUuidBytes> id{};
  crypto_generichash_state state;
  crypto_generichash_init(&state, nullptr, 0, id.size());
  crypto_generichash_update(&state, reinterpret_cast<const unsigned char*>(kPurpose.data()),
                            kPurpose.size());
  crypto_generichash_update(&state, reinterpret_cast<const unsigned char*>(key.data()), key.size());
  crypto_generichash_final(&state, id.data(), id.size());
  sodium_memzero(&state, sizeof state);
  id[6] = static_cast<unsigned char>((id[6] & 0x0F) | 0x80);  // RFC 9562, section 5.8
  id[8] = static_cast<unsigned char>((id[8] & 0x3F) | 0x80);
  std::array<char, 2 * kUuidBytes + 1> hex{};
  sodium_bin2hex(hex.data(), hex.size(), id.data(), id.size());
  std::string uuid(hex.data());
  for (const std::size_t at : {20U, 16U, 12U, 8U}) uuid.insert(at, 1, '-');
  return uuid;
}

}  // namespace kontract::detail
