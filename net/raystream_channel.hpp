// raystream's records: one direction of an encrypted channel, as its sender and as its receiver.
//
//   N     := number of records before this one in this direction, never reset
//   nonce := iv XOR (00000000 ‖ u64(N)), sent, and compared by the receiver with its own
//   AAD   := the 16 bytes of the header
//
// The nonce is never chosen by anyone, so none is used twice. A key update changes key and iv after
// the record that announces it; N goes on. docs/raystream.md, section 7.
//
// No I/O and no clock: times are passed in. A sender or receiver belongs to one thread at a time.

#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "net/raystream_frame.hpp"
#include "net/secret_bytes.hpp"
#include "storage/result.hpp"

namespace kontract::raystream {

using Instant = std::chrono::system_clock::time_point;

// How much one key may protect, and when a channel ends. Smaller ones are for tests.
struct KeyLimits {
  std::uint64_t sender_records = std::uint64_t{1} << 20;  // the sender updates its key by then
  std::uint64_t sender_bytes = std::uint64_t{1} << 30;
  std::uint64_t receiver_records = std::uint64_t{1} << 24;  // the receiver goes no further
  std::uint64_t receiver_bytes = std::uint64_t{1} << 34;
  std::uint64_t end = 0xFFFF'FFFF;  // of N: from here on it takes a new handshake
};

inline constexpr std::uint64_t kKeyUpdateGapMin = 64;  // records from one key update to the next
inline constexpr std::uint32_t kPlaintextBytesMax = 1
                                                    << 24;  // of one record, whatever is asked for

// So that the bytes under one key never ask for a key update which the gap forbids.
static_assert(kKeyUpdateGapMin * kPlaintextBytesMax <= KeyLimits{}.sender_bytes);

// What one direction starts with.
struct Direction {
  Cipher cipher = Cipher::chacha20_poly1305;
  Role sender = Role::client;
  SecretBytes secret;    // S_0, kSealKeyBytes
  ChannelLimits limits;  // plaintext_bytes above kPlaintextBytesMax counts as that
  Instant expires;       // from then on it takes a new handshake
  KeyLimits key_limits = {};
};

namespace detail {
class DirectionKeys;
}

class RecordSender {
 public:
  explicit RecordSender(Direction direction);
  RecordSender(RecordSender&&) noexcept;
  RecordSender& operator=(RecordSender&&) noexcept;
  ~RecordSender();

  // The frame to send. Frames are to be sent in the order in which they were sealed, none left out.
  // Errors: too_large (the sender goes on); session_expired when the channel's time or numbers are
  // used up, crypto_unsupported: the keys are wiped, and every later call answers the same.
  // REQUIRES: `type` is one that the sender's role may send.
  Result<std::string> seal(FrameType type, std::string_view plaintext, Instant now);

  // The next record is the last under its key; or, if the last update was less than
  // kKeyUpdateGapMin records before, the first that may be. The limits cause updates by themselves.
  void update_key() { update_asked_ = true; }

  std::uint64_t records() const;  // N of the next record

 private:
  bool update_due(std::size_t plaintext_bytes) const;

  std::unique_ptr<detail::DirectionKeys> keys_;
  std::optional<Error> ended_;
  bool update_asked_ = false;
};

// What a record holds. That `type` agrees with the message's `t` is for the caller to check.
struct OpenedRecord {
  FrameType type = FrameType::close;
  std::string plaintext;
};

// For an ordered transport: each record is the next one. The first that is refused ends the
// receiver: its keys are wiped, and every later call answers the same error. The connection is to
// be closed then; what was asked and not answered has an unknown outcome, as it has when the
// transport ends without a CLOSE record.
class RecordReceiver {
 public:
  explicit RecordReceiver(Direction direction);
  RecordReceiver(RecordReceiver&&) noexcept;
  RecordReceiver& operator=(RecordReceiver&&) noexcept;
  ~RecordReceiver();

  // Errors, in the order in which they are looked for: session_expired (time or numbers used up);
  // invalid_request (size, header, a type that the other side may not send, a key update too soon,
  // a key used for too much); invalid_nonce (sequence or nonce is not the expected one: a record is
  // missing, repeated or out of order); decrypt_failed.
  Result<OpenedRecord> open(std::string_view frame, Instant now);

  std::uint64_t records() const;  // N of the next record
  std::size_t frame_bytes_max() const;

 private:
  Result<OpenedRecord> open_next(std::string_view frame, Instant now);

  std::unique_ptr<detail::DirectionKeys> keys_;
  std::optional<Error> ended_;
};

}  // namespace kontract::raystream
