#include "net/detail/http_connection.hpp"

#include <sodium.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <optional>
#include <string>
#include <utility>

#include "actors/call_key.hpp"
#include "actors/front.hpp"
#include "actors/http_resp.hpp"
#include "actors/local_run.hpp"
#include "net/detail/answer_box.hpp"
#include "net/detail/auth_pages.hpp"
#include "net/detail/cors.hpp"
#include "net/detail/event_stream.hpp"
#include "net/detail/http_router.hpp"
#include "net/detail/session_pages.hpp"
#include "net/detail/ws_connection.hpp"
#include "net/protocol.hpp"
#include "storage/reply_rows.hpp"

namespace kontract::detail {

namespace {

namespace beast = boost::beast;
namespace http = beast::http;
using namespace std::chrono_literals;

constexpr auto kKeepAliveIdle = 15s;
constexpr auto kWriteTimeout = 10s;
constexpr auto kLinger = 2s;
constexpr auto kBodyGrace = 2s;       // until a body must have come at its least rate
constexpr char kTlsHandshake = 0x16;  // the first byte of a connection of TLS
constexpr int kRequestsMax = 1000;    // of one connection
constexpr std::size_t kReadBytes = 2 * limits::kKiB;
constexpr std::size_t kBodyReadBytes = kHeaderBytesMax;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  }
  return out;
}

HttpResponse call_response(const Answer& answer) {
  HttpResponse response;
  if (answer.result) {
    response.body = protocol::http_result(*answer.result, answer.txid);
    if (answer.head) response.status = answer.head->status;
  } else {
    response = error_response(answer.result.error());
  }
  if (!answer.head) return response;
  const auto& headers = answer.head->headers;
  response.headers.insert(response.headers.end(), headers.begin(), headers.end());
  return response;
}

std::string_view view(beast::string_view text) { return {text.data(), text.size()}; }

class Exchange final : public Connection, public std::enable_shared_from_this<Exchange> {
 public:
  Exchange(std::shared_ptr<Hub> hub, Hub::Place place, Arrived arrived, std::string_view received)
      : hub_(std::move(hub)),
        place_(std::move(place)),
        transport_(std::move(arrived.transport)),
        strand_(transport_.get_executor()),
        waker_(strand_),
        box_(std::make_shared<AnswerBox<Exchange>>(this, strand_)),
        client_(std::move(arrived.client)),
        remote_(client_.text()),
        sender_(client_.address),
        accepted_(arrived.accepted),
        buffer_(std::max(kHeaderBytesMax, received.size())) {
    buffer_.commit(asio::buffer_copy(buffer_.prepare(received.size()),
                                     asio::buffer(received.data(), received.size())));
  }
  ~Exchange() override { box_->close(); }

  void start() {
    hub_->add(shared_from_this());
    expect_request(accepted_ + hub_->options().handshake_timeout);
  }

  void drain() override {
    asio::post(strand_, [self = shared_from_this()] {
      if (self->stage_ == Stage::idle) self->end();
    });
  }

  void stop() override {
    asio::post(strand_, [self = shared_from_this()] { self->end(); });
  }

  // For the AnswerBox.
  struct Incoming {
    std::uint64_t call;
    Answer answer;
  };
  static Incoming receive(std::uint64_t call, Answer&& answer) { return {call, std::move(answer)}; }
  void on_answer(const Incoming& incoming) {
    if (stage_ != Stage::calling || incoming.call != call_) return;
    const Answer& answer = incoming.answer;
    if (!answer.result && answer.result.error().code == Errc::internal) {
      hub_->warn(remote_, internal_error_line(call_, answer.result.error().message));
    }
    if (std::holds_alternative<AuthRoute>(decided_)) return respond(auth_response(answer));
    respond(call_response(answer));
  }
  void on_answers_taken() {}  // the response is on its way
  AnswerBox<Exchange>& box() { return *box_; }

 private:
  enum class Stage {
    idle,       // nothing of the next request has come
    reading,    // a part of it has
    calling,    // the session works on it
    writing,    // the response is on its way
    lingering,  // it was the last one; what still comes is thrown away
    ended,      // closed, or handed on
  };

  void set_deadline(Clock::time_point at) {
    deadline_ = at;
    waker_.at(at, [self = shared_from_this()] { self->on_time(); });
  }

  void on_time() {
    if (stage_ == Stage::ended) return;
    if (Clock::now() < deadline_) return set_deadline(deadline_);
    if (stage_ == Stage::reading && head_done_) {
      return refuse(error_response({Errc::timeout, "The body took too long to arrive",
                                    "Send it at once, or in smaller requests."},
                                   408));
    }
    if (stage_ != Stage::calling) return end();
    ++call_;  // a late answer is for nobody
    respond(error_response({Errc::timeout, "The call took too long; it may have run",
                            "Look at the state before you repeat it."}));
  }

  void expect_request(Clock::time_point deadline) {
    if (hub_->draining()) return end();
    stage_ = Stage::idle;
    parser_.emplace();
    parser_->header_limit(static_cast<std::uint32_t>(kHeaderBytesMax + 1));
    parser_->body_limit(hub_->options().frame_bytes_max);
    head_done_ = false;
    request_ = {};
    facts_ = {};
    if (!hub_->proxies().empty()) {
      remote_ = client_.text();
      sender_ = client_.address;
    }
    identified_.reset();
    cors_headers_.clear();
    set_deadline(deadline);
    if (buffer_.size() > 0) return parse();  // it was pipelined
    read();
  }

  void read() {
    under_way_ = true;
    const std::size_t room = buffer_.max_size() - buffer_.size();
    const auto into = buffer_.prepare(std::min(room, head_done_ ? kBodyReadBytes : kReadBytes));
    transport_.async_read_some(into,
                               [self = shared_from_this()](ErrorCode error, std::size_t bytes) {
                                 self->on_read(error, bytes);
                               });
  }

  void on_read(ErrorCode error, std::size_t bytes) {
    under_way_ = false;
    if (stage_ == Stage::ended) return;
    if (error) return end();
    buffer_.commit(bytes);
    if (stage_ == Stage::writing) return;  // refused while it waited; discard() goes on
    if (stage_ == Stage::lingering) return discard();
    parse();
  }

  void parse() {
    stage_ = Stage::reading;
    if (!head_done_ && !parse_head()) return;
    ErrorCode error;
    while (!parser_->is_done() && buffer_.size() > 0) {
      buffer_.consume(parser_->put(buffer_.data(), error));
      if (error && error != http::error::need_more) return refuse_bytes(error);
    }
    if (!parser_->is_done()) {
      expect_body();
      return read();
    }
    request_.body = std::move(parser_->get().body());
    serve();
  }

  // Returns whether the head is complete and acceptable. Otherwise what comes next is under way.
  bool parse_head() {
    const std::string_view bytes(static_cast<const char*>(buffer_.cdata().data()), buffer_.size());
    if (bytes.starts_with(kTlsHandshake)) {  // it would wait for an answer for ever, as we would
      return refuse(error_response({Errc::invalid_request, "This port does not speak TLS"})), false;
    }
    const std::size_t end = bytes.find("\r\n\r\n");
    const bool complete = end != std::string_view::npos;
    if (!complete && bytes.size() < kHeaderBytesMax) return read(), false;
    facts_.header_bytes = complete ? end + 4 : bytes.size() + 1;  // at least
    if (facts_.header_bytes > kHeaderBytesMax) {
      return refuse(*refuse_head(request_, facts_)), false;
    }
    const std::string_view head = bytes.substr(0, end + 4);
    facts_.folded = head.find("\r\n ") != std::string_view::npos ||
                    head.find("\r\n\t") != std::string_view::npos;
    ErrorCode error;
    const std::size_t used = parser_->put(asio::buffer(head.data(), head.size()), error);
    if (error) return refuse_bytes(error), false;
    copy_head();
    buffer_.consume(used);
    cors_headers_ = cors_headers(request_, *hub_);
    if (auto refused = refuse_head(request_, facts_)) return refuse(std::move(*refused)), false;
    head_done_ = true;
    decided_ = route(request_, facts_.upgrade, *hub_);
    const bool is_auth = std::holds_alternative<AuthRoute>(decided_);
    if (is_auth && parser_->content_length().value_or(0) > kAuthBodyBytesMax) {
      return refuse(error_response({Errc::too_large, "The body is larger than 16 KiB"})), false;
    }
    if (!std::holds_alternative<HttpResponse>(decided_) && !identify()) return false;
    parser_->eager(true);
    head_at_ = Clock::now();
    return true;
  }

  // Sets how long more of the body may take: as a whole, and at its least rate.
  void expect_body() {
    const ServerOptions& options = hub_->options();
    Clock::time_point at = head_at_ + options.message_timeout;
    if (options.body_rate_min > 0) {
      const std::uint64_t whole = parser_->content_length().value_or(0);
      const std::uint64_t came = whole - parser_->content_length_remaining().value_or(0);
      const std::chrono::duration<double> paid(static_cast<double>(came) /
                                               static_cast<double>(options.body_rate_min));
      at = std::min(at, head_at_ + kBodyGrace + std::chrono::duration_cast<Clock::duration>(paid));
    }
    set_deadline(at);
  }

  // Who it is, before a body is waited for. False: the refusal is on its way.
  bool identify() {
    const auto* const auth = std::get_if<AuthRoute>(&decided_);
    if (auth != nullptr && auth->is_open()) return true;
    auto identified = hub_->identify(request_.header("authorization"));
    if (!identified) return refuse(error_response(identified.error())), false;
    identified_ = std::move(*identified);
    if (identified_) place_.known();
    if (std::holds_alternative<WebSocketRoute>(decided_)) {
      owner_place_ = {};  // a WebSocket is counted at its hello
      return true;
    }
    if (!identified_) return refuse(error_response(hub_->identify_token({}).error())), false;
    return take_owner_place();
  }

  // The connection counts with the owner of its last call. False: the refusal is on its way.
  bool take_owner_place() {
    const std::string& owner = identified_->peer.owner;
    if (owner_place_.is_of(owner)) return true;
    auto place = hub_->take_owner_place(owner);
    if (!place) return refuse(error_response(place.error())), false;
    owner_place_ = std::move(*place);
    return true;
  }

  void copy_head() {
    const auto& head = parser_->get();
    request_.method = view(head.method_string());
    request_.target = view(head.target());
    for (const auto& field : head) {
      std::string name = lower(view(field.name_string()));
      if (name == "host") ++facts_.hosts;
      if (name == "transfer-encoding") facts_.has_transfer_encoding = true;
      if (name == "content-length") {
        const std::string_view value = view(field.value());
        facts_.lengths += 1 + static_cast<std::size_t>(std::count(value.begin(), value.end(), ','));
      }
      ++facts_.fields;
      std::string& value = request_.headers[std::move(name)];
      if (!value.empty()) value += ", ";
      value += view(field.value());
    }
    facts_.http_1_0 = head.version() < 11;
    facts_.has_body = parser_->content_length().value_or(0) > 0;
    facts_.upgrade = beast::websocket::is_upgrade(head);
    keep_alive_ = parser_->keep_alive();
    see_client();
  }

  // A listed proxy's connection carries the requests of many.
  void see_client() {
    if (!hub_->proxies().trusted(client_.address)) return;
    const ForwardedHeader field = hub_->options().forwarded_header;
    const auto hops =
        request_.header(field == ForwardedHeader::forwarded ? "forwarded" : "x-forwarded-for");
    const auto address = forwarded_for(field, hops.value_or(""), client_.address, hub_->proxies());
    remote_ = address == client_.address ? client_.text() : ClientAddress{address}.text();
    sender_ = address;
  }

  void refuse_bytes(ErrorCode error) {
    if (error == http::error::body_limit) {
      return refuse(error_response(
          {Errc::too_large, "The body is larger than " +
                                std::to_string(hub_->options().frame_bytes_max) + " bytes"}));
    }
    refuse(error_response({Errc::invalid_request, "This is not HTTP/1.1: " + error.message()}));
  }

  // The last response of this connection: what follows cannot be told apart or is not wanted.
  void refuse(HttpResponse response) {
    keep_alive_ = false;
    hub_->count_refused(response.status == 401   ? Refusal::token
                        : response.status == 429 ? Refusal::owner_connections
                                                 : Refusal::request);
    hub_->warn(remote_, "refused a request with status " + std::to_string(response.status));
    respond(std::move(response));
  }

  void serve() {
    if (auto* response = std::get_if<HttpResponse>(&decided_)) return respond(std::move(*response));
    if (std::holds_alternative<RoutesRoute>(decided_)) {
      return respond(routes_page(identified_->peer, *hub_));
    }
    if (const auto* sessions = std::get_if<SessionsRoute>(&decided_)) {
      return respond(sessions_page(identified_->peer, request_, sessions->session, *hub_));
    }
    if (const auto* auth = std::get_if<AuthRoute>(&decided_)) return authorize(auth->action);
    Peer peer;
    // Anybody on the way may have put a token into the header: on an encrypted connection hello
    // says who it is.
    const auto* const socket = std::get_if<WebSocketRoute>(&decided_);
    if (socket != nullptr && socket->raystream && !hub_->open_to_all()) identified_.reset();
    if (identified_) peer = identified_->peer;
    peer.method = request_.method;
    peer.remote = remote_;
    peer.headers = std::move(request_.headers);
    peer.headers.erase("authorization");  // nobody behind this needs it
    peer.headers.erase("x-client-certificate");
    if (const TlsSession* const tls = transport_.tls()) {
      if (auto subject = tls->peer_subject()) {
        peer.headers["x-client-certificate"] = std::move(*subject);
      }
    }
    if (auto* rpc = std::get_if<RpcRoute>(&decided_)) return call(std::move(*rpc), std::move(peer));
    if (auto* route = std::get_if<StreamRoute>(&decided_)) {
      return stream(std::move(*route), std::move(peer));
    }
    upgrade(std::get<WebSocketRoute>(decided_), std::move(peer));
  }

  // The connection is the stream's from here on.
  void stream(StreamRoute route, Peer peer) {
    if (peer.only_session && *peer.only_session != route.session) {
      return respond(error_response({Errc::forbidden, "The token is for another session"}));
    }
    auto session = hub_->parts().directory->find({peer.owner, route.session});
    if (!session) return respond(error_response(session.error()));
    stage_ = Stage::ended;
    waker_.cancel();
    box_->close();
    start_event_stream(hub_, std::move(place_), std::move(owner_place_), std::move(transport_),
                       {.route = std::move(route),
                        .peer = std::move(peer),
                        .session = *std::move(session),
                        .token = identified_->id,
                        .token_expires = identified_->expires,
                        .headers = cors_headers_});
    hub_->remove(this);
  }

  void authorize(AuthRoute::Action action) {
    wipe_read_bytes();
    const LocalRun scope;
    stage_ = Stage::calling;
    set_deadline(Clock::now() + hub_->options().call_timeout);
    AuthRequest asked{action, std::move(identified_), client_address()};
    asked.content_type = request_.header("content-type").value_or("");
    asked.body = std::move(request_.body);
    serve_auth(*hub_, std::move(asked), Reply(box_, ++call_));
  }

  // Who the attempts of this request are counted for.
  std::string client_address() const { return sender_.to_string(); }

  // What was read may be a password. It may be followed by the next request.
  void wipe_read_bytes() {
    const auto read = buffer_.prepare(buffer_.capacity() - buffer_.size());
    sodium_memzero(read.data(), read.size());
  }

  void call(RpcRoute rpc, Peer peer) {
    if (peer.only_session && *peer.only_session != rpc.session) {
      return respond(error_response({Errc::forbidden, "The token is for another session"}));
    }
    auto session = hub_->parts().directory->find({peer.owner, rpc.session});
    if (!session) return respond(error_response(session.error()));
    if (const auto rate = hub_->call_rate(peer.owner)) {
      if (const auto refused = rate->refuse(Clock::now())) {
        hub_->count_refused(Refusal::owner_calls);
        return respond(error_response(*refused));
      }
    }
    const JsonLimits bounds{.depth = hub_->options().json_depth_max};
    auto args = protocol::decode_arguments(request_.body, bounds);
    if (!args) return respond(error_response(args.error()));
    std::shared_ptr<CallKey> key;
    if (const auto given = peer.headers.find("idempotency-key"); given != peer.headers.end()) {
      if (Status valid = validate_call_key(given->second); !valid) {
        return respond(error_response(valid.error()));
      }
      key = std::make_shared<CallKey>(CallKey{given->second});
    }

    const LocalRun scope;
    stage_ = Stage::calling;
    auto call = std::make_shared<Call>();
    call->context.perm = peer.perm;
    call->context.peer = std::make_shared<const Peer>(std::move(peer));
    call->function = std::move(rpc.function);
    call->args = std::move(*args);
    call->deadline = Clock::now() + hub_->options().call_timeout;
    call->key = std::move(key);
    call->reply = Reply(box_, ++call_);
    set_deadline(call->deadline);
    if (const Front* const front = hub_->parts().front) {
      front->send(*session, std::move(call));
    } else {
      (*session)->send(std::move(call));
    }
  }

  void upgrade(const WebSocketRoute& route, Peer peer) {
    if (buffer_.size() > 0) {
      return refuse(error_response(
          {Errc::invalid_request, "Nothing may be sent before the upgrade is answered"}));
    }
    stage_ = Stage::ended;
    waker_.cancel();
    box_->close();
    WebSocketStart start;
    start.session = route.session;
    start.peer = std::move(peer);
    start.raystream = route.raystream;
    if (identified_) {
      start.token_expires = identified_->expires;
      start.token = identified_->id;
    }
    start.accepted = accepted_;
    start_websocket(hub_, std::move(place_), std::move(transport_), parser_->get(),
                    std::move(start));
    hub_->remove(this);
  }

  void respond(HttpResponse response) {
    stage_ = Stage::writing;
    if (hub_->draining() || ++requests_ >= kRequestsMax) keep_alive_ = false;
    response.headers.insert(response.headers.end(), cors_headers_.begin(), cors_headers_.end());
    out_ = to_wire(response, keep_alive_, request_.method == "HEAD",
                   transport_.tls() != nullptr ? Transport::tls : Transport::plain);
    set_deadline(Clock::now() + kWriteTimeout);
    asio::async_write(
        transport_, asio::buffer(out_),
        [self = shared_from_this()](ErrorCode error, std::size_t) { self->on_written(error); });
  }

  void on_written(ErrorCode error) {
    if (stage_ == Stage::ended) return;
    if (error) return end();
    out_ = {};
    if (keep_alive_) return expect_request(Clock::now() + kKeepAliveIdle);
    // Closing with unread input would reset the connection, and the client might lose the response.
    stage_ = Stage::lingering;
    set_deadline(Clock::now() + kLinger);
    take_leave();
  }

  void take_leave() {
    if (transport_.farewell()) {
      ErrorCode ignored;
      transport_.socket().shutdown(Socket::shutdown_send, ignored);
      return discard();
    }
    transport_.async_wait_to_write([self = shared_from_this()](ErrorCode error) {
      if (self->stage_ == Stage::ended) return;
      if (error) return self->end();
      self->take_leave();
    });
  }

  void discard() {
    if (under_way_) return;
    buffer_.consume(buffer_.size());
    read();
  }

  void end() {
    if (stage_ == Stage::ended) return;
    if (stage_ == Stage::idle) transport_.farewell();  // nothing is cut off
    stage_ = Stage::ended;
    waker_.cancel();
    box_->close();
    transport_.close();
    hub_->remove(this);
    place_ = {};
    owner_place_ = {};
  }

  std::shared_ptr<Hub> hub_;
  Hub::Place place_;
  Hub::OwnerPlace owner_place_;
  SocketTransport transport_;
  const Strand strand_;
  Waker waker_;
  const std::shared_ptr<AnswerBox<Exchange>> box_;
  const ClientAddress client_;
  std::string remote_;  // of whoever sent the request
  boost::asio::ip::address sender_;
  const Clock::time_point accepted_;
  Clock::time_point deadline_;
  Stage stage_ = Stage::idle;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  bool head_done_ = false;
  bool under_way_ = false;  // a read is
  Clock::time_point head_at_;
  bool keep_alive_ = false;
  HttpRequest request_;
  HeadFacts facts_;
  Route decided_;  // these two when the head is done
  std::optional<Identified> identified_;
  HttpHeaders cors_headers_;  // of all answers to this request
  std::string out_;
  std::uint64_t call_ = 0;  // the number of the call whose answer is waited for
  int requests_ = 0;
};

}  // namespace

void start_http(std::shared_ptr<Hub> hub, Hub::Place place, Arrived arrived,
                std::string_view received) {
  const Strand strand = arrived.transport.get_executor();
  auto exchange =
      std::make_shared<Exchange>(std::move(hub), std::move(place), std::move(arrived), received);
  asio::post(strand, [exchange] { exchange->start(); });
}

}  // namespace kontract::detail
