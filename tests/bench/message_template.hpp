// MessageTemplate: a request with placeholders, taken apart once and filled in for each request.
//
//   {id}       the request's number on its connection
//   {key}      k0..k(keys - 1), pseudo-random
//   {other}    another one than {key}; there are two keys or more
//   {u}        a number that no other request of this run has
//   {data200}  a JSON object of 200 bytes that differs from request to request

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kontract::bench {

class MessageTemplate {
 public:
  // `keys` is at least 1.
  MessageTemplate(std::string_view text, std::uint64_t keys);

  // Replaces `out` by the request numbered `id`. `random` is the caller's 64 random bits for it.
  void render(std::string& out, std::uint64_t id, std::uint64_t random);

 private:
  enum class Slot { none, id, key, other, unique, data200 };
  struct Part {
    std::string literal;
    Slot slot;  // what follows the literal
  };

  std::vector<Part> parts_;
  std::uint64_t keys_;
  std::uint64_t unique_ = 0;
};

// Appends a JSON object of 200 bytes that `random` decides.
void append_data200(std::string& out, std::uint64_t random);

// The next number of a xorshift64 sequence; `state` is never 0.
inline std::uint64_t next_random(std::uint64_t& state) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

}  // namespace kontract::bench
