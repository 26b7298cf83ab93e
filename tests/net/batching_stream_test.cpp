#include "net/detail/batching_stream.hpp"

#include <gtest/gtest.h>

#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <optional>

namespace kontract::detail {
namespace {

using asio::ip::tcp;

// A BatchingStream and the other end of its socket. Nothing runs the io_context but the test.
class BatchingStreamTest : public ::testing::Test {
 protected:
  void SetUp() override {
    tcp::acceptor acceptor(io_, {asio::ip::address_v4::loopback(), 0});
    peer_.connect(acceptor.local_endpoint());
    Socket socket(asio::make_strand(io_));
    acceptor.accept(socket);
    stream_.emplace(SocketTransport(std::move(socket)));
  }

  void write(const std::string& text) {
    ErrorCode error;
    EXPECT_EQ(stream_->write_some(asio::buffer(text), error), text.size());
    EXPECT_FALSE(error) << error.message();
  }

  std::string receive(std::size_t bytes) {
    std::string text(bytes, '\0');
    ErrorCode error;
    asio::read(peer_, asio::buffer(text), error);
    EXPECT_FALSE(error) << error.message();
    return text;
  }

  // Has everything sent that the socket takes, and more, until it takes nothing.
  std::size_t fill_socket() {
    const std::string block(1024 * 1024, 'x');
    std::size_t written = 0;
    while (stream_->unsent() == 0) {
      write(block);
      stream_->flush();
      written += block.size();
    }
    return written;
  }

  asio::io_context io_;
  tcp::socket peer_{io_};
  std::optional<BatchingStream> stream_;
};

TEST_F(BatchingStreamTest, WritesWaitUntilTheyAreFlushedTogether) {
  write("one ");
  write("two ");
  write("three");
  EXPECT_EQ(peer_.available(), 0u);
  EXPECT_EQ(stream_->unsent(), 13u);
  stream_->flush();
  EXPECT_EQ(stream_->unsent(), 0u);
  EXPECT_EQ(receive(13), "one two three");
}

TEST_F(BatchingStreamTest, WaitingForInputSendsWhatIsThere) {
  write("answer");
  char byte = 0;
  bool read = false;
  stream_->async_read_some(asio::buffer(&byte, 1), [&](ErrorCode, std::size_t) { read = true; });
  EXPECT_EQ(receive(6), "answer");
  asio::write(peer_, asio::buffer("?", 1));
  while (!read) io_.run_one();
  EXPECT_EQ(byte, '?');
}

TEST_F(BatchingStreamTest, AnAsynchronousWriteIsSentAfterWhatWaitsAndCompletesLater) {
  write("first ");
  bool done = false;
  const std::string control = "second";
  stream_->async_write_some(asio::buffer(control), [&](ErrorCode error, std::size_t bytes) {
    done = true;
    EXPECT_FALSE(error);
    EXPECT_EQ(bytes, 6u);
  });
  EXPECT_FALSE(done);
  EXPECT_EQ(receive(12), "first second");
  io_.run();
  EXPECT_TRUE(done);
}

TEST_F(BatchingStreamTest, MuchIsSentWithoutBeingAskedFor) {
  write(std::string(100'000, 'x'));
  std::size_t received = 0;  // whatever the socket takes at once, it comes without a flush
  std::string buffer(100'000, '\0');
  while (received < buffer.size()) {
    io_.poll();
    if (peer_.available() > 0) received += peer_.read_some(asio::buffer(buffer));
  }
  EXPECT_EQ(received, 100'000u);
}

TEST_F(BatchingStreamTest, WhatTheSocketDoesNotTakeIsSentWhenItDoes) {
  const std::size_t written = fill_socket();
  write("the end");
  std::size_t received = 0;
  std::string buffer(1024 * 1024, '\0');
  while (received < written + 7) {
    io_.poll();
    if (peer_.available() > 0) received += peer_.read_some(asio::buffer(buffer));
  }
  EXPECT_EQ(received, written + 7);
  io_.run();  // ends: nothing is waited for any more
  EXPECT_EQ(stream_->unsent(), 0u);
}

TEST_F(BatchingStreamTest, AFailureShowsAtTheNextWrite) {
  peer_.set_option(asio::socket_base::linger(true, 0));
  peer_.close();
  ErrorCode error;
  while (!error) {  // the first may meet a socket that does not know yet
    stream_->write_some(asio::buffer("x", 1), error);
    stream_->flush();
  }
  EXPECT_TRUE(error);
  EXPECT_EQ(stream_->unsent(), 0u);
}

TEST_F(BatchingStreamTest, TeardownSendsTheRestFirst) {
  const std::size_t written = fill_socket();
  bool done = false;
  async_teardown(boost::beast::role_type::server, *stream_, [&](ErrorCode) { done = true; });
  std::size_t received = 0;
  std::string buffer(1024 * 1024, '\0');
  ErrorCode error;
  peer_.non_blocking(true);
  while (error != asio::error::eof && received <= written) {
    io_.poll();
    received += peer_.read_some(asio::buffer(buffer), error);
    ASSERT_TRUE(!error || error == asio::error::would_block || error == asio::error::eof)
        << error.message();
  }
  EXPECT_EQ(received, written);
  peer_.close();
  io_.run();
  EXPECT_TRUE(done);
}

}  // namespace
}  // namespace kontract::detail
