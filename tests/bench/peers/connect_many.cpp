#include "tests/bench/peers/connect_many.hpp"

#include <atomic>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <thread>

namespace kontract::bench {

std::vector<std::unique_ptr<WelcomedConnection>> connect_many(const ConnectMany& what) {
  std::vector<std::unique_ptr<WelcomedConnection>> connections(
      static_cast<std::size_t>(what.count));
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::exception_ptr failure;
  const auto work = [&] {
    try {
      for (std::size_t i = next++; i < connections.size(); i = next++) {
        connections[i] =
            std::make_unique<WelcomedConnection>(what.port, what.prefix + std::to_string(i));
        const std::string answer = connections[i]->call(what.first);
        if (answer.find(R"("t":"result")") == std::string::npos) {
          throw std::runtime_error("the first call was answered with " + answer);
        }
      }
    } catch (...) {
      const std::lock_guard lock(mutex);
      failure = std::current_exception();
    }
  };
  std::vector<std::thread> threads;
  for (int i = 1; i < what.at_once; ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  if (failure) std::rethrow_exception(failure);
  return connections;
}

}  // namespace kontract::bench
