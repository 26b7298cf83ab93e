// ResumeStore: the secrets with which encrypted channels can be resumed (docs/raystream.md, section
// 8), each for one owner and good for one time.
//
//   keep -> (find, in any number of handshakes) -> use_up, by the first that shows who it is
//
// A secret stays while the channel's connection is there, and for a while after it. What is dropped
// is wiped. Thread-safe.

#pragma once

#include <chrono>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "net/detail/hub.hpp"
#include "net/raystream_frame.hpp"
#include "net/secret_bytes.hpp"
#include "storage/result.hpp"

namespace kontract::detail {

class ResumeStore {
 public:
  using Time = std::chrono::steady_clock::time_point;

  struct Limits {
    std::size_t entries = 100'000;
    std::chrono::milliseconds after_end{std::chrono::minutes(5)};
  };

  explicit ResumeStore(Limits limits) : limits_(limits) {}

  // `entry` tells this secret from a later one of the same channel.
  struct Found {
    SecretBytes secret;
    std::uint64_t entry = 0;
  };
  std::optional<Found> find(const raystream::ChannelId& channel, Time now);

  // The secret was used, by `owner`: it is good no more. Returns the connection that has had the
  // channel until now; null if that is gone. Errors: unauthorized if it is another owner's, who
  // may still use it; session_expired if it was used, or is no longer kept.
  Result<std::shared_ptr<Connection>> use_up(const raystream::ChannelId& channel,
                                             std::uint64_t entry, const std::string& owner,
                                             Time now);

  // Keeps the secret of a channel that `by` has. Where there is no room, the one whose connection
  // ended first goes; without one such, this one is not kept. Returns its `entry`.
  std::uint64_t keep(const raystream::ChannelId& channel, SecretBytes secret, std::string owner,
                     std::weak_ptr<Connection> by, Time now);

  // The connection has ended.
  void ended(const raystream::ChannelId& channel, std::uint64_t entry, Time now);

  std::size_t size(Time now);

 private:
  struct Kept {
    SecretBytes secret;
    std::string owner;
    std::weak_ptr<Connection> by;
    std::uint64_t entry = 0;
    Time until = Time::max();                         // max: its connection is there
    std::list<raystream::ChannelId>::iterator place;  // in ended_, if it has ended
  };
  using All = std::map<raystream::ChannelId, Kept>;

  void drop_old(Time now);
  void erase(All::iterator at);

  const Limits limits_;
  std::mutex mutex_;
  All all_;
  std::list<raystream::ChannelId> ended_;  // in the order in which their time is over
  std::uint64_t last_entry_ = 0;
};

}  // namespace kontract::detail
