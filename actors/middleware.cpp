#include "actors/middleware.hpp"

#include <algorithm>
#include <thread>

namespace kontract {

namespace {

bool one_of(const std::vector<std::string>& all, std::string_view name) {
  return std::find(all.begin(), all.end(), name) != all.end();
}

Result<JsonText> result_text(const Json& value) {
  JsonText text = to_text(value);
  if (text.size() > limits::kBatchBytesMax) {
    return Error(Errc::too_large, "The answer has more than " +
                                      std::to_string(limits::kBatchBytesMax) +
                                      " bytes, which is the limit");
  }
  return text;
}

}  // namespace

std::vector<MiddlewareFilter> failed_filters(const MiddlewareOptions& options,
                                             const MiddlewareRoute& route) {
  std::vector<MiddlewareFilter> failed;
  if (!route.path.starts_with(options.prefixurl)) failed.push_back(MiddlewareFilter::prefixurl);
  if (!options.egroup.empty() && options.egroup != route.egroup) {
    failed.push_back(MiddlewareFilter::egroup);
  }
  if (!options.endpoints.empty() && !one_of(options.endpoints, route.function)) {
    failed.push_back(MiddlewareFilter::endpoints);
  }
  return failed;
}

bool Cors::allows(std::string_view origin) const {
  return one_of(origins, "*") || one_of(origins, origin);
}

CallAnswer::CallAnswer(const Json& value) : answer_{result_text(value), 0} {}

CallAnswer::CallAnswer(Error error) : answer_{std::move(error), 0} {}

const JsonText& CallAnswer::text() const {
  if (!ok()) throw CallError(error());
  return *answer_.result;
}

// It is a result of ours: however large, it is JSON.
Json CallAnswer::json() const { return Json::parse(text()); }

void CallAnswer::set(const Json& value) { answer_.result = result_text(value); }

std::string_view Middleware::form() const {
  if (cors() != nullptr) return "cors";
  return std::holds_alternative<Around>(run) ? "around" : "guard";
}

std::size_t Middleware::concurrency() const {
  if (cors() != nullptr) return 0;
  if (options.concurrency > 0) return static_cast<std::size_t>(options.concurrency);
  return std::max(1U, std::thread::hardware_concurrency());
}

}  // namespace kontract
