#include <gmock/gmock.h>

#include "net/client.hpp"
#include "net/http_get.hpp"
#include "tests/net/tls_client.hpp"

namespace kontract {
namespace {

using namespace std::chrono_literals;
using test::Authority;
using test::CertificateFiles;
using test::TlsClient;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr const char* kHello = R"({"t":"hello","v":1})";

class TlsTest : public ServerFixture {
 protected:
  void SetUp() override {
    ServerFixture::SetUp();
    std::filesystem::create_directory(directory_path_ / "tls");
    ours_.emplace(directory_path_ / "tls", "ours");
    others_.emplace(directory_path_ / "tls", "others");
    use(ours_->issue({.name = "first"}));
  }

  void use(const CertificateFiles& files) {
    options_.tls_certificate = files.certificate;
    options_.tls_key = files.key;
  }

  TlsClient::Options trusting() const {
    TlsClient::Options options;
    options.ca = ours_->ca;
    return options;
  }

  Result<Welcome> connect(const std::string& host, const std::string& ca,
                          const CertificateFiles& own = {}) {
    Client client({.url = "wss://" + host + ":" + std::to_string(port()),
                   .session = "room-1",
                   .connect_timeout = test::kPatience,
                   .reconnect = false,
                   .ca_file = ca,
                   .certificate_file = own.certificate,
                   .key_file = own.key});
    return client.connect();
  }

  // Welcome in room-1.
  static void join(TlsClient& client) {
    ASSERT_THAT(client.request(TlsClient::upgrade("room-1"), "\r\n\r\n"), HasSubstr(" 101 "));
    ASSERT_THAT(client.request(TlsClient::frame(kHello), "}}"), HasSubstr("welcome"));
  }

  static std::string subject(TlsClient& client) {
    X509* const certificate = SSL_get0_peer_certificate(client.ssl());
    std::array<char, 64> name{};
    X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name.data(),
                              static_cast<int>(name.size()));
    return name.data();
  }

  std::optional<Authority> ours_, others_;
};

TEST_F(TlsTest, HttpAndWebSocketGoOverBothVersions) {
  start();
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    SCOPED_TRACE(version);
    auto options = trusting();
    options.version = version;
    TlsClient http(port(), options);
    ASSERT_TRUE(http.greeted());
    EXPECT_THAT(http.request(TlsClient::get("/health"), "}"), StartsWith("HTTP/1.1 200"));
    EXPECT_THAT(http.request(TlsClient::get("/health"), "}"), HasSubstr("HTTP/1.1 200"));
    TlsClient ws(port(), options);
    join(ws);
  }
}

TEST_F(TlsTest, OldVersionsAndCiphersAreRefused) {
  start();
  for (const auto& [version, ciphers] :
       {std::pair<int, const char*>{TLS1_1_VERSION, "ALL:@SECLEVEL=0"},
        {TLS1_VERSION, "ALL:@SECLEVEL=0"},
        {TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA384"}}) {
    SCOPED_TRACE(version);
    TlsClient::Options options;
    options.version = version;
    options.ciphers = ciphers;
    EXPECT_FALSE(TlsClient(port(), options).greeted());
  }
  EXPECT_TRUE(TlsClient(port(), trusting()).greeted()) << "the server goes on";
}

TEST_F(TlsTest, SessionsAreResumed) {
  start();
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    auto options = trusting();
    options.version = version;
    TlsClient first(port(), options);
    first.request(TlsClient::get("/health"), "}");  // the ticket has come with it
    const std::unique_ptr<SSL_SESSION, decltype(&SSL_SESSION_free)> session(
        SSL_get1_session(first.ssl()), &SSL_SESSION_free);
    options.resume = session.get();
    TlsClient second(port(), options);
    EXPECT_THAT(second.request(TlsClient::get("/health"), "}"), HasSubstr(" 200 "));
    EXPECT_EQ(SSL_session_reused(second.ssl()), 1) << version;
  }
}

TEST_F(TlsTest, LargeMessagesComeWholeInBothDirections) {
  start();
  Client client({.url = "wss://localhost:" + std::to_string(port()),
                 .session = "room-1",
                 .call_timeout = 60s,
                 .ca_file = ours_->ca});
  ASSERT_TRUE(client.call("table.create", Json::array({"t", Json::object()})));
  const std::string text(200'000, 'x');
  for (int i = 0; i < 8; ++i) {
    const auto set =
        client.call("table.set", Json::array({"t", std::to_string(i), {{"text", text}}}));
    ASSERT_TRUE(set) << set.error().message;
  }
  std::vector<std::future<Result<CallResult>>> all;
  for (int i = 0; i < 8; ++i) {
    auto promise = std::make_shared<std::promise<Result<CallResult>>>();
    all.push_back(promise->get_future());
    client.call("table.get", Json::array({"t", std::to_string(i)}),
                [promise](Result<CallResult> got) { promise->set_value(std::move(got)); });
  }
  for (auto& one : all) {
    const auto got = one.get();
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_EQ(got->result["text"].get<std::string>(), text);
  }
}

TEST_F(TlsTest, ARecordForEachByteIsReadAsWell) {
  start();
  TlsClient client(port(), trusting());
  for (const char byte : TlsClient::upgrade("room-1") + TlsClient::frame(kHello)) {
    if (byte == TlsClient::frame(kHello)[0]) client.receive_until("\r\n\r\n");
    ASSERT_TRUE(client.send(std::string(1, byte)));
  }
  EXPECT_THAT(client.receive_until("}}"), HasSubstr("welcome"));
}

TEST_F(TlsTest, MessagesInOneRecordAreAllAnswered) {
  start();
  TlsClient client(port(), trusting());
  join(client);
  std::string frames;
  for (int i = 1; i <= 100; ++i) {
    frames += TlsClient::frame(R"({"t":"heartbeat","timestamp":)" + std::to_string(i) + "}");
  }
  client.send(frames);
  EXPECT_THAT(client.receive_until("\"timestamp\":100,"), HasSubstr("\"timestamp\":99,"));
}

// A hundred records of 100,000 bytes, asked for at once.
void ask_for_much(TlsClient& client) {
  client.request(TlsClient::frame(R"({"t":"call","id":1,"fn":"table.create","args":["t",{}]})"),
                 "}");
  const std::string set = R"({"t":"call","id":2,"fn":"table.set","args":["t","a",{"x":")" +
                          std::string(100'000, 'x') + R"("}]})";
  client.request(TlsClient::frame(set), "}");
  std::string gets;
  for (int id = 10; id < 110; ++id) {
    gets += TlsClient::frame(R"({"t":"call","id":)" + std::to_string(id) +
                             R"(,"fn":"table.get","args":["t","a"]})");
  }
  client.send(gets);
}

TEST_F(TlsTest, AReaderThatTakesNothingIsClosed) {
  options_.heartbeat = 1s;  // three of them is what it is given while the queue is not full
  start();
  auto options = trusting();
  options.receive_buffer = 65'536;
  TlsClient slow(port(), options);
  join(slow);
  ask_for_much(slow);
  wait_until([&] { return server_->metrics().refused == 1; });
}

TEST_F(TlsTest, AReaderThatTakesItsTimeGetsAll) {
  start();
  TlsClient late(port(), trusting());
  join(late);
  ask_for_much(late);
  std::size_t received = 0;
  while (received < 100 * 100'000) {
    const std::string bytes = late.receive();
    ASSERT_NE(bytes, "") << "it takes what it is sent, if slowly";
    received += bytes.size();
  }
}

TEST_F(TlsTest, TheEndIsSaidAndACutIsNoEnd) {
  start();
  TlsClient orderly(port(), trusting());
  orderly.send("GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(orderly.ended(), SSL_ERROR_ZERO_RETURN);

  TlsClient websocket(port(), trusting());
  join(websocket);
  websocket.send(std::string("\x88\x80\0\0\0\0", 6));
  EXPECT_EQ(websocket.ended(), SSL_ERROR_ZERO_RETURN);

  // A request that TCP's end cuts is not acted on.
  TlsClient cut(port(), trusting());
  cut.send(
      "POST /rpc/session.info HTTP/1.1\r\nHost: x\r\nX-Session-Id: s\r\nContent-Length: "
      "2\r\n\r\n[");
  cut.socket().shutdown(test::tcp::socket::shutdown_send);
  EXPECT_EQ(cut.receive(), "");
}

TEST_F(TlsTest, PlainHttpIsToldThatThePortSpeaksTls) {
  start();
  test::RawClient client(port());
  EXPECT_EQ(client.request(TlsClient::get("/health")), 400);
  EXPECT_THAT(client.text(), HasSubstr("TLS"));
  EXPECT_TRUE(client.ended());
  test::RawClient noise(port());
  noise.send(std::string(100, '\x7f'));
  EXPECT_EQ(noise.receive(), 0);
  EXPECT_TRUE(TlsClient(port(), trusting()).greeted());
}

TEST_F(TlsTest, AHandshakeThatIsNotFinishedEnds) {
  options_.handshake_timeout = 50ms;
  start();
  test::RawClient silent(port()), begun(port());
  begun.send(std::string("\x16\x03\x01\x02", 4));
  EXPECT_TRUE(silent.ended());
  EXPECT_EQ(begun.receive(), 0);
}

TEST_F(TlsTest, ReloadingTakesTheNewCertificateAndKeepsConnections) {
  start();
  TlsClient old(port(), trusting());
  join(old);
  EXPECT_EQ(subject(old), "first");
  const auto second = ours_->issue({.name = "second"});
  const auto replace = [](const std::string& from, const std::string& to) {
    std::filesystem::copy_file(from, to, std::filesystem::copy_options::overwrite_existing);
  };
  replace(second.certificate, options_.tls_certificate);
  EXPECT_EQ(server_->reload_tls().error().code, Errc::invalid_request) << "the key is not its own";
  TlsClient between(port(), trusting());
  EXPECT_EQ(subject(between), "first");
  replace(second.key, options_.tls_key);
  EXPECT_TRUE(server_->reload_tls());
  TlsClient fresh(port(), trusting());
  EXPECT_EQ(subject(fresh), "second");
  EXPECT_THAT(old.request(TlsClient::frame(R"({"t":"heartbeat","timestamp":7})"), "}"),
              HasSubstr("\"timestamp\":7"));
}

TEST_F(TlsTest, AClientLooksWhoTheServerIs) {
  start();
  EXPECT_TRUE(connect("localhost", ours_->ca));
  EXPECT_TRUE(connect("127.0.0.1", ours_->ca));
  const std::string at = "wss://localhost:" + std::to_string(port());
  EXPECT_EQ(http_get_json(at, "/health", "", ours_->ca)->at("status"), "ok");
  EXPECT_EQ(http_get_json(at, "/health", "", others_->ca).error().code, Errc::forbidden);
  for (const std::string& ca : {others_->ca, std::string()}) {
    const auto refused = connect("localhost", ca);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::forbidden);
  }
  EXPECT_EQ(connect("localhost", "/nowhere.pem").error().code, Errc::invalid_request);
}

TEST_F(TlsTest, AClientRefusesACertificateOfAnotherNameOrTime) {
  struct Case {
    const char* name;
    Authority::Subject subject;
    const char* says;
  };
  for (const Case& c :
       {Case{"another name", {.name = "x", .names = "DNS:example.org"}, "hostname mismatch"},
        Case{"expired", {.name = "x", .from = -7200, .until = -3600}, "expired"},
        Case{"not yet valid", {.name = "x", .from = 3600, .until = 7200}, "not yet valid"}}) {
    SCOPED_TRACE(c.name);
    use(ours_->issue(c.subject));
    start();
    const auto refused = connect("localhost", ours_->ca);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::forbidden);
    EXPECT_THAT(refused.error().message, HasSubstr(c.says));
    stop();
  }
}

TEST_F(TlsTest, AServerWithoutTlsIsNotTakenForOneWithIt) {
  options_.tls_certificate = options_.tls_key = "";
  start();
  const auto refused = connect("localhost", ours_->ca);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::invalid_request);
}

TEST_F(TlsTest, ARequiredCertificateOfAClientMustBeThereAndSigned) {
  options_.tls_client_ca = ours_->ca;
  options_.tls_client_certificates = ClientCertificates::required;
  start();
  EXPECT_TRUE(connect("localhost", ours_->ca, ours_->issue({.name = "device-7"})));
  EXPECT_FALSE(connect("localhost", ours_->ca));
  EXPECT_FALSE(connect("localhost", ours_->ca, others_->issue({.name = "device-7"})));
}

TEST_F(TlsTest, FunctionsSeeTheVerifiedSubjectAndNothingForged) {
  backend_.function({.name = "whoami", .args = {}, .doc = "The certificate's subject."},
                    [](FunctionContext& ctx) -> Task<std::string> {
                      const auto& headers = ctx.peer().headers;
                      const auto found = headers.find("x-client-certificate");
                      co_return found == headers.end() ? std::string("nobody") : found->second;
                    });
  options_.tls_client_ca = ours_->ca;
  options_.tls_client_certificates = ClientCertificates::optional;
  start();
  const std::string call =
      "POST /rpc/whoami HTTP/1.1\r\nHost: x\r\nX-Session-Id: s\r\nX-Client-Certificate: CN=root\r\n"
      "Content-Length: 2\r\n\r\n[]";
  auto options = trusting();
  EXPECT_THAT(TlsClient(port(), options).request(call, "txid"), HasSubstr("\"nobody\""));
  options.files = ours_->issue({.name = "device-7"});
  EXPECT_THAT(TlsClient(port(), options).request(call, "txid"), HasSubstr("\"CN=device-7\""));
}

TEST_F(TlsTest, WhatIsNoCertificateOrNoSecretKeyIsRefusedAtTheStart) {
  start();
  const auto other = ours_->issue({.name = "x"});
  const auto read_by_all = ours_->issue({.name = "y"});
  chmod(read_by_all.key.c_str(), 0644);
  struct Case {
    const char* name;
    CertificateFiles files;
  };
  for (const Case& c : {Case{"missing", {"/nowhere.pem", other.key}},
                        Case{"a key for a certificate", {other.key, other.key}},
                        Case{"a certificate for a key", {other.certificate, ours_->ca}},
                        Case{"another's key", {options_.tls_certificate, other.key}},
                        Case{"a key that all may read", read_by_all},
                        Case{"a directory", {directory_path_.string(), other.key}}}) {
    SCOPED_TRACE(c.name);
    ServerOptions options = options_;
    options.tls_certificate = c.files.certificate;
    options.tls_key = c.files.key;
    const auto listening = listen(options);
    ASSERT_FALSE(listening);
    EXPECT_EQ(listening.error().code, Errc::invalid_request);
  }
}

}  // namespace
}  // namespace kontract
