// Subscriptions: those of one WebSocket. What they have to tell is taken when it can be sent, so a
// slow client costs no memory here. All on one strand.

#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string_view>

#include "actors/event_hub.hpp"
#include "net/protocol.hpp"

namespace kontract::detail {

class Subscriptions {
 public:
  static constexpr std::size_t kMax = 64;

  // One that the session is asked for; the answer to its id follows. Errors: invalid_request,
  // too_large.
  Result<std::shared_ptr<SubscribeRequest>> request(protocol::Subscribe& message,
                                                    std::shared_ptr<EventWaiter> waiter);
  // The answer to this id; `good` if the client is told that it is subscribed.
  void answered(protocol::MessageId id, bool good);
  // What it has seen; nothing if there is none.
  std::optional<Txid> remove(protocol::MessageId id);

  using Send = std::function<void(std::string_view frame)>;
  // All of them end.
  void end(const Error& error, const Send& send);
  void clear();  // for good

  void wake() { awake_ = true; }
  // Sends what there is, until the connection is full. Does nothing unless woken.
  void feed(const Send& send, const std::function<bool()>& full);

 private:
  struct Active {
    std::unique_ptr<Subscription> subscription;
    std::string head;
  };

  std::map<protocol::MessageId, std::shared_ptr<SubscribeRequest>> asked_;
  std::map<protocol::MessageId, Active> active_;
  bool awake_ = false;
  // What is sent may end the connection, and with it all of this.
  bool feeding_ = false;
  bool cleared_ = false;
};

}  // namespace kontract::detail
