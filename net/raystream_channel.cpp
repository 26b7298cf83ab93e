#include "net/raystream_channel.hpp"

#include <algorithm>
#include <utility>

#include "net/detail/raystream_direction.hpp"
#include "net/detail/raystream_header.hpp"
#include "net/detail/raystream_kdf.hpp"

namespace kontract::raystream {

using kontract::detail::Aead;

namespace {

Error channel_used_up() {
  return {Errc::session_expired, "This encrypted channel may be used no longer"};
}

Error invalid_nonce() {
  return {Errc::invalid_nonce, "A record is missing, repeated or out of order"};
}

}  // namespace

RecordSender::RecordSender(Direction direction)
    : keys_(std::make_unique<detail::DirectionKeys>(std::move(direction), Aead::Use::seal)) {}
RecordSender::RecordSender(RecordSender&&) noexcept = default;
RecordSender& RecordSender::operator=(RecordSender&&) noexcept = default;
RecordSender::~RecordSender() = default;

std::uint64_t RecordSender::records() const { return keys_ ? keys_->n() : 0; }

bool RecordSender::update_due(std::size_t plaintext_bytes) const {
  const KeyLimits& key_limits = keys_->from().key_limits;
  const std::uint64_t records =
      std::min<std::uint64_t>(key_limits.sender_records, keys_->from().limits.rekey_records);
  return update_asked_ || keys_->records_under_key() + 1 >= records ||
         keys_->bytes_under_key() + plaintext_bytes >= key_limits.sender_bytes;
}

Result<std::string> RecordSender::seal(FrameType type, std::string_view plaintext, Instant now) {
  if (ended_) return *ended_;
  KONTRACT_ASSERT(may_send(keys_->from().sender, type));
  const std::size_t bytes_max = keys_->from().limits.plaintext_bytes;
  if (plaintext.size() > bytes_max) {
    return Error{Errc::too_large, "A message of " + std::to_string(plaintext.size()) +
                                      " bytes; the channel takes " + std::to_string(bytes_max)};
  }
  if (keys_->used_up(now)) {
    keys_.reset();
    ended_ = channel_used_up();
    return *ended_;
  }
  const bool key_update = update_due(plaintext.size()) && keys_->may_update();
  std::string frame(plaintext.size() + kRecordOverheadBytes, '\0');
  const auto flags = static_cast<std::uint16_t>(
      detail::kEncrypted | (key_update ? detail::kKeyUpdate : std::uint16_t{0}));
  detail::put_header(frame.data(), {.type = type,
                                    .flags = flags,
                                    .sequence = static_cast<std::uint32_t>(keys_->n()),
                                    .payload_bytes = static_cast<std::uint32_t>(plaintext.size())});
  const detail::Nonce nonce = keys_->nonce();
  std::copy(nonce.begin(), nonce.end(), frame.data() + kHeaderBytes);
  if (!keys_->aead().seal(kontract::detail::view(nonce),
                          std::string_view(frame).substr(0, kHeaderBytes), plaintext,
                          frame.data() + kHeaderBytes + kSealNonceBytes)) {
    keys_.reset();
    ended_ = Aead::unsupported();
    return *ended_;
  }
  keys_->count(plaintext.size(), key_update);
  if (key_update) update_asked_ = false;
  return frame;
}

RecordReceiver::RecordReceiver(Direction direction)
    : keys_(std::make_unique<detail::DirectionKeys>(std::move(direction), Aead::Use::open)) {}
RecordReceiver::RecordReceiver(RecordReceiver&&) noexcept = default;
RecordReceiver& RecordReceiver::operator=(RecordReceiver&&) noexcept = default;
RecordReceiver::~RecordReceiver() = default;

std::uint64_t RecordReceiver::records() const { return keys_ ? keys_->n() : 0; }

std::size_t RecordReceiver::frame_bytes_max() const {
  return kRecordOverheadBytes + (keys_ ? keys_->from().limits.plaintext_bytes : 0);
}

Result<OpenedRecord> RecordReceiver::open(std::string_view frame, Instant now) {
  if (ended_) return *ended_;
  auto opened = open_next(frame, now);
  if (!opened) {
    keys_.reset();
    ended_ = opened.error();
  }
  return opened;
}

// The order of the checks is section 7's.
Result<OpenedRecord> RecordReceiver::open_next(std::string_view frame, Instant now) {
  const KeyLimits& key_limits = keys_->from().key_limits;
  if (keys_->used_up(now)) return channel_used_up();
  const auto header = detail::read_header(frame);
  if (!header || frame.size() < kRecordOverheadBytes || header->version != kVersion ||
      !may_send(keys_->from().sender, header->type) ||
      (header->flags & ~detail::kKeyUpdate) != detail::kEncrypted || header->reserved != 0 ||
      header->payload_bytes != frame.size() - kRecordOverheadBytes ||
      header->payload_bytes > keys_->from().limits.plaintext_bytes) {
    return bad_frame();
  }
  const bool key_update = (header->flags & detail::kKeyUpdate) != 0;
  if ((key_update && !keys_->may_update()) ||
      keys_->records_under_key() >= key_limits.receiver_records ||
      keys_->bytes_under_key() + header->payload_bytes > key_limits.receiver_bytes) {
    return bad_frame();
  }
  if (header->sequence != keys_->n()) return invalid_nonce();
  const detail::Nonce expected = keys_->nonce();
  const std::string_view nonce = frame.substr(kHeaderBytes, kSealNonceBytes);
  if (!equal_in_constant_time(nonce, kontract::detail::view(expected))) return invalid_nonce();
  if (!keys_->aead().ready()) return Aead::unsupported();
  OpenedRecord opened{header->type, std::string(header->payload_bytes, '\0')};
  if (!keys_->aead().open(nonce, frame.substr(0, kHeaderBytes),
                          frame.substr(kHeaderBytes + kSealNonceBytes), opened.plaintext.data())) {
    return decrypt_failed();
  }
  keys_->count(opened.plaintext.size(), key_update);
  return opened;
}

}  // namespace kontract::raystream
