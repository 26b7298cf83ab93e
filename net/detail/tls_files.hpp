// tls_files: certificates and keys, from PEM files into OpenSSL. No text of a file gets into an
// error.

#pragma once

#include <string>
#include <vector>

#include "net/detail/tls_session.hpp"
#include "storage/result.hpp"

struct x509_st;

namespace kontract::detail {

using Certificate = std::shared_ptr<x509_st>;

// A context with what both ends of ours share: versions, ciphers, and how TlsSession uses it.
// Errors: internal (no memory).
Result<TlsContext> new_tls_context(TlsSession::Side side);

// All of a file, at least one. Errors: invalid_request.
Result<std::vector<Certificate>> read_certificates(const std::string& path);

// The first certificate is the context's own, the others its chain; the key is the first's.
// Errors: invalid_request (a file, or the key is another's; a key that everybody can read).
Status use_certificate(ssl_ctx_st* context, const std::vector<Certificate>& chain,
                       const std::string& key_path);

}  // namespace kontract::detail
