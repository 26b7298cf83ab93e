// SecureLink: the encrypted side of one connection (raystream.v1), as the server has it. Frames go
// in and out as bytes; the connection reads, writes and closes.
//
//   shaking --answer--> half-open --claim, with the first record--> open --end--> (keys wiped)
//
// Whatever it refuses ends it: the connection is to be closed. Not thread-safe.

#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "net/detail/secure_gate.hpp"
#include "net/raystream_handshake.hpp"
#include "storage/result.hpp"

namespace kontract::detail {

class SecureLink {
 public:
  using Time = std::chrono::steady_clock::time_point;

  explicit SecureLink(std::shared_ptr<SecureGate> gate) : gate_(std::move(gate)) {}
  ~SecureLink() { end(); }
  SecureLink(const SecureLink&) = delete;
  SecureLink& operator=(const SecureLink&) = delete;

  // Whether the client's first frame has not come yet.
  bool shaking() const { return state_ == State::shaking; }
  // Of the next frame, whose message may have so many bytes.
  std::size_t frame_bytes_max(std::size_t message_bytes_max) const;
  // Of a message that can be sent.
  std::size_t message_bytes_max() const;
  // When the channel has lived for as long as it may, a little before its keys are good no more.
  Time deadline() const { return deadline_; }

  // What answers the client's first frame. Errors: as SecureGate::answer.
  Result<std::string> answer(std::string_view client_hello);

  // Errors: as raystream::RecordReceiver; session_expired if it has ended.
  Result<raystream::OpenedRecord> open(std::string_view frame);

  // The record that carries this message. Errors: as raystream::RecordSender; session_expired
  // before there is a channel and when it has ended.
  Result<std::string> seal(std::string_view message);

  // The first record came from this owner. A channel that was resumed is taken from the connection
  // that had it. Errors: unauthorized, session_expired, as ResumeStore::use_up.
  Status claim(const std::string& owner, const std::shared_ptr<Connection>& by);

  // Wipes the keys.
  void end();

 private:
  enum class State { shaking, open, ended };

  std::shared_ptr<SecureGate> gate_;
  State state_ = State::shaking;
  std::optional<raystream::Channel> channel_;  // while open
  std::uint64_t resumes_ = 0;                  // the ResumeStore's entry that it was resumed with
  std::optional<std::uint64_t> kept_;          // and the one that it can be resumed with
  Time deadline_ = Time::max();
};

}  // namespace kontract::detail
