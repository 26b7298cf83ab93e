#include "storage/ballast.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "storage/environment.hpp"
#include "storage/room.hpp"

namespace kontract {

Result<bool> keep_ballast(const std::filesystem::path& directory, std::size_t bytes,
                          std::size_t floor_bytes) {
  constexpr std::size_t kBlockBytes = 512;  // unit of st_blocks
  const std::filesystem::path file = directory / "ballast";
  struct stat on_disk {};
  const bool exists = ::stat(file.c_str(), &on_disk) == 0;
  if (bytes == 0) {
    if (exists && ::unlink(file.c_str()) != 0) return lmdb_error(errno, "cannot remove", file);
    return true;
  }
  const std::size_t held = exists ? static_cast<std::size_t>(on_disk.st_blocks) * kBlockBytes : 0;
  if (held >= bytes) return true;
  const auto free = disk_free_bytes(directory);
  if (!free) return free.error();
  if (*free + held < floor_bytes + 2 * bytes) return false;

  const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return lmdb_error(errno, "cannot open", file);
  const int rc = ::posix_fallocate(fd, 0, static_cast<off_t>(bytes));
  ::close(fd);
  if (rc == 0) return true;
  ::unlink(file.c_str());  // a part of it would only take room away
  return lmdb_error(rc, "cannot reserve", file);
}

}  // namespace kontract
