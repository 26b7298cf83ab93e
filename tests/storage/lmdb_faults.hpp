// LmdbFaults: makes one call of LMDB fail, the nth from now, in this process.
//
// The test program defines the functions of LMDB that can fail; kontract's own code finds these
// first, and they go on to the library's. (But for mdb_txn_renew: where it fails, a new transaction
// is begun.) So an operation can be tested with each of its calls failing in turn: begin with the
// first and go on until `reached()` says that there was no such call any more.

#pragma once

namespace kontract::testing {

class FailingCall {
 public:
  enum class Where {
    this_thread,
    any_thread,  // without commits: after a failed one nothing is known of the file
  };

  // The call fails with `error`, a code of LMDB or errno.
  FailingCall(int nth, int error, Where where = Where::this_thread);
  FailingCall(const FailingCall&) = delete;
  FailingCall& operator=(const FailingCall&) = delete;
  ~FailingCall();

  bool reached() const;
};

}  // namespace kontract::testing
