#include "net/detail/client_loop.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <cctype>
#include <deque>
#include <random>
#include <utility>

#include "net/detail/client_tls.hpp"
#include "net/detail/client_wire.hpp"
#include "net/detail/transport.hpp"
#include "net/raystream_message.hpp"

namespace kontract {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = boost::beast::websocket;
using boost::system::error_code;
using std::chrono::milliseconds;

namespace {

constexpr auto use_result = asio::as_tuple(asio::use_awaitable);
constexpr milliseconds kGoodbye{1000};  // what a server has to answer a close

// It becomes part of a request line, so it is checked before it is sent.
bool is_session_name(std::string_view name) {
  return !name.empty() && name.size() <= limits::kSessionNameBytesMax &&
         std::ranges::all_of(name, [](unsigned char c) {
           return c < 0x80 &&
                  (std::isalnum(c) != 0 ||
                   std::string_view("_.:-").find(static_cast<char>(c)) != std::string_view::npos);
         });
}

// 128 random bits, in hexadecimal.
std::string random_prefix() {
  constexpr std::string_view digits = "0123456789abcdef";
  std::random_device source;
  std::string prefix;
  for (int word = 0; word < 4; ++word) {
    auto bits = static_cast<std::uint32_t>(source());
    for (int digit = 0; digit < 8; ++digit, bits >>= 4) prefix += digits[bits & 0xF];
  }
  return prefix;
}

// Without reconnecting nothing is sent again.
ClientOptions consistent(ClientOptions options) {
  options.exactly_once = options.exactly_once && options.reconnect;
  return options;
}

}  // namespace

struct ClientLoop::Io {
  asio::io_context context{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{context.get_executor()};
  asio::steady_timer backoff{context};
  asio::steady_timer deadlines{context};
  std::minstd_rand random{std::random_device{}()};
  detail::TlsContext tls;  // of a wss URL
};

struct ClientLoop::Link {
  explicit Link(asio::io_context& io)
      : resolver(io), stream(detail::Socket(asio::make_strand(io))), watchdog(io), pulse(io) {}

  // Makes whatever is under way on the connection fail.
  void abort() {
    aborted = true;
    welcomed = early = false;
    resolver.cancel();
    no_limit();
    pulse.cancel();
    stream.next_layer().close();
  }

  // What a message is sent as. Errors: the channel's; it is of no use any more then.
  Result<std::string> sealed(std::string message) {
    if (!channel) return message;
    return channel->sender.seal(raystream::record_type_of(message), message,
                                std::chrono::system_clock::now());
  }

  static void limit_to(const std::shared_ptr<Link>& link, milliseconds time) {
    link->watchdog.expires_after(time);
    link->watchdog.async_wait([link](error_code) {
      if (link->watchdog.expiry() <= ClientCalls::Clock::now()) link->abort();
    });
  }
  // Not cancel(): the timer's handler may be on its way already.
  void no_limit() { watchdog.expires_at(ClientCalls::Clock::time_point::max()); }

  std::optional<raystream::Channel> channel;  // if encrypted, after the handshake
  asio::ip::tcp::resolver resolver;
  websocket::stream<detail::SocketTransport> stream;
  beast::flat_buffer buffer;
  asio::steady_timer watchdog;
  asio::steady_timer pulse;
  ClientCalls::Clock::time_point heard;
  Welcome welcome;
  std::string writing;                // the frame under way; empty: none
  std::deque<std::string> first_out;  // heartbeats overtake calls
  std::optional<Error> refused;       // why the server closes
  bool welcomed = false;
  bool early = false;  // hello is sent; calls go right behind it
  bool aborted = false;
  bool leaving = false;  // it is our end of it
  bool said_close = false;
};

// Coroutines take what they use by value and keep the loop alive.
struct ClientSteps {
  using Loop = std::shared_ptr<ClientLoop>;
  using Link = std::shared_ptr<ClientLoop::Link>;

  static Error no_connection(const ClientLoop& loop, const std::string& why) {
    return Error(Errc::overloaded, "No connection to " + loop.options_.url + ": " + why,
                 "Check that the server runs there and that the address is right.");
  }

  static Error why_failed(const ClientLoop& loop, const Link& link, const error_code& failed) {
    if (link->aborted) return no_connection(loop, "no answer in time");
    const auto* const tls = link->stream.next_layer().tls();
    auto refused =
        detail::tls_refusal(loop.options_.url, failed, tls ? tls->certificate_problem() : "");
    return refused ? std::move(*refused) : no_connection(loop, failed.message());
  }

  static Error why_refused(const ClientLoop& loop, const Link& link, const error_code& failed,
                           const websocket::response_type& response) {
    if (failed == websocket::error::upgrade_declined) {
      return client_wire::refusal(response.result_int(), response.body());
    }
    return why_failed(loop, link, failed);
  }

  // raystream's handshake, after the upgrade.
  static asio::awaitable<Status> shake(Loop loop, Link link) {
    auto handshake = loop->security_->begin();
    if (!handshake) co_return std::move(handshake).error();
    auto& stream = link->stream;
    stream.binary(true);
    const auto [unsent, bytes] =
        co_await stream.async_write(asio::buffer(handshake->hello()), use_result);
    if (unsent) co_return no_connection(*loop, unsent.message());
    const auto [failed, size] = co_await stream.async_read(link->buffer, use_result);
    if (failed) co_return why_closed(*loop, link, failed.message());
    const auto data = link->buffer.cdata();
    auto channel = loop->security_->finish(std::move(*handshake),
                                           {static_cast<const char*>(data.data()), data.size()});
    link->buffer.consume(link->buffer.size());
    if (!channel) co_return std::move(channel).error();
    link->channel.emplace(std::move(*channel));
    co_return Status{};
  }

  // A close frame's reason is the code, should the message before it have been lost. On an
  // encrypted channel a reason is nobody's: whoever is in between may have written it.
  static Error why_closed(const ClientLoop& loop, const Link& link, const std::string& failed) {
    const auto reason = link->stream.reason().reason;
    const auto code = errc_from_name({reason.data(), reason.size()});
    if (code && !link->channel) return Error(*code, std::string(traits(*code).cause));
    return no_connection(loop, link->aborted ? "no answer in time" : failed);
  }

  // Of a wss URL, on a connection of TCP.
  static asio::awaitable<Status> secure(Loop loop, Link link, std::string host) {
    auto& transport = link->stream.next_layer();
    auto tls = detail::TlsSession::open(loop->io_->tls, transport.socket().native_handle(),
                                        detail::TlsSession::Side::client);
    if (!tls || !tls->expect_host(host)) {
      co_return Error(Errc::internal, "TLS cannot be set up for " + host);
    }
    transport.start_tls(std::move(tls));
    const auto [failed] = co_await transport.async_handshake(use_result);
    if (failed) co_return why_failed(*loop, link, failed);
    co_return Status{};
  }

  // TCP, TLS, upgrade and hello.
  static asio::awaitable<Status> open(Loop loop, Link link, client_wire::Url url) {
    const auto [not_found, addresses] =
        co_await link->resolver.async_resolve(url.host, url.port, use_result);
    if (not_found || link->aborted) {
      co_return no_connection(*loop, link->aborted ? "no answer in time" : not_found.message());
    }
    auto& tcp = link->stream.next_layer().socket();
    const auto [no_tcp, endpoint] = co_await asio::async_connect(tcp, addresses, use_result);
    if (no_tcp) {
      co_return no_connection(*loop, link->aborted ? "no answer in time" : no_tcp.message());
    }
    error_code ignored;
    tcp.set_option(asio::ip::tcp::no_delay(true), ignored);

    if (url.tls) {
      const Status secured = co_await secure(loop, link, url.host);
      if (!secured) co_return secured.error();
    }

    auto& stream = link->stream;
    const auto never = websocket::stream_base::none();
    stream.set_option(websocket::stream_base::timeout{never, never, false});  // ours: watchdog
    stream.read_message_max(client_wire::kMessageBytesMax + raystream::kRecordOverheadBytes);
    stream.auto_fragment(false);
    stream.write_buffer_bytes(16 * limits::kKiB);
    stream.text(true);
    // After a close frame it is the server that ends the connection.
    stream.control_callback([weak = std::weak_ptr(link)](websocket::frame_type kind, auto) {
      const auto closing = weak.lock();
      if (closing && kind == websocket::frame_type::close) {
        ClientLoop::Link::limit_to(closing, kGoodbye);
      }
    });
    const std::string host = client_wire::host_and_port(url);
    const std::string target = "/ws/" + loop->options_.session;
    if (loop->security_) {
      stream.set_option(websocket::stream_base::decorator([](websocket::request_type& request) {
        request.set(
            beast::http::field::sec_websocket_protocol,
            beast::string_view(raystream::kSubprotocol.data(), raystream::kSubprotocol.size()));
      }));
    }
    websocket::response_type response;
    const auto [declined] = co_await stream.async_handshake(response, host, target, use_result);
    if (declined) co_return why_refused(*loop, link, declined, response);

    if (loop->security_) {
      const auto agreed = response[beast::http::field::sec_websocket_protocol];
      if (std::string_view(agreed.data(), agreed.size()) != raystream::kSubprotocol) {
        co_return Error(Errc::crypto_unsupported, loop->options_.url + " does not speak raystream");
      }
      Status shaken = co_await shake(loop, link);
      if (!shaken) co_return shaken;
    }
    const bool resumes = loop->options_.exactly_once && loop->last_welcome_;
    const std::string sid = resumes ? loop->last_welcome_->sid : std::string();
    const auto hello = link->sealed(client_wire::hello(loop->options_.token, sid));
    if (!hello) co_return hello.error();
    const auto [unsent, bytes] = co_await stream.async_write(asio::buffer(*hello), use_result);
    if (unsent) co_return no_connection(*loop, unsent.message());
    if (resumes && !link->aborted) {
      link->welcome = *loop->last_welcome_;
      link->early = true;
      loop->pump(link);
    }
    co_return Status{};
  }

  // Until the connection ends.
  static asio::awaitable<std::string> read(Loop loop, Link link) {
    for (;;) {
      const auto [failed, bytes] = co_await link->stream.async_read(link->buffer, use_result);
      if (failed) co_return failed.message();
      const auto data = link->buffer.cdata();
      loop->receive(link, {static_cast<const char*>(data.data()), data.size()});
      link->buffer.consume(link->buffer.size());
    }
  }

  // One connection from its beginning to its end. Returns why it ended.
  static asio::awaitable<Error> connection(Loop loop, Link link, client_wire::Url url) {
    ClientLoop::Link::limit_to(link, loop->options_.connect_timeout);
    const Status opened = co_await open(loop, link, url);
    if (!opened) co_return opened.error();
    const std::string failed = co_await read(loop, link);
    if (link->refused) co_return *link->refused;
    co_return why_closed(*loop, link, failed);
  }

  static asio::awaitable<void> run(Loop loop, client_wire::Url url) {
    milliseconds ceiling = loop->options_.backoff_min;
    for (;;) {
      auto link = std::make_shared<ClientLoop::Link>(loop->io_->context);
      loop->link_ = link;
      const Error why = co_await connection(loop, link, url);
      const bool was_welcomed = link->heard != ClientCalls::Clock::time_point{};
      loop->lost(*link);
      if (loop->ended_) co_return;
      if (!was_welcomed && why.code == Errc::not_found && loop->last_welcome_) {
        loop->session_is_gone();
        continue;
      }
      // What refuses a hello will refuse the next one; what ends a good connection may pass, except
      // that a token has run out.
      const bool refused = was_welcomed
                               ? why.code == Errc::unauthorized || why.code == Errc::forbidden
                               : !traits(why.code).retry;
      if (refused || !loop->options_.reconnect) {
        loop->end(why);
        co_return;
      }
      loop->note_problem(why);
      if (was_welcomed) ceiling = loop->options_.backoff_min;
      std::uniform_int_distribution<milliseconds::rep> jitter(0, ceiling.count());
      const milliseconds asked = why.retry_after.value_or(milliseconds(0));
      loop->io_->backoff.expires_after(asked + milliseconds(jitter(loop->io_->random)));
      co_await loop->io_->backoff.async_wait(use_result);
      if (loop->ended_) co_return;
      ceiling = std::min(ceiling * 2, loop->options_.backoff_max);
    }
  }
};

ClientLoop::ClientLoop(ClientOptions options)
    : options_(consistent(std::move(options))),
      io_(std::make_unique<Io>()),
      key_prefix_(random_prefix() + 'x') {}

ClientLoop::~ClientLoop() = default;

void ClientLoop::start() {
  auto url = client_wire::parse_url(options_.url);
  const bool named = is_session_name(options_.session);
  asio::post(io_->context, [self = shared_from_this(), url = std::move(url), named] {
    if (!url) return self->end(url.error());
    if (!named) {
      return self->end(Error(Errc::invalid_request,
                             "'" + self->options_.session + "' cannot name a session",
                             "A session's name is 1 to 128 of A-Z a-z 0-9 _ . : -"));
    }
    // A server whose certificate was not verified is never spoken to.
    auto security =
        ClientSecurity::from(self->options_.raystream, client_wire::host_and_port(*url), url->tls);
    if (!security) return self->end(security.error());
    self->security_ = std::move(*security);
    if (url->tls) {
      const ClientOptions& options = self->options_;
      auto tls = detail::client_tls({options.ca_file, options.certificate_file, options.key_file});
      if (!tls) return self->end(tls.error());
      self->io_->tls = std::move(*tls);
    }
    asio::co_spawn(self->io_->context, ClientSteps::run(self, *url), asio::detached);
  });
  thread_ = std::thread([self = shared_from_this()] { self->io_->context.run(); });
}

void ClientLoop::close() {
  asio::post(io_->context, [self = shared_from_this()] {
    self->end(Error(Errc::overloaded, "The client was closed", "Make a new client."));
  });
}

void ClientLoop::join() {
  asio::post(io_->context, [self = shared_from_this()] { self->io_->work.reset(); });
  if (on_thread()) {
    thread_.detach();
  } else {
    thread_.join();
  }
}

bool ClientLoop::on_thread() const { return std::this_thread::get_id() == thread_.get_id(); }

void ClientLoop::submit(std::string_view function, const Json& args, Client::Callback done,
                        std::uint64_t tx) {
  Submitted submitted;
  ClientCalls::Call& call = submitted.call;
  call.id = last_id_.fetch_add(1, std::memory_order_relaxed) + 1;
  call.deadline = ClientCalls::Clock::now() + options_.call_timeout;
  call.done = std::move(done);
  // What is repeated of a transaction is all of it.
  call.repeatable = options_.exactly_once && tx == 0 && !function.starts_with("tx.");
  std::string key;
  if (call.repeatable && !client_wire::only_reads(function, args)) {
    key = key_prefix_ + std::to_string(call.id);
  }
  auto frame = client_wire::call(call.id, function, args, tx, key);
  const std::size_t bytes = frame ? frame->size() : 0;
  if (open_bytes_.fetch_add(bytes, std::memory_order_relaxed) + bytes > options_.calls_bytes_max) {
    submitted.refused = Error(Errc::overloaded,
                              "The client's calls that are waiting or unanswered "
                              "have too many bytes",
                              "Wait for answers, or raise calls_bytes_max.");
  }
  if (open_calls_.fetch_add(1, std::memory_order_relaxed) >= options_.calls_max) {
    submitted.refused =
        Error(Errc::overloaded, "The client has " + std::to_string(options_.calls_max) +
                                    " calls waiting or unanswered");
  } else if (!frame) {
    submitted.refused = std::move(frame).error();
  } else {
    call.frame = std::move(*frame);
  }
  if (submitted.refused) open_bytes_.fetch_sub(bytes, std::memory_order_relaxed);
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    first = inbox_.empty();
    inbox_.push_back(std::move(submitted));
  }
  if (first) asio::post(io_->context, [self = shared_from_this()] { self->take_inbox(); });
}

std::uint64_t ClientLoop::subscribe(std::string_view table, SubscribeOptions options,
                                    Client::EventHandler handler) {
  const std::uint64_t id = last_id_.fetch_add(1, std::memory_order_relaxed) + 1;
  asio::post(io_->context, [self = shared_from_this(), id, table = std::string(table),
                            options = std::move(options), handler = std::move(handler)]() mutable {
    if (self->ended_) return handler(*self->ended_);
    self->subscriptions_.add(id, std::move(table), std::move(options), std::move(handler));
    const std::shared_ptr<Link> link = self->link_;
    if (!link || !link->welcomed) return;  // the welcome does it
    link->first_out.push_back(self->subscriptions_.frame(id));
    self->pump(link);
  });
  return id;
}

void ClientLoop::unsubscribe(std::uint64_t subscription) {
  const std::uint64_t id = last_id_.fetch_add(1, std::memory_order_relaxed) + 1;
  asio::post(io_->context, [self = shared_from_this(), id, subscription] {
    const std::shared_ptr<Link> link = self->link_;
    if (!self->subscriptions_.remove(subscription) || !link || !link->welcomed) return;
    link->first_out.push_back(client_wire::unsubscribe(id, subscription));
    self->pump(link);
  });
}

void ClientLoop::take_inbox() {
  std::vector<Submitted> taken;
  {
    const std::lock_guard lock(mutex_);
    taken.swap(inbox_);
  }
  for (Submitted& submitted : taken) {
    if (ended_ && !submitted.refused) {
      submitted.refused = *ended_;
      open_bytes_.fetch_sub(submitted.call.frame.size(), std::memory_order_relaxed);
    }
    if (submitted.refused) {
      open_calls_.fetch_sub(1, std::memory_order_relaxed);
      submitted.call.done(std::move(*submitted.refused));
    } else {
      calls_.add(std::move(submitted.call));
    }
  }
  watch_deadlines();
  if (link_) pump(std::shared_ptr(link_));
}

void ClientLoop::pump(const std::shared_ptr<Link>& link) {
  if (!(link->welcomed || link->early) || !link->writing.empty()) return;
  if (!link->first_out.empty()) {
    link->writing = std::move(link->first_out.front());
    link->first_out.pop_front();
  } else if (!link->refused) {
    auto frame = calls_.next_to_send(link->welcome, ClientCalls::Clock::now());
    if (frame) link->writing = std::move(*frame);
  }
  if (!link->writing.empty()) write(link);
}

void ClientLoop::write(const std::shared_ptr<Link>& link) {
  auto sealed = link->sealed(std::move(link->writing));
  if (!sealed) {  // its time is over: with another connection comes another channel
    link->writing.clear();
    return link->abort();
  }
  link->writing = std::move(*sealed);
  link->stream.async_write(asio::buffer(link->writing),
                           [self = shared_from_this(), link](error_code failed, std::size_t) {
                             link->writing.clear();
                             if (failed) return link->abort();
                             link->channel && link->leaving ? self->leave(link) : self->pump(link);
                           });
}

void ClientLoop::beat(const std::shared_ptr<Link>& link) {
  link->pulse.expires_after(link->welcome.heartbeat);
  link->pulse.async_wait([self = shared_from_this(), link](error_code cancelled) {
    if (cancelled || !link->welcomed) return;
    const auto silence = ClientCalls::Clock::now() - link->heard;
    if (silence >= limits::kHeartbeatsMissedMax * link->welcome.heartbeat) return link->abort();
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    if (link->first_out.empty()) {
      link->first_out.push_back(
          client_wire::heartbeat(std::chrono::duration_cast<milliseconds>(now).count()));
    }
    self->pump(link);
    self->beat(link);
  });
}

void ClientLoop::receive(const std::shared_ptr<Link>& link, std::string_view frame) {
  if (!link->channel) return receive_message(link, frame, std::nullopt);
  const auto opened = link->channel->receiver.open(frame, std::chrono::system_clock::now());
  if (opened && link->stream.got_binary()) {
    return receive_message(link, opened->plaintext, opened->type);
  }
  link->refused = opened ? raystream::bad_frame() : opened.error();
  link->abort();
}

void ClientLoop::receive_message(const std::shared_ptr<Link>& link, std::string_view text,
                                 std::optional<raystream::FrameType> record) {
  auto message = client_wire::decode(text, record);
  if (!message) {
    link->refused = std::move(message).error();
    return link->abort();
  }
  if (link->welcomed) link->heard = ClientCalls::Clock::now();
  if (auto* answer = std::get_if<client_wire::Answer>(&*message)) {
    if (subscriptions_.contains(answer->id)) {
      subscriptions_.answered(answer->id, answer->result);
    } else if (answer->id != 0) {
      const bool rests = calls_.answer(answer->id, std::move(answer->result));
      if (rests) io_->deadlines.cancel();  // it may be the next that is due
      if (rests) watch_deadlines();
    } else if (!link->welcomed && !answer->result) {
      link->refused = std::move(answer->result).error();
    }
    pump(link);
  } else if (auto* event = std::get_if<client_wire::EventMessage>(&*message)) {
    subscriptions_.take(std::move(*event));
  } else if (const auto* over = std::get_if<client_wire::Ended>(&*message)) {
    if (!subscriptions_.ended(over->subscription, over->error)) return;
    link->first_out.push_back(subscriptions_.frame(over->subscription));
    pump(link);
  } else if (auto* close = std::get_if<client_wire::Close>(&*message)) {
    // Answers may still come before the end, which is the server's to make.
    link->refused = std::move(close->error);
    Link::limit_to(link, kGoodbye);
  } else if (auto* welcome = std::get_if<Welcome>(&*message)) {
    if (link->welcomed) return;
    link->welcome = std::move(*welcome);
    if (link->channel) {
      link->welcome.frame_bytes = std::min<std::size_t>(
          link->welcome.frame_bytes,
          std::min(link->channel->limits.plaintext_bytes, raystream::kPlaintextBytesMax));
    }
    link->welcomed = true;
    last_welcome_ = link->welcome;
    link->heard = ClientCalls::Clock::now();
    link->no_limit();
    settle_first(link->welcome);
    for (std::string& asked : subscriptions_.frames()) link->first_out.push_back(std::move(asked));
    if (handler_) handler_(true);
    beat(link);
    pump(link);
  }
}

void ClientLoop::watch_deadlines() {
  if (deadline_armed_) return;
  const auto next = calls_.expire(ClientCalls::Clock::now());
  if (!next) return;
  deadline_armed_ = true;
  io_->deadlines.expires_at(*next);
  io_->deadlines.async_wait([self = shared_from_this()](error_code) {
    self->deadline_armed_ = false;
    if (self->ended_) return;
    self->watch_deadlines();
    if (self->link_) self->pump(std::shared_ptr(self->link_));
  });
}

void ClientLoop::lost(Link& link) {
  const bool was_welcomed = link.heard != ClientCalls::Clock::time_point{};
  link.abort();
  link_.reset();
  calls_.lose_sent();
  if (was_welcomed && handler_) handler_(false);
}

// Another session has its name now: what may have run in the old one is not sent to it.
void ClientLoop::session_is_gone() {
  last_welcome_.reset();
  calls_.give_up_lost();
}

void ClientLoop::end(const Error& error) {
  if (ended_) return;
  ended_ = error;
  io_->backoff.cancel();
  io_->deadlines.cancel();
  calls_.fail_all(error);
  subscriptions_.fail_all(error);
  settle_first(error);
  if (security_) security_->forget();
  if (!link_) return;
  if (!link_->welcomed) return link_->abort();
  link_->welcomed = false;
  link_->pulse.cancel();
  Link::limit_to(link_, kGoodbye);
  link_->leaving = true;
  leave(link_);
}

// An encrypted channel ends with a record that says so; the server then closes, which Beast
// answers. With a close of our own it could meet that one half way, and each wait for the other.
void ClientLoop::leave(const std::shared_ptr<Link>& link) {
  if (!link->channel) {
    link->stream.async_close(websocket::close_code::normal, [link](error_code) { link->abort(); });
  } else if (link->writing.empty() && !std::exchange(link->said_close, true)) {
    link->writing = client_wire::close();
    write(link);
  }  // else comes back when that is written
}

void ClientLoop::settle_first(Result<Welcome> welcome) {
  const std::lock_guard lock(mutex_);
  // A client that ended says so also to those who ask later.
  if (first_ && welcome.has_value()) return;
  first_ = std::move(welcome);
  settled_.notify_all();
}

void ClientLoop::note_problem(const Error& problem) {
  const std::lock_guard lock(mutex_);
  last_problem_ = problem.message;
}

Result<Welcome> ClientLoop::first_welcome() {
  std::unique_lock lock(mutex_);
  if (settled_.wait_for(lock, options_.connect_timeout, [&] { return first_.has_value(); })) {
    return *first_;
  }
  return Error(Errc::timeout,
               "No welcome from " + options_.url + " within " +
                   std::to_string(options_.connect_timeout.count()) + " ms" +
                   (last_problem_.empty() ? "" : ". " + last_problem_),
               "Check that the server runs there and that the address is right.");
}

void ClientLoop::on_connection(std::function<void(bool)> handler) {
  asio::post(io_->context, [self = shared_from_this(), handler = std::move(handler)]() mutable {
    self->handler_ = std::move(handler);
    if (self->handler_ && self->link_ && self->link_->welcomed) self->handler_(true);
  });
}

}  // namespace kontract
