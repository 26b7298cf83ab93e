#include "actors/middleware_actor.hpp"

#include <algorithm>
#include <caf/all.hpp>
#include <stdexcept>

#include "actors/detail/middleware_frame.hpp"
#include "actors/http_resp.hpp"

namespace kontract {

using detail::MiddlewareFrame;

namespace {

using Headers = std::vector<std::pair<std::string, std::string>>;
constexpr std::chrono::hours kSleepMax{24};

Answer with_headers(Answer answer, const Headers& headers) {
  auto head = answer.head ? *answer.head : ResponseHead();
  head.headers.insert(head.headers.end(), headers.begin(), headers.end());
  answer.head = std::make_shared<const ResponseHead>(std::move(head));
  return answer;
}

// Adds the headers of a guard to the answer of a call that it let pass.
class HeaderTarget final : public ReplyTarget {
 public:
  HeaderTarget(Reply to, Headers headers) : to_(std::move(to)), headers_(std::move(headers)) {}
  void answer(std::uint64_t /*call_id*/, Answer&& given) noexcept override {
    to_.deliver(with_headers(std::move(given), headers_));
  }

 private:
  Reply to_;
  const Headers headers_;
};

class AroundTarget final : public ReplyTarget {
 public:
  explicit AroundTarget(MiddlewareAddress to) : to_(std::move(to)) {}
  void answer(std::uint64_t frame, Answer&& given) noexcept override {
    caf::anon_send(to_, MiddlewareAnswer{frame, std::make_shared<Answer>(std::move(given))});
  }

 private:
  const MiddlewareAddress to_;
};

template <class T>
void start(Task<T>& task) {
  if (!task) throw std::logic_error("it returned no coroutine");
  task.start();
}

bool is_over(const MiddlewareFrame& frame) {
  if (const auto* guard = std::get_if<Task<void>>(&frame.task)) return guard->done();
  if (const auto* around = std::get_if<Task<CallAnswer>>(&frame.task)) return around->done();
  return true;
}

}  // namespace

MiddlewareActor::MiddlewareActor(caf::actor_config& config, std::shared_ptr<FrontState> front,
                                 std::size_t middleware, std::size_t member)
    : MiddlewareAddress::base(config),
      front_(std::move(front)),
      number_(middleware),
      member_(member),
      middleware_(front_->backend->middleware()[middleware]),
      living_(front_->living) {}

MiddlewareActor::~MiddlewareActor() = default;

MiddlewareActor::behavior_type MiddlewareActor::make_behavior() {
  return {
      [this](const MiddlewareStepPtr& step) { take(step); },
      [this](const MiddlewareAnswer& came) {
        MiddlewareFrame* const frame = find(came.frame);
        if (frame == nullptr) return;
        frame->inner.emplace(std::move(*came.answer));
        go_on(came.frame);
      },
      [this](const MiddlewareWake& message) { wake(message); },
      [this](MiddlewareStop) { stop(); },
  };
}

void MiddlewareActor::on_exit() {
  front_->ended(number_, member_, address());
  current_.reset();
  beyond_.clear();
  waiting_.clear();
  answers_.reset();  // it has this actor's address
  living_.end();
}

MiddlewareFrame* MiddlewareActor::find(std::uint64_t id) {
  if (current_ && current_->id == id) return current_.get();
  const auto found = beyond_.find(id);
  return found == beyond_.end() ? nullptr : found->second.get();
}

void MiddlewareActor::take(const MiddlewareStepPtr& step) {
  if (current_) return waiting_.push_back(step);
  begin(step);
  take_waiting();
}

void MiddlewareActor::take_waiting() {
  while (!current_ && !waiting_.empty()) {
    MiddlewareStepPtr next = std::move(waiting_.front());
    waiting_.pop_front();
    begin(std::move(next));
  }
}

void MiddlewareActor::begin(MiddlewareStepPtr step) {
  auto frame = std::make_unique<MiddlewareFrame>(*this, ++last_frame_, std::move(step));
  if (frame->step->call->expired()) return deliver(*frame, {ran_out_of_time(), 0});
  try {
    run(*frame);
  } catch (...) {
    return fail(*frame, std::current_exception());
  }
  go_on(std::move(frame));
}

void MiddlewareActor::run(MiddlewareFrame& frame) {
  if (const auto* guard = std::get_if<Middleware::Guard>(&middleware_.run)) {
    (*guard)(frame.context);
  } else if (const auto* waiting = std::get_if<Middleware::WaitingGuard>(&middleware_.run)) {
    start(frame.task.emplace<Task<void>>((*waiting)(frame.context)));
  } else {
    const auto& around = std::get<Middleware::Around>(middleware_.run);
    start(frame.task.emplace<Task<CallAnswer>>(around(frame.context, Next(frame))));
  }
}

void MiddlewareActor::go_on(std::uint64_t id) {
  FramePtr frame;
  if (current_ && current_->id == id) {
    frame = std::move(current_);
  } else {
    frame = std::move(beyond_.extract(id).mapped());
  }
  std::exchange(frame->waiting, nullptr).resume();
  go_on(std::move(frame));
  take_waiting();
}

void MiddlewareActor::go_on(FramePtr frame) {
  if (is_over(*frame)) return settle(*frame);
  if (frame->step) {
    current_ = std::move(frame);
  } else {
    const std::uint64_t id = frame->id;
    beyond_.emplace(id, std::move(frame));
  }
}

void MiddlewareActor::settle(MiddlewareFrame& frame) {
  std::optional<CallAnswer> answer = std::move(frame.answered);
  try {
    if (auto* guard = std::get_if<Task<void>>(&frame.task)) guard->result();
    if (auto* around = std::get_if<Task<CallAnswer>>(&frame.task)) answer = around->result();
  } catch (...) {
    return fail(frame, std::current_exception());
  }
  if (answer) return deliver(frame, std::move(*answer).take());
  pass(frame);
}

void MiddlewareActor::pass(MiddlewareFrame& frame) {
  const MiddlewareStepPtr step = std::exchange(frame.step, nullptr);
  if (!frame.headers.empty() && frame.peer->method != "GET") {
    Reply& reply = step->call->reply;
    auto target = std::make_shared<HeaderTarget>(std::move(reply), std::move(frame.headers));
    reply = Reply(std::move(target), 0);
  }
  ++step->at;
  front_->send(step);
}

void MiddlewareActor::let_go(MiddlewareFrame& frame) {
  if (!answers_) answers_ = std::make_shared<AroundTarget>(MiddlewareAddress(this));
  const MiddlewareStepPtr step = std::exchange(frame.step, nullptr);
  frame.reply = std::move(step->call->reply);
  step->call->reply = Reply(answers_, frame.id);
  ++step->at;
  front_->send(step);
}

void MiddlewareActor::fail(MiddlewareFrame& frame, const std::exception_ptr& thrown) {
  std::string unforeseen;
  Error error = error_of(thrown, &unforeseen);
  if (!unforeseen.empty()) {
    front_->alarm("middleware " + middleware_.options.name + ", in a call of " +
                  frame.walk->function + ": " + unforeseen);
    error.message = "A middleware failed";
  }
  deliver(frame, {std::move(error), 0});
}

void MiddlewareActor::deliver(MiddlewareFrame& frame, Answer answer) {
  frame.task = std::monostate();  // what it holds is gone before the caller hears
  Reply reply = std::move(frame.reply);
  if (const MiddlewareStepPtr step = std::exchange(frame.step, nullptr)) {
    reply = std::move(step->call->reply);
    step->place.give_up();
  }
  if (!frame.headers.empty()) answer = with_headers(std::move(answer), frame.headers);
  reply.deliver(std::move(answer));
}

// ------------------------------------------------------------------------------------- sleep

void MiddlewareActor::sleep(MiddlewareFrame& frame, std::chrono::milliseconds time) {
  const auto now = Clock::now();
  Clock::duration wait = std::min<std::chrono::milliseconds>(time, kSleepMax);
  if (front_->stopping.load()) {
    frame.sleep_error.emplace(runtime_stops());
    wait = {};
  } else if (frame.deadline - now < wait) {
    frame.sleep_error.emplace(Errc::timeout, "The call's time ran out in a middleware");
    wait = std::max<Clock::duration>(frame.deadline - now, {});
  }
  frame.sleeping = true;
  const MiddlewareWake wake{frame.id, ++frame.sleeps};
  delayed_anon_send(MiddlewareAddress(this), wait, wake);
}

void MiddlewareActor::wake(const MiddlewareWake& message) {
  MiddlewareFrame* const frame = find(message.frame);
  if (frame == nullptr || frame->sleeps != message.sleep) return;
  if (std::exchange(frame->sleeping, false)) go_on(message.frame);
}

void MiddlewareActor::stop() {
  std::vector<std::uint64_t> asleep;
  if (current_ && current_->sleeping) asleep.push_back(current_->id);
  for (const auto& [id, frame] : beyond_) {
    if (frame->sleeping) asleep.push_back(id);
  }
  for (const std::uint64_t id : asleep) {
    MiddlewareFrame* const frame = find(id);
    frame->sleeping = false;
    frame->sleep_error.emplace(runtime_stops());
    go_on(id);
  }
}

}  // namespace kontract
