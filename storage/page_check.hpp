// check_pages: whether the trees of an LMDB 0.9 file hang together, without LMDB.
//
// LMDB trusts its file: a missing or damaged page kills the process. This reads the file with every
// access checked, so that a damaged one is refused in words. The layout is that of LMDB 0.9's mdb.c
// (MDB_meta, MDB_db, MDB_page, MDB_node) on a 64-bit machine.

#pragma once

#include <filesystem>

#include "storage/result.hpp"

namespace kontract {

// Walks every page that the newest transaction refers to: each lies inside the file, bears its own
// number and the flags of its place, and is referred to once; none is in the free list. Reads all
// tree pages. Errors: storage_corrupt, naming file and page.
Status check_pages(const std::filesystem::path& file);

}  // namespace kontract
