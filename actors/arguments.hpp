// The typed signature of a function: its JSON arguments become C++ values, and what a route says of
// their types.
//
//   bool, integers, float and double, std::string      as they are; an integer must fit its type
//   std::optional<T>                                    null, or T; may be left out at the end
//   std::vector<T>, std::map<std::string, T>            arrays and objects
//   Json                                                anything
//   what has nlohmann's from_json (its macros)          an object

#pragma once

#include <concepts>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "storage/json.hpp"

namespace kontract {

// A parameter as routes show it.
struct Parameter {
  std::string name;
  std::string type;  // for example "integer", "string?", "number[]"
  bool optional = false;
};

namespace detail {

template <class T>
struct ArgumentType {  // a type with nlohmann's from_json
  static std::string name() { return "object"; }
  static std::optional<T> read(const Json& value) {
    if (!value.is_object()) return std::nullopt;
    return value.get<T>();  // may throw, saying which member
  }
};

template <>
struct ArgumentType<Json> {
  static std::string name() { return "any"; }
  static std::optional<Json> read(const Json& value) { return value; }
};

template <>
struct ArgumentType<bool> {
  static std::string name() { return "boolean"; }
  static std::optional<bool> read(const Json& value) {
    return value.is_boolean() ? std::optional(value.get<bool>()) : std::nullopt;
  }
};

template <std::integral T>
requires(!std::same_as<T, bool>) struct ArgumentType<T> {
  static std::string name() { return "integer"; }
  static std::optional<T> read(const Json& value) {
    if (value.is_number_unsigned()) return fitting(value.get<std::uint64_t>());
    if (value.is_number_integer()) return fitting(value.get<std::int64_t>());
    return std::nullopt;
  }
  template <class Wide>
  static std::optional<T> fitting(Wide wide) {
    return std::in_range<T>(wide) ? std::optional(static_cast<T>(wide)) : std::nullopt;
  }
};

template <std::floating_point T>
struct ArgumentType<T> {
  static std::string name() { return "number"; }
  static std::optional<T> read(const Json& value) {
    return value.is_number() ? std::optional(value.get<T>()) : std::nullopt;
  }
};

template <>
struct ArgumentType<std::string> {
  static std::string name() { return "string"; }
  static std::optional<std::string> read(const Json& value) {
    return value.is_string() ? std::optional(value.get<std::string>()) : std::nullopt;
  }
};

template <class T>
struct ArgumentType<std::optional<T>> {
  static std::string name() { return ArgumentType<T>::name() + "?"; }
  static std::optional<std::optional<T>> read(const Json& value) {
    using Optional = std::optional<T>;
    if (value.is_null()) return std::optional<Optional>(std::in_place);
    std::optional<T> inner = ArgumentType<T>::read(value);
    if (!inner) return std::nullopt;
    return std::optional<Optional>(std::in_place, std::move(inner));
  }
};

template <class T>
struct ArgumentType<std::vector<T>> {
  static std::string name() { return ArgumentType<T>::name() + "[]"; }
  static std::optional<std::vector<T>> read(const Json& value) {
    if (!value.is_array()) return std::nullopt;
    std::vector<T> all;
    all.reserve(value.size());
    for (const Json& one : value) {
      std::optional<T> element = ArgumentType<T>::read(one);
      if (!element) return std::nullopt;
      all.push_back(*std::move(element));
    }
    return all;
  }
};

template <class T>
struct ArgumentType<std::map<std::string, T>> {
  static std::string name() { return "{string: " + ArgumentType<T>::name() + "}"; }
  static std::optional<std::map<std::string, T>> read(const Json& value) {
    if (!value.is_object()) return std::nullopt;
    std::map<std::string, T> all;
    for (const auto& [key, member] : value.items()) {
      std::optional<T> element = ArgumentType<T>::read(member);
      if (!element) return std::nullopt;
      all.emplace(key, *std::move(element));
    }
    return all;
  }
};

template <class T>
inline constexpr bool kIsOptional = false;
template <class T>
inline constexpr bool kIsOptional<std::optional<T>> = true;

// Errors: throws CallError(invalid_request), naming the argument.
[[noreturn]] void refuse_argument(std::size_t at, const Parameter& parameter,
                                  std::string_view why = {});
void check_argument_count(const Json& args, const std::vector<Parameter>& parameters);

template <class T>
T read_argument(const Json& args, std::size_t at, const Parameter& parameter) {
  static const Json null;
  try {
    std::optional<T> value = ArgumentType<T>::read(at < args.size() ? args[at] : null);
    if (value) return *std::move(value);
  } catch (const Json::exception& failure) {
    refuse_argument(at, parameter, failure.what());
  }
  refuse_argument(at, parameter);
}

// `args` is an array; as many as `parameters`. Errors: throws CallError(invalid_request).
template <class... T>
std::tuple<T...> read_arguments(const Json& args, const std::vector<Parameter>& parameters) {
  check_argument_count(args, parameters);
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    return std::tuple<T...>{read_argument<T>(args, I, parameters[I])...};
  }
  (std::index_sequence_for<T...>{});
}

// What a function returns, for routes.
template <class T>
std::string result_type_name() {
  if constexpr (std::is_void_v<T>) {
    return "null";
  } else {
    return ArgumentType<T>::name();
  }
}

}  // namespace detail
}  // namespace kontract
