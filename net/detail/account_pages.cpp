#include "net/detail/account_pages.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <utility>

#include "net/detail/account_requests.hpp"
#include "net/detail/base64url.hpp"
#include "storage/registry.hpp"

namespace kontract::detail {

namespace {

using std::chrono::steady_clock;
using std::chrono::system_clock;
using Action = AuthRoute::Action;

// One question to the provider, which is answered once.
struct Asked {
  explicit Asked(Reply to) : reply(std::move(to)) {}
  std::atomic<bool> over{false};
  Reply reply;
};

void deliver(Reply& reply, const Json& answer) { reply.deliver({to_text(answer), 0}); }

void refuse(Reply& reply, Error error, int status) {
  auto head = std::make_shared<ResponseHead>();
  head->status = status;
  reply.deliver({std::move(error), 0, std::move(head)});
}

// The same for an unknown login, a wrong password and an account that is disabled.
Error not_logged_in() {
  return {Errc::unauthorized, "The login is unknown, or the password wrong", "Check both."};
}

Error not_as_it_was() {
  return {Errc::unauthorized, "The token's account is not as it was", "Log in."};
}

bool has_json(const AuthRequest& request) {
  std::string type = request.content_type.substr(0, request.content_type.find(';'));
  type.erase(std::find(type.begin(), type.end(), ' '), type.end());
  std::transform(type.begin(), type.end(), type.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  });
  return type == "application/json";
}

bool takes_body(const AuthRequest& request) {
  switch (request.action) {
    case Action::sign_up:
    case Action::login:
    case Action::link:
    case Action::password:
      return true;
    case Action::anonymous:
      return !request.body.empty();
    default:
      return false;
  }
}

// Whether the token was given by these pages to an owner who has no account yet.
bool may_link(const Identified& caller) {
  return caller.peer.anonymous && caller.id.generation == 0U && !caller.peer.only_session;
}

std::string key_of_address(const AuthRequest& request) {
  return "address " + address_key(request.address);
}
std::string key_of_login(const std::string& login) { return "login " + login; }

}  // namespace

AccountPages::AccountPages(Hub& hub, std::shared_ptr<AccountProvider> provider)
    : hub_(hub),
      provider_(std::move(provider)),
      logins_(hub.options().login_attempts),
      registrations_(hub.options().register_attempts),
      arrivals_(hub.options().anonymous_attempts) {}

void AccountPages::serve(AuthRequest request, Reply reply) {
  if (takes_body(request) && !has_json(request)) {
    return refuse(reply,
                  {Errc::invalid_request, "The body must be JSON",
                   "Send it with 'Content-Type: application/json'."},
                  415);
  }
  switch (request.action) {
    case Action::anonymous:
      return anonymous(request, std::move(reply));
    case Action::sign_up:
      return sign_up(request, std::move(reply));
    case Action::login:
      return login(request, std::move(reply));
    case Action::link:
      return link(request, std::move(reply));
    case Action::password:
      return password(request, std::move(reply));
    case Action::refresh:
      return refresh(request, std::move(reply));
    case Action::logout:
      return hub_.revoke(request.caller->peer.owner, request.caller->id, std::move(reply));
    case Action::me:
      return me(request, std::move(reply));
    case Action::revoke:
      break;  // not of accounts
  }
}

// ------------------------------------------------------------------------------------ coming in

void AccountPages::anonymous(AuthRequest& request, Reply reply) {
  auto given = read_anonymous_key(request.body);
  if (!given) return reply.fail(std::move(given).error());
  if (Status may = arrivals_.take({key_of_address(request)}, steady_clock::now()); !may) {
    return reply.fail(std::move(may).error());
  }
  const SecretBytes key = *given ? std::move(**given) : SecretBytes::random(kAnonymousKeyBytes);
  Peer peer;
  peer.owner = peer.user = owner_of_key(key);
  peer.perm = perms::RWX;
  peer.anonymous = true;
  if (!*given) {
    Json answer = token_answer(peer, 0, {});
    answer["key"] = to_base64url(key.view());
    return deliver(reply, answer);
  }
  ask(
      std::move(reply),
      [&](AccountProvider::Done done) { provider_->find(peer.user, std::move(done)); },
      [this, peer](Reply back, const Found& found) {
        if (!found) return back.fail(found.error());
        if (*found) return back.fail({Errc::unauthorized, "This owner has an account", "Log in."});
        deliver(back, token_answer(peer, 0, {}));
      });
}

void AccountPages::sign_up(AuthRequest& request, Reply reply) {
  auto with = read_credentials(request.body, PasswordUse::choose);
  if (!with) return reply.fail(std::move(with).error());
  if (Status may = registrations_.take({key_of_address(request)}, steady_clock::now()); !may) {
    return reply.fail(std::move(may).error());
  }
  UserAccount wanted;
  wanted.login = with->login;
  wanted.owner = wanted.sub = make_uuid_v7();
  ask(
      std::move(reply),
      [&](AccountProvider::Done done) {
        provider_->create(std::move(*with), std::move(wanted), std::move(done));
      },
      [this](Reply back, const Found& made) {
        if (!made) return back.fail(made.error());
        if (*made) return deliver(back, token_answer(**made));
        refuse(back, {Errc::invalid_request, "The login is taken", "Choose another, or log in."},
               409);
      });
}

void AccountPages::login(AuthRequest& request, Reply reply) {
  auto given = read_credentials(request.body, PasswordUse::check);
  if (!given) return reply.fail(std::move(given).error());
  const std::string address = key_of_address(request), account = key_of_login(given->login);
  if (Status may = logins_.take({address, account}, steady_clock::now()); !may) {
    return reply.fail(std::move(may).error());
  }
  ask(
      std::move(reply),
      [&](AccountProvider::Done done) { provider_->verify(std::move(*given), std::move(done)); },
      [this, address, account](Reply back, const Found& found) {
        if (found && !*found) return back.fail(not_logged_in());
        logins_.give_back(address);  // it was no guess
        if (!found) {
          logins_.give_back(account);
          return back.fail(found.error());
        }
        logins_.forget(account);
        deliver(back, token_answer(**found));
      });
}

void AccountPages::link(AuthRequest& request, Reply reply) {
  auto with = read_credentials(request.body, PasswordUse::choose);
  if (!with) return reply.fail(std::move(with).error());
  const Identified& caller = *request.caller;
  if (!may_link(caller)) {
    return reply.fail({Errc::forbidden, "The token is not one of an anonymous owner",
                       "Send one that /auth/anonymous has given, or use /auth/register."});
  }
  if (Status may = registrations_.take({key_of_address(request)}, steady_clock::now()); !may) {
    return reply.fail(std::move(may).error());
  }
  UserAccount wanted;
  wanted.login = with->login;
  wanted.sub = caller.peer.user;
  wanted.owner = caller.peer.owner;
  wanted.perm = caller.peer.perm;
  wanted.ugroups = caller.peer.ugroups;
  ask(
      std::move(reply),
      [&](AccountProvider::Done done) {
        provider_->create(std::move(*with), std::move(wanted), std::move(done));
      },
      [this, caller](Reply back, const Found& made) {
        if (!made) return back.fail(made.error());
        if (*made) return end_others(caller, **made, std::move(back));
        refuse(back,
               {Errc::invalid_request, "The login is taken, or this owner has an account",
                "Choose another login, or log in."},
               409);
      });
}

// ------------------------------------------------------------------------------------ being in

void AccountPages::refresh(const AuthRequest& request, Reply reply) {
  const Identified& caller = *request.caller;
  with_account(caller, std::move(reply), [this, caller](Reply back, const UserAccount* account) {
    Identified now = caller;
    if (account != nullptr) {
      now.peer.owner = account->owner;
      now.peer.perm = account->perm;
      now.peer.ugroups = account->ugroups;
    }
    auto renewed = renewed_token(now, hub_);
    if (!renewed) return back.fail(std::move(renewed).error());
    back.deliver({std::move(*renewed), 0});
  });
}

void AccountPages::me(const AuthRequest& request, Reply reply) {
  const Identified& caller = *request.caller;
  with_account(caller, std::move(reply), [caller](Reply back, const UserAccount* account) {
    const Peer& peer = caller.peer;
    const auto expires = std::chrono::floor<std::chrono::seconds>(caller.expires);
    Json answer = {{"owner", peer.owner},           {"sub", peer.user},
                   {"isAnonymous", peer.anonymous}, {"perm", peer.perm},
                   {"ugroups", peer.ugroups},       {"exp", expires.time_since_epoch().count()}};
    if (account != nullptr) answer["login"] = account->login;
    deliver(back, answer);
  });
}

void AccountPages::password(AuthRequest& request, Reply reply) {
  auto change = read_password_change(request.body);
  if (!change) return reply.fail(std::move(change).error());
  if (request.caller->id.generation.value_or(0) == 0) {
    return reply.fail({Errc::forbidden, "The token is not an account's",
                       "An anonymous owner gets a password with /auth/link."});
  }
  const auto passwords = std::make_shared<PasswordChange>(std::move(*change));
  const Identified& caller = *request.caller;
  with_account(caller, std::move(reply),
               [this, passwords, request](Reply back, const UserAccount* account) {
                 change_password(request, *account, std::move(passwords->old),
                                 std::move(passwords->fresh), std::move(back));
               });
}

void AccountPages::change_password(const AuthRequest& request, const UserAccount& account,
                                   SecretBytes old, SecretBytes fresh, Reply reply) {
  const std::string address = key_of_address(request), login = key_of_login(account.login);
  if (Status may = logins_.take({address, login}, steady_clock::now()); !may) {
    return reply.fail(std::move(may).error());
  }
  ask(
      std::move(reply),
      [&](AccountProvider::Done done) {
        provider_->change_password({account.login, std::move(old)}, std::move(fresh),
                                   std::move(done));
      },
      [this, caller = *request.caller, address, login](Reply back, const Found& changed) {
        if (changed && !*changed) return back.fail({Errc::unauthorized, "The password is wrong"});
        logins_.give_back(address);
        if (!changed) {
          logins_.give_back(login);
          return back.fail(changed.error());
        }
        logins_.forget(login);
        end_others(caller, **changed, std::move(back));
      });
}

// ------------------------------------------------------------------------------------ the parts

template <class Question>
void AccountPages::ask(Reply reply, Question question, Then then) {
  const auto asked = std::make_shared<Asked>(std::move(reply));
  auto done = [gate = gate_, asked, then = std::move(then)](Found found) {
    if (asked->over.exchange(true)) return;
    const AnswerGate::Visit visit(*gate);
    if (visit) then(std::move(asked->reply), std::move(found));
  };
  try {
    question(AccountProvider::Done(std::move(done)));
  } catch (const std::exception& failure) {
    if (asked->over.exchange(true)) return;
    asked->reply.fail({Errc::internal, std::string("The account provider: ") + failure.what()});
  }
}

void AccountPages::with_account(const Identified& caller, Reply reply, const Known& then) {
  if (!caller.id.generation) return then(std::move(reply), nullptr);  // an operator's token
  ask(
      std::move(reply),
      [&](AccountProvider::Done done) { provider_->find(caller.peer.user, std::move(done)); },
      [generation = *caller.id.generation, then](Reply back, const Found& found) {
        if (!found) return back.fail(found.error());
        const UserAccount* const account = *found ? &**found : nullptr;
        const bool is_as_it_was = account == nullptr
                                      ? generation == 0
                                      : account->enabled && account->generation == generation;
        if (!is_as_it_was) return back.fail(not_as_it_was());
        then(std::move(back), account);
      });
}

void AccountPages::end_others(const Identified& caller, const UserAccount& account, Reply reply) {
  const auto back = std::make_shared<Reply>(std::move(reply));
  const auto key = Revocations::account_key_of(caller.peer.owner, caller.peer.user, caller.id);
  hub_.revoke(key, [this, gate = gate_, account, back](const Result<std::size_t>& told) {
    const AnswerGate::Visit visit(*gate);
    if (!visit) return;
    // The change is made, and no token of before is renewed: they end within an hour.
    if (!told)
      hub_.warn("accounts", "old tokens are good until they expire: " + told.error().message);
    deliver(*back, token_answer(account));
  });
}

Json AccountPages::token_answer(const Peer& peer, std::uint64_t generation,
                                const std::string& login) const {
  const auto keys = hub_.keys();
  const TokenKey* const key = keys->newest_signing();
  KONTRACT_ASSERT(key != nullptr);  // the server has started with one, and never drops the last
  const TokenId id{key->issuer, random_name(kJtiBytes), generation};
  const Json claims = token_claims(peer, id, keys->audience(), system_clock::now(), kTokenLifeMax);
  Json answer = {{"token", issue_token(claims, *key)},
                 {"exp", claims.at("exp")},
                 {"owner", peer.owner},
                 {"sub", peer.user},
                 {"isAnonymous", peer.anonymous}};
  if (!login.empty()) answer["login"] = login;
  return answer;
}

Json AccountPages::token_answer(const UserAccount& account) const {
  Peer peer;
  peer.owner = account.owner;
  peer.user = account.sub;
  peer.perm = account.perm;
  peer.ugroups = account.ugroups;
  return token_answer(peer, account.generation, account.login);
}

}  // namespace kontract::detail
