// `bank serve`: a kontract server with the bank's functions.

#pragma once

#include <cstdint>
#include <string>

#include "storage/result.hpp"

namespace bank {

struct ServePlan {
  std::string data = "bank-data";
  std::uint16_t port = 8787;  // 0: any free one
};

// Prints "listening on 127.0.0.1:PORT" and serves until SIGINT or SIGTERM. Errors: those of
// Runtime::start. REQUIRES: no other thread runs yet.
kontract::Status serve(const ServePlan& plan);

}  // namespace bank
