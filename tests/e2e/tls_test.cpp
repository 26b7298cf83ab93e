// TLS as `kontract serve` has it: the real program, its signals and its files.

#include <gtest/gtest.h>

#include "tests/certificates.hpp"
#include "tests/e2e/server_process.hpp"

namespace kontract {
namespace {

using Overwrite = std::filesystem::copy_options;

TEST(TlsServeTest, SighupTakesANewCertificateWithoutDroppingConnections) {
  const TemporaryData data, files;
  test::Authority first(files.path(), "first"), second(files.path(), "second");
  const auto old = first.issue({.name = "server"});
  const auto fresh = second.issue({.name = "server"});
  const ServerProcess server(data.path(),
                             {"--tls-certificate", old.certificate, "--tls-key", old.key});
  ASSERT_NE(server.port(), 0);
  const std::string url = "wss://127.0.0.1:" + std::to_string(server.port());
  Client stays({.url = url, .session = "room-1", .ca_file = first.ca});
  ASSERT_TRUE(stays.connect());

  std::filesystem::copy_file(fresh.certificate, old.certificate, Overwrite::overwrite_existing);
  std::filesystem::copy_file(fresh.key, old.key, Overwrite::overwrite_existing);
  kill(server.pid(), SIGHUP);
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(120);
  bool taken = false;  // nothing tells when it has been: whoever connects sees
  while (!taken && std::chrono::steady_clock::now() < until) {
    Client after({.url = url, .session = "room-1", .reconnect = false, .ca_file = second.ca});
    taken = after.connect().has_value();
  }
  EXPECT_TRUE(taken);
  EXPECT_TRUE(stays.call("session.info", Json::array()));
  Client late({.url = url, .session = "room-1", .reconnect = false, .ca_file = first.ca});
  EXPECT_FALSE(late.connect());
}

}  // namespace
}  // namespace kontract
