// Peer servers: what a user would pick instead of kontract, as child processes on free ports of
// loopback, each with its data in the directory that is measured and as durable as it can be.

#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/bench/process.hpp"
#include "tests/bench/servers.hpp"

namespace kontract::bench {

// A port that nobody listens on now, for servers that do not look for one themselves.
std::uint16_t free_port();

// A peer that is ready, stopped with its owner.
class PeerServer {
 public:
  std::uint16_t port() const { return port_; }
  pid_t pid() const { return process_.pid(); }
  const std::string& version() const { return version_; }  // what it says of itself

  virtual ~PeerServer();

 protected:
  struct Start {
    std::vector<std::string> argv;
    std::filesystem::path log;
    std::string mark;  // it is ready when it prints this, which the port follows if that is 0
    std::uint16_t port;
    std::string version;
  };
  // Throws std::runtime_error, with what it printed, if it does not get ready.
  explicit PeerServer(const Start& start);

 private:
  Process process_;
  std::uint16_t port_;
  std::string version_;
};

// workerd with one class of Durable Objects (durable_object.mjs), SQLite storage on disk.
class WorkerdServer : public PeerServer {
 public:
  explicit WorkerdServer(const Programs& programs);
};

// ws on Node, without storage.
class NodeServer : public PeerServer {
 public:
  explicit NodeServer(const Programs& programs);
};

// Redis with an append-only file that is synced before each answer.
class RedisServer : public PeerServer {
 public:
  explicit RedisServer(const Programs& programs, std::uint16_t port = free_port());
};

// PostgreSQL with its defaults: synchronous_commit, fsync. It does not run as root, so then as the
// user postgres, who must reach the directory that is measured.
class PostgresServer : public PeerServer {
 public:
  explicit PostgresServer(const Programs& programs, std::uint16_t port = free_port());
};

}  // namespace kontract::bench
