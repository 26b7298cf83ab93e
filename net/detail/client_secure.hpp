// ClientSecurity: what a client knows about encrypting (raystream.v1) from one connection to the
// next: whom it trusts, and the ticket to resume its last channel. Not thread-safe.

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "net/client.hpp"
#include "net/raystream_handshake.hpp"
#include "storage/result.hpp"

namespace kontract {

class ClientSecurity {
 public:
  // Null if the client is to talk in plain text. `server` is host:port; `over_tls` says that TLS
  // was told to verify who it is. Errors: invalid_request (options that are not good, or not
  // together).
  static Result<std::unique_ptr<ClientSecurity>> from(const ClientRaystream& options,
                                                      std::string server, bool over_tls);

  // The beginning of a connection's handshake. Errors: as of read_known_host.
  Result<raystream::ClientHandshake> begin();

  // Its end. Errors: unauthorized, said to the user, if the server is another one than is trusted;
  // decrypt_failed for all else; those of add_known_host.
  Result<raystream::Channel> finish(raystream::ClientHandshake handshake,
                                    std::string_view server_frame);

  void forget() { ticket_.reset(); }  // and wipe

 private:
  ClientSecurity(ClientRaystream options, std::string server, raystream::ServerTrust trust);

  Error not_trusted(const std::string& pin) const;

  const ClientRaystream options_;
  const std::string server_;
  const raystream::ServerTrust trust_;         // without what known hosts say
  std::vector<raystream::IdentityKey> known_;  // of the handshake under way
  std::optional<raystream::ResumeTicket> ticket_;
};

}  // namespace kontract
