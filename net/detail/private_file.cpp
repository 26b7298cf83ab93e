#include "net/detail/private_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "storage/data_directory.hpp"
#include "storage/limits.hpp"

namespace kontract::detail {

namespace {

constexpr std::size_t kFileBytesMax = 64 * limits::kKiB;
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

}  // namespace

Result<std::string> read_private_file(const std::filesystem::path& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) {
    if (errno != ENOENT) return cannot("read", path);
    return Error{Errc::not_found, "There is no " + path.string()};
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
                 "Retire keys that are not needed any more."};
  }
  text.resize(size);
  return text;
}

Status change_private_file(const std::filesystem::path& path, const ChangeText& change) {
  const std::filesystem::path folder = path.parent_path();
  const Descriptor directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.valid()) return cannot("open", folder);
  if (::flock(directory.get(), LOCK_EX) != 0) return cannot("lock", folder);
  std::optional<std::string> before;
  auto text = read_private_file(path);
  if (text) {
    before = std::move(*text);
  } else if (text.error().code != Errc::not_found) {
    return std::move(text).error();
  }
  auto after = change(before);
  if (!after) return std::move(after).error();
  if (before == *after) return {};
  return replace_file(path, *after);
}

}  // namespace kontract::detail
