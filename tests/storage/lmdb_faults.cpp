#include "tests/storage/lmdb_faults.hpp"

#include <dlfcn.h>
#include <lmdb.h>

#include <atomic>

namespace {

std::atomic<int> calls_left{0};
std::atomic<int> call_error{0};
std::atomic<bool> everywhere{false};
thread_local bool chosen_thread = false;

thread_local int depth = 0;  // in LMDB: it calls its own functions too, which do not count

struct Inside {
  Inside() { ++depth; }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;
  ~Inside() { --depth; }
};

// The error that this call is to fail with; 0 if it is to succeed.
int fault(bool commit = false) {
  if (depth > 0 || calls_left.load(std::memory_order_relaxed) <= 0) return 0;
  if (everywhere ? commit : !chosen_thread) return 0;
  return calls_left.fetch_sub(1) == 1 ? call_error.load() : 0;
}

template <class Function>
Function* library(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

// NOLINTBEGIN(readability-inconsistent-declaration-parameter-name,bugprone-macro-parentheses)
#define KONTRACT_PASS_ON(name, parameters, arguments)        \
  int name parameters {                                      \
    static const auto real = library<int parameters>(#name); \
    if (const int error = fault(); error != 0) return error; \
    const Inside inside;                                     \
    return real arguments;                                   \
  }

extern "C" {

KONTRACT_PASS_ON(mdb_env_set_mapsize, (MDB_env * env, size_t bytes), (env, bytes))
KONTRACT_PASS_ON(mdb_txn_begin, (MDB_env * env, MDB_txn* parent, unsigned flags, MDB_txn** txn),
                 (env, parent, flags, txn))
KONTRACT_PASS_ON(mdb_dbi_open, (MDB_txn * txn, const char* name, unsigned flags, MDB_dbi* dbi),
                 (txn, name, flags, dbi))
KONTRACT_PASS_ON(mdb_stat, (MDB_txn * txn, MDB_dbi dbi, MDB_stat* stat), (txn, dbi, stat))
KONTRACT_PASS_ON(mdb_get, (MDB_txn * txn, MDB_dbi dbi, MDB_val* key, MDB_val* value),
                 (txn, dbi, key, value))
KONTRACT_PASS_ON(mdb_cursor_open, (MDB_txn * txn, MDB_dbi dbi, MDB_cursor** cursor),
                 (txn, dbi, cursor))
KONTRACT_PASS_ON(mdb_cursor_get,
                 (MDB_cursor * cursor, MDB_val* key, MDB_val* value, MDB_cursor_op op),
                 (cursor, key, value, op))
KONTRACT_PASS_ON(mdb_cursor_put,
                 (MDB_cursor * cursor, MDB_val* key, MDB_val* value, unsigned flags),
                 (cursor, key, value, flags))
KONTRACT_PASS_ON(mdb_cursor_del, (MDB_cursor * cursor, unsigned flags), (cursor, flags))
KONTRACT_PASS_ON(mdb_reader_check, (MDB_env * env, int* dead), (env, dead))

int mdb_txn_commit(MDB_txn* txn) {
  static const auto real = library<int(MDB_txn*)>("mdb_txn_commit");
  if (const int error = fault(/*commit=*/true); error != 0) {
    mdb_txn_abort(txn);  // as LMDB does when a commit fails
    return error;
  }
  const Inside inside;
  return real(txn);
}

}  // extern "C"
#undef KONTRACT_PASS_ON
// NOLINTEND(readability-inconsistent-declaration-parameter-name,bugprone-macro-parentheses)

namespace kontract::testing {

FailingCall::FailingCall(int nth, int error, Where where) {
  call_error = error;
  everywhere = where == Where::any_thread;
  chosen_thread = true;
  calls_left = nth;
}

FailingCall::~FailingCall() {
  calls_left = 0;
  chosen_thread = false;
}

bool FailingCall::reached() const { return calls_left <= 0; }

}  // namespace kontract::testing
