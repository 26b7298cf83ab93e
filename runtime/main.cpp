// The `kontract` program.

#include <csignal>
#include <iostream>

#include "runtime/cli.hpp"

int main(int argc, char** argv) {
  // Before any thread: `serve` waits for these signals, no thread is interrupted by them. Who reads
  // our output may leave; that is no reason to stop serving.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return kontract::cli::run({argv + 1, argv + argc}, {std::cout, std::cerr});
}
