// Continuation: a waiter of a commit log that goes on in a session.

#pragma once

#include <caf/send.hpp>

#include "actors/session_do.hpp"

namespace kontract {

class Continuation final : public Settled {
 public:
  Continuation(SessionAddress session, std::function<void(const Status&)> then)
      : session_(std::move(session)), then_(std::move(then)) {}
  void settled(const Status& status) noexcept override {
    caf::anon_send(session_, SessionSettled{std::move(then_), status});
  }

 private:
  SessionAddress session_;
  std::function<void(const Status&)> then_;
};

}  // namespace kontract
