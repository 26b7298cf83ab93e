#include "net/detail/client_tls.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <array>

#include "net/detail/tls_files.hpp"

namespace kontract::detail {

namespace {

constexpr std::array<unsigned char, 9> kHttp11 = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};

}  // namespace

Result<TlsContext> client_tls(const ClientTlsFiles& files) {
  Result<TlsContext> made = new_tls_context(TlsSession::Side::client);
  if (!made) return made;
  SSL_CTX* const context = made->get();
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  if (SSL_CTX_set_alpn_protos(context, kHttp11.data(), kHttp11.size()) != 0) {
    return Error(Errc::internal, "TLS cannot be set up");
  }
  if (files.ca.empty()) {
    SSL_CTX_set_default_verify_paths(context);  // SSL_CERT_FILE and SSL_CERT_DIR may name others
  } else {
    const auto trusted = read_certificates(files.ca);
    if (!trusted) return trusted.error();
    for (const Certificate& one : *trusted) {
      if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), one.get()) != 1) {
        return Error(Errc::invalid_request, files.ca + ": a certificate in it cannot be used");
      }
    }
  }
  ERR_clear_error();
  if (files.certificate.empty() != files.key.empty()) {
    return Error(Errc::invalid_request, "A client's certificate takes its key, and the other way");
  }
  if (files.certificate.empty()) return made;
  const auto chain = read_certificates(files.certificate);
  if (!chain) return chain.error();
  if (Status used = use_certificate(context, *chain, files.key); !used) {
    return std::move(used).error();
  }
  return made;
}

std::optional<Error> tls_refusal(const std::string& url, const ErrorCode& error,
                                 const std::string& problem) {
  switch (tls_problem(error)) {
    case TlsProblem::bad_peer:
      return Error(Errc::forbidden,
                   "Who answers at " + url + " has not proven to be it: " + problem,
                   "Its certificate must be valid, for that host name, and signed by an authority "
                   "that the system trusts, or that the client is told of (ca_file, --ca).");
    case TlsProblem::refused_by_peer:
      return Error(Errc::forbidden,
                   url + " does not take the client's certificate (" + error.message() + ")",
                   "Give a certificate that the server's tls-client-ca has signed, and its key.");
    case TlsProblem::no_common:
      return Error(
          Errc::crypto_unsupported,
          "No version or cipher of TLS in common with " + url + " (" + error.message() + ")",
          "TLS 1.2 and 1.3 are spoken, with ECDHE and AEAD ciphers.");
    case TlsProblem::not_tls:
    case TlsProblem::plain_http:
      return Error(Errc::invalid_request, url + " does not speak TLS",
                   "Without TLS the URL begins with ws://, or the port is another.");
    default:
      return std::nullopt;
  }
}

}  // namespace kontract::detail
