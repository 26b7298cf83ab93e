// client_tls: whom a client believes to be the server, and what it says if that is nobody.

#pragma once

#include <optional>
#include <string>

#include "net/detail/tls_session.hpp"
#include "storage/result.hpp"

namespace kontract::detail {

struct ClientTlsFiles {
  std::string ca;                // certificates (PEM) to trust; empty: those that the system trusts
  std::string certificate, key;  // to show to a server that asks; empty: none
};

// Errors: invalid_request (a file).
Result<TlsContext> client_tls(const ClientTlsFiles& files);

// The error of an operation over TLS, if it is one that trying again does not cure; `problem` is
// what is wrong with the server's certificate. Errors: forbidden (who the server is was not proven,
// or it does not take our certificate), crypto_unsupported, invalid_request (it speaks no TLS).
std::optional<Error> tls_refusal(const std::string& url, const ErrorCode& error,
                                 const std::string& problem);

}  // namespace kontract::detail
