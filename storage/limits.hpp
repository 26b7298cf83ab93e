// Limits: every default bound of the system, in one place. Those in Options can be changed there.

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace kontract::limits {

using namespace std::chrono_literals;

inline constexpr std::size_t kKiB = 1024;
inline constexpr std::size_t kMiB = 1024 * kKiB;
inline constexpr std::size_t kGiB = 1024 * kMiB;

// Names and ids, in bytes. LMDB is built with keys of at most 511 bytes.
inline constexpr std::size_t kLmdbKeyBytesMax = 511;
inline constexpr std::size_t kSessionNameBytesMax = 128;  // of A-Za-z0-9_.:-
inline constexpr std::size_t kOwnerBytesMax = 128;
inline constexpr std::size_t kTableIdBytesMax = 128;  // of A-Za-z0-9_.:-
inline constexpr std::size_t kPtrBytesMax = 128;      // of A-Za-z0-9_
inline constexpr std::size_t kRecordIdBytesMax = 400;

// One record's data as compact JSON text, and what one call may write.
inline constexpr std::size_t kRecordBytesMax = 256 * kKiB;
inline constexpr std::size_t kRecordBytesCeiling = 1 * kMiB;  // what an option may raise it to
inline constexpr std::size_t kBatchOpsMax = 1000;
inline constexpr std::size_t kBatchBytesMax = 4 * kMiB;
inline constexpr std::size_t kInsertsPerTransactionMax = 1000;  // of one table: see make_order
inline constexpr std::size_t kChangesPerTransactionMax = 50'000;
inline constexpr std::size_t kTablesPerSessionMax = 256;

// Schemas. A schema is parsed each time its table wakes.
inline constexpr std::size_t kSchemaFieldsMax = 100;
inline constexpr std::size_t kFieldNameBytesMax = 128;
inline constexpr std::size_t kSchemaBytesMax = 64 * kKiB;  // as compact JSON, with its defaults

// Changing schemas: what one session's migration may write, and what a dry run may take for a page.
inline constexpr std::size_t kMigrationBytesMax = 256 * kMiB;
inline constexpr std::size_t kDryRunSessionsMax = 100;
inline constexpr std::chrono::milliseconds kDryRunTime{200};
inline constexpr std::size_t kSchemaStepsMax = 1000;

// Indexes. The encoded values of an entry share LMDB's key with 22 bytes that say where it belongs.
inline constexpr std::size_t kIndexesPerTableMax = 16;
inline constexpr std::size_t kIndexFieldsMax = 8;
inline constexpr std::size_t kFieldPathBytesMax = 255;
inline constexpr std::size_t kIndexedBytesMax = 480;

// JSON from outside.
inline constexpr std::size_t kJsonDepthMax = 64;
inline constexpr std::size_t kJsonValuesMax = 65'536;
inline constexpr std::int64_t kSafeIntegerMax = (std::int64_t{1} << 53) - 1;  // RFC 8259 section 6

// A page of table.query: rows and bytes in it, and records looked at to fill it.
inline constexpr std::size_t kQueryRowsMax = 1000;
inline constexpr std::size_t kQueryBytesMax = 1 * kMiB;
inline constexpr std::size_t kQueryScanMax = 10'000;
// Containment costs (elements of the data's arrays) x (of the filter's): both are bounded.
inline constexpr std::size_t kQueryScanBytesMax = 8 * kMiB;
inline constexpr std::size_t kFilterValuesMax = 100;

// One statement of SQL.
inline constexpr std::size_t kSqlBytesMax = 16 * kKiB;
inline constexpr std::size_t kSqlParametersMax = 100;
inline constexpr std::size_t kSqlRowsMax = 10'000;
inline constexpr std::size_t kSqlResultBytesMax = 1 * kMiB;  // its rows; also one value in it
inline constexpr std::chrono::milliseconds kSqlTime{200};

// SQL: how long a statement may hold an I/O thread before it goes to a worker, and how many of
// these there are.
inline constexpr auto kSqlInlineTime = 2ms;
inline constexpr unsigned kSqlWorkers = 2;

// Commit groups: what one LMDB write transaction may take.
inline constexpr std::size_t kGroupBatchesMax = 4096;
inline constexpr std::size_t kGroupBytesMax = 8 * kMiB;
inline constexpr std::size_t kLogQueueBytesMax = 256 * kMiB;  // admission: above it, overloaded

// The journal, and how far LMDB may be behind it.
inline constexpr std::size_t kJournalBytesMax = 8 * kMiB;
inline constexpr auto kCheckpointInterval = 50ms;

// LMDB.
inline constexpr std::size_t kMapBytes = 64 * kGiB;  // address space only
inline constexpr unsigned kLmdbReadersMax = 1024;
inline constexpr auto kStaleReaderInterval = 30s;
inline constexpr double kMapAlarmRatio = 0.80;
inline constexpr double kMapFullRatio = 0.95;
inline constexpr std::size_t kDiskFloorBytes = 512 * kMiB;
inline constexpr std::size_t kBallastBytes = 64 * kMiB;

// The state that all of a runtime shares: in memory as a whole, written behind.
inline constexpr std::size_t kSharedKeyBytesMax = 400;
inline constexpr std::size_t kSharedValueBytesMax = 64 * kKiB;  // as compact JSON
inline constexpr std::size_t kSharedEntriesMax = 100'000;
inline constexpr std::size_t kSharedBytesMax = 64 * kMiB;  // keys and values
inline constexpr auto kSharedWriteInterval = 100ms;        // a crash loses at most what it brought
inline constexpr auto kSharedRetryInterval = 1s;           // after a write that failed
inline constexpr auto kSharedCollectInterval = 10s;        // of what has expired

// Sessions.
inline constexpr std::uint64_t kTxidBlock = 4096;  // txids reserved on disk at a time
inline constexpr auto kSessionIdle = 60s;
inline constexpr std::size_t kCallsPerSessionMax = 4096;
inline constexpr std::size_t kOpenTransactionsMax = 64;
inline constexpr std::size_t kCallsInMiddlewareMax = 65'536;  // of a runtime
inline constexpr int kMiddlewareActorsMax = 1024;             // of one middleware
inline constexpr std::size_t kCallDepthMax = 16;  // sessions that wait for one another's functions

// Connections.
inline constexpr std::size_t kFrameBytesMax = 1 * kMiB;
inline constexpr std::size_t kCallsInFlightMax = 256;
inline constexpr std::size_t kConnectionsMax = 10'000;
inline constexpr std::size_t kConnectionsPerOwnerMax = 1000;
inline constexpr std::size_t kSendQueueMessagesMax = 1024;
inline constexpr std::size_t kSendQueueBytesMax = 4 * kMiB;
inline constexpr auto kHandshakeTimeout = 10s;
inline constexpr auto kMessageTimeout = 10s;  // from a message's first byte to its last
inline constexpr auto kHeartbeat = 60s;
inline constexpr int kHeartbeatsMissedMax = 3;
inline constexpr auto kCallTimeout = 10s;
inline constexpr auto kCallTimeoutMax = 60s;
inline constexpr auto kDrainTimeout = 10s;

static_assert(kRecordBytesCeiling <= kBatchBytesMax && kBatchBytesMax <= kGroupBytesMax);
static_assert(kRecordBytesMax < kFrameBytesMax);
static_assert(8 + 4 + 2 + kIndexedBytesMax + 8 <= kLmdbKeyBytesMax);

}  // namespace kontract::limits
