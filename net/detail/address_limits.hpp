// AddressLimits: what one address may have of a server: connections, some of them of nobody known,
// and so many new ones and handshakes a second.
//
// IPv4 counts by address, also where it is mapped into IPv6; IPv6 by /64, which is what one
// customer gets. It remembers at most `tracked_max` addresses: one that has no connection and has
// been still for as long as its rates look back is forgotten, and before that if there is no room.
// Thread-safe; the clock is the caller's.

#pragma once

#include <array>
#include <boost/asio/ip/address.hpp>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>

#include "net/detail/per_second.hpp"
#include "net/server.hpp"

namespace kontract::detail {

class AddressLimits : public std::enable_shared_from_this<AddressLimits> {
 public:
  using Time = PerSecond::Time;

  struct Options {
    // 0: no limit.
    std::size_t connections_max = 0;
    std::size_t unauthenticated_max = 0;
    std::size_t accepts_per_second = 0;
    std::size_t handshakes_per_second = 0;
    bool loopback = false;  // is limited, too
    std::size_t tracked_max = 65'536;
  };

  explicit AddressLimits(const Options& options) : options_(options) {}

  // One connection of an address; given back when destroyed. Until it is known who has it, it is
  // one of those of nobody known as well. For one thread at a time.
  class Place {
   public:
    Place() = default;
    Place(Place&& other) noexcept { *this = std::move(other); }
    Place& operator=(Place&& other) noexcept;
    ~Place();
    void known();
    // Whether its address may begin another handshake.
    bool take_handshake(Time now);

   private:
    friend class AddressLimits;
    using Key = std::array<std::uint8_t, 16>;
    Place(std::shared_ptr<AddressLimits> of, const Key& key) : of_(std::move(of)), key_(key) {}

    std::shared_ptr<AddressLimits> of_;  // null: it is not limited
    Key key_{};
    bool newcomer_ = true;
  };

  struct Taken {
    Place place;
    std::optional<Refusal> refused;  // then there is no place
  };
  Taken take(const boost::asio::ip::address& given, Time now);

  std::size_t tracked() const;

 private:
  using Key = Place::Key;
  struct KeyHash {
    std::size_t operator()(const Key& key) const;
  };
  struct Entry {
    std::size_t connections = 0, newcomers = 0;
    PerSecond accepts, handshakes;
    std::list<Key>::iterator idle;  // its place there, while it has no connection
  };
  using Entries = std::unordered_map<Key, Entry, KeyHash>;

  static Key key_of(const boost::asio::ip::address& from);

  // With mutex_ held.
  Entry* find_or_make(const Key& key, Time now);
  void forget_idle(Time now);
  void release(const Key& key, bool newcomer);

  const Options options_;
  mutable std::mutex mutex_;
  Entries entries_;
  std::list<Key> idle_;  // those without a connection, the one that is so for longest first
};

}  // namespace kontract::detail
