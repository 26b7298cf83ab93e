#include "net/token.hpp"

#include <optional>
#include <utility>

#include "net/detail/base64url.hpp"

namespace kontract {

namespace {

using detail::from_base64url;
using detail::to_base64url;
using std::chrono::seconds;
using std::chrono::system_clock;

Error bad(std::string why) { return {Errc::unauthorized, std::move(why)}; }

seconds since_epoch(system_clock::time_point at) {
  return std::chrono::duration_cast<seconds>(at.time_since_epoch());
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

Result<const TokenKey*> key_for(const Json& header, const TokenKeys& keys) {
  std::string kid;
  if (const auto named = header.find("kid"); named != header.end()) {
    if (!named->is_string()) return bad("Its kid is no text");
    kid = named->get<std::string>();
  }
  const TokenKey* const key = keys.find(kid);
  if (key == nullptr) return bad(kid.empty() ? "It names no kid" : "No key has its kid");
  const auto algorithm = header.find("alg");
  if (algorithm == header.end() || *algorithm != algorithm_name(key->algorithm)) {
    return bad("Its alg is not that of its key, " + std::string(algorithm_name(key->algorithm)));
  }
  if (header.contains("crit")) return bad("Its header has crit");
  return key;
}

bool is_for(const Json& claims, const std::string& audience) {
  const auto named = claims.find("aud");
  if (named == claims.end()) return false;
  if (!named->is_array()) return *named == audience;
  bool found = false;
  for (const Json& one : *named) {
    if (!one.is_string()) return false;
    found = found || one == audience;
  }
  return found;
}

std::optional<seconds> date(const Json& claims, const char* name) {
  const auto found = claims.find(name);
  if (found == claims.end() || !found->is_number_integer()) return std::nullopt;
  return seconds(found->get<std::int64_t>());  // parse_json keeps it within 2^53
}

Status in_force(const Json& claims, seconds now, Identified& out) {
  const auto issued = date(claims, "iat");
  const auto expires = date(claims, "exp");
  if (!issued || !expires) return bad("It lacks iat or exp, in whole seconds");
  if (*expires <= *issued) return bad("It ends before it begins");
  if (*expires - *issued > kTokenLifeMax) return bad("It is good for more than an hour");
  if (*issued > now + kTokenSkew) return bad("It was issued in the future");
  if (*expires + kTokenSkew <= now) return bad("It has expired");
  if (claims.contains("nbf")) {
    const auto not_before = date(claims, "nbf");
    if (!not_before) return bad("Its nbf is no date in whole seconds");
    if (*not_before > now + kTokenSkew) return bad("It is not good yet");
  }
  out.expires = system_clock::time_point(*expires);
  out.life = *expires - *issued;
  return {};
}

bool read_string(const Json& claims, const char* name, std::string& out) {
  const auto found = claims.find(name);
  if (found == claims.end() || !found->is_string()) return false;
  out = found->get_ref<const std::string&>();
  return !out.empty();
}

Status read_peer(const Json& claims, Peer& peer) {
  if (!read_string(claims, "sub", peer.user)) return bad("It lacks sub");
  if (!read_string(claims, "owner", peer.owner)) return bad("It lacks owner");
  if (const auto perm = claims.find("perm"); perm != claims.end()) {
    if (!perm->is_number_integer() || *perm < 0 || *perm > perms::RWX) {
      return bad("Its perm is not 0 to 7");
    }
    peer.perm = perm->get<Perm>();
  }
  if (const auto groups = claims.find("ugroups"); groups != claims.end()) {
    if (!groups->is_array()) return bad("Its ugroups are no array");
    for (const Json& group : *groups) {
      if (!group.is_string()) return bad("One of its ugroups is no name");
      peer.ugroups.push_back(group.get<std::string>());
    }
  }
  if (claims.contains("sid")) {
    std::string session;
    if (!read_string(claims, "sid", session)) return bad("Its sid is no name");
    peer.only_session = std::move(session);
  }
  if (const auto anonymous = claims.find("isAnonymous"); anonymous != claims.end()) {
    if (!anonymous->is_boolean()) return bad("Its isAnonymous is neither true nor false");
    peer.anonymous = anonymous->get<bool>();
  }
  return {};
}

// What only our own keys can say.
Status read_ours(const Json& claims, const TokenKey& key, Identified& out) {
  if (!key.signs()) {
    if (out.peer.owner == kSystemOwner) return bad("Its owner is reserved");
    return {};
  }
  const auto generation = claims.find("accountGeneration");
  if (generation == claims.end()) return {};
  if (!generation->is_number_integer() || *generation < 0) {
    return bad("Its accountGeneration is no number");
  }
  out.id.generation = generation->get<std::uint64_t>();
  return {};
}

}  // namespace

Result<CheckedToken> check_token(std::string_view token, const TokenKeys& keys,
                                 system_clock::time_point now) {
  if (token.size() > kTokenBytesMax) return bad("It is longer than 4 KiB");
  const auto parts = split(token);
  if (!parts) return bad("It has not three parts");
  const auto header = object_from(parts->header);
  if (!header) return bad("Its header is no JSON object in base64url");
  const auto key = key_for(*header, keys);
  if (!key) return key.error();
  const auto signature = from_base64url(parts->signature);
  if (!signature || !is_signature(*signature, parts->signed_text, **key)) {
    return bad("Its signature is not that of its key");
  }
  // From here on it is what the owner of the key has said.
  auto claims = object_from(parts->payload);
  if (!claims) return bad("Its payload is no JSON object in base64url");
  CheckedToken checked;
  Identified& identified = checked.identified;
  if (!read_string(*claims, "iss", identified.id.issuer) ||
      identified.id.issuer != (*key)->issuer) {
    return bad("Its iss is not '" + (*key)->issuer + "'");
  }
  if (!is_for(*claims, keys.audience())) return bad("Its aud is not '" + keys.audience() + "'");
  if (Status dates = in_force(*claims, since_epoch(now), identified); !dates) return dates.error();
  if (claims->contains("jti") && !read_string(*claims, "jti", identified.id.jti)) {
    return bad("Its jti is no name");
  }
  if (Status peer = read_peer(*claims, identified.peer); !peer) return peer.error();
  if (Status ours = read_ours(*claims, **key, identified); !ours) return ours.error();
  checked.claims = std::move(*claims);
  return checked;
}

Result<Identified> verify_token(std::string_view token, const TokenKeys& keys,
                                system_clock::time_point now) {
  auto checked = check_token(token, keys, now);
  if (checked) return std::move(checked->identified);
  return Error{Errc::unauthorized, "No valid token",
               "Send a token that one of the server's keys has signed and that has not expired, as "
               "'Authorization: Bearer ...' or in the hello message."};
}

std::string issue_token(const Json& claims, const TokenKey& key) {
  KONTRACT_ASSERT(claims.is_object());
  Json header = {{"alg", algorithm_name(key.algorithm)}, {"typ", "JWT"}};
  if (!key.kid.empty()) header["kid"] = key.kid;
  std::string token = to_base64url(to_text(header)) + '.' + to_base64url(to_text(claims));
  const std::string signature = sign(token, key);
  return token + '.' + to_base64url(signature);
}

Json token_claims(const Peer& peer, const TokenId& id, const std::string& audience,
                  system_clock::time_point now, seconds life) {
  const seconds issued = since_epoch(now);
  Json claims = {{"iss", id.issuer},      {"aud", audience},
                 {"sub", peer.user},      {"owner", peer.owner},
                 {"perm", peer.perm},     {"ugroups", peer.ugroups},
                 {"iat", issued.count()}, {"exp", (issued + life).count()},
                 {"jti", id.jti}};
  if (peer.only_session) claims["sid"] = *peer.only_session;
  if (peer.anonymous) claims["isAnonymous"] = true;
  if (id.generation) claims["accountGeneration"] = *id.generation;
  return claims;
}

Json unverified_claims(std::string_view token) {
  const auto parts = split(token);
  if (token.size() > kTokenBytesMax || !parts) return nullptr;
  return object_from(parts->payload).value_or(nullptr);
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
