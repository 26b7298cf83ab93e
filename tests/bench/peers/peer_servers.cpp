#include "tests/bench/peers/peer_servers.hpp"

#include <netinet/in.h>
#include <pwd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace kontract::bench {

namespace {

namespace fs = std::filesystem;
using Argv = std::vector<std::string>;

constexpr std::chrono::seconds kReadyTimeout{60};
constexpr std::chrono::seconds kStopTimeout{15};

const fs::path kPeers = KONTRACT_PEERS_FOLDER;
const fs::path kPostgres = "/usr/lib/postgresql/15/bin";

fs::path made(fs::path folder) {
  fs::create_directories(folder);
  return folder;
}

std::string first_line(const Argv& argv, const Programs& programs) {
  const std::string text =
      run_to_end(argv, programs.work / "version.log", std::chrono::seconds(20));
  return text.substr(0, text.find('\n'));
}

fs::path workerd() {
  const fs::path packages = kPeers / "node_modules/@cloudflare";
  const fs::path arm = packages / "workerd-linux-arm64/bin/workerd";
  return fs::exists(arm) ? arm : packages / "workerd-linux-64/bin/workerd";
}

Argv workerd_command(const fs::path& data) {
  return {workerd(),
          "serve",
          kPeers / "workerd.capnp",
          "--directory-path",
          "data=" + data.string(),
          "--control-fd",
          "1"};
}

Argv redis_command(const fs::path& data, std::uint16_t port) {
  return {
      "/usr/bin/redis-server", "--port", std::to_string(port), "--bind", "127.0.0.1", "--save", "",
      "--appendonly",          "yes",    "--appendfsync",      "always", "--dir",     data};
}

// For programs that refuse to run as root.
Argv as_postgres(Argv argv) {
  if (geteuid() != 0) return argv;
  Argv whole{"/usr/bin/setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups",
             "--pdeathsig=SIGKILL"};
  whole.insert(whole.end(), argv.begin(), argv.end());
  return whole;
}

Argv postgres_command(const Programs& programs, const fs::path& data, std::uint16_t port) {
  if (geteuid() == 0) {
    const passwd* const user = getpwnam("postgres");
    if (user == nullptr || chown(data.c_str(), user->pw_uid, user->pw_gid) != 0) {
      throw std::runtime_error("there is no user postgres to run PostgreSQL as");
    }
    fs::permissions(programs.work, fs::perms::others_exec, fs::perm_options::add);
  }
  run_to_end(as_postgres({kPostgres / "initdb", "--pgdata", data, "--auth", "trust", "--username",
                          "bench", "--no-sync"}),
             programs.work / "initdb.log", kReadyTimeout);
  return as_postgres({kPostgres / "postgres", "-D", data, "-c", "listen_addresses=127.0.0.1", "-c",
                      "port=" + std::to_string(port), "-c", "unix_socket_directories="});
}

}  // namespace

std::uint16_t free_port() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  if (bind(fd, any, size) != 0 || getsockname(fd, any, &size) != 0) {
    throw std::system_error(errno, std::generic_category(), "no free port");
  }
  close(fd);
  return ntohs(address.sin_port);
}

PeerServer::PeerServer(const Start& start)
    : process_(start.argv, start.log), port_(start.port), version_(start.version) {
  const std::string rest = process_.wait_for(start.mark, kReadyTimeout);
  if (port_ == 0) port_ = static_cast<std::uint16_t>(std::stoi(rest));
}

PeerServer::~PeerServer() { process_.stop(kStopTimeout); }

WorkerdServer::WorkerdServer(const Programs& programs)
    : PeerServer({.argv = workerd_command(made(programs.work / "workerd")),
                  .log = programs.work / "workerd.log",
                  .mark = R"("port":)",
                  .port = 0,
                  .version = first_line({workerd(), "--version"}, programs)}) {}

NodeServer::NodeServer(const Programs& programs)
    : PeerServer(
          {.argv = {"/usr/bin/env", "node", kPeers / "echo.mjs"},
           .log = programs.work / "node.log",
           .mark = "listening on 127.0.0.1:",
           .port = 0,
           .version = "Node " + first_line({"/usr/bin/env", "node", "--version"}, programs)}) {}

RedisServer::RedisServer(const Programs& programs, std::uint16_t port)
    : PeerServer({.argv = redis_command(made(programs.work / "redis"), port),
                  .log = programs.work / "redis.log",
                  .mark = "Ready to accept connections",
                  .port = port,
                  .version = first_line({"/usr/bin/redis-server", "--version"}, programs)}) {}

PostgresServer::PostgresServer(const Programs& programs, std::uint16_t port)
    : PeerServer({.argv = postgres_command(programs, made(programs.work / "postgres"), port),
                  .log = programs.work / "postgres.log",
                  .mark = "database system is ready to accept connections",
                  .port = port,
                  .version = first_line({kPostgres / "postgres", "--version"}, programs)}) {}

}  // namespace kontract::bench
