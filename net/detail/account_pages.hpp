// AccountPages: what the pages under /auth/ answer on a server with accounts (docs/accounts.md).
// Who there is, the provider says; tokens, their revocation and the limits of attempts are here.
//
// An anonymous owner is nowhere stored. He has a key of 32 random bytes, of which his name is made,
// so that he gets tokens again for as long as he keeps it. Once he is an account his key is good
// for nothing.

#pragma once

#include <functional>
#include <memory>
#include <string>

#include "net/account_provider.hpp"
#include "net/detail/answer_gate.hpp"
#include "net/detail/attempt_limits.hpp"
#include "net/detail/auth_pages.hpp"

namespace kontract::detail {

class AccountPages {
 public:
  // REQUIRES: `hub` is there until close() has returned.
  AccountPages(Hub& hub, std::shared_ptr<AccountProvider> provider);

  // Thread-safe. The request's body is wiped.
  void serve(AuthRequest request, Reply reply);

  // Waits for the answers that are being given; what the provider says later is for nobody.
  void close() { gate_->close(); }

 private:
  using Found = Result<std::optional<UserAccount>>;
  using Then = std::function<void(Reply, Found)>;
  // Of the caller's account; null: he is anonymous, or his token is none of an account's.
  using Known = std::function<void(Reply, const UserAccount*)>;

  void anonymous(AuthRequest& request, Reply reply);
  void sign_up(AuthRequest& request, Reply reply);
  void login(AuthRequest& request, Reply reply);
  void link(AuthRequest& request, Reply reply);
  void password(AuthRequest& request, Reply reply);
  void refresh(const AuthRequest& request, Reply reply);
  void me(const AuthRequest& request, Reply reply);

  // Asks the provider one question, and goes on with what he answers.
  template <class Question>
  void ask(Reply reply, Question question, Then then);
  // Whether the caller's account is still as his token says, and goes on if it is.
  void with_account(const Identified& caller, Reply reply, const Known& then);
  void change_password(const AuthRequest& request, const UserAccount& account, SecretBytes old,
                       SecretBytes fresh, Reply reply);
  // Ends the tokens of the caller's generation, then gives the account its first of the next.
  void end_others(const Identified& caller, const UserAccount& account, Reply reply);

  // {"token","exp","owner","sub","isAnonymous","login"?}
  Json token_answer(const Peer& peer, std::uint64_t generation, const std::string& login) const;
  Json token_answer(const UserAccount& account) const;

  Hub& hub_;
  const std::shared_ptr<AccountProvider> provider_;
  const std::shared_ptr<AnswerGate> gate_ = std::make_shared<AnswerGate>();
  AttemptLimits logins_, registrations_, arrivals_;
};

}  // namespace kontract::detail
