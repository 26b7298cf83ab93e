// Load: a closed-loop WebSocket load on one thread, against any server that speaks one text frame
// a request and one a reply, with the request's number in both. Over raystream.v1 each text is a
// record, which this thread seals and opens as well.
//
// Each connection keeps `inflight` requests on the way: a reply is what sends the next request.
// A reply is matched by the first `"id":N` in it; frames without the number of a waiting request
// (events) are counted apart. Counting starts `warmup` after every connection is ready.

#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "net/seal.hpp"

namespace kontract::bench {

struct LoadOptions {
  std::string url = "ws://127.0.0.1:8787/";  // {s}: the connection's session number
  std::string hello;  // sent once after the upgrade, its reply awaited; none if empty; {s} too
  std::string message = R"({"t":"call","id":{id},"fn":"echo","args":[1]})";
  std::string error_mark = R"("t":"error")";  // a reply that holds this counts as an error
  std::string protocol;                       // Sec-WebSocket-Protocol
  std::string header;                         // one further header line
  bool tls = false;              // whoever the server is; the URL is ws:// all the same
  std::optional<Cipher> cipher;  // encrypted, with this one, whoever the server is
  int connections = 8;
  int inflight = 16;
  int sessions = 1;  // connection i is of session i modulo this
  int keys = 1000;   // how many values {key} takes
  std::chrono::duration<double> seconds{5};
  std::chrono::duration<double> warmup{0.5};
};

struct LoadResult {
  double rate = 0;                          // replies per second, errors included
  std::vector<std::uint64_t> latencies_ns;  // ascending; from before the write to after the read
  std::uint64_t errors = 0;
  std::uint64_t events = 0;
  std::string first_error;  // the first reply that counted as one
};

// Throws std::runtime_error or std::system_error when a server refuses, closes or is not there.
LoadResult run_load(const LoadOptions& options);

}  // namespace kontract::bench
