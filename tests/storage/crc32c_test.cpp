#include "storage/crc32c.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace kontract {
namespace {

TEST(Crc32cTest, GivesTheKnownChecksums) {
  std::string ascending, descending;
  for (int i = 0; i < 32; ++i) {
    ascending += static_cast<char>(i);
    descending += static_cast<char>(31 - i);
  }
  struct Case {
    const char* name;
    std::string bytes;
    std::uint32_t crc;
  };
  // RFC 3720, appendix B.4; the first two are the checksum's customary self-tests.
  for (const Case& c :
       {Case{"nothing", "", 0}, Case{"digits", "123456789", 0xE3069283},
        Case{"32 zeros", std::string(32, '\0'), 0x8A9136AA},
        Case{"32 ones", std::string(32, '\xFF'), 0x62A8AB43},
        Case{"ascending", ascending, 0x46DD794E}, Case{"descending", descending, 0x113FDB5C}}) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(crc32c(c.bytes), c.crc);
    EXPECT_EQ(crc32c_portable(c.bytes), c.crc);
  }
}

TEST(Crc32cTest, GoesOnFromASeedAndAgreesWithTheTableAtEveryLengthAndAlignment) {
  std::mt19937 random(7);
  std::string bytes(100, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  for (std::size_t from = 0; from < 9; ++from) {
    for (std::size_t to = from; to <= bytes.size(); ++to) {
      const std::string_view part = std::string_view(bytes).substr(from, to - from);
      ASSERT_EQ(crc32c(part), crc32c_portable(part));
      const std::size_t cut = part.size() / 3;
      ASSERT_EQ(crc32c(part.substr(cut), crc32c(part.substr(0, cut))), crc32c(part));
    }
  }
}

TEST(Crc32cTest, ChangesWithEveryBit) {
  std::string bytes = "a record of a durable session";
  const std::uint32_t whole = crc32c(bytes);
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    EXPECT_NE(crc32c(bytes), whole) << bit;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
  }
}

}  // namespace
}  // namespace kontract
