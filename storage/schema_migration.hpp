// Migration: brings the tables of one stored session to the newest document of its owner, in one
// batch. Records go through MvccTable, as if somebody had set them in a transaction: they get new
// versions, their indexes follow, and older readers see what they saw.
//
// A table whose schema changes in a way that is not safe is read as a whole, each of its records
// must fit. What is safe leaves the records as they are; only where a field gets its type they are
// looked at, and must fit in it.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "storage/registry.hpp"
#include "storage/schema_document.hpp"
#include "storage/store.hpp"

namespace kontract {

struct MigrationInput {
  Identity identity;
  SessionRow session;
  std::vector<TableRow> tables;
  std::vector<SchemaDocument> documents;  // above session.schema_version, lowest first; not empty
  Txid txid = 0;                          // of the migration: above all others
  Txid oldest_reader = 0;                 // see Access
  // Look on after a record that fails, and say so in the report. The batch is of no use then.
  bool dry_run = false;
};

struct MigrationReport {
  struct Failure {
    std::string id, why;
  };
  std::string table;
  bool created = false, dropped = false;
  std::uint64_t records = 0;  // looked at
  std::uint64_t changed = 0;  // written anew
  std::uint64_t failed = 0;
  std::vector<Failure> failures = {};  // the first few
};

struct Migration {
  SessionRow session;
  std::vector<TableRow> tables;  // as they are then
  std::vector<MigrationReport> reports;
  // All but the session's row, which the caller puts.
  WriteBatch batch;
  bool drops = false;  // there is something to purge
};

// REQUIRES: LMDB has all of the session, and nobody writes to it; a dry run may be out of date.
// Errors: schema_violation, naming table, record and field; too_large (limits::kMigrationBytesMax,
// tables, indexes); storage_corrupt.
Result<Migration> migrate(Shard& shard, const MigrationInput& input);

}  // namespace kontract
