#include "net/detail/secure_link.hpp"

#include <algorithm>
#include <utility>

#include "net/raystream_message.hpp"

namespace kontract::detail {

namespace {

using std::chrono::steady_clock;
using std::chrono::system_clock;

// Of a channel's life, kept to say why it ends.
constexpr std::chrono::milliseconds kFarewell{1000};

Error no_channel() {
  return {Errc::session_expired, "There is no encrypted channel on this connection"};
}

}  // namespace

std::size_t SecureLink::message_bytes_max() const {
  return channel_ ? std::min(channel_->limits.plaintext_bytes, raystream::kPlaintextBytesMax) : 0;
}

std::size_t SecureLink::frame_bytes_max(std::size_t message_bytes_max) const {
  if (!channel_) return SecureGate::kHelloFrameBytesMax;
  return std::min(message_bytes_max + raystream::kRecordOverheadBytes,
                  channel_->receiver.frame_bytes_max());
}

Result<std::string> SecureLink::answer(std::string_view client_hello) {
  state_ = State::ended;  // unless all is well
  auto answered = gate_->answer(client_hello);
  if (!answered) return std::move(answered).error();
  state_ = State::open;
  channel_.emplace(std::move(answered->answer.channel));
  resumes_ = answered->resumes;
  deadline_ = steady_clock::now() + gate_->life() - std::min(kFarewell, gate_->life() / 4);
  return std::move(answered->answer.frame);
}

Result<raystream::OpenedRecord> SecureLink::open(std::string_view frame) {
  if (!channel_) return no_channel();
  return channel_->receiver.open(frame, system_clock::now());
}

Result<std::string> SecureLink::seal(std::string_view message) {
  if (!channel_) return no_channel();
  return channel_->sender.seal(raystream::record_type_of(message), message, system_clock::now());
}

Status SecureLink::claim(const std::string& owner, const std::shared_ptr<Connection>& by) {
  if (!channel_) return no_channel();
  const auto now = steady_clock::now();
  ResumeStore& resumable = gate_->resumable();
  if (channel_->resumed) {
    const auto older = resumable.use_up(channel_->id, resumes_, owner, now);
    if (!older) return older.error();
    if (*older) (*older)->superseded();
  }
  kept_ = resumable.keep(channel_->id, std::move(channel_->resume_secret), owner, by, now);
  return {};
}

void SecureLink::end() {
  state_ = State::ended;
  if (kept_) gate_->resumable().ended(channel_->id, *kept_, steady_clock::now());
  kept_.reset();
  channel_.reset();
  deadline_ = Time::max();
}

}  // namespace kontract::detail
