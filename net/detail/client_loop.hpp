// ClientLoop: the thread of a client. Connects, says hello, sends what ClientCalls has, reads
// answers, beats, and connects again when the connection is lost.
//
//   connecting -> welcomed -> lost -> (backoff) -> connecting ...
//   (encrypted: connecting includes the handshake)
//   any of them -> ended, with the error that every later call gets
//
// Asio stays in client_loop.cpp.

#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "net/client.hpp"
#include "net/detail/client_calls.hpp"
#include "net/detail/client_secure.hpp"
#include "net/detail/client_subscriptions.hpp"

namespace kontract {

class ClientLoop : public std::enable_shared_from_this<ClientLoop> {
 public:
  explicit ClientLoop(ClientOptions options);
  ~ClientLoop();

  void start();
  // Ends the connection and every call; returns at once. `join` waits for the thread, except on the
  // thread itself, which then ends by itself.
  void close();
  void join();

  // `tx`: the transaction that it is in, 0: none.
  void submit(std::string_view function, const Json& args, Client::Callback done,
              std::uint64_t tx = 0);
  std::uint64_t subscribe(std::string_view table, SubscribeOptions options,
                          Client::EventHandler handler);
  void unsubscribe(std::uint64_t subscription);
  Result<Welcome> first_welcome();
  void on_connection(std::function<void(bool)> handler);
  bool on_thread() const;

 private:
  friend struct ClientSteps;  // the coroutines, in client_loop.cpp
  struct Link;                // one connection
  struct Io;                  // io_context and timers

  void take_inbox();
  void pump(const std::shared_ptr<Link>& link);
  void beat(const std::shared_ptr<Link>& link);
  void receive(const std::shared_ptr<Link>& link, std::string_view frame);
  void receive_message(const std::shared_ptr<Link>& link, std::string_view text,
                       std::optional<raystream::FrameType> record);
  void write(const std::shared_ptr<Link>& link);
  void leave(const std::shared_ptr<Link>& link);
  void watch_deadlines();
  void lost(Link& link);
  void end(const Error& error);
  void session_is_gone();
  void settle_first(Result<Welcome> welcome);
  void note_problem(const Error& problem);

  const ClientOptions options_;
  std::unique_ptr<Io> io_;        // before link_, whose socket must not outlive the io_context
  const std::string key_prefix_;  // of all keys: nobody else has it
  std::atomic<std::size_t> open_calls_{0};
  std::atomic<std::size_t> open_bytes_{0};
  std::atomic<std::uint64_t> last_id_{0};
  std::thread thread_;

  std::mutex mutex_;  // guards what follows, up to the empty line
  std::condition_variable settled_;
  std::optional<Result<Welcome>> first_;
  std::string last_problem_;
  struct Submitted {
    ClientCalls::Call call;
    std::optional<Error> refused;
  };
  std::vector<Submitted> inbox_;  // not empty: take_inbox() is posted

  // On the thread only.
  ClientCalls calls_{open_calls_, &open_bytes_};
  ClientSubscriptions subscriptions_;
  std::optional<Welcome> last_welcome_;
  std::unique_ptr<ClientSecurity> security_;  // null: plain text
  std::shared_ptr<Link> link_;                // null between connections
  std::function<void(bool)> handler_;
  std::optional<Error> ended_;
  bool deadline_armed_ = false;
};

}  // namespace kontract
