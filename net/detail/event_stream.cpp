#include "net/detail/event_stream.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <utility>

#include "actors/event_hub.hpp"
#include "actors/front.hpp"
#include "actors/local_run.hpp"
#include "net/detail/answer_box.hpp"
#include "net/detail/wake_box.hpp"
#include "net/protocol.hpp"

namespace kontract::detail {

namespace {

using namespace std::chrono_literals;

constexpr auto kComment = 15s;  // of silence; proxies cut what is silent for longer
constexpr auto kTaken = 30s;    // for the client to take what is written
constexpr std::size_t kWriteBytes = 64 * limits::kKiB;
constexpr std::uint64_t kSubscribeCall = 1;

class EventStream final : public Connection, public std::enable_shared_from_this<EventStream> {
 public:
  EventStream(std::shared_ptr<Hub> hub, Hub::Place place, Hub::OwnerPlace owner_place,
              SocketTransport transport, EventStreamStart start)
      : hub_(std::move(hub)),
        place_(std::move(place)),
        owner_place_(std::move(owner_place)),
        transport_(std::move(transport)),
        strand_(transport_.get_executor()),
        waker_(strand_),
        box_(std::make_shared<AnswerBox<EventStream>>(this, strand_)),
        wakes_(std::make_shared<WakeBox<EventStream>>(this, strand_)),
        start_(std::move(start)) {}
  ~EventStream() override {
    box_->close();
    wakes_->close();
  }

  void start() {
    hub_->add(shared_from_this());
    Revocations& all = hub_->revocations();
    held_ = all.hold(Revocations::key_of(start_.peer.owner, start_.token), shared_from_this());
    held_account_ =
        all.hold(Revocations::account_key_of(start_.peer.owner, start_.peer.user, start_.token),
                 shared_from_this());
    if (all.revoked(held_.key()) || all.revoked(held_account_.key())) return end();
    if (start_.token_expires != std::chrono::system_clock::time_point::max()) {
      expires_ =
          Clock::now() + std::chrono::duration_cast<Clock::duration>(
                             start_.token_expires + kTokenSkew - std::chrono::system_clock::now());
    }
    deadline_ = Clock::now() + hub_->options().call_timeout;
    arm();
    read();
    subscribe();
  }

  // Connection
  void drain() override { stop(); }
  void stop() override {
    asio::post(strand_, [self = shared_from_this()] { self->end(); });
  }
  void token_revoked(const std::string& key) override {
    asio::post(strand_, [self = shared_from_this(), key] {
      if (key == self->held_.key() || key == self->held_account_.key()) self->end();
    });
  }

  // For the AnswerBox.
  struct Incoming {
    Answer answer;
  };
  static Incoming receive(std::uint64_t /*call*/, Answer&& answer) { return {std::move(answer)}; }
  void on_answer(const Incoming& incoming) {
    if (ended_ || subscription_) return;
    const Answer& answer = incoming.answer;
    if (answer.result) subscription_ = std::move(request_->subscription);
    if (subscription_) {
      out_ =
          "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"
          "X-Content-Type-Options: nosniff\r\nX-Accel-Buffering: no\r\n";
      for (const auto& [name, value] : start_.headers) out_ += name + ": " + value + "\r\n";
      out_ += "Connection: close\r\n\r\n";
      told_ = subscription_->seen();
      out_ += "id: " + std::to_string(told_) + "\n\n";
    } else {
      Error error =
          answer.result ? Error(Errc::internal, "No subscription came") : answer.result.error();
      if (error.code == Errc::internal) {
        hub_->warn(start_.peer.remote, internal_error_line(kSubscribeCall, error.message));
      }
      HttpResponse response = error_response(error);
      response.headers.insert(response.headers.end(), start_.headers.begin(), start_.headers.end());
      out_ = to_wire(response, /*keep_alive=*/false);
      last_ = true;
    }
    write();
  }
  void on_answers_taken() {}
  AnswerBox<EventStream>& box() { return *box_; }

  // For the WakeBox.
  void on_events() {
    if (!ended_ && subscription_ && !writing_) pull();
  }
  WakeBox<EventStream>& wake_box() { return *wakes_; }

 private:
  void subscribe() {
    request_ = std::make_shared<SubscribeRequest>();
    request_->id = kSubscribeCall;
    request_->filter = std::move(start_.route.filter);
    request_->from = start_.route.from;
    request_->waiter = wakes_;
    auto call = std::make_shared<Call>();
    call->context.perm = start_.peer.perm;
    call->context.peer = std::make_shared<const Peer>(start_.peer);
    call->function = "table.subscribe";
    call->args.push_back(start_.route.table);
    call->deadline = deadline_;
    call->reply = Reply(box_, kSubscribeCall);
    call->subscribe = request_;
    const LocalRun scope;
    if (const Front* const front = hub_->parts().front) {
      front->send(start_.session, std::move(call));
    } else {
      start_.session->send(std::move(call));
    }
  }

  // What there is becomes one write. An id stands only behind the last event of a transaction: an
  // EventSource goes on after it.
  void pull() {
    const auto state = subscription_->pull(kWriteBytes, [this](const EventText& text) {
      if (text.last) out_ += "id: " + std::to_string(text.txid) + '\n';
      out_ += "data: {";
      out_ += text.tail;
      out_ += "\n\n";
      if (text.last) told_ = text.txid;
    });
    if (state == Subscription::State::ended) {
      out_ += "event: error\ndata: " + protocol::http_error(subscription_->error()) + "\n\n";
      last_ = true;
    }
    if (!out_.empty()) write();
  }

  void write() {
    writing_ = true;
    sending_.swap(out_);
    deadline_ = Clock::now() + kTaken;
    arm();
    asio::async_write(
        transport_, asio::buffer(sending_),
        [self = shared_from_this()](ErrorCode error, std::size_t) { self->on_written(error); });
  }

  void on_written(ErrorCode error) {
    if (ended_) return;
    writing_ = false;
    sending_.clear();
    if (error) return end();
    if (last_) {
      ErrorCode ignored;
      transport_.farewell();
      transport_.socket().shutdown(Socket::shutdown_send, ignored);
      return end();
    }
    deadline_ = Clock::now() + kComment;
    arm();
    pull();
  }

  // Nothing is expected: only its end is of interest.
  void read() {
    transport_.async_read_some(asio::buffer(received_),
                               [self = shared_from_this()](ErrorCode error, std::size_t) {
                                 if (self->ended_) return;
                                 if (error) return self->end();
                                 self->read();
                               });
  }

  void arm() {
    waker_.at(std::min(deadline_, expires_), [self = shared_from_this()] { self->on_time(); });
  }

  void on_time() {
    if (ended_) return;
    const auto now = Clock::now();
    if (now >= expires_) return end();
    if (now < deadline_) return arm();
    if (!subscription_ || writing_) return end();  // no answer, or too slow
    const Txid seen = subscription_->seen();
    out_ = std::exchange(told_, seen) == seen ? ":\n\n" : "id: " + std::to_string(seen) + "\n\n";
    write();
  }

  void end() {
    if (ended_) return;
    ended_ = true;
    waker_.cancel();
    box_->close();
    wakes_->close();
    subscription_.reset();
    request_.reset();
    transport_.close();
    held_ = {};
    held_account_ = {};
    hub_->remove(this);
    place_ = {};
    owner_place_ = {};
  }

  const std::shared_ptr<Hub> hub_;
  Hub::Place place_;
  Hub::OwnerPlace owner_place_;
  SocketTransport transport_;
  const Strand strand_;
  Waker waker_;
  const std::shared_ptr<AnswerBox<EventStream>> box_;
  const std::shared_ptr<WakeBox<EventStream>> wakes_;
  EventStreamStart start_;
  Revocations::Hold held_;          // of its token
  Revocations::Hold held_account_;  // of its account
  std::shared_ptr<SubscribeRequest> request_;
  std::unique_ptr<Subscription> subscription_;  // null until it is answered
  std::string out_, sending_;
  Txid told_ = 0;  // the last id that the client has
  bool writing_ = false;
  bool last_ = false;  // what is written is the end
  bool ended_ = false;
  Clock::time_point deadline_;
  Clock::time_point expires_ = Clock::time_point::max();
  std::array<char, 256> received_{};
};

}  // namespace

void start_event_stream(std::shared_ptr<Hub> hub, Hub::Place place, Hub::OwnerPlace owner_place,
                        SocketTransport transport, EventStreamStart start) {
  std::make_shared<EventStream>(std::move(hub), std::move(place), std::move(owner_place),
                                std::move(transport), std::move(start))
      ->start();
}

}  // namespace kontract::detail
