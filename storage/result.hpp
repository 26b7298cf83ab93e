// Result<T>: a value or an Error. Keeps to the interface of std::expected (C++23), to become an
// alias of it.

#pragma once

#include <optional>
#include <utility>
#include <variant>

#include "storage/assert.hpp"
#include "storage/error.hpp"

namespace kontract {

template <class T>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT(*-explicit-*)
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(*-explicit-*)

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  T& value() & { return get(*this); }
  const T& value() const& { return get(*this); }
  T&& value() && { return std::move(get(*this)); }
  T& operator*() & { return get(*this); }
  const T& operator*() const& { return get(*this); }
  T&& operator*() && { return std::move(get(*this)); }
  T* operator->() { return &get(*this); }
  const T* operator->() const { return &get(*this); }

  Error& error() & { return get_error(*this); }
  const Error& error() const& { return get_error(*this); }
  Error&& error() && { return std::move(get_error(*this)); }

 private:
  template <class Self>
  static auto& get(Self& self) {
    KONTRACT_ASSERT(self.has_value());
    return *std::get_if<0>(&self.state_);
  }
  template <class Self>
  static auto& get_error(Self& self) {
    KONTRACT_ASSERT(!self.has_value());
    return *std::get_if<1>(&self.state_);
  }

  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
  // First, since its return type is deduced where it is used.
  template <class Self>
  static auto& get(Self& self) {
    KONTRACT_ASSERT(self.error_.has_value());
    return *self.error_;
  }

 public:
  using value_type = void;

  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT(*-explicit-*)

  bool has_value() const { return !error_; }
  explicit operator bool() const { return has_value(); }

  Error& error() & { return get(*this); }
  const Error& error() const& { return get(*this); }
  Error&& error() && { return std::move(get(*this)); }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

}  // namespace kontract
