// A server on a free port of loopback with a real store, actors and two threads, and blocking
// clients that talk to it over sockets. No client waits for ever.

#pragma once

#include <gtest/gtest.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <filesystem>
#include <optional>
#include <thread>
#include <vector>

#include "actors/detail/asio_scheduler.hpp"
#include "actors/front.hpp"
#include "actors/routes.hpp"
#include "net/account_provider.hpp"
#include "net/server.hpp"
#include "net/token.hpp"
#include "storage/store.hpp"

namespace kontract {

namespace test {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using ErrorCode = boost::system::error_code;

// `from` is an address of loopback, to come from another client than the rest.
inline tcp::socket connect(asio::io_context& io, std::uint16_t port, const std::string& from = {}) {
  tcp::socket socket(io);
  if (!from.empty()) {
    socket.open(tcp::v4());
    socket.bind({asio::ip::make_address(from), 0});
  }
  socket.connect({asio::ip::address_v4::loopback(), port});
  socket.set_option(tcp::no_delay(true));
  return socket;
}

// How long a test waits for what has to come: longer than any machine is busy.
inline constexpr std::chrono::seconds kPatience{120};

// The code of a close frame when the token is good no more.
inline constexpr int kUnauthorizedClose = 4401;

// Starts an operation and waits until it is over, at most kPatience. Its handler takes an error
// code, and maybe more.
template <class Start>
ErrorCode complete(asio::io_context& io, Start start) {
  ErrorCode result = asio::error::timed_out;
  start([&result](ErrorCode error, auto&&...) { result = error; });
  io.restart();
  io.run_for(kPatience);
  EXPECT_NE(result, asio::error::timed_out) << "the test waited in vain";
  return result;
}

// Sends bytes and reads HTTP responses.
class RawClient {
 public:
  explicit RawClient(std::uint16_t port, const std::string& from = {})
      : socket_(connect(io_, port, from)) {}

  void send(const std::string& bytes) {
    ErrorCode ignored;  // the server may have closed on what came before
    asio::write(socket_, asio::buffer(bytes), ignored);
  }

  // The status, or 0 when the connection ended without a response.
  int receive(bool to_head = false) {
    http::response_parser<http::string_body> response;
    response.skip(to_head);
    const ErrorCode error = complete(
        io_, [&](auto done) { http::async_read(socket_, buffer_, response, std::move(done)); });
    if (error) return 0;
    last_ = response.release();
    return last_.result_int();
  }
  int request(const std::string& bytes) {
    send(bytes);
    return receive();
  }

  Json body() const { return Json::parse(last_.body(), nullptr, false); }
  const std::string& text() const { return last_.body(); }
  std::string header(const std::string& name) const { return last_[name]; }

  // Whether the server ends the connection, and says nothing more.
  bool ended() {
    char byte = 0;
    const ErrorCode error = complete(
        io_, [&](auto done) { socket_.async_read_some(asio::buffer(&byte, 1), std::move(done)); });
    return error == asio::error::eof || error == asio::error::connection_reset;
  }

 private:
  asio::io_context io_;
  tcp::socket socket_;
  beast::flat_buffer buffer_;
  http::response<http::string_body> last_;
};

// A WebSocket client that takes frames one by one.
class WsClient {
 public:
  struct Options {
    std::string authorization, protocol, origin;
    int receive_buffer = 0;  // 0: the system's
    std::string from = {};   // as connect()
  };

  WsClient(std::uint16_t port, const std::string& session) : WsClient(port, session, Options()) {}
  WsClient(std::uint16_t port, const std::string& session, const Options& options)
      : ws_(connect(io_, port, options.from)) {
    if (options.receive_buffer > 0) {
      ws_.next_layer().set_option(asio::socket_base::receive_buffer_size(options.receive_buffer));
    }
    ws_.set_option(
        beast::websocket::stream_base::decorator([&](beast::websocket::request_type& request) {
          if (!options.authorization.empty()) {
            request.set(http::field::authorization, options.authorization);
          }
          if (!options.protocol.empty()) {
            request.set(http::field::sec_websocket_protocol, options.protocol);
          }
          if (!options.origin.empty()) request.set(http::field::origin, options.origin);
        }));
    ws_.read_message_max(64 * limits::kMiB);
    ws_.text(true);
    error_ = complete(io_, [&](auto done) {
      ws_.async_handshake(response_, "127.0.0.1", "/ws/" + session, std::move(done));
    });
  }

  // The status that the upgrade was answered with.
  int status() const { return response_.result_int(); }
  std::string protocol() const { return response_[http::field::sec_websocket_protocol]; }

  void send(const Json& message) { send_text(message.dump()); }
  void send_text(const std::string& text) {
    ErrorCode ignored;
    ws_.write(asio::buffer(text), ignored);
  }
  void send_binary(const std::string& text) {
    ws_.binary(true);
    send_text(text);
    ws_.text(true);
  }
  // Frames in one write, so that the server finds them together.
  void send_bytes(const std::string& bytes) {
    ErrorCode ignored;
    asio::write(ws_.next_layer(), asio::buffer(bytes), ignored);
  }
  void ping() { ws_.ping({}); }
  void close_socket() { ws_.next_layer().close(); }

  // The next message; null when the connection was closed.
  Json next() {
    beast::flat_buffer frame;
    error_ = complete(io_, [&](auto done) { ws_.async_read(frame, std::move(done)); });
    if (error_) return nullptr;
    return Json::parse(beast::buffers_to_string(frame.data()));
  }

  Json hello(const Json& more = Json::object()) {
    Json message = {{"t", "hello"}, {"v", 1}};
    message.update(more);
    send(message);
    return next();
  }
  void call(std::uint64_t id, const std::string& function, const Json& args,
            const Json& more = Json::object()) {
    Json message = {{"t", "call"}, {"id", id}, {"fn", function}, {"args", args}};
    message.update(more);
    send(message);
  }
  Json ask(std::uint64_t id, const std::string& function, const Json& args) {
    call(id, function, args);
    return next();
  }
  Json beat(int timestamp) {
    send({{"t", "heartbeat"}, {"timestamp", timestamp}});
    return next();
  }

  // Reads to the end of the connection; the code and reason of its close frame, 0 if there was
  // none.
  std::pair<int, std::string> closing() {
    while (!error_) next();
    if (error_ != beast::websocket::error::closed) return {0, error_.message()};
    return {ws_.reason().code, std::string(ws_.reason().reason.c_str())};
  }

 private:
  asio::io_context io_;
  beast::websocket::stream<tcp::socket> ws_;
  beast::websocket::response_type response_;
  ErrorCode error_;
};

}  // namespace test

class ServerFixture : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "kontract-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_path_ = pattern;
    options_.port = 0;
    // What a test does not set itself does not end because the machine is busy.
    options_.handshake_timeout = test::kPatience;
    options_.message_timeout = test::kPatience;
    options_.call_timeout = options_.call_timeout_max;
    options_.body_rate_min = 0;
  }

  void TearDown() override {
    stop();
    std::filesystem::remove_all(directory_path_);
  }

  // Starts with options_. Called by each test, which may change them first.
  void start() {
    StoreOptions store = store_options_;
    store.data = directory_path_;
    store.map_bytes = limits::kGiB;
    store.disk_floor_bytes = 0;
    store.ballast_bytes = 0;
    store.sql.time = test::kPatience;
    store.changes = changes_;
    auto opened = Store::open(store);
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = std::move(*opened);
    io_ = std::make_unique<boost::asio::io_context>(2);
    work_.emplace(io_->get_executor());
    for (int i = 0; i < 2; ++i) threads_.emplace_back([this] { io_->run(); });
    config_ = std::make_unique<caf::actor_system_config>();
    AsioScheduler::install(*config_, *io_);
    system_ = std::make_unique<caf::actor_system>(*config_);
    const auto backend = std::make_shared<const Backend>(std::move(backend_));
    SessionOptions sessions;
    sessions.backend = backend;
    sessions.owners_create_tables = owners_create_tables_;
    sessions.on_destroyed = [this](const std::string& sid) { server_->session_destroyed(sid); };
    sessions.events = events_;
    sessions.idle = idle_;
    directory_ = std::make_unique<Directory>(*system_, *store_, std::move(sessions));
    front_ = std::make_unique<Front>(*system_, backend, store_->shared(), Alarm());
    routes_ = to_text(routes(*backend));
    auto listening = listen(options_);
    ASSERT_TRUE(listening) << listening.error().message;
    server_ = std::move(*listening);
  }

  Result<std::shared_ptr<Server>> listen(const ServerOptions& options) {
    return Server::listen(options, {.io = io_.get(),
                                    .directory = directory_.get(),
                                    .front = front_.get(),
                                    .shared = &store_->shared(),
                                    .store = store_.get(),
                                    .durability = "sync",
                                    .metrics_text = [] { return std::string("kontract_x 1\n"); },
                                    .routes_text = [this] { return routes_; },
                                    .accounts = accounts()});
  }

  // Of the server that starts; null: it has none.
  virtual std::shared_ptr<AccountProvider> accounts() { return nullptr; }

  void stop() {
    release_writes();
    if (!io_) return;
    if (server_) {
      server_->stop();
      wait_until([&] { return server_->drained(); });
    }
    front_->close();
    directory_->stop();
    system_.reset();  // waits for the actors
    work_.reset();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    server_.reset();
    io_.reset();  // what is left in it, connections above all, still needs the directory
    // The thread that gave the last answer may still hold that call's session for a moment.
    wait_until([&] { return directory_->metrics().known == 0; });
    front_.reset();
    directory_.reset();
    store_.reset();
  }

  std::uint16_t port() const { return server_->port(); }

  // While writes are held, no write is answered: LMDB has one writer, and it is the test.
  void hold_writes() {
    for (std::size_t i = 0; i < store_->shards(); ++i) {
      auto held = store_->shard(i).environment().write();
      ASSERT_TRUE(held) << held.error().message;
      held_.push_back(std::move(*held));
    }
  }
  void release_writes() { held_.clear(); }

  // For what no message tells. Fails the test after kPatience.
  template <class Condition>
  void wait_until(Condition condition) {
    const auto until = std::chrono::steady_clock::now() + test::kPatience;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > until) FAIL() << "waited in vain";
      std::this_thread::yield();
    }
  }

  std::string token(const Json& more = Json::object()) const {
    const auto now = std::chrono::duration_cast<std::chrono::seconds>(
                         std::chrono::system_clock::now().time_since_epoch())
                         .count();
    Json claims = {
        {"iss", kTokenIssuer}, {"aud", kTokenAudience},     {"sub", "u1"}, {"owner", "tenant-1"},
        {"perm", 7},           {"ugroups", {"admin", "x"}}, {"iat", now},  {"exp", now + 600}};
    claims.update(more);
    return issue_token(claims, secret_key(options_.secret));
  }

  // A client that is welcome in a session with the table "t".
  std::unique_ptr<test::WsClient> joined(const std::string& session = "room-1") {
    auto client = std::make_unique<test::WsClient>(port(), session);
    EXPECT_EQ(client->hello()["t"], "welcome");
    client->ask(1, "table.create", {"t", Json::object()});  // it may be there already
    return client;
  }

  ServerOptions options_;
  StoreOptions store_options_;  // of what start() does not set
  Backend backend_;             // until start()
  bool owners_create_tables_ = false;
  ChangeLogLimits changes_;
  EventLimits events_;
  std::chrono::milliseconds idle_{limits::kSessionIdle};
  std::string routes_;
  std::filesystem::path directory_path_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<boost::asio::io_context> io_;
  std::optional<boost::asio::executor_work_guard<boost::asio::io_context::executor_type>> work_;
  std::vector<std::thread> threads_;
  std::unique_ptr<caf::actor_system_config> config_;
  std::unique_ptr<caf::actor_system> system_;
  std::unique_ptr<Directory> directory_;
  std::unique_ptr<Front> front_;
  std::shared_ptr<Server> server_;
  std::vector<WriteTxn> held_;
};

}  // namespace kontract
