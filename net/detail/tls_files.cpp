#include "net/detail/tls_files.hpp"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "storage/limits.hpp"

namespace kontract::detail {

namespace {

constexpr std::size_t kFileBytesMax = limits::kMiB;

Error refused(const std::string& path, const std::string& why, const std::string& hint = {}) {
  return Error(Errc::invalid_request, path + ": " + why, hint);
}

// The text of a file, wiped when it goes.
class Text {
 public:
  Text() = default;
  Text(Text&&) = default;
  ~Text() { OPENSSL_cleanse(bytes.data(), bytes.size()); }

  std::string bytes;
};

enum class Secrecy { anybody, not_everybody };

Result<Text> read_file(const std::string& path, Secrecy secrecy) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return refused(path, std::generic_category().message(errno));
  const std::shared_ptr<const void> closed(nullptr,
                                           [descriptor](const void*) { ::close(descriptor); });
  struct stat facts {};
  if (::fstat(descriptor, &facts) != 0 || !S_ISREG(facts.st_mode)) {
    return refused(path, "it is no file");
  }
  if (secrecy == Secrecy::not_everybody && (facts.st_mode & S_IRWXO) != 0) {
    return refused(path, "everybody may read this key",
                   "Run `chmod o= " + path + "`. Whoever has read it can pose as this server.");
  }
  Text text;
  if (static_cast<std::size_t>(facts.st_size) > kFileBytesMax) return refused(path, "too large");
  text.bytes.resize(static_cast<std::size_t>(facts.st_size));
  std::size_t have = 0;
  while (have < text.bytes.size()) {
    const auto count = ::read(descriptor, text.bytes.data() + have, text.bytes.size() - have);
    if (count < 0) return refused(path, std::generic_category().message(errno));
    if (count == 0) break;
    have += static_cast<std::size_t>(count);
  }
  text.bytes.resize(have);
  return text;
}

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;

Bio bio_of(const Text& text) {
  return {BIO_new_mem_buf(text.bytes.data(), static_cast<int>(text.bytes.size())), &BIO_free};
}

// OpenSSL would ask on the terminal.
int no_password(char* /*buffer*/, int /*size*/, int /*writing*/, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

}  // namespace

Result<TlsContext> new_tls_context(TlsSession::Side side) {
  ERR_clear_error();
  SSL_CTX* const context =
      SSL_CTX_new(side == TlsSession::Side::server ? TLS_server_method() : TLS_client_method());
  if (context == nullptr) return Error(Errc::internal, "TLS cannot be set up");
  const TlsContext owned(context, &SSL_CTX_free);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_read_ahead(context, 1);
  std::string groups = "X25519:P-256:P-384";
  if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
      SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL:!PSK") != 1 ||
      SSL_CTX_ctrl(context, SSL_CTRL_SET_GROUPS_LIST, 0, groups.data()) != 1) {
    return Error(Errc::internal, "This OpenSSL has not what TLS needs");
  }
  return owned;
}

Result<std::vector<Certificate>> read_certificates(const std::string& path) {
  const auto text = read_file(path, Secrecy::anybody);
  if (!text) return text.error();
  const Bio bio = bio_of(*text);
  std::vector<Certificate> certificates;
  ERR_clear_error();
  while (X509* const one = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    certificates.emplace_back(one, &X509_free);
  }
  // The loop ends at the first thing that is none: that should be the end of the file.
  const bool ended = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (certificates.empty()) return refused(path, "there is no certificate (PEM) in it");
  if (!ended) return refused(path, "a certificate in it is damaged");
  return certificates;
}

Status use_certificate(ssl_ctx_st* context, const std::vector<Certificate>& chain,
                       const std::string& key_path) {
  const auto text = read_file(key_path, Secrecy::not_everybody);
  if (!text) return text.error();
  const Bio bio = bio_of(*text);
  bool encrypted = false;
  ERR_clear_error();
  const std::shared_ptr<EVP_PKEY> key(
      PEM_read_bio_PrivateKey(bio.get(), nullptr, &no_password, &encrypted), &EVP_PKEY_free);
  if (!key) {
    ERR_clear_error();
    return encrypted ? refused(key_path, "the key is encrypted",
                               "Decrypt it: `openssl pkey -in KEY -out PLAIN`.")
                     : refused(key_path, "there is no private key (PEM) in it");
  }
  if (X509_check_private_key(chain.front().get(), key.get()) != 1) {
    ERR_clear_error();
    return refused(key_path, "it is not the key of the certificate",
                   "The server's own certificate is the first one of its file.");
  }
  bool used = SSL_CTX_use_certificate(context, chain.front().get()) == 1 &&
              SSL_CTX_use_PrivateKey(context, key.get()) == 1;
  for (std::size_t i = 1; used && i < chain.size(); ++i) {
    used = SSL_CTX_ctrl(context, SSL_CTRL_CHAIN_CERT, 1, chain[i].get()) == 1;
  }
  if (used) return {};
  const char* const why = ERR_reason_error_string(ERR_get_error());
  ERR_clear_error();
  return refused(key_path, why != nullptr ? why : "certificate and key cannot be used");
}

}  // namespace kontract::detail
