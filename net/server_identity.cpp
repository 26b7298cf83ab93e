#include "net/server_identity.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "net/detail/base64url.hpp"
#include "net/detail/private_file.hpp"

namespace kontract {

namespace {

using raystream::IdentityKey;
using raystream::kIdentitySeedBytes;
using raystream::SigningKey;

std::string new_line() {
  return detail::to_base64url(SecretBytes::random(kIdentitySeedBytes).view()) + "\n";
}

std::string_view first_line(std::string_view text) { return text.substr(0, text.find('\n') + 1); }

Error no_identities(const std::filesystem::path& path) {
  return {
      Errc::invalid_request, path.string() + " does not hold the keys of a server",
      "Put a copy of it back. If there is none, move it away: the server makes a new one, which "
      "clients have to be told."};
}

Result<std::vector<SigningKey>> parse(std::string_view text, const std::filesystem::path& path) {
  std::vector<SigningKey> keys;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const auto seed = detail::from_base64url(line);
    if (!seed || seed->size() != kIdentitySeedBytes || keys.size() == kIdentitiesMax) {
      return no_identities(path);
    }
    keys.push_back(*SigningKey::from_seed(*seed));
  }
  if (keys.empty()) return no_identities(path);
  return keys;
}

Error hinted(Error error) {
  if (error.code == Errc::not_found) error.hint = "`kontract serve` makes it at its first start.";
  return error;
}

}  // namespace

Result<std::vector<SigningKey>> read_identities(const std::filesystem::path& path) {
  const auto text = detail::read_private_file(path);
  if (!text) return hinted(text.error());
  return parse(*text, path);
}

Result<std::vector<SigningKey>> ensure_identities(const std::filesystem::path& path) {
  auto there = read_identities(path);
  if (there || there.error().code != Errc::not_found) return there;
  const Status made = detail::change_private_file(
      path, [](const std::optional<std::string>& text) -> Result<std::string> {
        return text ? *text : new_line();
      });
  if (!made) return made.error();
  return read_identities(path);
}

Result<IdentityKey> rotate_identity(const std::filesystem::path& path) {
  IdentityKey fresh{};
  const Status rotated = detail::change_private_file(
      path, [&](const std::optional<std::string>& text) -> Result<std::string> {
        std::string all = new_line() + text.value_or("");
        if (text) {
          const auto old = parse(*text, path);
          if (!old) return old.error();
          if (old->size() == kIdentitiesMax) {
            return Error(Errc::invalid_request, path.string() + " holds as many keys as it may",
                         "Drop the old ones first, with rotate --drop-old.");
          }
        }
        const auto keys = parse(all, path);
        if (!keys) return keys.error();
        fresh = keys->front().public_key();
        return all;
      });
  if (!rotated) return rotated.error();
  return fresh;
}

Status drop_old_identities(const std::filesystem::path& path) {
  return detail::change_private_file(
      path, [&](const std::optional<std::string>& text) -> Result<std::string> {
        if (!text) return hinted({Errc::not_found, "There is no " + path.string()});
        const auto keys = parse(*text, path);
        if (!keys) return keys.error();
        return std::string(first_line(*text));
      });
}

}  // namespace kontract
