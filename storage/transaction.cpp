// Transactions and cursors of environment.hpp.

#include <cerrno>
#include <utility>

#include "storage/detail/lmdb_handle.hpp"
#include "storage/environment.hpp"
#include "storage/room.hpp"

namespace kontract {

using detail::lmdb_cursor;
using detail::lmdb_txn;

namespace {

// LMDB answers EIO when the disk fills up in the middle of a write (it takes a short write for a
// failed one). With less than this free, that is what happened.
constexpr std::size_t kNoRoomBytes = limits::kMiB;

MDB_val to_val(std::string_view bytes) {
  return {bytes.size(), const_cast<char*>(bytes.data())};  // NOLINT(*-const-cast): LMDB only reads
}

std::string_view to_view(const MDB_val& val) {
  return {static_cast<const char*>(val.mv_data), val.mv_size};
}

bool disk_is_full(const std::filesystem::path& file) {
  const auto free = disk_free_bytes(file);
  return free && *free < kNoRoomBytes;
}

}  // namespace

Error lmdb_error(int rc, std::string_view what, const std::filesystem::path& path) {
  const std::string text = path.string() + ": " + std::string(what) + ": " + mdb_strerror(rc);
  switch (rc) {
    case MDB_MAP_FULL:
      return {Errc::storage_full, text,
              "Delete records, or restart with a larger map: it is only address space."};
    case ENOSPC:
    case EDQUOT:
      return {Errc::storage_full, text,
              "Free space on this disk: the file `ballast` in the data directory may be deleted."};
    case MDB_READERS_FULL:
    case ENOMEM:
    case EAGAIN:
    case EMFILE:
    case ENFILE:
      return {
          Errc::overloaded, text,
          "The process is out of memory, address space, files or reader slots: raise its limits "
          "(ulimit -v, ulimit -n), or make the map smaller."};
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_PANIC:
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
    case EIO:
      return {Errc::storage_corrupt, text};
    case EACCES:
    case EPERM:
    case EROFS:
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
      return {Errc::invalid_request, text,
              "Check that the path exists and that the server's user may read and write it."};
    default:
      return {Errc::internal, text};
  }
}

// ---- Cursor

Cursor::Cursor(Cursor&& other) noexcept
    : cursor_(std::exchange(other.cursor_, nullptr)),
      env_(other.env_),
      key_(other.key_),
      value_(other.value_) {}

Cursor& Cursor::operator=(Cursor&& other) noexcept {
  std::swap(cursor_, other.cursor_);
  env_ = other.env_;
  key_ = other.key_;
  value_ = other.value_;
  return *this;
}

Cursor::~Cursor() {
  if (cursor_ != nullptr) mdb_cursor_close(lmdb_cursor(cursor_));
}

Result<bool> Cursor::move(int op) {
  if (cursor_ == nullptr) return false;
  MDB_val key = to_val(key_), value{};
  const int rc = mdb_cursor_get(lmdb_cursor(cursor_), &key, &value, static_cast<MDB_cursor_op>(op));
  key_ = rc == 0 ? to_view(key) : std::string_view{};
  value_ = rc == 0 ? to_view(value) : std::string_view{};
  if (rc != 0 && rc != MDB_NOTFOUND) return lmdb_error(rc, "cannot read", env_->file());
  return rc == 0;
}

Result<bool> Cursor::seek(std::string_view key) {
  key_ = key;
  return move(key.empty() ? MDB_FIRST : MDB_SET_RANGE);
}

Result<bool> Cursor::seek_before(std::string_view key) {
  if (key.empty()) return false;
  auto found = seek(key);
  if (!found) return found;
  return move(*found ? MDB_PREV : MDB_LAST);
}

Result<bool> Cursor::next() { return move(MDB_NEXT); }
Result<bool> Cursor::prev() { return move(MDB_PREV); }

// ---- ReadTxn

ReadTxn::ReadTxn(ReadTxn&& other) noexcept
    : txn_(std::exchange(other.txn_, nullptr)), env_(other.env_) {}

ReadTxn::~ReadTxn() {
  if (txn_ != nullptr) env_->give_back(txn_);
}

Result<std::optional<std::string_view>> ReadTxn::get(Keyspace space, std::string_view key) const {
  const unsigned dbi = env_->dbi_[static_cast<std::size_t>(space)];
  if (dbi == Environment::kNoKeyspace || key.empty() || key.size() > limits::kLmdbKeyBytesMax) {
    return std::optional<std::string_view>{};
  }
  MDB_val lmdb_key = to_val(key), value{};
  const int rc = mdb_get(lmdb_txn(txn_), dbi, &lmdb_key, &value);
  if (rc == MDB_NOTFOUND) return std::optional<std::string_view>{};
  if (rc != 0) return lmdb_error(rc, "cannot read", env_->file_);
  return std::optional(to_view(value));
}

Result<Cursor> ReadTxn::cursor(Keyspace space) const {
  MDB_cursor* cursor = nullptr;
  const unsigned dbi = env_->dbi_[static_cast<std::size_t>(space)];
  if (dbi == Environment::kNoKeyspace) return Cursor(nullptr, env_);
  const int rc = mdb_cursor_open(lmdb_txn(txn_), dbi, &cursor);
  if (rc != 0) return lmdb_error(rc, "cannot open a cursor", env_->file_);
  return Cursor(cursor, env_);
}

// ---- WriteTxn

WriteTxn::WriteTxn(WriteTxn&& other) noexcept
    : txn_(std::exchange(other.txn_, nullptr)), env_(other.env_) {
  std::swap(cursors_, other.cursors_);
}

WriteTxn::~WriteTxn() {
  close_cursors();
  if (txn_ != nullptr) mdb_txn_abort(lmdb_txn(txn_));
}

// LMDB frees the cursors of a write transaction when it ends, so they must be gone before.
void WriteTxn::close_cursors() {
  for (void*& cursor : cursors_) {
    if (cursor != nullptr) mdb_cursor_close(lmdb_cursor(std::exchange(cursor, nullptr)));
  }
}

Result<void*> WriteTxn::kept_cursor(Keyspace space) {
  const auto index = static_cast<std::size_t>(space);
  if (cursors_[index] == nullptr) {
    MDB_cursor* cursor = nullptr;
    const int rc = mdb_cursor_open(lmdb_txn(txn_), env_->dbi_[index], &cursor);
    if (rc != 0) return lmdb_error(rc, "cannot open a cursor", env_->file_);
    cursors_[index] = cursor;
  }
  return cursors_[index];
}

Result<Cursor> WriteTxn::cursor(Keyspace space) const {
  MDB_cursor* cursor = nullptr;
  const int rc =
      mdb_cursor_open(lmdb_txn(txn_), env_->dbi_[static_cast<std::size_t>(space)], &cursor);
  if (rc != 0) return lmdb_error(rc, "cannot open a cursor", env_->file_);
  return Cursor(cursor, env_);
}

Status WriteTxn::put(Keyspace space, std::string_view key, std::string_view value) {
  auto cursor = kept_cursor(space);
  if (!cursor) return std::move(cursor).error();
  MDB_val lmdb_key = to_val(key), lmdb_value = to_val(value);
  const int rc = mdb_cursor_put(lmdb_cursor(*cursor), &lmdb_key, &lmdb_value, 0);
  if (rc != 0) return lmdb_error(rc, "cannot write", env_->file_);
  return {};
}

Status WriteTxn::erase(Keyspace space, std::string_view key, std::size_t* erased_bytes) {
  if (erased_bytes != nullptr) *erased_bytes = 0;
  auto cursor = kept_cursor(space);
  if (!cursor) return std::move(cursor).error();
  MDB_val lmdb_key = to_val(key), value{};
  int rc = mdb_cursor_get(lmdb_cursor(*cursor), &lmdb_key, &value, MDB_SET);
  if (rc == 0 && erased_bytes != nullptr) *erased_bytes = key.size() + value.mv_size;
  if (rc == 0) rc = mdb_cursor_del(lmdb_cursor(*cursor), 0);
  if (rc != 0 && rc != MDB_NOTFOUND) return lmdb_error(rc, "cannot erase", env_->file_);
  return {};
}

Status WriteTxn::commit() && {
  close_cursors();
  const int rc = mdb_txn_commit(lmdb_txn(std::exchange(txn_, nullptr)));
  if (rc == 0) return {};
  Error error = lmdb_error(rc, "cannot commit", env_->file_);
  if (error.code == Errc::storage_full) return error;
  // The pages of a transaction that failed are never referred to, so a full disk does no harm. Had
  // the switch to the new root failed, LMDB would refuse every later transaction with MDB_PANIC.
  if (rc == EIO && disk_is_full(env_->file_)) {
    return lmdb_error(ENOSPC, "cannot commit", env_->file_);
  }
  error.code = Errc::storage_corrupt;
  error.message += "; what is on disk is unknown";
  return error;
}

}  // namespace kontract
