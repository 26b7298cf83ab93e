// Client: a connection to one session of a kontract server over WebSocket: kontract.v1+json, or
// encrypted, raystream.v1 (ClientRaystream says how, and docs/raystream.md what that is worth).
//
// Owns one thread; every member is thread-safe. Many calls may be under way at once: they are sent
// in the order in which one thread makes them, as far as the server's limit of calls in flight
// allows, without waiting for answers. A lost connection is made again with exponential backoff and
// full jitter. A call that was sent and not answered when the connection broke is sent again, with
// the key that it had, so that it runs once (docs/protocol.md, Calls with a key); the caller sees a
// pause. If its time runs out meanwhile it fails with KONTRACT_TIMEOUT, its outcome unknown; so it
// does at once without `exactly_once`, or if the session was destroyed. One not yet sent waits. A
// refusal that no retry can cure, such as KONTRACT_UNAUTHORIZED, ends the client: every call fails
// with it. So does a server that is not the one it should be: KONTRACT_FORBIDDEN of TLS, whose
// certificate proves nothing, or of raystream.

#pragma once

#include <chrono>
#include <coroutine>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/seal.hpp"
#include "storage/json.hpp"
#include "storage/result.hpp"

namespace kontract {

// How a client knows that it talks to the right server. With any but `off` the connection is
// encrypted, by keys that somebody who is in between does not have.
enum class RaystreamTrust : std::uint8_t {
  automatic,  // pinned if there is a pin or root; else first_use if there are known hosts; else off
  off,        // plain text
  pinned,     // the server has one of the pins, or a certificate of one of the roots
  first_use,  // whoever answers first; later the same one
  tls,        // whoever TLS vouches for: the URL is wss://
};

struct ClientRaystream {
  RaystreamTrust trust = RaystreamTrust::automatic;
  std::vector<std::string> pins = {};   // as `kontract identity show` prints them
  std::vector<std::string> roots = {};  // keys of who certifies servers, in the same form
  std::string known_hosts = {};         // file of first_use; made if it is not there
  std::vector<Cipher> ciphers = {Cipher::chacha20_poly1305, Cipher::aes_256_gcm};  // offered
};

struct ClientOptions {
  std::string url = "ws://127.0.0.1:8787";  // ws://host:port, or wss:// for TLS
  std::string session = {};
  std::string token = {};  // empty: none
  std::chrono::milliseconds connect_timeout{10'000};
  std::chrono::milliseconds call_timeout{30'000};
  std::chrono::milliseconds backoff_min{50};
  std::chrono::milliseconds backoff_max{5'000};
  bool reconnect = true;
  std::size_t calls_max = 4096;  // waiting or unanswered; one more fails with overloaded
  std::size_t calls_bytes_max = 256 * limits::kMiB;  // of all these, as JSON; likewise
  // Gives each call that may change something a key, and sends what is unanswered again when the
  // connection was lost. A key costs the server one more record for each such call. Only together
  // with `reconnect`.
  bool exactly_once = true;
  ClientRaystream raystream = {};
  // TLS, as PEM files. Who the server is is always verified.
  std::string ca_file = {};           // whom to trust; empty: those whom the system trusts
  std::string certificate_file = {};  // the client's own, for a server that asks for one,
  std::string key_file = {};          // and its key, which not everybody may read
};

struct CallResult {
  Json result;
  std::uint64_t txid = 0;
};

struct Welcome {
  std::string session, sid, owner, durability;
  int perm = 0;
  std::uint64_t txid = 0;
  std::chrono::milliseconds heartbeat{limits::kHeartbeat};
  std::size_t calls_in_flight = limits::kCallsInFlightMax;
  std::size_t frame_bytes = limits::kFrameBytesMax;
  std::size_t json_depth = limits::kJsonDepthMax;
  std::chrono::milliseconds call_timeout_max{limits::kCallTimeoutMax};
};

// How often Client::transact begins again, and how long it waits before that: a time between 0 and
// a bound, which doubles from `backoff_min` to `backoff_max` with each conflict.
struct TransactOptions {
  int attempts_max = 20;
  std::chrono::milliseconds backoff_min{2};
  std::chrono::milliseconds backoff_max{250};
};

// A change of a record, or `resync`: changes up to `txid` were left out.
struct Event {
  std::string type;  // insert, update, delete, resync
  std::string table, id;
  Json data, old_data;  // null if there is none
  std::uint64_t txid = 0;
  bool more = false;  // another event of the same transaction follows
};

struct SubscribeOptions {
  Json filter = nullptr;  // null: all
  std::optional<std::uint64_t> from =
      {};                      // replays what came after this txid; nothing: from now on
  std::string slow = "close";  // or coalesce, resync; "close" is resumed as well
};

class Client {
 public:
  using EventHandler = std::function<void(Result<Event>)>;
  using Callback = std::function<void(Result<CallResult>)>;

  // Starts to connect. Errors come from connect().
  explicit Client(ClientOptions options);
  ~Client();  // closes; unanswered calls fail with overloaded ("closed")
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Waits for the first welcome. Errors: what the server said; timeout, after which the client
  // still tries; overloaded if there is no connection and `reconnect` is off. Not on the client's
  // thread.
  Result<Welcome> connect();

  // `done` is called once, on the client's thread; it must neither block nor throw. `args` is an
  // array. Errors: what the server said, with its code, message, hint and time to wait; timeout;
  // overloaded (calls_max, closed); invalid_request and too_large, also for what this server would
  // not read, which is not sent.
  void call(std::string_view function, Json args, Callback done);

  // Waits for the answer. Not on the client's thread.
  Result<CallResult> call(std::string_view function, Json args);

  // `auto result = co_await client.async_call("table.get", args);` in any C++20 coroutine, which
  // then goes on on the client's thread. (g++ 12 compiles no braced list after a co_await.)
  class Awaitable;
  Awaitable async_call(std::string_view function, Json args);

  // Runs `work` in a transaction: what its calls read is as of one moment, and what they write
  // happens at one moment with that still being so, or not at all. Commits if `work` returns
  // success; gives the txid of the commit. If something that it read was changed meanwhile, or the
  // connection was lost, all of it runs again, so `work` must be fit to run more than once. Rolls
  // back what ends with an error or an exception, which is passed on. Not on the client's thread.
  // Errors: what `work` returned; txn_conflict after the last attempt; timeout if the connection
  // was lost while the commit was under way, so that nobody knows its outcome; what tx.begin says.
  class Transaction;
  using Work = std::function<Status(Transaction&)>;
  Result<std::uint64_t> transact(const Work& work, const TransactOptions& options = {});

  // `handler` is told of each change once, in order, on the client's thread; it must neither block
  // nor throw. A lost connection is no gap: the next one goes on behind the last event. An error is
  // the last that it is told: what the server said (events_trimmed: it was away for too long), or
  // that the client has ended. Returns the subscription's number.
  std::uint64_t subscribe(std::string_view table, SubscribeOptions options, EventHandler handler);
  // Nothing is told once this has reached the client's thread.
  void unsubscribe(std::uint64_t subscription);

  // Told of every change of the connection: true when welcomed, false when lost; and at once, if it
  // is welcomed already. Called on the client's thread.
  void on_connection(std::function<void(bool)> handler);

  void close();

 private:
  struct Impl;
  Result<CallResult> wait(std::string_view function, Json args, std::uint64_t tx);
  Result<std::uint64_t> transact_once(const Work& work, bool& again);
  std::shared_ptr<Impl> impl_;
};

class Client::Transaction {
 public:
  // As Client::call, in the transaction.
  Result<CallResult> call(std::string_view function, Json args);
  std::uint64_t tx() const { return tx_; }

 private:
  friend class Client;
  Transaction(Client& client, std::uint64_t tx) : client_(client), tx_(tx) {}

  Client& client_;
  const std::uint64_t tx_;
  std::optional<Error> broken_;  // why it cannot be committed any more
};

class Client::Awaitable {
 public:
  Awaitable(Client& client, std::string function, Json args)
      : client_(client), function_(std::move(function)), args_(std::move(args)) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiting);
  Result<CallResult> await_resume() { return std::move(*result_); }

 private:
  Client& client_;
  std::string function_;
  Json args_;
  std::optional<Result<CallResult>> result_;
};

}  // namespace kontract
