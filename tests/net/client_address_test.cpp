#include "net/detail/client_address.hpp"

#include <gtest/gtest.h>

namespace kontract::detail {
namespace {

using boost::asio::ip::make_address;

TrustedProxies proxies_of(const std::string& list) {
  auto parsed = TrustedProxies::parse(list);
  EXPECT_TRUE(parsed) << parsed.error().message;
  return parsed ? *parsed : TrustedProxies();
}

TEST(ClientAddressTest, ProxiesAreListedByAddressAndByBlock) {
  const TrustedProxies proxies =
      proxies_of("10.0.0.0/8, 192.0.2.7 ::ffff:172.16.0.0/108, 2001:db8:8000::/33,2001:db8::7");
  struct Case {
    const char* address;
    bool trusted;
  };
  for (const Case& c :
       {Case{"10.1.2.3", true}, Case{"11.1.2.3", false}, Case{"9.255.255.255", false},
        Case{"192.0.2.7", true}, Case{"192.0.2.6", false}, Case{"172.31.9.9", true},
        Case{"172.32.0.0", false}, Case{"::ffff:10.1.2.3", true}, Case{"::ffff:11.1.2.3", false},
        Case{"::10.1.2.3", false}, Case{"2001:db8:8000::1", true}, Case{"2001:db8:7fff::1", false},
        Case{"2001:db8::7", true}, Case{"2001:db8::7%1", true}, Case{"2001:db8::8", false}}) {
    SCOPED_TRACE(c.address);
    EXPECT_EQ(proxies.trusted(make_address(c.address)), c.trusted);
  }
  EXPECT_FALSE(proxies_of("::/0").trusted(make_address("10.0.0.1"))) << "that is IPv6 only";
  EXPECT_TRUE(proxies_of("0.0.0.0/0").trusted(make_address("::ffff:10.0.0.1")));
  EXPECT_TRUE(proxies_of(" , ").empty());
  EXPECT_FALSE(proxies_of("").trusted(make_address("127.0.0.1")));
}

TEST(ClientAddressTest, AListThatIsNotWhatItLooksLikeIsRefused) {
  for (const char* list : {"10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8x", "10.0.0.1/8",
                           "2001:db8::1/32", "::ffff:10.0.0.0/95", "localhost", "10.0.0", "/8",
                           "10.0.0.1;10.0.0.2", "10.0.0.1, proxy"}) {
    SCOPED_TRACE(list);
    const auto parsed = TrustedProxies::parse(list);
    ASSERT_FALSE(parsed);
    EXPECT_EQ(parsed.error().code, Errc::invalid_request);
  }
}

TEST(ClientAddressTest, OfAFieldTheRightMostHopCountsThatIsNoListedProxy) {
  const TrustedProxies proxies = proxies_of("10.0.0.0/8, ::1");
  constexpr auto kXff = ForwardedHeader::x_forwarded_for;
  constexpr auto kForwarded = ForwardedHeader::forwarded;
  struct Case {
    const char* name;
    ForwardedHeader field;
    const char* value;
    const char* peer;
    const char* client;
  };
  for (const Case& c : {
           Case{"one hop", kXff, "192.0.2.1", "10.0.0.1", "192.0.2.1"},
           Case{"a forged one before it", kXff, "198.51.100.9, 192.0.2.1", "10.0.0.1", "192.0.2.1"},
           Case{"two proxies", kXff, "192.0.2.1,10.0.0.2", "10.0.0.1", "192.0.2.1"},
           Case{"a forged proxy", kXff, "198.51.100.9, 10.0.0.9 ,192.0.2.1, 10.0.0.2", "10.0.0.1",
                "192.0.2.1"},
           Case{"of nobody who is listed", kXff, "198.51.100.9", "192.0.2.1", "192.0.2.1"},
           Case{"a hidden hop", kXff, "192.0.2.1, unknown, 10.0.0.2", "10.0.0.1", "10.0.0.2"},
           Case{"an empty hop", kXff, "192.0.2.1,", "10.0.0.1", "10.0.0.1"},
           Case{"none", kXff, "", "10.0.0.1", "10.0.0.1"},
           Case{"only proxies", kXff, "10.0.0.3, 10.0.0.2", "10.0.0.1", "10.0.0.3"},
           Case{"mapped", kXff, "::ffff:192.0.2.1", "::ffff:10.0.0.1", "192.0.2.1"},
           Case{"with a port", kXff, "192.0.2.1:8080", "10.0.0.1", "192.0.2.1"},
           Case{"IPv6", kXff, "2001:db8::1", "::1", "2001:db8::1"},
           Case{"IPv6 in brackets", kXff, "[2001:db8::1]:80", "::1", "2001:db8::1"},
           Case{"an open bracket", kXff, "[2001:db8::1", "::1", "::1"},
           Case{"for", kForwarded, "for=192.0.2.1", "10.0.0.1", "192.0.2.1"},
           Case{"for among others", kForwarded,
                "for=198.51.100.9, proto=https; For=\"192.0.2.1:9\"", "10.0.0.1", "192.0.2.1"},
           Case{"for IPv6", kForwarded, "for=\"[2001:db8::1]:4711\";by=10.0.0.1", "10.0.0.1",
                "2001:db8::1"},
           Case{"a quote left open", kForwarded, "for=\"198.51.100.9, for=192.0.2.1", "10.0.0.1",
                "192.0.2.1"},
           Case{"an obfuscated node", kForwarded, "for=192.0.2.1, for=_gazonk", "10.0.0.1",
                "10.0.0.1"},
           Case{"no for", kForwarded, "by=192.0.2.1;;proto=https", "10.0.0.1", "10.0.0.1"},
       }) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(forwarded_for(c.field, c.value, make_address(c.peer), proxies),
              make_address(c.client));
  }
}

TEST(ClientAddressTest, TheLogHasThePortIfItIsKnown) {
  EXPECT_EQ((ClientAddress{make_address("192.0.2.1"), 80}.text()), "192.0.2.1:80");
  EXPECT_EQ((ClientAddress{make_address("2001:db8::1"), 80}.text()), "[2001:db8::1]:80");
  EXPECT_EQ((ClientAddress{make_address("2001:db8::1"), 0}.text()), "2001:db8::1");
}

}  // namespace
}  // namespace kontract::detail
