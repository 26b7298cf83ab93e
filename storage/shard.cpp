#include "storage/shard.hpp"

#include <algorithm>

#include "storage/crc32c.hpp"
#include "storage/owner_usage.hpp"
#include "storage/session_purge.hpp"

namespace kontract {
namespace {

constexpr std::size_t kPurgeOps = 4 * limits::kBatchOpsMax;

Error in_file(const Environment& environment, Error error) {
  error.message = environment.file().string() + ": " + error.message;
  return error;
}

// One more than the highest number that a session of this shard has, or a destroyed one had.
Result<SessionNo> first_free_session(Environment& environment) {
  auto txn = environment.read();
  if (!txn) return std::move(txn).error();
  SessionNo next = 1;
  for (const bool destroyed : {false, true}) {
    auto cursor = txn->cursor(Keyspace::sessions);
    if (!cursor) return std::move(cursor).error();
    const format::Key prefix = destroyed ? format::destroyed_prefix() : format::session_no_prefix();
    constexpr SessionNo kLast = ~SessionNo{0};
    format::Key end = destroyed ? format::destroyed_key(kLast) : format::session_no_key(kLast);
    auto found = cursor->seek_before(end.u8('\0'));
    if (!found) return std::move(found).error();
    if (!*found || !cursor->key().starts_with(prefix.view())) continue;
    auto highest = destroyed ? format::parse_destroyed_key(cursor->key())
                             : format::parse_session_no_key(cursor->key());
    if (!highest) return in_file(environment, std::move(highest).error());
    next = std::max(next, *highest + 1);
  }
  return next;
}

// Commits what the journal holds on top of the last commit. Returns the number of the last commit
// then.
Result<std::uint64_t> take_over(const std::filesystem::path& journal, Environment& environment,
                                std::uint64_t last_commit) {
  auto groups = read_journal(journal, last_commit);
  if (!groups) return std::move(groups).error();
  if (groups->empty()) return last_commit;
  std::vector<LoggedBatch> batches;
  for (WriteBatch& group : *groups) batches.push_back({0, std::move(group), nullptr});
  GroupWriter writer(environment, nullptr, last_commit);
  Status done = writer.apply(batches);
  if (done) done = writer.commit(batches);
  if (!done) return std::move(done).error();
  return last_commit + 1;
}

}  // namespace

Result<std::optional<format::FormatRow>> read_format(Environment& environment) {
  auto txn = environment.read();
  if (!txn) return std::move(txn).error();
  auto value = txn->get(Keyspace::meta, format::format_key());
  if (!value) return std::move(value).error();
  if (!*value) {
    auto cursor = txn->cursor(Keyspace::sessions);
    if (!cursor) return std::move(cursor).error();
    auto any = cursor->seek({});
    if (!any) return std::move(any).error();
    if (!*any) return std::optional<format::FormatRow>{};
    return Error(Errc::storage_corrupt,
                 environment.file().string() + " holds sessions but no row says in which format");
  }
  auto row = format::parse_format(**value);
  if (!row) return in_file(environment, std::move(row).error());
  if (row->version != format::kFormatVersion) {
    return Error(Errc::invalid_request,
                 environment.file().string() + " has format " + std::to_string(row->version) +
                     ", this kontract reads format " + std::to_string(format::kFormatVersion) +
                     "; nothing was changed",
                 "Open it with the version of kontract that wrote it, or a newer one.");
  }
  return std::optional(*row);
}

Status write_format(Environment& environment, const format::FormatRow& row) {
  auto txn = environment.write();
  if (!txn) return std::move(txn).error();
  if (Status put = txn->put(Keyspace::meta, format::format_key(), format::format_value(row));
      !put) {
    return put;
  }
  return std::move(*txn).commit();
}

Result<std::uint64_t> verify_last_commit(Environment& environment) {
  auto txn = environment.read();
  if (!txn) return std::move(txn).error();
  auto value = txn->get(Keyspace::meta, format::commit_key());
  if (!value) return std::move(value).error();
  if (!*value) return std::uint64_t{0};
  auto commit = format::parse_commit(**value);
  if (!commit) return in_file(environment, std::move(commit).error());
  for (const format::CommitRow::Name& name : commit->names) {
    auto row = txn->get(name.space, name.key);
    if (!row) return std::move(row).error();
    const bool matches =
        name.erased ? !row->has_value() : row->has_value() && crc32c(**row) == name.value_crc;
    if (matches) continue;
    const std::string why = name.erased ? "is there although commit "
                            : *row      ? "is not what commit "
                                        : "is missing although commit ";
    return Error(Errc::storage_corrupt, environment.file().string() + ": the " +
                                            format::describe(name.space, name.key) + ' ' + why +
                                            std::to_string(commit->number) +
                                            (name.erased ? " erased it" : " wrote it"));
  }
  return commit->number;
}

void LmdbShard::purge() {
  if (log_->applied() < purged_ || !log_->admit(/*frees_space=*/true)) return;
  const Epoch epoch = log_->epoch();
  const Result<ReadTxn> txn = environment_->read();
  WriteBatch batch;
  const Result<bool> more = txn ? purge_destroyed(*txn, kPurgeOps, batch) : txn.error();
  if (!more) options_.alarm(more.error().message);
  if (more && !batch.empty()) purged_ = log_->append(std::move(batch), epoch, nullptr);
}

Result<std::unique_ptr<LmdbShard>> LmdbShard::open(std::unique_ptr<Environment> environment,
                                                   DiskRoom& disk, const StoreOptions& options,
                                                   OwnerUsage* usage, std::size_t index) {
  auto commit = verify_last_commit(*environment);
  if (!commit) return std::move(commit).error();
  const std::filesystem::path journal_file = environment->file().parent_path() / "journal";
  commit = take_over(journal_file, *environment, *commit);
  if (!commit) return std::move(commit).error();
  auto journal = Journal::open(journal_file);
  if (!journal) return std::move(journal).error();
  auto session = first_free_session(*environment);
  if (!session) return std::move(session).error();
  std::unique_ptr<LmdbShard> shard(new LmdbShard(std::move(environment), options));
  shard->next_session_ = *session;
  shard->usage_ = usage;
  UsageOfShard followed;
  if (usage != nullptr && usage->follows_bytes()) followed = {usage, index};
  const bool relaxed = options.durability == Durability::relaxed;
  shard->log_ = std::make_unique<LmdbCommitLog>(
      shard->environment(), disk,
      LmdbCommitLog::Options{options.durability,
                             relaxed ? options.sync_interval : limits::kCheckpointInterval,
                             options.alarm, *commit, *std::move(journal), followed});
  return shard;
}

}  // namespace kontract
