// machine: what a figure cannot be read without: on which machine it was taken, and with what.

#pragma once

#include <nlohmann/json.hpp>

#include "tests/bench/servers.hpp"

namespace kontract::bench {

// Cores, processor, kernel, the disk's file system, compiler, libraries, kontract's version, and
// the durability that writes are measured with: throughput.cpp refuses a server that names another.
nlohmann::ordered_json describe_machine(const Programs& programs);

}  // namespace kontract::bench
