// An HTTP server of its own, in the manner of Beast's examples, that mounts kontract under /ws/ and
// runs it on its io_context. See README.md.

#include <boost/asio/dispatch.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/strand.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <thread>

#include "net/client.hpp"
#include "net/http_get.hpp"
#include "runtime/runtime.hpp"

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;

using Request = http::request<http::string_body>;

// One connection of the HTTP server. It answers / and /visits itself; an upgrade of /ws/ is none of
// its business, and goes to kontract with the socket.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(tcp::socket socket, kontract::Runtime& runtime)
      : stream_(std::move(socket)), runtime_(runtime) {}

  void read() {
    request_ = {};
    stream_.expires_after(std::chrono::seconds(15));
    http::async_read(stream_, buffer_, request_,
                     [self = shared_from_this()](beast::error_code error, std::size_t) {
                       if (!error) self->serve();
                     });
  }

 private:
  void serve() {
    if (beast::websocket::is_upgrade(request_) && request_.target().starts_with("/ws/")) {
      // From here on the connection is kontract's.
      stream_.expires_never();
      const kontract::Status taken = runtime_.accept(stream_.release_socket(), request_,
                                                     beast::buffers_to_string(buffer_.data()));
      if (!taken) std::cerr << taken.error().message << "\n";
      return;
    }
    if (request_.target() == "/") return respond(http::status::ok, R"({"rooms":["lobby"]})");
    if (request_.target() != "/visits") return respond(http::status::not_found, "{}");
    // A page may ask a session, without a socket. The answer comes back on this io_context.
    runtime_.session("dev", "lobby")
        .call("visits.count")
        .then([self = shared_from_this()](const kontract::Result<kontract::CallResult>& visits) {
          if (!visits) return self->respond(http::status::service_unavailable, "{}");
          self->respond(http::status::ok, visits->result.dump());
        });
  }

  void respond(http::status status, std::string json) {
    asio::dispatch(stream_.get_executor(),
                   [self = shared_from_this(), status, json = std::move(json)]() mutable {
                     self->response_ = {status, self->request_.version(), std::move(json)};
                     self->response_.set(http::field::content_type, "application/json");
                     self->response_.keep_alive(self->request_.keep_alive());
                     self->response_.prepare_payload();
                     http::async_write(self->stream_, self->response_,
                                       [self](beast::error_code error, std::size_t) {
                                         if (!error && self->response_.keep_alive()) self->read();
                                       });
                   });
  }

  beast::tcp_stream stream_;
  kontract::Runtime& runtime_;
  beast::flat_buffer buffer_;
  Request request_;
  http::response<http::string_body> response_;
};

// Counts visits of the session's room; gives how many there were.
kontract::Task<std::uint64_t> enter(kontract::FunctionContext& ctx, std::string who) {
  auto visits = ctx.table("visits");
  const kontract::Json visit = {{"who", who}};
  co_await visits.push(visit);
  const std::uint64_t visitors = co_await visits.count();
  co_return visitors;
}

kontract::Task<std::uint64_t> count(kontract::FunctionContext& ctx) {
  const std::uint64_t visitors = co_await ctx.table("visits").count();
  co_return visitors;
}

kontract::Backend visitors() {
  kontract::Backend backend;
  backend.function({.name = "visits.enter",
                    .args = {"who"},
                    .perm = kontract::perms::RW_,
                    .doc = "Counts a visit; gives how many there were."},
                   enter);
  backend.function(
      {.name = "visits.count", .perm = kontract::perms::R__, .doc = "How many visits there were."},
      count);
  return backend;
}

class Server {
 public:
  Server(const std::filesystem::path& data, std::uint16_t port)
      : acceptor_(io_, {asio::ip::address_v4::loopback(), port}) {
    kontract::Options options;
    options.store.data = data;
    options.store.ballast_bytes = 0;
    options.listen = false;  // this server has the port
    auto started = kontract::Runtime::start(std::move(options), visitors(), {.io = &io_});
    if (!started) throw std::runtime_error(started.error().message);
    runtime_ = std::move(*started);
    runtime_->session("dev", "lobby").call("table.create", "visits");
    signals_.async_wait([this](beast::error_code error, int) {
      if (!error) stop();
    });
    accept();
  }

  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
  void run() { io_.run(); }
  void stop_soon() {
    asio::post(io_, [this] { stop(); });
  }

 private:
  void accept() {
    acceptor_.async_accept(asio::make_strand(io_),
                           [this](beast::error_code error, tcp::socket socket) {
                             if (error == asio::error::operation_aborted) return;
                             if (!error) {
                               std::make_shared<Connection>(std::move(socket), *runtime_)->read();
                             }
                             accept();
                           });
  }

  // Closes the WebSockets with 1001 and syncs; calls that are under way are answered.
  void stop() {
    acceptor_.close();
    runtime_->stop();
    io_.stop();
  }

  asio::io_context io_{1};
  tcp::acceptor acceptor_;
  asio::signal_set signals_{io_, SIGINT, SIGTERM};
  std::unique_ptr<kontract::Runtime> runtime_;
};

void expect(bool fact, const std::string& what) {
  if (!fact) throw std::runtime_error("not so: " + what);
}

// What a browser and a client of it do.
void try_it(std::uint16_t port) {
  const std::string at = "127.0.0.1:" + std::to_string(port);
  const auto page = kontract::http_get_json("ws://" + at, "/", "");
  expect(page && page->contains("rooms"), "the server's own page is there");
  kontract::Client client({.url = "ws://" + at, .session = "lobby"});
  const auto welcome = client.connect();
  expect(bool(welcome), "a WebSocket comes through to a session");
  const auto visits = client.call("visits.enter", kontract::Json::array({"ann"}));
  expect(visits && visits->result == 1, "its first visit is counted");
  const auto counted = kontract::http_get_json("ws://" + at, "/visits", "");
  expect(counted && *counted == 1, "a page of the server tells the same");
  std::cout << "one visit, seen through both servers\n";
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const bool only_try = argc > 1 && std::string_view(argv[1]) == "--try";
    if (!only_try) {
      Server server("embed_beast-data", 8080);
      std::cout << "listening on http://127.0.0.1:" << server.port() << "\n";
      server.run();
      return 0;
    }
    std::string folder = (std::filesystem::temp_directory_path() / "embed-XXXXXX").string();
    if (mkdtemp(folder.data()) == nullptr) throw std::runtime_error("no temporary directory");
    {
      Server server(folder, 0);
      std::thread runs([&server] { server.run(); });
      std::exception_ptr failure;
      try {
        try_it(server.port());
      } catch (...) {
        failure = std::current_exception();
      }
      server.stop_soon();
      runs.join();
      if (failure) std::rethrow_exception(failure);
    }
    std::filesystem::remove_all(folder);
    return 0;
  } catch (const std::exception& failure) {
    std::cerr << "embed_beast: " << failure.what() << "\n";
    return 1;
  }
}
