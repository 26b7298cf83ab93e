// SecureGate: what the encrypted connections (raystream.v1) of one server share: who the server is,
// what it tells in its handshakes and how many of them it makes, and the channels that may be
// resumed. Thread-safe.

#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "net/detail/resume_store.hpp"
#include "net/raystream_handshake.hpp"
#include "net/server_options.hpp"
#include "storage/result.hpp"

namespace kontract::detail {

class SecureGate {
 public:
  // Of one handshake, of either side.
  static constexpr std::size_t kHelloFrameBytesMax = limits::kKiB;

  // Errors: invalid_request, storage_full, as of ensure_identities.
  static Result<std::shared_ptr<SecureGate>> open(const ServerOptions& options);

  const raystream::IdentityKey& identity() const {
    return setup_.identities.front().identity.public_key();
  }

  struct Answered {
    raystream::ServerAnswer answer;
    std::uint64_t resumes = 0;  // the ResumeStore's entry, if the channel is resumed
  };
  // Errors: those of raystream::answer_hello; rate_limited.
  Result<Answered> answer(std::string_view client_hello);

  std::chrono::milliseconds life() const { return setup_.life; }
  ResumeStore& resumable() { return resumable_; }

 private:
  using Time = std::chrono::steady_clock::time_point;

  SecureGate(raystream::ServerSetup setup, double handshakes_per_second);
  bool take_turn(Time now);

  const raystream::ServerSetup setup_;
  const double rate_;  // handshakes per second, and so many at once
  ResumeStore resumable_{ResumeStore::Limits{}};
  std::mutex mutex_;  // of the two
  double turns_;
  Time turns_at_;
};

}  // namespace kontract::detail
