// Routes: what can be called, and which middleware there is, as GET /routes shows it.
//
//   {"functions": [{"name", "args": [{"name", "type", "optional"}], "result", "egroup", "ugroup",
//                   "perm", "doc", "built_in"}],                                   by name
//    "middleware": [{"name", "form", "prefixurl", "egroup", "endpoints", "concurrency"}]}  in order

#pragma once

#include "actors/backend.hpp"
#include "storage/json.hpp"

namespace kontract {

Json routes(const Backend& backend);

// The options in one element of "middleware". Errors: invalid_request if it is none.
Result<MiddlewareOptions> middleware_options(const Json& shown_middleware);

}  // namespace kontract
