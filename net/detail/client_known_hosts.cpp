#include "net/detail/client_known_hosts.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <utility>

namespace kontract {

namespace {

using Keys = std::vector<raystream::IdentityKey>;

constexpr const char* kLineHint =
    "A line is host:port, a space and the server's pin, as `kontract identity show` prints it.";

Error cannot(const std::string& what, const std::filesystem::path& path) {
  return {Errc::invalid_request,
          "Cannot " + what + " " + path.string() + ": " + std::strerror(errno),
          "Name a file in a directory that is there, which you may read and write."};
}

Result<Keys> keys_of(const std::string& text, const std::string& server,
                     const std::filesystem::path& path) {
  Keys keys;
  std::string_view rest = text;
  for (std::size_t number = 1; !rest.empty(); ++number) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    const std::size_t space = std::min(line.find(' '), line.size());
    if (line.substr(0, space) != server) continue;
    // A line that is damaged must not make a stranger of a server that is known.
    const auto key = raystream::from_pin(line.substr(std::min(space + 1, line.size())));
    if (!key) {
      return Error(Errc::invalid_request,
                   path.string() + ", line " + std::to_string(number) + ": this is no pin",
                   kLineHint);
    }
    keys.push_back(*key);
  }
  return keys;
}

}  // namespace

Result<Keys> read_known_host(const std::filesystem::path& path, const std::string& server) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file && errno == ENOENT) return Keys();
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!file.is_open() || std::filesystem::is_directory(path)) return cannot("read", path);
  return keys_of(text, server, path);
}

Status add_known_host(const std::filesystem::path& path, const std::string& server,
                      const raystream::IdentityKey& key) {
  constexpr mode_t kOwnerOnly = 0600;
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, kOwnerOnly);
  if (file < 0) return cannot("write", path);
  const auto add = [&]() -> Status {
    if (::flock(file, LOCK_EX) != 0) return cannot("lock", path);
    const auto there = read_known_host(path, server);
    if (!there) return there.error();
    if (std::find(there->begin(), there->end(), key) != there->end()) return {};
    if (!there->empty()) {
      return Error(Errc::unauthorized, "Another client has just met " + server +
                                           " with another identity than this one has");
    }
    const off_t size = ::lseek(file, 0, SEEK_END);
    char last = '\n';
    if (size > 0 && ::pread(file, &last, 1, size - 1) != 1) return cannot("read", path);
    const std::string line =
        (last == '\n' ? "" : "\n") + server + " " + raystream::to_pin(key) + "\n";
    const ssize_t written = ::write(file, line.data(), line.size());
    if (written != static_cast<ssize_t>(line.size()) || ::fsync(file) != 0) {
      return cannot("write", path);
    }
    return {};
  };
  Status added = add();
  ::close(file);
  return added;
}

}  // namespace kontract
