#include "net/token.hpp"

#include <sodium.h>

#include <array>
#include <optional>
#include <utility>

namespace kontract {

namespace {

using Mac = std::array<unsigned char, crypto_auth_hmacsha256_BYTES>;
using std::chrono::seconds;
using std::chrono::system_clock;

const unsigned char* bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

Mac hmac_sha256(std::string_view message, std::string_view secret) {
  crypto_auth_hmacsha256_state state;
  Mac mac;
  crypto_auth_hmacsha256_init(&state, bytes(secret), secret.size());
  crypto_auth_hmacsha256_update(&state, bytes(message), message.size());
  crypto_auth_hmacsha256_final(&state, mac.data());
  sodium_memzero(&state, sizeof state);
  return mac;
}

// Strict: no padding, no foreign character, no bits left over.
std::optional<std::string> from_base64url(std::string_view text) {
  std::string out(text.size() / 4 * 3 + 3, '\0');
  std::size_t size = 0;
  const int rc = sodium_base642bin(reinterpret_cast<unsigned char*>(out.data()), out.size(),
                                   text.data(), text.size(), nullptr, &size, nullptr,
                                   sodium_base64_VARIANT_URLSAFE_NO_PADDING);
  if (rc != 0) return std::nullopt;
  out.resize(size);
  return out;
}

std::string to_base64url(std::string_view binary) {
  constexpr int kVariant = sodium_base64_VARIANT_URLSAFE_NO_PADDING;
  std::string out(sodium_base64_encoded_len(binary.size(), kVariant), '\0');
  sodium_bin2base64(out.data(), out.size(), bytes(binary), binary.size(), kVariant);
  out.pop_back();  // the terminating zero
  return out;
}

std::optional<Json> object_from(std::string_view part) {
  const auto text = from_base64url(part);
  if (!text) return std::nullopt;
  auto parsed = parse_json(*text);
  if (!parsed || !parsed->is_object()) return std::nullopt;
  return std::move(*parsed);
}

struct Parts {
  std::string_view header, payload, signature, signed_text;
};

std::optional<Parts> split(std::string_view token) {
  const std::size_t first = token.find('.');
  if (first == std::string_view::npos) return std::nullopt;
  const std::size_t second = token.find('.', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  if (token.find('.', second + 1) != std::string_view::npos) return std::nullopt;
  return Parts{token.substr(0, first), token.substr(first + 1, second - first - 1),
               token.substr(second + 1), token.substr(0, second)};
}

bool signature_matches(const Parts& parts, std::string_view secret) {
  const auto given = from_base64url(parts.signature);
  if (!given || given->size() != crypto_auth_hmacsha256_BYTES) return false;
  const Mac expected = hmac_sha256(parts.signed_text, secret);
  return sodium_memcmp(given->data(), expected.data(), expected.size()) == 0;
}

bool header_allowed(const Json& header) {
  const auto algorithm = header.find("alg");
  return algorithm != header.end() && *algorithm == "HS256" && !header.contains("crit");
}

std::optional<seconds> date(const Json& claims, const char* name) {
  const auto found = claims.find(name);
  if (found == claims.end() || !found->is_number_integer()) return std::nullopt;
  return seconds(found->get<std::int64_t>());  // parse_json keeps it within 2^53
}

// When the token ends, if it is in force at `now`.
std::optional<seconds> in_force(const Json& claims, seconds now) {
  const auto issued = date(claims, "iat");
  const auto expires = date(claims, "exp");
  if (!issued || !expires) return std::nullopt;
  if (*expires <= *issued || *expires - *issued > kTokenLifeMax) return std::nullopt;
  if (*issued > now + kTokenSkew || *expires + kTokenSkew <= now) return std::nullopt;
  if (claims.contains("nbf")) {
    const auto not_before = date(claims, "nbf");
    if (!not_before || *not_before > now + kTokenSkew) return std::nullopt;
  }
  return expires;
}

bool read_string(const Json& claims, const char* name, std::string& out) {
  const auto found = claims.find(name);
  if (found == claims.end() || !found->is_string()) return false;
  out = found->get_ref<const std::string&>();
  return !out.empty();
}

std::optional<Peer> peer_from(const Json& claims) {
  Peer peer;
  if (!read_string(claims, "sub", peer.user)) return std::nullopt;
  if (!read_string(claims, "owner", peer.owner)) return std::nullopt;
  if (const auto perm = claims.find("perm"); perm != claims.end()) {
    if (!perm->is_number_integer() || *perm < 0 || *perm > perms::RWX) return std::nullopt;
    peer.perm = perm->get<Perm>();
  }
  if (const auto groups = claims.find("ugroups"); groups != claims.end()) {
    if (!groups->is_array()) return std::nullopt;
    for (const Json& group : *groups) {
      if (!group.is_string()) return std::nullopt;
      peer.ugroups.push_back(group.get<std::string>());
    }
  }
  if (claims.contains("sid")) {
    std::string session;
    if (!read_string(claims, "sid", session)) return std::nullopt;
    peer.only_session = std::move(session);
  }
  if (const auto anonymous = claims.find("isAnonymous"); anonymous != claims.end()) {
    if (!anonymous->is_boolean()) return std::nullopt;
    peer.anonymous = anonymous->get<bool>();
  }
  return peer;
}

std::optional<Identified> identify(std::string_view token, std::string_view secret, seconds now) {
  if (token.size() > kTokenBytesMax) return std::nullopt;
  const auto parts = split(token);
  // The signature first: nothing of a forged token is parsed.
  if (!parts || !signature_matches(*parts, secret)) return std::nullopt;
  const auto header = object_from(parts->header);
  const auto claims = object_from(parts->payload);
  if (!header || !claims || !header_allowed(*header)) return std::nullopt;
  const auto expires = in_force(*claims, now);
  auto peer = peer_from(*claims);
  if (!expires || !peer) return std::nullopt;
  return Identified{std::move(*peer), system_clock::time_point(*expires)};
}

}  // namespace

Result<Identified> verify_token(std::string_view token, std::string_view secret,
                                system_clock::time_point now) {
  const auto since_epoch = std::chrono::duration_cast<seconds>(now.time_since_epoch());
  if (auto identified = identify(token, secret, since_epoch)) return std::move(*identified);
  return Error{Errc::unauthorized, "No valid token",
               "Send a token signed with the server's secret that has not expired, as "
               "'Authorization: Bearer ...' or in the hello message."};
}

std::string issue_token(const Json& claims, std::string_view secret) {
  KONTRACT_ASSERT(claims.is_object());
  std::string token = to_base64url(R"({"alg":"HS256","typ":"JWT"})");
  token += '.' + to_base64url(to_text(claims));
  const Mac mac = hmac_sha256(token, secret);
  token += '.' + to_base64url({reinterpret_cast<const char*>(mac.data()), mac.size()});
  return token;
}

Peer development_peer() {
  Peer peer;
  peer.owner = "dev";
  peer.user = "dev";
  peer.perm = perms::RWX;
  peer.ugroups = {"admin"};
  return peer;
}

}  // namespace kontract
