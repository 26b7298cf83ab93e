// Certificates for tests, made when they are needed, so that none expires in the repository.

#pragma once

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>

namespace kontract::test {

struct CertificateFiles {
  std::string certificate, key;
};

// An authority, whose own certificate is in `ca`, and what it has signed, in one directory.
class Authority {
 public:
  Authority(std::filesystem::path directory, const std::string& name)
      : directory_(std::move(directory)), name_(name), key_(new_key()) {
    ca = (directory_ / (name + "-ca.pem")).string();
    certificate_ = make({.name = name + " authority", .names = ""}, key_.get(), nullptr);
    write(ca, [&](FILE* file) { return PEM_write_X509(file, certificate_.get()); });
  }

  struct Subject {
    std::string name;
    std::string names = "DNS:localhost,IP:127.0.0.1";  // as X509v3 has them; empty: an authority
    long from = -3600, until = 3600;                   // seconds from now
  };

  // A certificate with its chain, and its key, in files of their own.
  CertificateFiles issue(const Subject& subject) {
    const std::string stem = (directory_ / (name_ + "-" + std::to_string(++issued_))).string();
    CertificateFiles files{stem + ".pem", stem + ".key"};
    const auto key = new_key();
    const auto certificate = make(subject, key.get(), certificate_.get());
    write(files.certificate, [&](FILE* file) {
      return PEM_write_X509(file, certificate.get()) + PEM_write_X509(file, certificate_.get()) - 1;
    });
    write(files.key, [&](FILE* file) {
      return PEM_write_PrivateKey(file, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    });
    return files;
  }

  std::string ca;

 private:
  static std::shared_ptr<EVP_PKEY> new_key() {
    return {EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"), &EVP_PKEY_free};
  }

  static void must(bool done) {
    if (!done) throw std::runtime_error("a certificate cannot be made");
  }

  template <class Write>
  static void write(const std::string& path, Write into) {
    FILE* const file = std::fopen(path.c_str(), "w");
    must(file != nullptr);
    const bool written = into(file) == 1;
    must(std::fclose(file) == 0 && written);
    must(chmod(path.c_str(), 0600) == 0);
  }

  // Signed by this authority's key; without `issuer` it is its own.
  std::shared_ptr<X509> make(const Subject& subject, EVP_PKEY* key, X509* issuer) {
    std::shared_ptr<X509> made(X509_new(), &X509_free);
    X509_set_version(made.get(), 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made.get()), issued_ + 1);
    X509_gmtime_adj(X509_getm_notBefore(made.get()), subject.from);
    X509_gmtime_adj(X509_getm_notAfter(made.get()), subject.until);
    X509_set_pubkey(made.get(), key);
    const auto* const name = reinterpret_cast<const unsigned char*>(subject.name.c_str());
    X509_NAME_add_entry_by_txt(X509_get_subject_name(made.get()), "CN", MBSTRING_UTF8, name, -1, -1,
                               0);
    X509* const signer = issuer != nullptr ? issuer : made.get();
    X509_set_issuer_name(made.get(), X509_get_subject_name(signer));
    X509V3_CTX context;
    X509V3_set_ctx(&context, signer, made.get(), nullptr, nullptr, 0);
    const bool authority = subject.names.empty();
    X509_EXTENSION* const extension = X509V3_EXT_conf_nid(
        nullptr, &context, authority ? NID_basic_constraints : NID_subject_alt_name,
        authority ? "critical,CA:TRUE" : subject.names.c_str());
    must(extension != nullptr);
    X509_add_ext(made.get(), extension, -1);
    X509_EXTENSION_free(extension);
    must(X509_sign(made.get(), key_.get(), EVP_sha256()) > 0);
    return made;
  }

  const std::filesystem::path directory_;
  const std::string name_;
  const std::shared_ptr<EVP_PKEY> key_;
  std::shared_ptr<X509> certificate_;
  int issued_ = 0;
};

}  // namespace kontract::test
