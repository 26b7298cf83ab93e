#include "net/raystream_channel.hpp"

#include "net/detail/raystream_direction.hpp"
#include "net/detail/raystream_header.hpp"
#include "net/detail/raystream_kdf.hpp"
#include "tests/net/raystream_fixture.hpp"

namespace kontract::raystream {
namespace {

using kontract::detail::Aead;
using kontract::detail::view;

constexpr std::size_t kNonceAt = kHeaderBytes;
constexpr std::size_t kTextAt = kHeaderBytes + kSealNonceBytes;
const Instant kEnd = kNow + kLife;

class RaystreamChannelTest : public testing::TestWithParam<Cipher> {
 protected:
  Direction direction(Role sender = Role::client, KeyLimits key_limits = {},
                      ChannelLimits limits = {}) const {
    return {GetParam(), sender, counting(7), limits, kEnd, key_limits};
  }
  RecordSender sender() const { return RecordSender(direction()); }
  RecordReceiver receiver() const { return RecordReceiver(direction()); }

  // A record as no sender of ours makes it, but with the right keys.
  static std::string forged(detail::DirectionKeys& keys, detail::Header header,
                            std::string_view text) {
    header.sequence = static_cast<std::uint32_t>(keys.n());
    header.payload_bytes = static_cast<std::uint32_t>(text.size());
    std::string frame(text.size() + kRecordOverheadBytes, '\0');
    detail::put_header(frame.data(), header);
    const detail::Nonce nonce = keys.nonce();
    std::copy(nonce.begin(), nonce.end(), frame.data() + kNonceAt);
    EXPECT_TRUE(keys.aead().seal(view(nonce), std::string_view(frame).substr(0, kHeaderBytes), text,
                                 frame.data() + kTextAt));
    keys.count(text.size(), (header.flags & detail::kKeyUpdate) != 0);
    return frame;
  }
};

// The code with which a record is refused; nothing if it is opened.
std::optional<Errc> refusal(RecordReceiver& receiver, std::string_view frame, Instant now = kNow) {
  const auto opened = receiver.open(frame, now);
  if (opened) return std::nullopt;
  return opened.error().code;
}

std::string sealed(RecordSender& sender, std::string_view text = "a text",
                   FrameType type = FrameType::call) {
  auto frame = sender.seal(type, text, kNow);
  EXPECT_TRUE(frame);
  return frame ? *frame : "";
}

bool has_key_update(std::string_view frame) {
  return (detail::read_header(frame)->flags & detail::kKeyUpdate) != 0;
}

TEST_P(RaystreamChannelTest, RecordsArriveInTheirOrderWithTheirTypes) {
  RecordSender from = sender();
  RecordReceiver to = receiver();
  for (const std::size_t size : {0, 1, 1000, 1 << 20}) {
    for (const FrameType type :
         {FrameType::call, FrameType::subscribe, FrameType::heartbeat, FrameType::close}) {
      const std::string text(size, 'x');
      const std::string frame = sealed(from, text, type);
      EXPECT_EQ(frame.size(), size + kRecordOverheadBytes);
      EXPECT_LE(frame.size(), to.frame_bytes_max());
      const auto opened = to.open(frame, kNow);
      ASSERT_TRUE(opened);
      EXPECT_EQ(opened->type, type);
      EXPECT_EQ(opened->plaintext, text);
    }
  }
  EXPECT_EQ(from.records(), 16U);
  EXPECT_EQ(to.records(), 16U);
}

TEST_P(RaystreamChannelTest, EveryFlippedBitIsRefusedByTheFirstCheckThatSeesIt) {
  RecordSender from = sender();
  const std::string frame = sealed(from);
  for (std::size_t bit = 0; bit < 8 * frame.size(); ++bit) {
    SCOPED_TRACE(bit);
    RecordReceiver to = receiver();
    const auto code = refusal(to, flipped(frame, bit));
    ASSERT_TRUE(code);
    const std::size_t byte = bit / 8;
    const bool key_update = byte == 3 && bit % 8 == 1;  // looks right until the tag is compared
    if (byte == 1) {
      EXPECT_TRUE(*code == Errc::invalid_request || *code == Errc::decrypt_failed);
    } else if (byte < 4 || (byte >= 8 && byte < kHeaderBytes)) {
      EXPECT_EQ(*code, key_update ? Errc::decrypt_failed : Errc::invalid_request);
    } else if (byte < kTextAt) {
      EXPECT_EQ(*code, Errc::invalid_nonce);
    } else {
      EXPECT_EQ(*code, Errc::decrypt_failed);
    }
  }
  RecordReceiver to = receiver();
  EXPECT_FALSE(refusal(to, frame));
}

TEST_P(RaystreamChannelTest, EveryCutIsRefused) {
  RecordSender from = sender();
  const std::string frame = sealed(from);
  for (std::size_t size = 0; size < frame.size(); ++size) {
    RecordReceiver to = receiver();
    EXPECT_EQ(refusal(to, std::string_view(frame).substr(0, size)), Errc::invalid_request) << size;
  }
  RecordReceiver to = receiver();
  EXPECT_EQ(refusal(to, frame + '\0'), Errc::invalid_request);
}

TEST_P(RaystreamChannelTest, AnEarlierCheckComesFirst) {
  RecordSender from = sender();
  sealed(from);
  std::string frame = sealed(from);  // of sequence 1, where 0 is expected
  frame.back() = static_cast<char>(~frame.back());
  RecordReceiver first = receiver();
  EXPECT_EQ(refusal(first, frame), Errc::invalid_nonce);
  frame[15] = 1;  // reserved
  RecordReceiver second = receiver();
  EXPECT_EQ(refusal(second, frame), Errc::invalid_request);
}

TEST_P(RaystreamChannelTest, ReplayedSwappedMissingAndReflectedRecordsAreRefused) {
  struct Case {
    const char* name;
    std::vector<std::size_t> order;
  };
  for (const Case& c : {Case{"replayed", {0, 0}}, Case{"replayed later", {0, 1, 2, 0}},
                        Case{"swapped", {1}}, Case{"missing", {0, 2}}}) {
    SCOPED_TRACE(c.name);
    RecordSender from = sender();
    const std::string frames[] = {sealed(from), sealed(from), sealed(from)};
    RecordReceiver to = receiver();
    for (std::size_t i = 0; i + 1 < c.order.size(); ++i) {
      EXPECT_FALSE(refusal(to, frames[c.order[i]]));
    }
    EXPECT_EQ(refusal(to, frames[c.order.back()]), Errc::invalid_nonce);
  }

  Direction back = direction(Role::server);
  back.secret = counting(8);
  RecordSender from = sender();
  const std::string heartbeat = sealed(from, "beat", FrameType::heartbeat);
  RecordReceiver own(std::move(back));
  EXPECT_EQ(refusal(own, heartbeat), Errc::invalid_nonce);
  Direction again = direction(Role::server);
  again.secret = counting(8);
  RecordReceiver other(std::move(again));
  EXPECT_EQ(refusal(other, sealed(from)), Errc::invalid_request);  // not a type of the server's
}

TEST_P(RaystreamChannelTest, OneFailureEndsTheReceiver) {
  RecordSender from = sender();
  const std::string good = sealed(from);
  RecordReceiver to = receiver();
  EXPECT_EQ(refusal(to, flipped(good, 8 * kTextAt)), Errc::decrypt_failed);
  EXPECT_EQ(refusal(to, good), Errc::decrypt_failed);
  EXPECT_EQ(refusal(to, ""), Errc::decrypt_failed);
}

TEST_P(RaystreamChannelTest, TheOtherKeyAndTheOtherCipherDoNotOpen) {
  RecordSender from = sender();
  const std::string frame = sealed(from);
  Direction other_key = direction();
  other_key.secret = counting(8);
  RecordReceiver first(std::move(other_key));
  EXPECT_EQ(refusal(first, frame), Errc::invalid_nonce);  // the iv is another one, too
  Direction other_cipher = direction();
  other_cipher.cipher =
      GetParam() == Cipher::aes_256_gcm ? Cipher::chacha20_poly1305 : Cipher::aes_256_gcm;
  RecordReceiver second(std::move(other_cipher));
  EXPECT_EQ(refusal(second, frame), Errc::decrypt_failed);
}

TEST_P(RaystreamChannelTest, TypesAreThoseOfTheSendersRole) {
  for (const Role role : {Role::client, Role::server}) {
    for (int type = 0; type <= 0xFF; ++type) {
      detail::DirectionKeys keys(direction(role), Aead::Use::seal);
      RecordReceiver to(direction(role));
      const auto frame_type = static_cast<FrameType>(type);
      const std::string frame =
          forged(keys, {.type = frame_type, .flags = detail::kEncrypted}, "text");
      const auto code = refusal(to, frame);
      EXPECT_EQ(!code, may_send(role, frame_type)) << type;
      if (code) {
        EXPECT_EQ(*code, Errc::invalid_request);
      }
    }
  }
  EXPECT_TRUE(may_send(Role::client, FrameType::call));
  EXPECT_FALSE(may_send(Role::server, FrameType::call));
  EXPECT_FALSE(may_send(Role::client, FrameType::handshake_init));
}

TEST_P(RaystreamChannelTest, HeadersThatAreSealedButWrongAreRefused) {
  struct Case {
    const char* name;
    detail::Header header;
    std::optional<Errc> code;
  };
  for (const Case& c :
       {Case{"right", {.type = FrameType::call, .flags = 1}, std::nullopt},
        Case{"not encrypted", {.type = FrameType::call, .flags = 0}, Errc::invalid_request},
        Case{"an unknown flag", {.type = FrameType::call, .flags = 5}, Errc::invalid_request},
        Case{"key update alone", {.type = FrameType::call, .flags = 2}, Errc::invalid_request},
        Case{"version", {.version = 2, .type = FrameType::call, .flags = 1}, Errc::invalid_request},
        Case{"reserved",
             {.type = FrameType::call, .flags = 1, .reserved = 1},
             Errc::invalid_request}}) {
    SCOPED_TRACE(c.name);
    detail::DirectionKeys keys(direction(), Aead::Use::seal);
    RecordReceiver to = receiver();
    EXPECT_EQ(refusal(to, forged(keys, c.header, "text")), c.code);
  }
}

TEST_P(RaystreamChannelTest, AKeyUpdateChangesTheKeyAndNotTheCount) {
  RecordSender from = sender();
  RecordReceiver to = receiver();
  from.update_key();
  const std::string last = sealed(from);
  EXPECT_TRUE(has_key_update(last));
  const std::string next = sealed(from);
  EXPECT_FALSE(has_key_update(next));
  EXPECT_EQ(detail::read_header(next)->sequence, 1U);
  EXPECT_FALSE(refusal(to, last));
  EXPECT_FALSE(refusal(to, next));

  // Whoever did not update does not open what comes after.
  detail::DirectionKeys without(direction(), Aead::Use::open);
  without.count(0, false);
  EXPECT_NE(view(without.nonce()), std::string_view(next).substr(kNonceAt, kSealNonceBytes));
}

TEST_P(RaystreamChannelTest, KeyUpdatesAreAtLeast64RecordsApart) {
  RecordSender from = sender();
  RecordReceiver to = receiver();
  std::vector<std::uint64_t> updates;
  for (std::uint64_t n = 0; n < 200; ++n) {
    from.update_key();
    const std::string frame = sealed(from);
    if (has_key_update(frame)) updates.push_back(n);
    ASSERT_FALSE(refusal(to, frame)) << n;
  }
  EXPECT_EQ(updates, (std::vector<std::uint64_t>{0, 64, 128, 192}));

  const auto second_after = [&](int records) {
    detail::DirectionKeys keys(direction(), Aead::Use::seal);
    RecordReceiver receives = receiver();
    constexpr auto kBoth = static_cast<std::uint16_t>(detail::kEncrypted | detail::kKeyUpdate);
    EXPECT_FALSE(refusal(receives, forged(keys, {.type = FrameType::call, .flags = kBoth}, "")));
    for (int i = 1; i < records; ++i) {
      EXPECT_FALSE(refusal(receives, forged(keys, {.type = FrameType::call, .flags = 1}, "")));
    }
    return refusal(receives, forged(keys, {.type = FrameType::call, .flags = kBoth}, ""));
  };
  EXPECT_EQ(second_after(1), Errc::invalid_request);
  EXPECT_EQ(second_after(63), Errc::invalid_request);
  EXPECT_EQ(second_after(64), std::nullopt);
}

TEST_P(RaystreamChannelTest, TheSenderUpdatesItsKeyInTime) {
  struct Case {
    const char* name;
    KeyLimits key_limits;
    ChannelLimits limits;
    std::vector<std::uint64_t> updates;  // of 300 records of 10 bytes
  };
  ChannelLimits often;
  often.rekey_records = 70;
  ChannelLimits too_often;
  too_often.rekey_records = 0;
  for (const Case& c : {Case{"after records", {.sender_records = 100}, {}, {99, 199, 299}},
                        Case{"after bytes", {.sender_bytes = 1000}, {}, {99, 199, 299}},
                        Case{"as the server asks", {}, often, {69, 139, 209, 279}},
                        Case{"as often as may be", {}, too_often, {0, 64, 128, 192, 256}},
                        Case{"not yet", {}, {}, {}}}) {
    SCOPED_TRACE(c.name);
    RecordSender from(direction(Role::client, c.key_limits, c.limits));
    RecordReceiver to = receiver();
    std::vector<std::uint64_t> updates;
    for (std::uint64_t n = 0; n < 300; ++n) {
      const std::string frame = sealed(from, "0123456789");
      if (has_key_update(frame)) updates.push_back(n);
      ASSERT_FALSE(refusal(to, frame)) << n;
    }
    EXPECT_EQ(updates, c.updates);
  }
}

TEST_P(RaystreamChannelTest, TheLimitsAreThoseOfTheSpecification) {
  const KeyLimits limits;
  EXPECT_EQ(limits.sender_records, 1'048'576U);
  EXPECT_EQ(limits.sender_bytes, 1'073'741'824U);
  EXPECT_EQ(limits.receiver_records, 16'777'216U);
  EXPECT_EQ(limits.receiver_bytes, 17'179'869'184U);
  EXPECT_EQ(limits.end, 4'294'967'295U);
}

TEST_P(RaystreamChannelTest, TheReceiverGoesNoFurtherWithOneKey) {
  for (const KeyLimits& key_limits :
       {KeyLimits{.receiver_records = 3}, KeyLimits{.receiver_bytes = 30}}) {
    RecordSender from = sender();
    RecordReceiver to(direction(Role::client, key_limits));
    for (int i = 0; i < 3; ++i) EXPECT_FALSE(refusal(to, sealed(from, "0123456789")));
    EXPECT_EQ(refusal(to, sealed(from, "0")), Errc::invalid_request);

    // With a new key it does.
    RecordSender updating = sender();
    RecordReceiver follows(direction(Role::client, key_limits));
    for (int i = 0; i < 2; ++i) EXPECT_FALSE(refusal(follows, sealed(updating, "0123456789")));
    updating.update_key();
    EXPECT_FALSE(refusal(follows, sealed(updating, "0123456789")));
    EXPECT_FALSE(refusal(follows, sealed(updating, "0123456789")));
  }
}

TEST_P(RaystreamChannelTest, AtTheEndOfNumbersOrTimeItTakesANewHandshake) {
  const KeyLimits two_records{.end = 2};
  RecordSender from(direction(Role::client, two_records));
  RecordReceiver to(direction(Role::client, two_records));
  RecordSender goes_on = sender();
  for (int i = 0; i < 2; ++i) {
    EXPECT_FALSE(refusal(to, sealed(from)));
    sealed(goes_on);
  }
  for (int i = 0; i < 2; ++i) {
    const auto more = from.seal(FrameType::call, "text", kNow);
    ASSERT_FALSE(more);
    EXPECT_EQ(more.error().code, Errc::session_expired);
  }
  EXPECT_EQ(refusal(to, sealed(goes_on)), Errc::session_expired);

  RecordSender until_the_end = sender();
  RecordReceiver receives = receiver();
  const Instant last = kEnd - std::chrono::milliseconds(1);
  const auto in_time = until_the_end.seal(FrameType::call, "text", last);
  ASSERT_TRUE(in_time);
  EXPECT_FALSE(refusal(receives, *in_time, last));
  const std::string late = *until_the_end.seal(FrameType::call, "text", last);
  EXPECT_EQ(refusal(receives, late, kEnd), Errc::session_expired);
  const auto too_late = until_the_end.seal(FrameType::call, "text", kEnd);
  ASSERT_FALSE(too_late);
  EXPECT_EQ(too_late.error().code, Errc::session_expired);
}

TEST_P(RaystreamChannelTest, TheLargestPlaintextIsTheLimits) {
  ChannelLimits limits;
  limits.plaintext_bytes = 100;
  RecordSender from(direction(Role::client, {}, limits));
  const auto too_large = from.seal(FrameType::call, std::string(101, 'x'), kNow);
  ASSERT_FALSE(too_large);
  EXPECT_EQ(too_large.error().code, Errc::too_large);
  RecordReceiver to(direction(Role::client, {}, limits));
  EXPECT_EQ(to.frame_bytes_max(), 144U);
  EXPECT_FALSE(refusal(to, sealed(from, std::string(100, 'x'))));  // the sender went on
  RecordSender generous = sender();
  sealed(generous);
  EXPECT_EQ(refusal(to, sealed(generous, std::string(101, 'x'))), Errc::invalid_request);

  limits.plaintext_bytes = 0xFFFF'FFFF;
  EXPECT_EQ(RecordReceiver(direction(Role::client, {}, limits)).frame_bytes_max(),
            kPlaintextBytesMax + kRecordOverheadBytes);
}

INSTANTIATE_TEST_SUITE_P(BothCiphers, RaystreamChannelTest, testing::ValuesIn(kCiphers),
                         [](const auto& param) {
                           return param.param == Cipher::aes_256_gcm ? "aes" : "chacha";
                         });

}  // namespace
}  // namespace kontract::raystream
