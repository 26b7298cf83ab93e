// ByteWriter and ByteReader: big-endian integers and length-prefixed strings, for the format.
//
// The reader never reads outside of its bytes: once something is missing it is failed for good, and
// what it returns is zero or empty. So a parser reads all fields and asks `done()` once.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "storage/assert.hpp"

namespace kontract {

template <class T>
inline void put_be(char* out, T value) {
  std::uint64_t left = value;
  for (std::size_t i = sizeof(T); i-- > 0; left >>= 8) out[i] = static_cast<char>(left & 0xFF);
}

template <class T>
inline T get_be(const char* in) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) value = value << 8 | static_cast<std::uint8_t>(in[i]);
  return static_cast<T>(value);
}

class ByteWriter {
 public:
  explicit ByteWriter(std::size_t bytes_expected) { out_.reserve(bytes_expected); }

  template <class T>
  ByteWriter& be(T value) {
    char bytes[sizeof(T)];
    put_be(bytes, value);
    out_.append(bytes, sizeof(T));
    return *this;
  }
  ByteWriter& bytes(std::string_view text) {
    out_.append(text);
    return *this;
  }
  // REQUIRES: `text` is shorter than T can count.
  template <class T>
  ByteWriter& counted(std::string_view text) {
    KONTRACT_ASSERT(text.size() <= static_cast<T>(~T{0}));
    return be(static_cast<T>(text.size())).bytes(text);
  }

  const std::string& view() const { return out_; }
  std::string take() && { return std::move(out_); }

 private:
  std::string out_;
};

class ByteReader {
 public:
  explicit ByteReader(std::string_view in) : in_(in) {}

  template <class T>
  T be() {
    const std::string_view field = bytes(sizeof(T));
    return field.empty() ? T{0} : get_be<T>(field.data());
  }
  std::string_view bytes(std::size_t count) {
    if (count > in_.size()) {
      failed_ = true;
      in_ = {};
      return {};
    }
    const std::string_view field = in_.substr(0, count);
    in_.remove_prefix(count);
    return field;
  }
  template <class T>
  std::string_view counted() {
    return bytes(be<T>());
  }
  // Up to the next `end`, which is taken as well.
  std::string_view until(char end) {
    const std::size_t at = in_.find(end);
    if (at == std::string_view::npos) {
      bytes(in_.size() + 1);
      return {};
    }
    const std::string_view field = bytes(at);
    bytes(1);
    return field;
  }
  std::string_view rest() { return bytes(in_.size()); }
  std::size_t left() const { return in_.size(); }

  bool failed() const { return failed_; }
  bool done() const { return !failed_ && in_.empty(); }

 private:
  std::string_view in_;
  bool failed_ = false;
};

}  // namespace kontract
