// AnswerBox: where the answers of a connection's calls come in, from any thread, and from where its
// strand takes them: all that have come together, in one go.
//
// It is what calls hold, and not the connection, since the last answer may come when the connection
// has ended, and whoever gives it may let go of the box on a thread of the commit log, after the
// io_context is gone. A closed box holds nothing of Asio and drops what comes.
//
// Owner has `struct Incoming`, `static Incoming receive(call_id, Answer&&)`, which runs on the
// answering thread, and on the strand `on_answer(Incoming)`, and `on_answers_taken()` after some.

#pragma once

#include <boost/asio/post.hpp>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "actors/reply.hpp"
#include "net/detail/socket.hpp"

namespace kontract::detail {

template <class Owner>
class AnswerBox final : public ReplyTarget {
 public:
  AnswerBox(Owner* owner, const Strand& strand) : owner_(owner), strand_(strand) {}

  void answer(std::uint64_t call, Answer&& given) noexcept override {
    auto incoming = Owner::receive(call, std::move(given));
    std::unique_lock lock(mutex_);
    if (owner_ == nullptr) return;
    if (strand_->running_in_this_thread()) {
      // From an actor that ran inside one of the owner's handlers, which goes on with what is said.
      Owner* const owner = owner_;
      lock.unlock();
      return owner->on_answer(std::move(incoming));
    }
    waiting_.push_back(std::move(incoming));
    if (waiting_.size() > 1) return;  // whoever put the first one in has called
    if (auto owner = owner_->weak_from_this().lock()) {
      boost::asio::post(*strand_, [owner = std::move(owner)] { owner->box().take(); });
    }
  }

  // The answers that came from other threads. On the strand.
  void take() {
    std::vector<typename Owner::Incoming> taken;
    std::unique_lock lock(mutex_);
    Owner* const owner = owner_;
    taken.swap(waiting_);
    lock.unlock();
    if (owner == nullptr) return;
    for (auto& incoming : taken) owner->on_answer(std::move(incoming));
    owner->on_answers_taken();
  }

  // No answer reaches the owner after this. On the owner's strand, or when nothing runs any more.
  void close() {
    std::vector<typename Owner::Incoming> dropped;
    const std::lock_guard lock(mutex_);
    owner_ = nullptr;
    strand_.reset();
    dropped.swap(waiting_);
  }

 private:
  std::mutex mutex_;
  Owner* owner_;                  // null when closed; before, its handlers keep it alive
  std::optional<Strand> strand_;  // nothing when closed
  std::vector<typename Owner::Incoming> waiting_;
};

}  // namespace kontract::detail
