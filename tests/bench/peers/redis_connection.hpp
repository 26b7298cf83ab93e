// RedisConnection: GET or SET on one connection, by hiredis. A Connection of closed_loop.hpp.

#pragma once

#include <hiredis/hiredis.h>

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>

#include "tests/bench/message_template.hpp"

namespace kontract::bench {

class RedisConnection {
 public:
  // Throws std::runtime_error if it cannot connect.
  RedisConnection(std::uint16_t port, bool writes, int keys)
      : context_(redisConnectNonBlock("127.0.0.1", port)),
        writes_(writes),
        keys_(static_cast<std::uint64_t>(keys)) {
    if (context_ == nullptr || context_->err != 0)
      throw std::runtime_error("no Redis to connect to");
  }

  int fd() const { return context_->fd; }

  void send(std::uint64_t random) {
    const std::string key = "k" + std::to_string(random % keys_);
    std::string data;
    if (writes_) append_data200(data, random);
    const int queued = writes_ ? redisAppendCommand(context_.get(), "SET %s %b", key.c_str(),
                                                    data.data(), data.size())
                               : redisAppendCommand(context_.get(), "GET %s", key.c_str());
    if (queued != REDIS_OK) fail();
  }

  bool flush() {
    int done = 0;
    if (redisBufferWrite(context_.get(), &done) != REDIS_OK) fail();
    return done == 0;
  }

  std::size_t receive() {
    if (redisBufferRead(context_.get()) != REDIS_OK) fail();
    std::size_t answers = 0;
    for (;; ++answers) {
      void* answer = nullptr;
      if (redisGetReplyFromReader(context_.get(), &answer) != REDIS_OK) fail();
      if (answer == nullptr) return answers;
      const int type = static_cast<redisReply*>(answer)->type;
      freeReplyObject(answer);
      const bool good = type == (writes_ ? REDIS_REPLY_STATUS : REDIS_REPLY_STRING);
      if (!good) throw std::runtime_error("Redis answered with something else than was asked for");
    }
  }

 private:
  struct Free {
    void operator()(redisContext* context) const { redisFree(context); }
  };

  [[noreturn]] void fail() const {
    throw std::runtime_error(std::string("Redis: ") + context_->errstr);
  }

  std::unique_ptr<redisContext, Free> context_;
  bool writes_;
  std::uint64_t keys_;
};

}  // namespace kontract::bench
