// client_only URL: creates a table on a new server there, stores a record and prints what it reads.

#include <iostream>

#include "net/client.hpp"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  kontract::Client client({.url = argv[1], .session = "client-only", .token = {}});
  const auto fails = [](const auto& result) {
    if (!result) std::cerr << result.error().message << "\n";
    return !result;
  };
  if (fails(client.connect())) return 1;
  if (fails(client.call("table.create", {"users"}))) return 1;
  if (fails(client.call("table.set", {"users", "u1", {{"name", "Bob"}}}))) return 1;
  const auto user = client.call("table.get", {"users", "u1"});
  if (fails(user)) return 1;
  std::cout << user->result.dump() << "\n";
  return 0;
}
