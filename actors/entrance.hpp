// Entrance: where one caller's calls come to a session, so that they begin in the order in which
// they were sent, though only some of them go through middleware, each through its own.
//
// A call takes its place when it is sent. It enters the session when all before it have entered, or
// were answered on their way. While no call is on its way through middleware, one that no
// middleware matches goes straight to the session: one atomic load is what it pays.
//
// send() is for one thread at a time; the rest is thread-safe.

#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>

#include "actors/directory.hpp"

namespace kontract {

struct FrontState;

class Entrance : public std::enable_shared_from_this<Entrance> {
 public:
  // `front` is null if there is no middleware at all.
  Entrance(std::shared_ptr<FrontState> front, std::shared_ptr<SessionHandle> session);

  // As SessionHandle::send.
  void send(CallPtr call);

  // Of a call on its way; dropped before it is used, the call does not come any more.
  class Place {
   public:
    Place() = default;
    Place(std::shared_ptr<Entrance> entrance, std::uint64_t number)
        : entrance_(std::move(entrance)), number_(number) {}
    Place(Place&& other) noexcept = default;
    Place& operator=(Place&& other) noexcept;
    ~Place() { give_up(); }

    bool is_taken() const { return entrance_ != nullptr; }
    // Lets the call into the session as soon as it may.
    void enter(CallPtr call);
    void give_up();

   private:
    std::shared_ptr<Entrance> entrance_;
    std::uint64_t number_ = 0;
  };

 private:
  struct Taken {
    CallPtr call;
    bool settled = false;  // it may enter, or does not come if `call` is null
  };

  Place take_place();
  void settle(std::uint64_t number, CallPtr call);

  const std::shared_ptr<FrontState> front_;
  const std::shared_ptr<SessionHandle> session_;
  std::atomic<std::size_t> taken_{0};  // places; a call that left one has been sent to the session
  std::mutex mutex_;                   // of what follows
  std::deque<Taken> places_;
  std::uint64_t first_ = 0;  // the number of places_[0]
  bool letting_in_ = false;  // a thread is at it, and looks again before it stops
};

}  // namespace kontract
