// ClientAddress: whose a connection is, when proxies may stand before the server.
//
// A proxy says for whom it connects: in a PROXY header (net/detail/proxy_header.hpp) before
// anything else, or in a field of each HTTP request. A field is believed of listed proxies only,
// and of it the right-most hop that is no listed proxy: what stands left of that anybody may have
// written. IPv4 addresses mapped into IPv6 are IPv4 everywhere.

#pragma once

#include <array>
#include <boost/asio/ip/address.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "net/server_options.hpp"
#include "storage/result.hpp"

namespace kontract::detail {

struct ClientAddress {
  boost::asio::ip::address address;
  std::uint16_t port = 0;  // 0: a proxy did not tell

  std::string text() const;  // for the log: 192.0.2.1:80, [2001:db8::1]:80, or without the port
};

// IPv4 where it is mapped into IPv6; without a zone.
boost::asio::ip::address plain_address(const boost::asio::ip::address& address);

class TrustedProxies {
 public:
  // Addresses and CIDR blocks, between commas or spaces: "10.0.0.0/8, 2001:db8::7".
  // Errors: invalid_request (which is not one; a block with bits beyond its prefix).
  static Result<TrustedProxies> parse(std::string_view list);

  bool empty() const { return blocks_.empty(); }
  bool trusted(const boost::asio::ip::address& address) const;

 private:
  struct Block {
    bool ipv4;
    int bits;  // how many at the front must be equal
    std::array<std::uint8_t, 16> bytes;
  };
  static Result<Block> block(std::string_view text);

  std::vector<Block> blocks_;
};

// For whom `peer` sends a request that has this field ("" if it has none). It is `peer` itself if
// it is no listed proxy; the last hop that is known if the one before it is hidden or not an
// address; the first one if all are listed.
boost::asio::ip::address forwarded_for(ForwardedHeader field, std::string_view value,
                                       const boost::asio::ip::address& peer,
                                       const TrustedProxies& proxies);

}  // namespace kontract::detail
