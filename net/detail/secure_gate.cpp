#include "net/detail/secure_gate.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "net/server_identity.hpp"

namespace kontract::detail {

namespace {

using raystream::SigningKey;

Result<std::vector<SigningKey>> identities_of(const ServerOptions& options) {
  if (!options.identity_keys.empty()) return ensure_identities(options.identity_keys);
  std::vector<SigningKey> only;
  const SecretBytes seed = SecretBytes::random(raystream::kIdentitySeedBytes);
  only.push_back(*SigningKey::from_seed(seed.view()));
  return only;
}

// An answer may be larger than what a client may send, which `welcome` tells.
raystream::ChannelLimits limits_of(const ServerOptions& options) {
  return {.plaintext_bytes = raystream::kPlaintextBytesMax,
          .calls_in_flight = static_cast<std::uint32_t>(options.calls_in_flight_max),
          .heartbeat_ms = static_cast<std::uint32_t>(options.heartbeat.count()),
          .rekey_records = options.raystream_rekey_records};
}

}  // namespace

SecureGate::SecureGate(raystream::ServerSetup setup, double handshakes_per_second)
    : setup_(std::move(setup)), rate_(handshakes_per_second), turns_(handshakes_per_second) {}

Result<std::shared_ptr<SecureGate>> SecureGate::open(const ServerOptions& options) {
  auto identities = identities_of(options);
  if (!identities) return std::move(identities).error();
  raystream::ServerSetup setup;
  for (SigningKey& key : *identities) setup.identities.push_back({std::move(key), {}});
  setup.limits = limits_of(options);
  setup.life = options.raystream_life;
  return std::shared_ptr<SecureGate>(
      new SecureGate(std::move(setup), static_cast<double>(options.raystream_handshakes_max)));
}

bool SecureGate::take_turn(Time now) {
  const std::lock_guard lock(mutex_);
  const std::chrono::duration<double> passed = now - turns_at_;
  turns_ = std::min(rate_, turns_ + rate_ * passed.count());
  turns_at_ = now;
  if (turns_ < 1) return false;
  turns_ -= 1;
  return true;
}

Result<SecureGate::Answered> SecureGate::answer(std::string_view client_hello) {
  const Time steady_now = std::chrono::steady_clock::now();
  if (!take_turn(steady_now)) {
    return Error(Errc::rate_limited, "Too many handshakes of all clients together");
  }
  std::uint64_t resumes = 0;
  const auto find = [&](const raystream::ChannelId& id) -> std::optional<SecretBytes> {
    auto found = resumable_.find(id, steady_now);
    if (!found) return std::nullopt;
    resumes = found->entry;
    return std::move(found->secret);
  };
  const auto now = std::chrono::system_clock::now();
  auto answered =
      raystream::answer_hello(client_hello, setup_, find, now, raystream::ServerFresh::make(now));
  if (!answered) return std::move(answered).error();
  return Answered{std::move(*answered), resumes};
}

}  // namespace kontract::detail
