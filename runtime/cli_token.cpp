#include "runtime/cli_token.hpp"

#include <CLI/CLI.hpp>
#include <chrono>
#include <filesystem>
#include <ostream>

#include "net/http_get.hpp"
#include "net/signing_keys.hpp"
#include "net/token.hpp"
#include "net/token_keyring.hpp"

namespace kontract::cli {
namespace {

using std::chrono::seconds;
using std::chrono::system_clock;

void add_keys_of(CLI::App& command, TokenRequest& request) {
  add_signing(command, request);
  command.add_option("--data", request.data, "The data directory, if it has signing keys")
      ->envname("KONTRACT_DATA")
      ->type_name("DIR");
}

std::filesystem::path keys_file(const TokenRequest& request) {
  return std::filesystem::path(request.data) / kSigningKeysFile;
}

// All keys that the request names, as a server has them.
Result<std::shared_ptr<const TokenKeys>> keys_of(const TokenRequest& request, Streams streams) {
  ServerOptions options;
  options.secret = request.secret;
  options.jwks = request.jwks;
  options.jwks_issuer = request.jwks_issuer;
  options.token_issuer = request.issuer;
  options.token_audience = request.audience;
  if (!request.data.empty()) options.signing_keys = keys_file(request).string();
  if (!tokens_required(options)) {
    return Error(Errc::invalid_request, "There is no key",
                 "Give the server's secret with --secret, or with --data its data directory, if "
                 "`kontract token keys rotate` was run there.");
  }
  auto ring = TokenKeyring::open(
      options, [&streams](const std::string& what) { streams.err << what << "\n"; });
  if (!ring) return std::move(ring).error();
  return (*ring)->keys();
}

int issue(const TokenRequest& request, Streams streams) {
  const auto life = parse_duration(request.ttl);
  if (!life || *life < seconds(1) || *life > kTokenLifeMax) {
    streams.err << "--ttl: '" << request.ttl << "' is not a duration from 1s to 1h\n";
    return kUsage;
  }
  const auto keys = keys_of(request, streams);
  if (!keys) return report(keys.error(), streams);
  Peer peer;
  peer.owner = request.owner;
  peer.user = request.user.empty() ? request.owner : request.user;
  peer.perm = static_cast<Perm>(request.perm);
  peer.ugroups = request.groups;
  if (!request.only_session.empty()) peer.only_session = request.only_session;
  const TokenKey& key = *(*keys)->newest_signing();
  streams.out << issue_token(
                     token_claims(peer, {key.issuer, random_name(kJtiBytes)}, request.audience,
                                  system_clock::now(), std::chrono::floor<seconds>(*life)),
                     key)
              << "\n";
  return kDone;
}

int verify(const TokenRequest& request, Streams streams) {
  const auto keys = keys_of(request, streams);
  if (!keys) return report(keys.error(), streams);
  const auto checked = check_token(request.subject, **keys, system_clock::now());
  if (!checked) return report(checked.error(), streams);
  streams.out << checked->claims.dump(2) << "\n";
  return kDone;
}

int revoke(TokenRequest request, Streams streams) {
  const bool is_token = request.subject.find('.') != std::string::npos;
  Json body = {{is_token ? "token" : "jti", request.subject}};
  if (!is_token && !request.revoked_issuer.empty()) body["iss"] = request.revoked_issuer;
  if (is_token && request.owner.empty()) {
    const Json claims = unverified_claims(request.subject);  // the server verifies it
    const auto owner = claims.find("owner");
    if (owner != claims.end() && owner->is_string()) request.owner = owner->get<std::string>();
    if (!request.server.token.empty()) request.owner.clear();  // a token that was given asks
  }
  const auto done = http_post_json(request.server.url, "/auth/revoke", admin_server(request).token,
                                   body, request.server.ca);
  if (!done) return report(hinted(done.error(), request), streams);
  streams.out << "revoked " << done->value("jti", "")
              << "; connections closed: " << done->value("closed", std::uint64_t{0}) << "\n";
  return kDone;
}

int list_keys(const TokenRequest& request, Streams streams) {
  const auto keys = read_signing_keys(keys_file(request), request.issuer);
  if (!keys) return report(keys.error(), streams);
  Json rows = Json::array();
  Json set = Json::array();
  for (const TokenKey& key : *keys) {
    set.push_back(public_jwk(key));
    rows.push_back({{"KID", key.kid}, {"SIGNS", &key == &keys->back() ? "yes" : "no"}});
  }
  if (request.json) {
    streams.out << Json{{"keys", std::move(set)}}.dump(2) << "\n";
  } else {
    print_table({"KID", "SIGNS"}, rows, streams.out);
  }
  return kDone;
}

int rotate_keys(const TokenRequest& request, Streams streams) {
  const auto kid = rotate_signing_keys(keys_file(request));
  if (!kid) return report(kid.error(), streams);
  streams.out << *kid << "\n";
  return kDone;
}

int retire_key(const TokenRequest& request, Streams streams) {
  const Status retired = retire_signing_key(keys_file(request), request.subject);
  return retired ? kDone : report(retired.error(), streams);
}

void add_issue(CLI::App& token, TokenRequest& request) {
  CLI::App* issue = token.add_subcommand("issue", "Sign a token and print it");
  add_keys_of(*issue, request);
  issue->add_option("--owner", request.owner, "Tenant")->type_name("NAME")->required();
  issue->add_option("--user", request.user, "User; the owner if not given")->type_name("NAME");
  issue->add_option("--perm", request.perm, "4 read + 2 write + 1 delete")
      ->type_name("0..7")
      ->check(CLI::Range(0, 7))
      ->required();
  issue->add_option("--group", request.groups, "A group of the user; may be repeated")
      ->type_name("NAME")
      ->allow_extra_args(false);
  issue->add_option("--session", request.only_session, "The only session it opens")
      ->type_name("NAME");
  issue->add_option("--ttl", request.ttl, "How long it is good, at most 1h")
      ->type_name("DURATION")
      ->default_str("1h");
  issue->footer("Signs with the newest key of the data directory, else with the secret.");
}

void add_verify(CLI::App& token, TokenRequest& request) {
  CLI::App* verify =
      token.add_subcommand("verify", "Print what a token says, or why it is not good");
  add_keys_of(*verify, request);
  verify->add_option("--jwks", request.jwks, "An identity provider's JWK Set: its path, or itself")
      ->envname("KONTRACT_JWKS")
      ->type_name("FILE|JSON");
  verify->add_option("--jwks-issuer", request.jwks_issuer, "iss of its tokens, if another")
      ->envname("KONTRACT_JWKS_ISSUER")
      ->type_name("TEXT");
  verify->add_option("TOKEN", request.subject, "The token")->required();
  verify->footer("Whether it was revoked, only the server knows.");
}

void add_revoke(CLI::App& token, TokenRequest& request) {
  CLI::App* revoke = token.add_subcommand(
      "revoke", "End a token, and all that it was renewed to, on a running server");
  add_server(*revoke, request.server);
  add_signing(*revoke, request);
  revoke->add_option("--owner", request.owner, "Whose token; needed for a jti if it is signed for")
      ->type_name("NAME");
  revoke->add_option("--iss", request.revoked_issuer, "iss of the jti, if not the server's own")
      ->type_name("TEXT");
  revoke->add_option("TOKEN|JTI", request.subject, "The token, or its jti")->required();
  revoke->footer("Connections that are open by it are closed. The caller must be in group admin.");
}

CLI::App* add_keys_command(CLI::App& keys, const char* name, const char* what,
                           TokenRequest& request) {
  CLI::App* command = keys.add_subcommand(name, what);
  command->add_option("--data", request.data, "The data directory, also of a running server")
      ->envname("KONTRACT_DATA")
      ->type_name("DIR")
      ->required();
  return command;
}

void add_keys(CLI::App& token, TokenRequests& requests) {
  CLI::App* keys = token.add_subcommand("keys", "The signing keys of a data directory");
  keys->require_subcommand(1);
  add_keys_command(*keys, "list", "Name them, the newest last", requests.list)
      ->add_flag("--json", requests.list.json, "Print their public halves as a JWK Set");
  add_keys_command(*keys, "rotate", "Make a new one, which signs from now on, and print its kid",
                   requests.rotate);
  add_keys_command(*keys, "retire", "Remove one: what it has signed is good no more",
                   requests.retire)
      ->add_option("KID", requests.retire.subject, "Which")
      ->required();
  keys->footer(
      "Old keys verify until they are retired: after an hour nothing that they signed is left.\n"
      "A server that was started with keys follows within a second; one without, by a restart.");
}

int run_keys(const std::string& name, const TokenRequests& requests, Streams streams) {
  if (name == "list") return list_keys(requests.list, streams);
  return name == "rotate" ? rotate_keys(requests.rotate, streams)
                          : retire_key(requests.retire, streams);
}

}  // namespace

void add_token(CLI::App& app, TokenRequests& requests) {
  CLI::App* token = app.add_subcommand("token", "Tokens of a server that has keys for them");
  token->require_subcommand(1);
  add_issue(*token, requests.issue);
  add_verify(*token, requests.verify);
  add_revoke(*token, requests.revoke);
  add_keys(*token, requests);
}

int token(const CLI::App& app, const TokenRequests& requests, Streams streams) {
  const CLI::App* const command = app.get_subcommand("token")->get_subcommands().front();
  const std::string name = command->get_name();
  if (name == "keys") {
    return run_keys(command->get_subcommands().front()->get_name(), requests, streams);
  }
  const TokenRequest& request = name == "issue"    ? requests.issue
                                : name == "verify" ? requests.verify
                                                   : requests.revoke;
  if (!request.secret.empty() && request.secret.size() < kSecretBytesMin) {
    streams.err << "The secret is shorter than " << kSecretBytesMin << " bytes\n";
    return kUsage;
  }
  if (name == "issue") return issue(request, streams);
  return name == "verify" ? verify(request, streams) : revoke(request, streams);
}

}  // namespace kontract::cli
