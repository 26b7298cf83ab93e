// A blocking client of TLS for tests, which may do what a good one does not. Waits at most
// kPatience for anything.

#pragma once

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <memory>
#include <string>

#include "tests/certificates.hpp"
#include "tests/net/server_fixture.hpp"

namespace kontract::test {

class TlsClient {
 public:
  struct Options {
    std::string ca = {};            // empty: does not look who it is
    CertificateFiles files = {};    // its own
    int version = 0;                // 0: any from TLS 1.2 on; else this one only
    const char* ciphers = nullptr;  // of TLS 1.2 and before
    int receive_buffer = 0;         // 0: the system's
    std::string first = {};         // plain bytes before TLS
    SSL_SESSION* resume = nullptr;
  };

  explicit TlsClient(std::uint16_t port) : TlsClient(port, Options()) {}
  TlsClient(std::uint16_t port, const Options& options)
      : socket_(connect(io_, port)), context_(SSL_CTX_new(TLS_client_method()), &SSL_CTX_free) {
    if (options.receive_buffer > 0) {
      socket_.set_option(asio::socket_base::receive_buffer_size(options.receive_buffer));
    }
    const timeval patience{kPatience.count(), 0};
    setsockopt(socket_.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(socket_.native_handle(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (!options.first.empty()) asio::write(socket_, asio::buffer(options.first));
    SSL_CTX* const context = context_.get();
    SSL_CTX_set_security_level(context, 0);  // so that it may ask for what is old
    if (options.version != 0) {
      SSL_CTX_set_min_proto_version(context, options.version);
      SSL_CTX_set_max_proto_version(context, options.version);
    }
    if (options.ciphers != nullptr) SSL_CTX_set_cipher_list(context, options.ciphers);
    if (!options.ca.empty()) {
      SSL_CTX_load_verify_file(context, options.ca.c_str());
      SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
    }
    if (!options.files.key.empty()) {
      SSL_CTX_use_certificate_chain_file(context, options.files.certificate.c_str());
      SSL_CTX_use_PrivateKey_file(context, options.files.key.c_str(), SSL_FILETYPE_PEM);
    }
    ssl_.reset(SSL_new(context), &SSL_free);
    SSL_set_fd(ssl_.get(), socket_.native_handle());
    if (options.resume != nullptr) SSL_set_session(ssl_.get(), options.resume);
    ERR_clear_error();
    greeted_ = SSL_connect(ssl_.get()) == 1;
  }

  bool greeted() const { return greeted_; }
  SSL* ssl() { return ssl_.get(); }
  tcp::socket& socket() { return socket_; }

  bool send(const std::string& bytes) {
    return SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size())) > 0;
  }

  // What is there, at least a byte; empty at the end: see ended().
  std::string receive() {
    std::string bytes(64 * 1024, '\0');
    ERR_clear_error();
    const int count = SSL_read(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()));
    if (count <= 0) end_ = SSL_get_error(ssl_.get(), count);
    bytes.resize(static_cast<std::size_t>(std::max(count, 0)));
    return bytes;
  }
  // Up to and with `mark`, or all there was.
  std::string receive_until(const std::string& mark) {
    for (;;) {
      if (const auto at = in_.find(mark); at != std::string::npos) {
        std::string bytes = in_.substr(0, at + mark.size());
        in_.erase(0, bytes.size());
        return bytes;
      }
      const std::string more = receive();
      if (more.empty()) return std::exchange(in_, {});
      in_ += more;
    }
  }
  std::string request(const std::string& bytes, const std::string& mark) {
    send(bytes);
    return receive_until(mark);
  }
  // SSL_ERROR_ZERO_RETURN: the server said close_notify.
  int ended() {
    while (end_ == 0) in_ += receive();
    return end_;
  }

  static std::string get(const std::string& target) {
    return "GET " + target + " HTTP/1.1\r\nHost: x\r\n\r\n";
  }
  static std::string upgrade(const std::string& session) {
    return "GET /ws/" + session +
           " HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
           "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  }
  // A text frame of a client, with a mask of zeros.
  static std::string frame(const std::string& text) {
    std::string bytes = "\x81";
    if (text.size() < 126) {
      bytes += static_cast<char>(0x80 | text.size());
    } else {
      bytes += '\xff';
      for (int shift = 56; shift >= 0; shift -= 8) bytes += static_cast<char>(text.size() >> shift);
    }
    return bytes + std::string(4, '\0') + text;
  }

 private:
  asio::io_context io_;
  tcp::socket socket_;
  std::shared_ptr<SSL_CTX> context_;
  std::shared_ptr<SSL> ssl_;
  bool greeted_ = false;
  int end_ = 0;
  std::string in_;
};

}  // namespace kontract::test
