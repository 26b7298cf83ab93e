// AccountTable: the accounts of a runtime, in the table "accounts" of the session "accounts" of
// kSystemOwner: durable, backed up and read like all other tables. It is made with the first
// account. A record, whose id is its login:
//
//   {"login":"ann","sub":"<uuid>","owner":"<uuid>","hash":"$argon2id$...","perm":7,"ugroups":[],
//    "enabled":true,"generation":1,"created_ms":1767225600000}
//
// Its primary key keeps two registrations of one login apart, its unique index on `sub` two links
// of one owner. An operator may change owner, perm, ugroups and enabled, or raise generation
// (docs/accounts.md); what else is there stays.
//
// Passwords are computed on threads of its own. Thread-safe.

#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include "net/account_provider.hpp"
#include "net/password_hash.hpp"

namespace kontract {

class Directory;

inline constexpr const char* kAccountsSession = "accounts";
inline constexpr const char* kAccountsTable = "accounts";

struct AccountTableOptions {
  PasswordCost cost = {};              // of new hashes; at a login an older one is made anew
  unsigned workers = 2;                // each of them takes cost.memory_bytes
  std::size_t waiting_max = 64;        // passwords; beyond: overloaded
  std::function<void()> on_hash = {};  // called on the worker before each computation
};

class AccountTable final : public AccountProvider {
 public:
  // REQUIRES: `directory` outlives stop() and all calls of its sessions.
  AccountTable(Directory& directory, AccountTableOptions options);
  ~AccountTable() override;  // stops

  void create(Credentials with, UserAccount wanted, Done done) override;
  void verify(Credentials given, Done done) override;
  void find(std::string sub, Done done) override;
  void change_password(Credentials given, SecretBytes fresh, Done done) override;

  // Waits for the passwords that are being computed. Those that are not yet never are: what asked
  // for them is dropped. Blocks.
  void stop();

 private:
  class State;
  const std::shared_ptr<State> state_;
};

}  // namespace kontract
