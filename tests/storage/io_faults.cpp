#include "tests/storage/io_faults.hpp"

#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

namespace {

std::atomic<int> sync_error{0};
std::atomic<int> write_error{0};
std::atomic<int> syncs{0};

bool fails(const std::atomic<int>& error) {
  const int rc = error.load();
  if (rc != 0) errno = rc;
  return rc != 0;
}

}  // namespace

// NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): libc uses reserved names
extern "C" {

int fdatasync(int fd) {
  ++syncs;
  return fails(sync_error) ? -1 : static_cast<int>(::syscall(SYS_fdatasync, fd));
}

ssize_t pwrite(int fd, const void* bytes, size_t count, off_t at) {
  return fails(write_error) ? -1 : ::syscall(SYS_pwrite64, fd, bytes, count, at);
}

ssize_t writev(int fd, const iovec* parts, int count) {
  return fails(write_error) ? -1 : ::syscall(SYS_writev, fd, parts, count);
}

}  // extern "C"
// NOLINTEND(readability-inconsistent-declaration-parameter-name)

namespace kontract::testing {

FailingSync::FailingSync(int error) { sync_error = error; }
FailingSync::~FailingSync() { sync_error = 0; }
FailingWrite::FailingWrite(int error) { write_error = error; }
FailingWrite::~FailingWrite() { write_error = 0; }
int syncs_seen() { return syncs; }

}  // namespace kontract::testing
