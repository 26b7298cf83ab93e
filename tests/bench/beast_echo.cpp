// beast_echo: the least a JSON-over-WebSocket server can do with Beast, as the yardstick for
// kontract. It parses each call, answers with its first argument, and does nothing else.
//
//   {"t":"call","id":7,"args":["a",1]}  ->  {"t":"result","id":7,"result":"a","txid":1}
//   {"t":"hello",...}                   ->  {"t":"welcome",...}
//
// It is meant to be a fair rival: asynchronous, one strand a connection, several calls in flight,
// no Nagle delay, no compression. A connection whose send queue is full is not read meanwhile.

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/strand.hpp>
#include <boost/beast/core/bind_handler.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <cstdio>
#include <deque>
#include <exception>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "tests/bench/flags.hpp"

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = beast::websocket;
using asio::ip::tcp;
using nlohmann::json;

constexpr std::size_t kMessageBytesMax = 1024 * 1024;
constexpr std::size_t kQueuedRepliesMax = 256;

std::string answer(std::string_view text) {
  const json call = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!call.is_object()) return json{{"t", "error"}, {"message", "not a JSON object"}}.dump();
  const auto type = call.find("t");
  if (type != call.end() && *type == "hello") {
    return json{{"t", "welcome"}, {"v", 1}, {"session", "echo"}, {"txid", 0}}.dump();
  }
  const auto id = call.find("id");
  if (type == call.end() || *type != "call" || id == call.end()) {
    return json{{"t", "error"}, {"message", "not a call with an id"}}.dump();
  }
  const auto args = call.find("args");
  const bool has_argument = args != call.end() && args->is_array() && !args->empty();
  return json{{"t", "result"},
              {"id", *id},
              {"result", has_argument ? args->front() : json(nullptr)},
              {"txid", 1}}
      .dump();
}

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  explicit Connection(tcp::socket socket) : stream_(std::move(socket)) {}

  void start() {
    beast::get_lowest_layer(stream_).socket().set_option(tcp::no_delay(true));
    stream_.read_message_max(kMessageBytesMax);
    stream_.text(true);
    stream_.auto_fragment(false);
    stream_.async_accept(beast::bind_front_handler(&Connection::on_accepted, shared_from_this()));
  }

 private:
  void on_accepted(beast::error_code error) {
    if (!error) read();
  }

  void read() {
    reading_ = true;
    stream_.async_read(buffer_,
                       beast::bind_front_handler(&Connection::on_read, shared_from_this()));
  }

  void on_read(beast::error_code error, std::size_t) {
    reading_ = false;
    if (error) return;
    const auto bytes = buffer_.cdata();
    replies_.push_back(answer({static_cast<const char*>(bytes.data()), bytes.size()}));
    buffer_.consume(buffer_.size());
    if (replies_.size() == 1) write();
    if (replies_.size() < kQueuedRepliesMax) read();
  }

  void write() {
    stream_.async_write(asio::buffer(replies_.front()),
                        beast::bind_front_handler(&Connection::on_written, shared_from_this()));
  }

  void on_written(beast::error_code error, std::size_t) {
    if (error) return;
    replies_.pop_front();
    if (!replies_.empty()) write();
    if (!reading_) read();
  }

  // The second argument leaves the code for permessage-deflate out.
  websocket::stream<beast::tcp_stream, false> stream_;
  beast::flat_buffer buffer_;
  std::deque<std::string> replies_;  // the front one is being written
  bool reading_ = false;
};

void accept_next(tcp::acceptor& acceptor) {
  acceptor.async_accept(asio::make_strand(acceptor.get_executor()),
                        [&acceptor](beast::error_code error, tcp::socket socket) {
                          if (error == asio::error::operation_aborted) return;
                          if (!error) std::make_shared<Connection>(std::move(socket))->start();
                          accept_next(acceptor);
                        });
}

void serve(std::uint16_t port, int threads) {
  asio::io_context context(threads);
  tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), port});
  asio::signal_set signals(context, SIGINT, SIGTERM);
  signals.async_wait([&](beast::error_code, int) { context.stop(); });
  accept_next(acceptor);
  std::printf("listening on 127.0.0.1:%d\n", acceptor.local_endpoint().port());
  std::fflush(stdout);

  std::vector<std::jthread> others;
  for (int i = 1; i < threads; ++i) others.emplace_back([&] { context.run(); });
  context.run();
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const kontract::bench::Flags flags(argc, argv, {"--port", "--threads"});
    const int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
    const int port = flags.count("--port", 0, 0);
    if (port > 65535) throw std::invalid_argument("--port must be at most 65535");
    serve(static_cast<std::uint16_t>(port), flags.count("--threads", cores));
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "beast_echo: %s\n", error.what());
    return 2;
  }
}
