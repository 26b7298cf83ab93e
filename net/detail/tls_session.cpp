#include "net/detail/tls_session.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <boost/asio/error.hpp>
#include <boost/asio/ip/address.hpp>
#include <cerrno>
#include <limits>

namespace kontract::detail {

namespace {

// OpenSSL's own BIO of a socket writes with write(), which ends the process by SIGPIPE when the
// other end has gone; and a library does not change what the process does with signals.
int descriptor_of(BIO* bio) {
  return static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio)));
}

bool retries(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

int bio_write(BIO* bio, const char* bytes, int count) {
  BIO_clear_retry_flags(bio);
  const auto sent =
      send(descriptor_of(bio), bytes, static_cast<std::size_t>(count), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent < 0 && retries(errno)) BIO_set_retry_write(bio);
  return static_cast<int>(sent);
}

int bio_read(BIO* bio, char* bytes, int count) {
  BIO_clear_retry_flags(bio);
  const auto received =
      recv(descriptor_of(bio), bytes, static_cast<std::size_t>(count), MSG_DONTWAIT);
  if (received < 0 && retries(errno)) BIO_set_retry_read(bio);
  if (received == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
  return static_cast<int>(received);
}

long bio_ctrl(BIO* bio, int command, long /*number*/, void* /*pointer*/) {
  if (command == BIO_CTRL_EOF) return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

const BIO_METHOD* socket_method() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* const made =
        BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "kontract socket");
    if (made == nullptr) return made;
    BIO_meth_set_write(made, bio_write);
    BIO_meth_set_read(made, bio_read);
    BIO_meth_set_ctrl(made, bio_ctrl);
    return made;
  }();
  return method;
}

// Nobody destroys one through its base.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wnon-virtual-dtor"
class TlsCategory final : public boost::system::error_category {
 public:
  const char* name() const noexcept override { return "tls"; }
  std::string message(int value) const override {
    const char* const reason = ERR_reason_error_string(static_cast<unsigned>(value));
    return reason != nullptr ? std::string("TLS: ") + reason : "TLS failed";
  }
};

#pragma GCC diagnostic pop

int reason_of(const ErrorCode& error) {
  return ERR_GET_REASON(static_cast<unsigned long>(static_cast<unsigned>(error.value())));
}

ErrorCode truncated() {
  return {static_cast<int>(ERR_PACK(ERR_LIB_SSL, 0, SSL_R_UNEXPECTED_EOF_WHILE_READING)),
          tls_category()};
}

}  // namespace

const boost::system::error_category& tls_category() {
  static const TlsCategory category;
  return category;
}

TlsProblem tls_problem(const ErrorCode& error) {
  if (error.category() != tls_category()) return TlsProblem::other;
  switch (reason_of(error)) {
    case SSL_R_UNEXPECTED_EOF_WHILE_READING:
      return TlsProblem::truncated;
    case SSL_R_HTTP_REQUEST:
      return TlsProblem::plain_http;
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
    case SSL_R_RECORD_TOO_SMALL:
      return TlsProblem::not_tls;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
    case SSL_R_TLSV1_ALERT_INSUFFICIENT_SECURITY:
    case SSL_R_NO_PROTOCOLS_AVAILABLE:
      return TlsProblem::no_common;
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return TlsProblem::bad_peer;
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
      return TlsProblem::refused_by_peer;
    default:
      return TlsProblem::other;
  }
}

std::shared_ptr<TlsSession> TlsSession::open(const TlsContext& context, int descriptor, Side side) {
  ERR_clear_error();
  SSL* const ssl = SSL_new(context.get());
  if (ssl == nullptr) return nullptr;
  std::shared_ptr<TlsSession> session(new TlsSession(ssl));
  BIO* const bio = socket_method() == nullptr ? nullptr : BIO_new(socket_method());
  if (bio == nullptr) return nullptr;
  BIO_set_data(bio, reinterpret_cast<void*>(static_cast<std::intptr_t>(descriptor)));
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl, bio, bio);
  if (side == Side::server) {
    SSL_set_accept_state(ssl);
  } else {
    SSL_set_connect_state(ssl);
  }
  return session;
}

TlsSession::~TlsSession() { SSL_free(ssl_); }

bool TlsSession::expect_host(const std::string& host) {
  ErrorCode no_address;
  asio::ip::make_address(host, no_address);
  if (!no_address) return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_), host.c_str()) == 1;
  SSL_set_hostflags(ssl_, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return SSL_set1_host(ssl_, host.c_str()) == 1 &&
         SSL_ctrl(ssl_, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                  const_cast<char*>(host.c_str())) == 1;  // the macro casts in C's way
}

TlsSession::Wants TlsSession::outcome(int result, ErrorCode& error) {
  const int system = errno;
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_WANT_READ:
      return Wants::input;
    case SSL_ERROR_WANT_WRITE:
      return Wants::output;
    case SSL_ERROR_ZERO_RETURN:
      error = asio::error::eof;
      break;
    case SSL_ERROR_SYSCALL:
      failed_ = true;
      error = system != 0 ? ErrorCode(system, boost::system::system_category()) : truncated();
      break;
    default:
      failed_ = true;
      error = ErrorCode(static_cast<int>(ERR_peek_error()), tls_category());
      if (!error) error = truncated();
  }
  ERR_clear_error();
  return Wants::nothing;
}

TlsSession::Wants TlsSession::handshake(ErrorCode& error) {
  if (closed_ || failed_) return error = asio::error::operation_aborted, Wants::nothing;
  ERR_clear_error();
  errno = 0;
  const int result = SSL_do_handshake(ssl_);
  return result == 1 ? Wants::nothing : outcome(result, error);
}

TlsSession::Wants TlsSession::read(asio::mutable_buffer into, std::size_t& bytes,
                                   ErrorCode& error) {
  bytes = 0;
  if (closed_ || failed_) return error = asio::error::operation_aborted, Wants::nothing;
  if (into.size() == 0) return Wants::nothing;
  ERR_clear_error();
  errno = 0;
  const int result = SSL_read_ex(ssl_, into.data(), into.size(), &bytes);
  return result == 1 ? Wants::nothing : outcome(result, error);
}

TlsSession::Wants TlsSession::write(asio::const_buffer from, std::size_t& bytes, ErrorCode& error) {
  bytes = 0;
  write_wants_ = Wants::nothing;
  if (closed_ || failed_) return error = asio::error::operation_aborted, Wants::nothing;
  if (from.size() == 0) return Wants::nothing;
  ERR_clear_error();
  errno = 0;
  const int result = SSL_write_ex(ssl_, from.data(), from.size(), &bytes);
  if (result != 1) write_wants_ = outcome(result, error);
  return write_wants_;
}

TlsSession::Wants TlsSession::farewell() {
  if (closed_ || failed_ || SSL_is_init_finished(ssl_) == 0) return Wants::nothing;
  ERR_clear_error();
  errno = 0;
  const int result = SSL_shutdown(ssl_);
  ErrorCode ignored;  // whoever does not hear it has gone
  write_wants_ = result >= 0 ? Wants::nothing : outcome(result, ignored);
  return write_wants_;
}

bool TlsSession::buffered() const { return SSL_has_pending(ssl_) == 1; }

std::uint64_t TlsSession::wire_bytes_sent() const { return BIO_number_written(SSL_get_wbio(ssl_)); }

std::uint64_t TlsSession::wire_bytes_received() const {
  return BIO_number_read(SSL_get_rbio(ssl_));
}

std::optional<std::string> TlsSession::peer_subject() const {
  X509* const certificate = SSL_get0_peer_certificate(ssl_);
  if (certificate == nullptr || SSL_get_verify_result(ssl_) != X509_V_OK) return std::nullopt;
  const std::unique_ptr<BIO, decltype(&BIO_free)> text(BIO_new(BIO_s_mem()), &BIO_free);
  if (!text) return std::nullopt;
  X509_NAME_print_ex(text.get(), X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
  char* bytes = nullptr;
  const long count = BIO_ctrl(text.get(), BIO_CTRL_INFO, 0, &bytes);
  return std::string(bytes, static_cast<std::size_t>(count));
}

std::string TlsSession::certificate_problem() const {
  const long result = SSL_get_verify_result(ssl_);
  return result == X509_V_OK ? std::string() : X509_verify_cert_error_string(result);
}

}  // namespace kontract::detail
