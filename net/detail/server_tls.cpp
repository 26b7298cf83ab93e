#include "net/detail/server_tls.hpp"

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <string_view>
#include <utility>

#include "net/detail/tls_files.hpp"

namespace kontract::detail {

namespace {

constexpr std::string_view kHttp11 = "\x08http/1.1";  // as ALPN's list has it
constexpr std::string_view kSessions = "kontract";

int choose_protocol(SSL* /*ssl*/, const unsigned char** chosen, unsigned char* chosen_bytes,
                    const unsigned char* offered, unsigned offered_bytes, void* /*argument*/) {
  unsigned char* found = nullptr;
  const auto* const ours = reinterpret_cast<const unsigned char*>(kHttp11.data());
  const int result = SSL_select_next_proto(
      &found, chosen_bytes, ours, static_cast<unsigned>(kHttp11.size()), offered, offered_bytes);
  *chosen = found;
  return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

Error wrong(const char* what, const char* hint = "") {
  return Error(Errc::invalid_request, what, hint);
}

Status check(const ServerOptions& options) {
  const bool asks = options.tls_client_certificates != ClientCertificates::off;
  if (options.tls_certificate.empty() != options.tls_key.empty()) {
    return wrong("TLS takes both, tls-certificate and tls-key");
  }
  if (asks && options.tls_certificate.empty()) {
    return wrong("tls-client-certificates takes TLS: tls-certificate and tls-key");
  }
  if (asks == options.tls_client_ca.empty()) {
    return asks ? wrong("tls-client-certificates takes tls-client-ca, which signs them")
                : wrong("tls-client-ca is of no use as long as nobody is asked for a certificate",
                        "Set tls-client-certificates to optional or required.");
  }
  return {};
}

}  // namespace

ServerTls::ServerTls(const ServerOptions& options, Log log)
    : certificate_(options.tls_certificate),
      key_(options.tls_key),
      client_ca_(options.tls_client_ca),
      client_certificates_(options.tls_client_certificates),
      log_(std::move(log)) {}

Result<std::shared_ptr<ServerTls>> ServerTls::open(const ServerOptions& options, Log log) {
  if (Status checked = check(options); !checked) return std::move(checked).error();
  if (options.tls_certificate.empty()) return std::shared_ptr<ServerTls>();
  std::shared_ptr<ServerTls> tls(new ServerTls(options, std::move(log)));
  if (Status loaded = tls->reload(); !loaded) return std::move(loaded).error();
  return tls;
}

TlsContext ServerTls::context() const {
  const std::lock_guard lock(mutex_);
  return context_;
}

Status ServerTls::reload() {
  Result<TlsContext> fresh = read();
  if (!fresh) return std::move(fresh).error();
  const std::lock_guard lock(mutex_);
  context_ = std::move(*fresh);
  return {};
}

Result<TlsContext> ServerTls::read() const {
  Result<TlsContext> made = new_tls_context(TlsSession::Side::server);
  if (!made) return made;
  SSL_CTX* const context = made->get();
  const auto chain = read_certificates(certificate_);
  if (!chain) return chain.error();
  if (Status used = use_certificate(context, *chain, key_); !used) return std::move(used).error();
  const X509* const own = chain->front().get();
  if (X509_cmp_current_time(X509_get0_notAfter(own)) < 0) {
    log_(certificate_ + ": the certificate has expired, clients will refuse it");
  } else if (X509_cmp_current_time(X509_get0_notBefore(own)) > 0) {
    log_(certificate_ + ": the certificate is not valid yet, clients will refuse it");
  }
  // Sessions are resumed by tickets, which cost no memory here.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_session_id_context(context, reinterpret_cast<const unsigned char*>(kSessions.data()),
                                 static_cast<unsigned>(kSessions.size()));
  SSL_CTX_set_alpn_select_cb(context, &choose_protocol, nullptr);
  if (client_certificates_ != ClientCertificates::off) {
    if (Status asked = ask_for_certificates(context); !asked) return std::move(asked).error();
  }
  return made;
}

Status ServerTls::ask_for_certificates(ssl_ctx_st* context) const {
  const auto authorities = read_certificates(client_ca_);
  if (!authorities) return authorities.error();
  X509_STORE* const store = SSL_CTX_get_cert_store(context);
  for (const Certificate& authority : *authorities) {
    if (X509_STORE_add_cert(store, authority.get()) != 1 ||
        SSL_CTX_add_client_CA(context, authority.get()) != 1) {
      return Error(Errc::invalid_request, client_ca_ + ": a certificate in it cannot be used");
    }
  }
  const bool required = client_certificates_ == ClientCertificates::required;
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                     nullptr);
  return {};
}

}  // namespace kontract::detail
