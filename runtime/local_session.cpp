#include "runtime/local_session.hpp"

#include <boost/asio/post.hpp>
#include <condition_variable>

#include "net/protocol.hpp"
#include "runtime/detail/local_caller.hpp"

namespace kontract {

namespace detail {

void LocalReturn::run(std::function<void()> continuation) {
  std::unique_lock lock(mutex_);
  if (io_ == nullptr) {
    lock.unlock();
    return continuation();
  }
  ++waiting_;
  boost::asio::post(*io_, [self = shared_from_this(), continuation = std::move(continuation)] {
    self->started();
    continuation();
  });
}

void LocalReturn::started() {
  const std::lock_guard lock(mutex_);
  --waiting_;
}

bool LocalReturn::is_this_thread() {
  const std::lock_guard lock(mutex_);
  return io_ != nullptr && io_->get_executor().running_in_this_thread();
}

std::size_t LocalReturn::waiting() {
  const std::lock_guard lock(mutex_);
  return waiting_ + visits_.load();
}

void LocalReturn::close() {
  const std::lock_guard lock(mutex_);
  io_ = nullptr;
}

bool LocalReturn::closed() {
  const std::lock_guard lock(mutex_);
  return io_ == nullptr;
}

class LocalAnswer final : public ReplyTarget, public std::enable_shared_from_this<LocalAnswer> {
 public:
  explicit LocalAnswer(std::shared_ptr<LocalReturn> back) : back_(std::move(back)) {}

  void answer(std::uint64_t, Answer&& given) noexcept override { settle(read(given)); }

  void settle(Result<CallResult> result) {
    std::unique_lock lock(mutex_);
    result_.emplace(std::move(result));
    const bool wanted = done_ != nullptr;
    lock.unlock();
    came_.notify_all();
    if (wanted) tell();
  }

  Result<CallResult> wait() {
    if (back_->is_this_thread()) {
      return Error(Errc::invalid_request, "A thread that runs the io_context would wait for itself",
                   "co_await the call, or give it a callback with then().");
    }
    std::unique_lock lock(mutex_);
    came_.wait(lock, [this] { return result_.has_value(); });
    return *std::move(result_);
  }

  // The result, if it has come and nothing is posted any more.
  std::optional<Result<CallResult>> take_after_close() {
    if (!back_->closed()) return std::nullopt;
    const std::lock_guard lock(mutex_);
    return std::move(result_);
  }

  void then(LocalCall::Callback done) {
    std::unique_lock lock(mutex_);
    done_ = std::move(done);
    if (!result_) return;
    lock.unlock();
    tell();
  }

 private:
  static Result<CallResult> read(const Answer& given) {
    if (!given.result) return given.result.error();
    return CallResult{Json::parse(*given.result), given.txid};
  }

  // Both have come: the answer, and who wants it, whose callback may hold this.
  void tell() {
    back_->run([self = shared_from_this()] {
      const LocalCall::Callback done = std::exchange(self->done_, nullptr);
      done(*std::move(self->result_));
    });
  }

  const std::shared_ptr<LocalReturn> back_;
  std::mutex mutex_;
  std::condition_variable came_;
  std::optional<Result<CallResult>> result_;
  LocalCall::Callback done_;
};

LocalCaller::LocalCaller(std::shared_ptr<LocalReturn> back, Peer peer,
                         Result<std::shared_ptr<Entrance>> to, std::chrono::milliseconds timeout,
                         JsonLimits bounds)
    : back_(std::move(back)),
      peer_(std::make_shared<const Peer>(std::move(peer))),
      session_(std::move(to)),
      timeout_(timeout),
      bounds_(bounds) {}

std::shared_ptr<LocalAnswer> LocalCaller::call(std::string function, const Json& args) {
  const LocalReturn::Visit visit(*back_);
  auto answer = std::make_shared<LocalAnswer>(back_);
  // As text and back: what a client could not send is not let in here either.
  Result<Json> read = protocol::decode_arguments(to_text(args), bounds_);
  if (!session_ || !read) {
    answer->settle(session_ ? std::move(read).error() : session_.error());
    return answer;
  }
  auto call = std::make_shared<Call>();
  call->context.perm = peer_->perm;
  call->context.peer = peer_;
  call->function = std::move(function);
  call->args = *std::move(read);
  call->deadline = Clock::now() + timeout_;
  call->reply = Reply(answer, 0);
  const std::lock_guard lock(mutex_);
  (*session_)->send(std::move(call));
  return answer;
}

}  // namespace detail

Result<CallResult> LocalCall::get() { return answer_->wait(); }

void LocalCall::then(Callback done) { answer_->then(std::move(done)); }

// A coroutine that goes on calling would otherwise be resumed deeper and deeper in its own stack.
bool LocalCall::await_ready() {
  awaited_ = answer_->take_after_close();
  return awaited_.has_value();
}

void LocalCall::await_suspend(std::coroutine_handle<> waiting) {
  const auto answer = answer_;  // this one may be gone before then() returns
  answer->then([this, waiting](Result<CallResult> result) {
    awaited_.emplace(std::move(result));
    waiting.resume();
  });
}

LocalCall LocalSession::send(std::string function, Json args) const {
  return LocalCall(caller_->call(std::move(function), args));
}

}  // namespace kontract
