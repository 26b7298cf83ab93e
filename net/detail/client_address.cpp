#include "net/detail/client_address.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace kontract::detail {

namespace {

namespace ip = boost::asio::ip;
constexpr std::string_view kSpace = " \t";

std::string_view trimmed(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
  return text.substr(0, text.find_last_not_of(kSpace) + 1);
}

std::optional<ip::address> address_of(std::string_view text) {
  boost::system::error_code error;
  const ip::address address = ip::make_address(std::string(text), error);
  if (error) return std::nullopt;
  return plain_address(address);
}

// 192.0.2.1, 192.0.2.1:80, 2001:db8::1, [2001:db8::1] or [2001:db8::1]:80.
std::optional<ip::address> node_of(std::string_view text) {
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == text.npos) return std::nullopt;
    return address_of(text.substr(1, end - 1));
  }
  if (std::count(text.begin(), text.end(), ':') == 1) text = text.substr(0, text.find(':'));
  return address_of(text);
}

bool is_name(std::string_view text, std::string_view lower_case) {
  return text.size() == lower_case.size() &&
         std::equal(text.begin(), text.end(), lower_case.begin(),
                    [](char have, char want) { return have == want || have + 32 == want; });
}

// The node of a `forwarded-element` (RFC 7239, section 4): for=..., among others between
// semicolons.
std::string_view for_of(std::string_view element) {
  while (!element.empty()) {
    const std::string_view pair = trimmed(element.substr(0, element.find(';')));
    element.remove_prefix(std::min(element.find(';'), element.size() - 1) + 1);
    const auto equals = pair.find('=');
    if (equals == pair.npos || !is_name(pair.substr(0, equals), "for")) continue;
    std::string_view node = pair.substr(equals + 1);
    if (node.size() >= 2 && node.front() == '"' && node.back() == '"') {
      node = node.substr(1, node.size() - 2);
    }
    return node;
  }
  return {};
}

}  // namespace

std::string ClientAddress::text() const {
  std::string host = address.to_string();
  if (port == 0) return host;
  if (address.is_v6()) host = "[" + host + "]";
  return host + ":" + std::to_string(port);
}

ip::address plain_address(const ip::address& address) {
  if (!address.is_v6()) return address;
  const ip::address_v6 v6 = address.to_v6();
  if (v6.is_v4_mapped()) return ip::make_address_v4(ip::v4_mapped, v6);
  return ip::address_v6(v6.to_bytes());
}

Result<TrustedProxies::Block> TrustedProxies::block(std::string_view text) {
  const auto refused = [&](const std::string& why) {
    return Error(Errc::invalid_request, "'" + std::string(text) + "' is no proxy: " + why,
                 "List addresses and CIDR blocks, such as 10.0.0.0/8, 2001:db8::7.");
  };
  const auto slash = text.find('/');
  boost::system::error_code error;
  const ip::address given = ip::make_address(std::string(text.substr(0, slash)), error);
  if (error) return refused("that is not an IP address");
  const ip::address address = plain_address(given);
  const int mapped_bits = given.is_v6() && address.is_v4() ? 96 : 0;
  const int most = address.is_v4() ? 32 : 128;
  Block block{address.is_v4(), most, {}};
  if (block.ipv4) {
    const auto bytes = address.to_v4().to_bytes();
    std::copy(bytes.begin(), bytes.end(), block.bytes.begin());
  } else {
    block.bytes = address.to_v6().to_bytes();
  }
  if (slash == text.npos) return block;
  const std::string_view prefix = text.substr(slash + 1);
  const auto [end, failed] =
      std::from_chars(prefix.data(), prefix.data() + prefix.size(), block.bits);
  block.bits -= mapped_bits;
  if (failed != std::errc{} || end != prefix.data() + prefix.size() || block.bits < 0 ||
      block.bits > most) {
    return refused("the length of its prefix is not right");
  }
  for (int bit = block.bits; bit < most; ++bit) {
    if ((block.bytes[static_cast<std::size_t>(bit / 8)] >> (7 - bit % 8) & 1) != 0) {
      return refused("bits are set beyond its prefix");
    }
  }
  return block;
}

Result<TrustedProxies> TrustedProxies::parse(std::string_view list) {
  constexpr std::string_view kBetween = ", \t";
  TrustedProxies proxies;
  for (;;) {
    list.remove_prefix(std::min(list.find_first_not_of(kBetween), list.size()));
    if (list.empty()) return proxies;
    const std::string_view text = list.substr(0, list.find_first_of(kBetween));
    list.remove_prefix(text.size());
    Result<Block> block = TrustedProxies::block(text);
    if (!block) return std::move(block).error();
    proxies.blocks_.push_back(*block);
  }
}

bool TrustedProxies::trusted(const ip::address& address) const {
  const ip::address plain = plain_address(address);
  std::array<std::uint8_t, 16> bytes{};
  if (plain.is_v4()) {
    const auto v4 = plain.to_v4().to_bytes();
    std::copy(v4.begin(), v4.end(), bytes.begin());
  } else {
    bytes = plain.to_v6().to_bytes();
  }
  return std::any_of(blocks_.begin(), blocks_.end(), [&](const Block& block) {
    if (block.ipv4 != plain.is_v4()) return false;
    const int whole = block.bits / 8;
    if (!std::equal(bytes.begin(), bytes.begin() + whole, block.bytes.begin())) return false;
    const int rest = block.bits % 8;
    const auto at = static_cast<std::size_t>(whole);
    return rest == 0 || (bytes[at] ^ block.bytes[at]) >> (8 - rest) == 0;
  });
}

ip::address forwarded_for(ForwardedHeader field, std::string_view value, const ip::address& peer,
                          const TrustedProxies& proxies) {
  ip::address known = plain_address(peer);
  while (!value.empty() && proxies.trusted(known)) {
    const auto comma = value.rfind(',');
    const std::string_view hop = trimmed(comma == value.npos ? value : value.substr(comma + 1));
    value = comma == value.npos ? std::string_view() : value.substr(0, comma);
    const auto address = node_of(field == ForwardedHeader::forwarded ? for_of(hop) : hop);
    if (!address) break;
    known = *address;
  }
  return known;
}

}  // namespace kontract::detail
