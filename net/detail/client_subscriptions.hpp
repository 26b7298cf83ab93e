// ClientSubscriptions: what a client follows, across connections. Knows how far each has come, so
// that the next connection goes on there: an event that was told already is passed over. Not
// thread-safe; handlers must not come back into it.

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "net/client.hpp"
#include "net/detail/client_wire.hpp"

namespace kontract {

class ClientSubscriptions {
 public:
  void add(std::uint64_t id, std::string table, SubscribeOptions options,
           Client::EventHandler handler);
  bool remove(std::uint64_t id) { return subscriptions_.erase(id) > 0; }

  // What a connection has to say for this one, or for all.
  std::string frame(std::uint64_t id);
  std::vector<std::string> frames();

  bool contains(std::uint64_t id) const { return subscriptions_.contains(id); }
  void answered(std::uint64_t id, const Result<CallResult>& answer);
  void take(client_wire::EventMessage&& message);
  // Returns whether it is to be asked for again, at once.
  bool ended(std::uint64_t id, const Error& error);
  void fail_all(const Error& error);

 private:
  struct One {
    std::string table;
    SubscribeOptions options;  // `from` moves on
    Client::EventHandler handler;
    // Of the transaction that has come in part: how many events, and how many of them come again.
    std::uint64_t part_txid = 0;
    std::size_t part = 0, again = 0;
  };

  std::map<std::uint64_t, One> subscriptions_;
};

}  // namespace kontract
