// IoFaults: makes the system calls with which LMDB writes fail, in this process.
//
// The test program defines fdatasync, pwrite and writev itself; liblmdb.so finds these first.

#pragma once

namespace kontract::testing {

// While it lives, the call fails with `error` (an errno value).
class FailingSync {
 public:
  explicit FailingSync(int error);
  ~FailingSync();
};

class FailingWrite {
 public:
  explicit FailingWrite(int error);
  ~FailingWrite();
};

int syncs_seen();  // by this process so far

}  // namespace kontract::testing
