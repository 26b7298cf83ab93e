// ServerTls: the certificate of a listener, its key, and what is asked of clients: TLS 1.2 or 1.3,
// with forward secrecy and AEAD only. Read from files, and read again while connections go on:
// those that are there keep what they were accepted with. Thread-safe.

#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "net/detail/tls_session.hpp"
#include "net/server_options.hpp"
#include "storage/result.hpp"

namespace kontract::detail {

class ServerTls {
 public:
  using Log = std::function<void(const std::string&)>;

  // Null if the options name no certificate. Warns of one that is not valid now.
  // Errors: invalid_request (options that do not go together; a file that is missing, not what it
  // should be, or a key that anybody can read; a key of another certificate).
  static Result<std::shared_ptr<ServerTls>> open(const ServerOptions& options, Log log);

  TlsContext context() const;  // for the next connection
  // Reads the files again. Errors: as open(); then nothing has changed.
  Status reload();

 private:
  ServerTls(const ServerOptions& options, Log log);
  Result<TlsContext> read() const;
  Status ask_for_certificates(ssl_ctx_st* context) const;

  const std::string certificate_, key_, client_ca_;
  const ClientCertificates client_certificates_;
  const Log log_;
  mutable std::mutex mutex_;
  TlsContext context_;
};

}  // namespace kontract::detail
