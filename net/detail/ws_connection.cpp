#include "net/detail/ws_connection.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "actors/local_run.hpp"
#include "net/detail/answer_box.hpp"
#include "net/detail/batching_stream.hpp"
#include "net/detail/secure_link.hpp"
#include "net/detail/wake_box.hpp"

namespace kontract::detail {

namespace {

namespace beast = boost::beast;
namespace websocket = beast::websocket;
using namespace std::chrono_literals;

constexpr auto kCloseTimeout = 5s;  // for the client to take and answer a close
constexpr auto kSlowReader = 5s;    // for the client to take anything of a full send queue
constexpr auto kSlowReaderCheck = 1s;
constexpr std::size_t kHelloBytesMax = 16 * limits::kKiB;
// Of the send queue's limits. Above the first, nothing more is read; above the second, which only
// the answers of calls that were in flight before can reach, the connection is closed.
constexpr std::size_t kLowWaterDivisor = 4;
constexpr std::size_t kFarOverFactor = 4;
constexpr int kPingsPerSecond = 10;
constexpr std::size_t kKeptFrameEnds = 64;                // of an idle connection
constexpr std::size_t kKeptReadBytes = 4 * limits::kKiB;  // of an idle connection

CloseCode close_code(Errc refused_record) {
  switch (refused_record) {
    case Errc::session_expired:
      return CloseCode::unauthorized;
    case Errc::too_large:
      return CloseCode::too_large;
    case Errc::crypto_unsupported:
      return CloseCode::policy;
    default:
      return CloseCode::protocol;
  }
}

class WsConnection final : public Connection,
                           public Wire,
                           public std::enable_shared_from_this<WsConnection> {
 public:
  WsConnection(std::shared_ptr<Hub> hub, Hub::Place place, SocketTransport transport,
               WebSocketStart start)
      : hub_(std::move(hub)),
        place_(std::move(place)),
        strand_(transport.get_executor()),
        ws_(std::in_place, std::move(transport)),
        waker_(strand_),
        // One byte more than allowed, so that it shows when a message is too large.
        buffer_(hub_->options().frame_bytes_max + raystream::kRecordOverheadBytes + 1),
        secure_(start.raystream ? std::make_unique<SecureLink>(hub_->secure()) : nullptr),
        talk_(*this, hub_, std::move(start)),
        box_(std::make_shared<AnswerBox<WsConnection>>(this, strand_)) {}
  ~WsConnection() override {
    box_->close();
    if (wakes_) wakes_->close();
  }

  void start(const UpgradeRequest& request) {
    hub_->count_websocket(+1);
    hub_->add(shared_from_this());
    // All deadlines are the Waker's. Beast's own limit would close before we could say why.
    ws_->set_option(websocket::stream_base::timeout{websocket::stream_base::none(),
                                                    websocket::stream_base::none(), false});
    ws_->read_message_max(0);
    ws_->auto_fragment(false);
    ws_->text(!secure_);
    const std::string_view chosen = secure_ ? raystream::kSubprotocol : protocol::kSubprotocol;
    ws_->set_option(
        websocket::stream_base::decorator([&request, chosen](websocket::response_type& response) {
          response.set(beast::http::field::server, "kontract");
          if (request.count(beast::http::field::sec_websocket_protocol) > 0) {
            response.set(beast::http::field::sec_websocket_protocol,
                         beast::string_view(chosen.data(), chosen.size()));
          }
        }));
    ErrorCode error;
    ws_->accept(request, error);  // into the BatchingStream: does not block
    ws_->set_option(websocket::stream_base::decorator([](websocket::response_type&) {}));
    ws_->next_layer().flush();
    if (error) return end("the upgrade failed: " + error.message());
    ws_->control_callback(
        [this](websocket::frame_type kind, beast::string_view) { on_control(kind); });
    ws_->next_layer().on_writable([weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->proceed();
    });
    proceed();
  }

  // Connection
  void drain() override {
    asio::post(strand_, [self = shared_from_this()] {
      if (self->ended_) return;
      self->talk_.drain();
      self->proceed();
    });
  }
  void stop() override {
    asio::post(strand_, [self = shared_from_this()] { self->end("the server stopped"); });
  }

  void token_revoked(const std::string& key) override {
    asio::post(strand_, [self = shared_from_this(), key] {
      if (self->ended_) return;
      self->talk_.on_revoked(key);
      self->proceed();
    });
  }

  void session_destroyed(const std::string& sid) override {
    asio::post(strand_, [self = shared_from_this(), sid] {
      if (self->ended_) return;
      self->talk_.on_session_destroyed(sid);
      self->proceed();
    });
  }

  void superseded() override {
    asio::post(strand_, [self = shared_from_this()] {
      if (self->ended_) return;
      self->close(CloseCode::policy, Errc::session_expired,
                  "The encrypted channel was resumed on another connection");
      self->proceed();
    });
  }

  // For the AnswerBox. Answers are encoded on the thread they come from.
  struct Incoming {
    std::uint64_t call;
    std::string frame;
    std::optional<Answer> opened;  // of kOpenCall
    std::string internal;          // what went wrong with us, for the log
    bool is_error = false;
  };
  static Incoming receive(std::uint64_t call, Answer&& answer) {
    if (call == Conversation::kOpenCall) return {call, {}, std::move(answer), {}, false};
    if (answer.result) {
      return {call, protocol::result(call, *answer.result, answer.txid), std::nullopt, {}, false};
    }
    const Error& error = answer.result.error();
    return {call, protocol::error(call, error), std::nullopt,
            error.code == Errc::internal ? error.message : std::string(), /*is_error=*/true};
  }
  void on_answer(const Incoming& incoming) {
    if (incoming.opened) return talk_.on_opened(*incoming.opened);
    if (!incoming.internal.empty()) {
      hub_->warn(talk_.remote(), internal_error_line(incoming.call, incoming.internal));
    }
    if (secure_ && incoming.frame.size() > secure_->message_bytes_max()) {
      return talk_.on_answer(incoming.call, protocol::error(incoming.call, no_such_record()),
                             /*is_error=*/true);
    }
    talk_.on_answer(incoming.call, incoming.frame, incoming.is_error);
  }
  void on_answers_taken() { proceed(); }
  AnswerBox<WsConnection>& box() { return *box_; }

  // For the WakeBox.
  void on_events() {
    if (ended_) return;
    talk_.on_events();
    proceed();
  }
  WakeBox<WsConnection>& wake_box() { return *wakes_; }

  // Wire
  std::shared_ptr<ReplyTarget> reply_target() override { return box_; }
  std::shared_ptr<EventWaiter> event_waiter() override {
    if (!wakes_) wakes_ = std::make_shared<WakeBox<WsConnection>>(this, strand_);
    return wakes_;
  }
  void identified() override { place_.known(); }
  Status claim(const std::string& owner) override {
    return secure_ ? secure_->claim(owner, shared_from_this()) : Status();
  }
  std::shared_ptr<Connection> connection() override { return shared_from_this(); }

  void send(std::string_view frame) override {
    if (closing_ || closed_by_peer_ || ended_) return;
    write(frame);
    const ServerOptions& options = hub_->options();
    if (waiting_above(options.send_queue_bytes_max * kFarOverFactor,
                      options.send_queue_messages_max * kFarOverFactor)) {
      close_slow_reader();
    }
  }

  void close(CloseCode how, std::optional<Errc> code, std::string message) override {
    if (closing_ || closed_by_peer_ || ended_) return;
    websocket::close_reason reason(static_cast<std::uint16_t>(how));
    if (code) {
      const std::string_view name = traits(*code).name;
      reason.reason.assign(name.data(), name.size());
      say(protocol::close(*code, message));
      if (how != CloseCode::going_away) {
        hub_->count_refused();
        hub_->warn(talk_.remote(), std::string(name) + ": " + message);
      }
    } else if (secure_) {
      say(R"({"t":"close"})");  // an end without it would be one that somebody else has made
    }
    if (secure_) secure_->end();
    closing_ = true;
    why_ = std::move(message);
    talk_.end();
    close_deadline_ = Clock::now() + kCloseTimeout;
    ws_->async_close(reason, [self = shared_from_this()](ErrorCode) { self->end(self->why_); });
    arm();
  }

 private:
  void write(std::string_view message) {
    if (!secure_) return write_frame(message);
    const auto sealed = secure_->seal(message);
    if (sealed) return write_frame(*sealed);
    const Error& error = sealed.error();
    close(close_code(error.code), error.code, error.message);
  }

  // The last message: one that can not be sealed is left out.
  void say(std::string_view message) {
    if (!secure_) return write_frame(message);
    const auto sealed = secure_->seal(message);
    if (sealed) write_frame(*sealed);
  }

  void write_frame(std::string_view frame) {
    BatchingStream& stream = ws_->next_layer();
    if (stream.unsent() == 0) forget_sent_frames();
    ErrorCode error;  // shows again when reading
    ws_->write(asio::buffer(frame.data(), frame.size()), error);
    frame_ends_.push_back(stream.sent_total() + stream.unsent());
    ++frames_out_;
    hub_->count_frame_out();
  }

  // Whether more than this waits to be sent, when the socket has taken what it takes.
  bool waiting_above(std::size_t bytes, std::size_t messages) {
    BatchingStream& stream = ws_->next_layer();
    if (stream.unsent() <= bytes && frame_ends_.size() <= messages) return false;
    stream.flush();
    forget_sent_frames();
    return stream.unsent() > bytes || frame_ends_.size() > messages;
  }

  // How much the client's side has acknowledged. The socket asks for more only when a large part of
  // its buffer is free; a slow client moves long before.
  std::uint64_t taken_by_client() { return ws_->next_layer().acknowledged(); }

  // Whether so much waits to be sent that nothing more is read. Then the client is watched.
  bool congested() {
    const ServerOptions& options = hub_->options();
    const bool above = waiting_above(options.send_queue_bytes_max / kLowWaterDivisor,
                                     options.send_queue_messages_max / kLowWaterDivisor);
    if (above == congested_) return above;
    congested_ = above;
    const auto now = Clock::now();
    talk_.excuse_silence(now);
    progress_at_ = now;
    taken_ = taken_by_client();
    slow_check_ = above ? now + kSlowReaderCheck : Clock::time_point::max();
    return above;
  }

  void check_slow_reader(Clock::time_point now) {
    talk_.excuse_silence(now);
    slow_check_ = now + kSlowReaderCheck;
    if (const std::uint64_t taken = taken_by_client(); taken != taken_) {
      taken_ = taken;
      progress_at_ = now;
      return;
    }
    const ServerOptions& options = hub_->options();
    const bool full = waiting_above(options.send_queue_bytes_max, options.send_queue_messages_max);
    const Clock::duration patience =
        full ? Clock::duration(kSlowReader)
             : Clock::duration(limits::kHeartbeatsMissedMax * options.heartbeat);
    if (now >= progress_at_ + patience) close_slow_reader();
  }

  void close_slow_reader() {
    close(CloseCode::policy, Errc::overloaded, "The client does not read what it is sent");
  }

  // Of a message: before hello is understood nobody needs a large one.
  std::size_t message_bytes_max() const {
    const std::size_t most = hub_->options().frame_bytes_max;
    const std::size_t message = talk_.greeting() ? std::min(most, kHelloBytesMax) : most;
    return secure_ ? secure_->frame_bytes_max(message) : message;
  }

  void forget_sent_frames() {
    const std::uint64_t sent = ws_->next_layer().sent_total();
    const auto unsent = std::upper_bound(frame_ends_.begin(), frame_ends_.end(), sent);
    frame_ends_.erase(frame_ends_.begin(), unsent);
    if (frame_ends_.empty() && frame_ends_.capacity() > kKeptFrameEnds) frame_ends_ = {};
  }

  // How every handler ends: reads on, sends what was said, sets the timer.
  void proceed() {
    if (ended_) return;
    if (!closing_ && !closed_by_peer_) talk_.feed([this] { return closing_ || congested(); });
    const bool was_reading = reading_;
    read();
    // A read that begins now sends it when all input that has come is dealt with.
    if (was_reading || !reading_) ws_->next_layer().flush();
    arm();
  }

  void read() {
    if (reading_ || closing_ || !talk_.wants_frames() || congested()) return;
    reading_ = true;
    ws_->async_read_some(
        buffer_, message_bytes_max() + 1 - buffer_.size(),
        [self = shared_from_this()](ErrorCode error, std::size_t) { self->on_read(error); });
  }

  void on_read(ErrorCode error) {
    reading_ = false;
    if (ended_ || closing_) return;  // the one who closes ends it
    if (error) return on_read_failed(error);
    if (ws_->got_binary() != (secure_ != nullptr)) {
      close(CloseCode::protocol, Errc::invalid_request,
            secure_ ? "Messages must be binary frames" : "Messages must be text frames");
    } else if (secure_ && secure_->shaking() && buffer_.size() > message_bytes_max()) {
      refuse_handshake(raystream::bad_frame());
    } else if (buffer_.size() > message_bytes_max()) {
      close(CloseCode::too_large, Errc::too_large,
            "A message is larger than " + std::to_string(message_bytes_max()) + " bytes");
    } else if (!ws_->is_message_done()) {
      if (assembly_deadline_ == Clock::time_point::max()) {
        assembly_deadline_ = Clock::now() + hub_->options().message_timeout;
      }
    } else {
      on_message();
    }
    proceed();
  }

  void on_message() {
    assembly_deadline_ = Clock::time_point::max();
    ++frames_in_;
    hub_->count_frame_in();
    {
      const LocalRun scope;  // the call runs at its end, and its answer is back before we read on
      const auto bytes = buffer_.cdata();
      const std::string_view message(static_cast<const char*>(bytes.data()), bytes.size());
      secure_ ? on_secure_frame(message) : talk_.on_frame(message);
    }
    buffer_.consume(buffer_.size());
    if (buffer_.capacity() > kKeptReadBytes) buffer_.shrink_to_fit();
  }

  void on_secure_frame(std::string_view frame) {
    if (secure_->shaking()) {
      if (!place_.take_handshake()) {
        return refuse_handshake(Error(Errc::rate_limited, "Too many handshakes of one address"));
      }
      const auto answer = secure_->answer(frame);
      return answer ? write_frame(*answer) : refuse_handshake(answer.error());
    }
    const auto record = secure_->open(frame);
    if (record) return talk_.on_frame(record->plaintext, record->type);
    const Error& error = record.error();
    close(close_code(error.code), error.code, error.message);
  }

  // There is nobody yet whom more could be told than a code.
  void refuse_handshake(const Error& error) { close(CloseCode::policy, error.code, error.message); }

  static Error no_such_record() {
    return {Errc::too_large, "The answer is larger than what an encrypted message may have",
            "Ask for less at a time; the call has run."};
  }

  void on_read_failed(ErrorCode error) {
    if (error == websocket::error::closed) return end("closed by the client");
    const bool violated = error == websocket::condition::protocol_violation ||
                          error == websocket::error::bad_frame_payload;
    if (violated) {
      hub_->count_refused();
      hub_->warn(talk_.remote(), "not WebSocket as RFC 6455 has it: " + error.message());
    }
    end(error.message());
  }

  void on_control(websocket::frame_type kind) {
    if (kind == websocket::frame_type::close) closed_by_peer_ = true;
    if (kind != websocket::frame_type::ping) return;
    const auto now = Clock::now();
    if (now - pings_since_ >= 1s) {
      pings_since_ = now;
      pings_ = 0;
    }
    if (++pings_ != kPingsPerSecond + 1) return;
    // Not from here: Beast is in the middle of reading.
    asio::post(strand_, [self = shared_from_this()] {
      self->close(CloseCode::policy, Errc::rate_limited, "Too many pings");
      self->proceed();
    });
  }

  void arm() {
    const auto at = closing_ ? close_deadline_
                             : std::min({talk_.next_deadline(), assembly_deadline_, slow_check_,
                                         secure_ ? secure_->deadline() : Clock::time_point::max()});
    if (at == Clock::time_point::max()) return;
    waker_.at(at, [self = shared_from_this()] { self->on_time(); });
  }

  void on_time() {
    if (ended_) return;
    const auto now = Clock::now();
    if (closing_) {
      if (now >= close_deadline_) return end(why_ + " (it did not answer the close)");
    } else if (now >= assembly_deadline_) {
      close(CloseCode::policy, Errc::timeout, "A message took too long to arrive");
    } else if (secure_ && now >= secure_->deadline()) {
      close(CloseCode::unauthorized, Errc::session_expired,
            "The encrypted channel has lived for as long as it may");
    } else {
      if (congested_ && congested() && now >= slow_check_) check_slow_reader(now);
      talk_.on_time(now);
    }
    proceed();
  }

  void end(const std::string& why) {
    if (ended_) return;
    ended_ = true;
    waker_.cancel();
    box_->close();
    if (wakes_) wakes_->close();
    talk_.end();
    if (secure_) secure_->end();
    ws_->next_layer().close();
    // A read and a close of Beast may each wait for the other (a frame that was half read when we
    // closed goes on as no UTF-8). Both own this connection: only without the stream are they gone.
    asio::post(strand_, [self = shared_from_this()] { self->ws_.reset(); });
    hub_->remove(this);
    hub_->count_websocket(-1);
    place_ = {};
    spdlog::info("{}: connection to session {} ended: {} ({} frames in, {} out)", talk_.remote(),
                 talk_.session_name(), why, frames_in_, frames_out_);
  }

  const std::shared_ptr<Hub> hub_;
  Hub::Place place_;
  const Strand strand_;
  std::optional<websocket::stream<BatchingStream, /*deflateSupported=*/false>> ws_;  // until end()
  Waker waker_;
  beast::flat_buffer buffer_;
  const std::unique_ptr<SecureLink> secure_;  // null: kontract.v1+json
  Conversation talk_;
  const std::shared_ptr<AnswerBox<WsConnection>> box_;
  std::shared_ptr<WakeBox<WsConnection>> wakes_;  // from the first subscription on

  bool reading_ = false;
  bool closing_ = false;         // our close frame is on its way
  bool closed_by_peer_ = false;  // Beast answers it and ends the reading
  bool ended_ = false;
  std::string why_;
  Clock::time_point close_deadline_ = Clock::time_point::max();
  Clock::time_point assembly_deadline_ = Clock::time_point::max();
  // Where in the stream of bytes each frame ends that may be unsent; ascending.
  std::vector<std::uint64_t> frame_ends_;
  bool congested_ = false;
  Clock::time_point slow_check_ = Clock::time_point::max();
  Clock::time_point progress_at_;  // when the client was last seen to take something,
  std::uint64_t taken_ = 0;        // and how much it had then; while congested
  std::uint64_t frames_in_ = 0, frames_out_ = 0;
  Clock::time_point pings_since_;
  int pings_ = 0;
};

}  // namespace

void start_websocket(std::shared_ptr<Hub> hub, Hub::Place place, SocketTransport transport,
                     const UpgradeRequest& request, WebSocketStart start) {
  std::make_shared<WsConnection>(std::move(hub), std::move(place), std::move(transport),
                                 std::move(start))
      ->start(request);
}

}  // namespace kontract::detail
