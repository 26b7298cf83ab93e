// The `kontract` program.

#include <csignal>
#include <iostream>

#include "runtime/cli.hpp"

int main(int argc, char** argv) {
  // Who reads our output may leave; that is no reason to stop serving.
  std::signal(SIGPIPE, SIG_IGN);
  return kontract::cli::run({argv + 1, argv + argc}, {std::cout, std::cerr});
}
