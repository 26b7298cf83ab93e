#include "net/signing_keys.hpp"

#include <fcntl.h>
#include <sodium.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "net/detail/base64url.hpp"
#include "storage/data_directory.hpp"

namespace kontract {

namespace {

constexpr std::size_t kFileBytesMax = 64 * limits::kKiB;
constexpr std::size_t kKidBytes = 8;
constexpr mode_t kOwnerOnly = 0600;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }

 private:
  int fd_;
};

Error cannot(const std::string& what, const std::filesystem::path& path) {
  const Errc code = errno == ENOSPC || errno == EDQUOT ? Errc::storage_full : Errc::invalid_request;
  return {code, "Cannot " + what + " " + path.string() + ": " + std::strerror(errno)};
}

Result<std::string> read_private_file(const std::filesystem::path& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) {
    if (errno != ENOENT) return cannot("read", path);
    return Error{Errc::not_found, "There is no " + path.string(),
                 "`kontract token keys rotate` makes it."};
  }
  struct stat facts {};
  if (::fstat(file.get(), &facts) != 0) return cannot("read", path);
  if ((facts.st_mode & 077) != 0) {
    return Error{Errc::invalid_request, path.string() + " may be read by others than its owner",
                 "Take their rights away with chmod 600; if others had them, rotate and retire."};
  }
  std::string text(kFileBytesMax + 1, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = ::read(file.get(), text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return cannot("read", path);
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  if (size > kFileBytesMax) {
    return Error{Errc::invalid_request, path.string() + " is larger than 64 KiB",
                 "Retire keys that are older than an hour."};
  }
  text.resize(size);
  return text;
}

Status write_whole(int file, std::string_view text, const std::filesystem::path& path) {
  while (!text.empty()) {
    const ssize_t written = ::write(file, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return cannot("write", path);
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::fsync(file) != 0) return cannot("write", path);
  return {};
}

// REQUIRES: the directory is locked.
Status replace_file(const std::filesystem::path& path, std::string_view text) {
  std::filesystem::path draft = path;
  draft += ".new";
  ::unlink(draft.c_str());  // of a run that was killed
  {
    const Descriptor file(
        ::open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kOwnerOnly));
    if (!file.valid()) return cannot("write", draft);
    if (Status written = write_whole(file.get(), text, draft); !written) return written;
  }
  if (::rename(draft.c_str(), path.c_str()) != 0) return cannot("write", path);
  return sync_directory(path.parent_path());
}

Result<std::vector<TokenKey>> parse_keys(const std::string& text, const std::string& issuer,
                                         const std::filesystem::path& path) {
  auto set = read_jwks(text, issuer, JwkParts::with_seed);
  if (!set) {
    set.error().message = path.string() + ": " + set.error().message;
    return std::move(set).error();
  }
  if (set->keys.empty() || !set->ignored.empty()) {
    return Error{Errc::invalid_request, path.string() + " has keys of another kind, or none",
                 "Put another copy there, or move it away and make new keys with rotate."};
  }
  return std::move(set->keys);
}

Status write_keys(const std::filesystem::path& path, const std::vector<TokenKey>& keys) {
  Json set = {{"keys", Json::array()}};
  for (const TokenKey& key : keys) {
    Json jwk = public_jwk(key);
    jwk["d"] = detail::to_base64url(key.secret);
    set["keys"].push_back(std::move(jwk));
  }
  return replace_file(path, set.dump(2) + "\n");
}

// Makes of the keys that are there what `change` does, while nobody else does.
template <class Change>
Status change_keys(const std::filesystem::path& path, const Change& change) {
  const std::filesystem::path folder = path.parent_path();
  const Descriptor directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.valid()) return cannot("open", folder);
  if (::flock(directory.get(), LOCK_EX) != 0) return cannot("lock", folder);
  std::vector<TokenKey> keys;
  auto text = read_private_file(path);
  if (text) {
    auto there = parse_keys(*text, {}, path);
    if (!there) return std::move(there).error();
    keys = std::move(*there);
  } else if (text.error().code != Errc::not_found) {
    return std::move(text).error();
  }
  if (Status changed = change(keys); !changed) return changed;
  return write_keys(path, keys);
}

}  // namespace

Result<std::vector<TokenKey>> read_signing_keys(const std::filesystem::path& path,
                                                const std::string& issuer) {
  auto text = read_private_file(path);
  if (!text) return std::move(text).error();
  return parse_keys(*text, issuer, path);
}

Result<std::string> rotate_signing_keys(const std::filesystem::path& path) {
  if (sodium_init() < 0) return Error{Errc::internal, "libsodium cannot be initialised"};
  std::string seed(kTokenSeedBytes, '\0');
  randombytes_buf(seed.data(), seed.size());
  TokenKey fresh = seed_key(std::move(seed), random_name(kKidBytes));
  const std::string kid = fresh.kid;
  Status added = change_keys(path, [&](std::vector<TokenKey>& keys) {
    keys.push_back(std::move(fresh));
    return Status();
  });
  if (!added) return std::move(added).error();
  return kid;
}

Status retire_signing_key(const std::filesystem::path& path, const std::string& kid) {
  return change_keys(path, [&](std::vector<TokenKey>& keys) -> Status {
    if (!keys.empty() && keys.back().kid == kid) {
      return Error{Errc::invalid_request, kid + " is the newest key, which signs",
                   "Make a new one first, with rotate."};
    }
    if (std::erase_if(keys, [&](const TokenKey& key) { return key.kid == kid; }) == 0) {
      return Error{Errc::not_found, "There is no key " + kid + " in " + path.string()};
    }
    return {};
  });
}

}  // namespace kontract
