// JSON as it comes from outside and as it is stored.
//
// From outside it is RFC 8259 with our limits: UTF-8, no duplicate member, depth and number of
// values bounded, finite numbers, integers within +-(2^53 - 1) (RFC 7493, I-JSON). Inside, results
// travel as text (`JsonText`) so that a stored record is spliced into a reply without being parsed.

#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "storage/limits.hpp"
#include "storage/result.hpp"

namespace kontract {

using Json = nlohmann::json;
using JsonText = std::string;  // one JSON value, compact

struct JsonLimits {
  std::size_t depth = limits::kJsonDepthMax;
  std::size_t values = limits::kJsonValuesMax;
};

// Parses one value that is all of `text`.
// Errors: invalid_request, saying what is wrong and at which byte.
Result<Json> parse_json(std::string_view text, const JsonLimits& bounds = {});

// Compact text of a value that came from parse_json or from the program.
JsonText to_text(const Json& value);

// `text` as a JSON string with its quotes.
void append_json_string(std::string& out, std::string_view text);

// Whether `text` is UTF-8 (RFC 3629): no overlong forms, surrogates or values past U+10FFFF.
bool is_utf8(std::string_view text);

// Containment with the meaning of PostgreSQL's jsonb `whole @> part` (its documentation, 8.14.3):
// an object contains one whose members it has, recursively; an array contains one each of whose
// elements is contained in one of its own; at the top level an array also contains a bare scalar.
bool contains(const Json& whole, const Json& part);

}  // namespace kontract
