#include "tests/bench/fill.hpp"

#include <algorithm>

#include "tests/bench/http_client.hpp"
#include "tests/bench/message_template.hpp"

namespace kontract::bench {

using nlohmann::json;

void fill(std::uint16_t port, const Fill& what) {
  constexpr int kBatchOps = 100;
  std::uint64_t random = 1;
  const auto record = [&] {
    if (what.record) return what.record();
    std::string data;
    append_data200(data, next_random(random));
    return json::parse(data);
  };
  HttpClient client(port);
  for (int session = 0; session < what.sessions; ++session) {
    const std::string name = what.prefix + std::to_string(session);
    client.call(name, "table.create", what.create);
    for (int first = 0; first < what.keys; first += kBatchOps) {
      json operations = json::array();
      for (int key = first; key < std::min(first + kBatchOps, what.keys); ++key) {
        operations.push_back({"table.set", what.create[0], "k" + std::to_string(key), record()});
      }
      client.call(name, "table.batch", json::array({operations}));
    }
  }
}

}  // namespace kontract::bench
