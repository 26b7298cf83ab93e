// A client of raystream.v1 that takes frames one by one, so that each can be another one than it
// ought to be.

#pragma once

#include <utility>

#include "net/raystream_handshake.hpp"
#include "net/raystream_message.hpp"
#include "tests/net/server_fixture.hpp"

namespace kontract::test {

// The byte `at` (from the end if negative) with one bit changed.
inline std::string with_flipped(std::string frame, int at) {
  const auto size = static_cast<int>(frame.size());
  char& byte = frame[static_cast<std::size_t>(at < 0 ? size + at : at)];
  byte = static_cast<char>(byte ^ 1);
  return frame;
}

class SealedClient {
 public:
  // The upgrade alone.
  explicit SealedClient(std::uint16_t port, const std::string& session = "room-1",
                        const std::string& authorization = "",
                        const std::string& protocols = "raystream.v1")
      : ws_(connect(io_, port)) {
    ws_.set_option(
        beast::websocket::stream_base::decorator([&](beast::websocket::request_type& request) {
          if (!authorization.empty()) request.set(http::field::authorization, authorization);
          if (!protocols.empty()) request.set(http::field::sec_websocket_protocol, protocols);
        }));
    ws_.read_message_max(64 * limits::kMiB);
    ws_.binary(true);
    error_ = complete(io_, [&](auto done) {
      ws_.async_handshake(response_, "127.0.0.1", "/ws/" + session, std::move(done));
    });
  }

  int status() const { return response_.result_int(); }
  std::string protocol() const { return response_[http::field::sec_websocket_protocol]; }

  void send_frame(const std::string& bytes) {
    ErrorCode ignored;  // the server may have closed on what came before
    ws_.write(asio::buffer(bytes), ignored);
  }
  void send_text(const std::string& text) {
    ws_.text(true);
    send_frame(text);
    ws_.binary(true);
  }

  // The next frame; nothing when the connection was closed. None of them is text.
  std::optional<std::string> next_frame() {
    beast::flat_buffer frame;
    error_ = complete(io_, [&](auto done) { ws_.async_read(frame, std::move(done)); });
    if (error_) return std::nullopt;
    EXPECT_TRUE(ws_.got_binary());
    return beast::buffers_to_string(frame.data());
  }

  // The handshake. False: it was refused.
  bool shake(raystream::ClientSetup setup) {
    raystream::ClientHandshake handshake(std::move(setup));
    send_frame(handshake.hello());
    const auto frame = next_frame();
    if (!frame) return false;
    auto channel = handshake.finish(*frame, std::chrono::system_clock::now());
    if (!channel) return false;
    channel_.emplace(std::move(*channel));
    return true;
  }
  raystream::Channel& channel() { return *channel_; }
  raystream::ResumeTicket ticket() const { return {channel_->id, channel_->resume_secret.copy()}; }

  std::string seal_as(raystream::FrameType type, const std::string& text) {
    auto sealed = channel_->sender.seal(type, text, std::chrono::system_clock::now());
    EXPECT_TRUE(sealed);
    return *sealed;
  }
  std::string seal(const Json& message) {
    return seal_as(*raystream::record_type(message["t"].get<std::string>()), message.dump());
  }
  void send(const Json& message) { send_frame(seal(message)); }

  // The next message; null when the connection was closed.
  Json next() {
    const auto frame = next_frame();
    if (!frame) return nullptr;
    const auto record = channel_->receiver.open(*frame, std::chrono::system_clock::now());
    EXPECT_TRUE(record) << record.error().message;
    if (!record) return nullptr;
    Json message = Json::parse(record->plaintext);
    EXPECT_EQ(raystream::record_type(message["t"].get<std::string>()), record->type) << message;
    return message;
  }

  Json hello(const Json& more = Json::object()) {
    Json message = {{"t", "hello"}, {"v", 1}};
    message.update(more);
    send(message);
    return next();
  }
  static Json call_message(std::uint64_t id, const std::string& function, const Json& args) {
    return {{"t", "call"}, {"id", id}, {"fn", function}, {"args", args}};
  }
  Json ask(std::uint64_t id, const std::string& function, const Json& args) {
    send(call_message(id, function, args));
    return next();
  }
  void close_socket() { ws_.next_layer().close(); }

  // Reads frames to the end of the connection; the code and reason of its close frame, 0 if there
  // was none.
  std::pair<int, std::string> closing() {
    while (!error_) next_frame();
    if (error_ != beast::websocket::error::closed) return {0, error_.message()};
    return {ws_.reason().code, std::string(ws_.reason().reason.c_str())};
  }

 private:
  asio::io_context io_;
  beast::websocket::stream<tcp::socket> ws_;
  beast::websocket::response_type response_;
  ErrorCode error_;
  std::optional<raystream::Channel> channel_;
};

}  // namespace kontract::test

namespace kontract {

class RaystreamFixture : public ServerFixture {
 protected:
  raystream::ClientSetup setup(std::optional<raystream::ResumeTicket> resume = {}) const {
    raystream::ClientSetup setup;
    setup.trust.pins = {*raystream::from_pin(server_->identity())};
    setup.resume = std::move(resume);
    return setup;
  }

  std::unique_ptr<test::SealedClient> shaken(std::optional<raystream::ResumeTicket> resume = {}) {
    auto client = std::make_unique<test::SealedClient>(port());
    EXPECT_TRUE(client->shake(setup(std::move(resume))));
    return client;
  }
  std::unique_ptr<test::SealedClient> welcomed(const Json& hello = Json::object(),
                                               std::optional<raystream::ResumeTicket> resume = {}) {
    auto client = shaken(std::move(resume));
    EXPECT_EQ(client->hello(hello)["t"], "welcome");
    return client;
  }
};

}  // namespace kontract
