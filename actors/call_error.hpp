// What a backend function or a middleware throws to fail its call, and what the operations of its
// context throw: an Error of the one vocabulary (storage/error.hpp), with its code and status.
// Anything else that is thrown is KONTRACT_INTERNAL for the caller; what it says goes to the log.

#pragma once

#include <exception>
#include <string>
#include <utility>

#include "storage/error.hpp"

namespace kontract {

class CallError : public std::exception {
 public:
  explicit CallError(Error error) : error_(std::move(error)) {}

  const Error& error() const { return error_; }
  const char* what() const noexcept override { return error_.message.c_str(); }

 private:
  Error error_;
};

// By an HTTP status: the code of docs/protocol.md that has it; of another one, INVALID_REQUEST
// below 500 and OVERLOADED from there on, with the status of these. The hint is not that code's,
// which knows nothing of the function.
class HttpError : public CallError {
 public:
  HttpError(int status, std::string message, std::string hint = {});
};

class Unauthorized : public CallError {
 public:
  explicit Unauthorized(std::string message)
      : CallError(Error(Errc::unauthorized, std::move(message))) {}
};

class Forbidden : public CallError {
 public:
  explicit Forbidden(std::string message) : CallError(Error(Errc::forbidden, std::move(message))) {}
};

class NotFound : public CallError {
 public:
  explicit NotFound(std::string message) : CallError(Error(Errc::not_found, std::move(message))) {}
};

class PermissionError : public CallError {
 public:
  explicit PermissionError(std::string message)
      : CallError(Error(Errc::permission_denied, std::move(message))) {}
};

// The error of what was thrown. `unforeseen`, if given, gets what is not for the caller: the text
// of anything that is no CallError.
Error error_of(const std::exception_ptr& thrown, std::string* unforeseen = nullptr);

}  // namespace kontract
