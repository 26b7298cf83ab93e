#include "actors/call_error.hpp"

namespace kontract {

namespace {

Errc code_of_status(int status) {
  switch (status) {
    case 401:
      return Errc::unauthorized;
    case 403:
      return Errc::forbidden;
    case 404:
      return Errc::not_found;
    case 409:
      return Errc::txn_conflict;
    case 410:
      return Errc::events_trimmed;
    case 413:
      return Errc::too_large;
    case 422:
      return Errc::schema_violation;
    case 429:
      return Errc::rate_limited;
    case 504:
      return Errc::timeout;
    case 507:
      return Errc::storage_full;
    default:
      return status < 500 ? Errc::invalid_request : Errc::overloaded;
  }
}

}  // namespace

HttpError::HttpError(int status, std::string message, std::string hint)
    : CallError(Error(code_of_status(status), std::move(message),
                      hint.empty() ? "The function itself refused the call." : std::move(hint))) {}

Error error_of(const std::exception_ptr& thrown, std::string* unforeseen) {
  std::string text = "something that is no exception";
  try {
    std::rethrow_exception(thrown);
  } catch (const CallError& failure) {
    return failure.error();
  } catch (const std::exception& failure) {
    text = failure.what();
  } catch (...) {
  }
  if (unforeseen != nullptr) *unforeseen = std::move(text);
  return {Errc::internal, "The function failed"};
}

}  // namespace kontract
