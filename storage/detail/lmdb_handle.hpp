// LMDB's handles as storage/environment.hpp keeps them.

#pragma once

#include <lmdb.h>

namespace kontract::detail {

inline MDB_env* lmdb_env(void* handle) { return static_cast<MDB_env*>(handle); }
inline MDB_txn* lmdb_txn(void* handle) { return static_cast<MDB_txn*>(handle); }
inline MDB_cursor* lmdb_cursor(void* handle) { return static_cast<MDB_cursor*>(handle); }

}  // namespace kontract::detail
