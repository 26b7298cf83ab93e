// SendWhen: a waiter of the commit log that turns "it is settled" into a message to an actor.

#pragma once

#include <caf/send.hpp>

#include "storage/commit_log.hpp"

namespace kontract {

template <class Address, class Message>
class SendWhen final : public Settled {
 public:
  SendWhen(Address to, Message message) : to_(std::move(to)), message_(std::move(message)) {}
  // Sent if it failed too: the store then says what is, and the receiver reads it again.
  void settled(const Status&) noexcept override { caf::anon_send(to_, message_); }

 private:
  Address to_;
  Message message_;
};

template <class Address, class Message>
std::unique_ptr<Settled> send_when(Address to, Message message) {
  return std::make_unique<SendWhen<Address, Message>>(std::move(to), std::move(message));
}

}  // namespace kontract
