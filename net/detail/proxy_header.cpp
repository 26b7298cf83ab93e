#include "net/detail/proxy_header.hpp"

#include <algorithm>
#include <charconv>
#include <vector>

namespace kontract::detail {

namespace {

namespace ip = boost::asio::ip;
using namespace std::string_view_literals;

constexpr std::string_view kV1Start = "PROXY ";
constexpr std::string_view kV2Start = "\r\n\r\n\0\r\nQUIT\n"sv;
constexpr std::size_t kV2HeadBytes = 16;
constexpr std::size_t kPortsBytes = 4;
constexpr std::size_t kV2KeptBytes = kV2HeadBytes + 2 * 16 + kPortsBytes;

Error refused(const char* why) {
  return Error(Errc::invalid_request, std::string("This is no PROXY header: ") + why,
               "With proxy-protocol, whoever connects says first for whom.");
}

std::optional<std::uint16_t> port_of(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), port);
  const bool whole = failed == std::errc{} && end == text.data() + text.size();
  if (!whole || (text.size() > 1 && text.front() == '0')) return std::nullopt;
  return port;
}

std::optional<ip::address> address_of(std::string_view text, bool ipv6) {
  boost::system::error_code error;
  const ip::address address = ip::make_address(std::string(text), error);
  if (error || address.is_v6() != ipv6 || text.find('%') != text.npos) return std::nullopt;
  return plain_address(address);
}

unsigned byte_at(std::string_view bytes, std::size_t at) {
  return static_cast<unsigned char>(bytes[at]);
}

unsigned number_at(std::string_view bytes, std::size_t at) {
  return byte_at(bytes, at) << 8 | byte_at(bytes, at + 1);
}

template <class Address>
ip::address address_at(std::string_view bytes, std::size_t at) {
  typename Address::bytes_type raw{};
  std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), raw.size(), raw.begin());
  return plain_address(Address(raw));
}

}  // namespace

Status ProxyHeader::check_start() const {
  for (const std::string_view start : {kV1Start, kV2Start}) {
    const std::size_t bytes = std::min(start.size(), kept_.size());
    if (std::string_view(kept_).substr(0, bytes) == start.substr(0, bytes)) return {};
  }
  return refused("it begins otherwise");
}

Result<std::size_t> ProxyHeader::feed(std::string_view bytes) {
  std::size_t taken = 0;
  while (taken < bytes.size() && !complete_) {
    if (v2_bytes_ > 0) {
      const std::size_t now = std::min(bytes.size() - taken, v2_bytes_ - v2_taken_);
      const std::size_t room = std::min(v2_bytes_, kV2KeptBytes) - kept_.size();
      kept_.append(bytes.substr(taken, std::min(now, room)));
      taken += now;
      v2_taken_ += now;
    } else {
      kept_ += bytes[taken++];
      if (Status started = check_start(); !started) return std::move(started).error();
      Status read;
      if (kept_.front() == kV1Start.front()) {
        if (kept_.back() == '\n') {
          read = read_v1();
        } else if (kept_.size() >= kV1BytesMax) {
          read = refused("its line is too long");
        }
      } else if (kept_.size() == kV2HeadBytes) {
        read = read_v2_head();
      }
      if (!read) return std::move(read).error();
    }
    if (v2_bytes_ > 0 && v2_taken_ == v2_bytes_) {
      if (Status read = read_v2_addresses(); !read) return std::move(read).error();
    }
  }
  return taken;
}

Status ProxyHeader::read_v1() {
  std::string_view line = kept_;
  if (!line.ends_with("\r\n")) return refused("its line does not end with CR and LF");
  line.remove_suffix(2);
  line.remove_prefix(kV1Start.size());
  complete_ = true;
  if (line == "UNKNOWN" || line.starts_with("UNKNOWN ")) return {};
  std::vector<std::string_view> words;
  for (;;) {
    const auto space = line.find(' ');
    words.push_back(line.substr(0, space));
    if (space == line.npos) break;
    line.remove_prefix(space + 1);
  }
  if (words.size() != 5 || (words[0] != "TCP4" && words[0] != "TCP6")) {
    return refused("it has not the five words of TCP4 or TCP6");
  }
  const bool ipv6 = words[0] == "TCP6";
  const auto source = address_of(words[1], ipv6);
  const auto source_port = port_of(words[3]);
  if (!source || !address_of(words[2], ipv6)) return refused("an address in it is none");
  if (!source_port || !port_of(words[4])) return refused("a port in it is none");
  client_ = ClientAddress{*source, *source_port};
  return {};
}

Status ProxyHeader::read_v2_head() {
  const unsigned version = byte_at(kept_, 12) >> 4;
  const unsigned command = byte_at(kept_, 12) & 15;
  if (version != 2 || command > 1) return refused("its version or command is not known");
  v2_bytes_ = kV2HeadBytes + number_at(kept_, 14);
  if (v2_bytes_ > kV2BytesMax) return refused("it is too long");
  v2_taken_ = kV2HeadBytes;
  return {};
}

Status ProxyHeader::read_v2_addresses() {
  complete_ = true;
  const bool local = (byte_at(kept_, 12) & 15) == 0;
  const unsigned family = byte_at(kept_, 13);
  constexpr unsigned kUnspecified = 0x00, kTcp4 = 0x11, kTcp6 = 0x21, kUnix = 0x31;
  if (local || family == kUnspecified || family == kUnix) return {};
  if (family != kTcp4 && family != kTcp6) return refused("it is of no stream");
  const std::size_t address_bytes = family == kTcp4 ? 4 : 16;
  const std::size_t ports = kV2HeadBytes + 2 * address_bytes;
  if (v2_bytes_ < ports + kPortsBytes) return refused("its addresses are cut off");
  client_ = ClientAddress{family == kTcp4 ? address_at<ip::address_v4>(kept_, kV2HeadBytes)
                                          : address_at<ip::address_v6>(kept_, kV2HeadBytes),
                          static_cast<std::uint16_t>(number_at(kept_, ports))};
  return {};
}

}  // namespace kontract::detail
