// Revocations: which tokens are good no more, and which sockets are open by which token.
//
// A revocation names a token's owner, issuer and jti, or owner, user and generation of an account,
// never its text, and is an entry of the runtime's SharedState. It outlasts every token of that
// jti, since a renewed one keeps it.
//
// Who opens a socket first holds its token, then asks whether it was revoked; who revokes writes
// first, then tells those who hold it: so one of both sees the other. Thread-safe.

#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>

#include "net/token.hpp"
#include "storage/shared_state.hpp"

namespace kontract::detail {

class Connection;

class Revocations : public std::enable_shared_from_this<Revocations> {
 public:
  explicit Revocations(SharedState* shared) : shared_(shared) {}  // null: nothing is revoked

  // What one entry is kept under; empty if the token has no jti.
  static std::string key_of(const std::string& owner, const TokenId& id);

  // What all tokens of an account of one generation, or all of an anonymous owner, are revoked by;
  // empty if the token is of neither.
  static std::string account_key_of(const std::string& owner, const std::string& user,
                                    const TokenId& id);

  bool revoked(const std::string& key) const;

  // In memory at once; on disk after flush(). Returns how many sockets were told.
  // Errors: invalid_request (no jti), overloaded (no room, or no SharedState).
  Result<std::size_t> revoke(const std::string& key);
  Status flush();  // blocks

  // Told of a revocation as long as it lives.
  class Hold {
   public:
    Hold() = default;
    Hold(std::shared_ptr<Revocations> of, std::string key, const Connection* holder)
        : of_(std::move(of)), key_(std::move(key)), holder_(holder) {}
    Hold(Hold&& other) noexcept { *this = std::move(other); }
    Hold& operator=(Hold&& other) noexcept;
    ~Hold();
    const std::string& key() const { return key_; }

   private:
    std::shared_ptr<Revocations> of_;
    std::string key_;
    const Connection* holder_ = nullptr;
  };
  Hold hold(std::string key, const std::shared_ptr<Connection>& holder);

 private:
  void release(const std::string& key, const Connection* holder);

  SharedState* const shared_;
  std::mutex mutex_;
  std::unordered_multimap<std::string, std::pair<const Connection*, std::weak_ptr<Connection>>>
      holders_;
};

}  // namespace kontract::detail
