// AccountProvider: who there is and by which password, behind the pages under /auth/ (docs/
// accounts.md). The runtime has one of its own, AccountTable; a program may put another one in its
// place, over a directory service or a database that is there already:
//
//   options.account_provider = std::make_shared<MyProvider>();
//   auto runtime = kontract::Runtime::start(std::move(options));
//
// Tokens, their revocation and the limits of attempts are not its concern. Before it is asked, a
// login is valid (valid_login) and in lower case, and a password has an allowed length.
//
// It is called by threads that sockets wait for: it must not block them, nor hash a password on
// them. It calls `done` once, on any thread, at once or later; if it drops `done` instead, or
// throws, the request is answered KONTRACT_INTERNAL, and what comes after the call's time
// (ServerOptions::call_timeout) or the runtime's end is for nobody.
//
// An answer is a value, nothing or an error. Nothing is the provider's no, which the page puts into
// words that tell no stranger who has an account; an error of docs/protocol.md says why there is no
// answer, such as overloaded or timeout.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/secret_bytes.hpp"
#include "storage/perms.hpp"
#include "storage/result.hpp"

namespace kontract {

inline constexpr std::size_t kLoginBytesMax = 254;   // of an e-mail address: RFC 5321, 4.5.3.1.3
inline constexpr std::size_t kPasswordBytesMin = 8;  // of a new one
inline constexpr std::size_t kPasswordBytesMax = 1024;

// Who a login is, and what its tokens say.
struct UserAccount {
  std::string login = {};
  std::string sub = {};    // the user, who has no other account; never another's
  std::string owner = {};  // the tenant whose sessions it opens
  Perm perm = perms::RWX;
  std::vector<std::string> ugroups = {};
  bool enabled = true;  // else nobody may log in to it, and its tokens are not renewed
  // Tokens tell it, and are not renewed when it is another: it changes when all logins are to end,
  // as with the password. 1 or more.
  std::uint64_t generation = 1;
};

struct Credentials {
  std::string login;
  SecretBytes password;
};

class AccountProvider {
 public:
  using Done = std::function<void(Result<std::optional<UserAccount>>)>;

  virtual ~AccountProvider() = default;

  // Makes the account `wanted` (its login is that of the credentials), or one for the same sub that
  // is allowed something else, and gives it when it is kept. Nothing: the login is taken, or the
  // sub has an account. Of several at once for one login or sub, one is made.
  virtual void create(Credentials with, UserAccount wanted, Done done) = 0;

  // The account, if it is enabled and this is its password. Takes as long if there is none.
  virtual void verify(Credentials given, Done done) = 0;

  // The account of this user, enabled or not.
  virtual void find(std::string sub, Done done) = 0;

  // Another password, if `given` is right, and with it another generation. Nothing: it is not.
  virtual void change_password(Credentials given, SecretBytes fresh, Done done) = 0;
};

// As accounts are kept: A to Z become a to z. Errors: invalid_request (not 1 to kLoginBytesMax
// bytes of UTF-8, a control character, white space at either end).
Result<std::string> valid_login(std::string_view login);

}  // namespace kontract
