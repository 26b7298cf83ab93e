// SecretBytes: bytes of a key or of what a key is made from. They are wiped when they go, by a
// write that the compiler may not leave out, and are never copied by accident.

#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

namespace kontract {

// Movable only; what was moved from is empty. Not thread-safe.
class SecretBytes {
 public:
  SecretBytes() = default;
  explicit SecretBytes(std::size_t size);          // zeros
  explicit SecretBytes(std::string_view copy_of);  // the original is for its owner to wipe
  SecretBytes(SecretBytes&& other) noexcept;
  SecretBytes& operator=(SecretBytes&& other) noexcept;
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;
  ~SecretBytes();

  // From the operating system's generator.
  static SecretBytes random(std::size_t size);

  SecretBytes copy() const { return SecretBytes(view()); }
  void wipe();  // and be empty

  char* data() { return bytes_.get(); }
  const char* data() const { return bytes_.get(); }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::string_view view() const { return {bytes_.get(), size_}; }

 private:
  std::unique_ptr<char[]> bytes_;
  std::size_t size_ = 0;
};

// Whether both are the same, in a time that depends on their sizes only. For MACs and secrets.
bool equal_in_constant_time(std::string_view a, std::string_view b);

}  // namespace kontract
