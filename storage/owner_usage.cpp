#include "storage/owner_usage.hpp"

#include <algorithm>
#include <limits>

#include "storage/format.hpp"
#include "storage/store.hpp"

namespace kontract {

// ---- OwnerAccount

Status OwnerAccount::admit_bytes() const {
  const std::int64_t bytes = bytes_.load(std::memory_order_relaxed);
  if (bytes < static_cast<std::int64_t>(limits_.bytes_max)) return {};
  return Error(Errc::storage_full,
               "The owner has " + std::to_string(bytes) + " bytes stored; " +
                   std::to_string(limits_.bytes_max) + " are allowed",
               "Delete records: reads and deletes go on. What is deleted counts until it is "
               "collected. The server's bytes-per-owner-max is the limit.");
}

std::optional<std::size_t> OwnerAccount::bytes() const {
  const std::int64_t bytes = bytes_.load(std::memory_order_relaxed);
  if (bytes == kUncounted) return std::nullopt;
  return static_cast<std::size_t>(bytes);
}

void OwnerAccount::add(const Change& change) {
  const std::lock_guard lock(mutex_);
  if (!counting_) return;  // a count that begins later finds it
  if (counted_at_.empty()) {
    early_.push_back(change);
  } else if (change.commit > counted_at_[change.shard]) {
    bytes_.fetch_add(change.bytes, std::memory_order_relaxed);
  }
}

void OwnerAccount::set_count(std::int64_t bytes, std::vector<std::uint64_t> counted_at) {
  const std::lock_guard lock(mutex_);
  counted_at_ = std::move(counted_at);
  for (const Change& change : early_) {
    if (change.commit > counted_at_[change.shard]) bytes += change.bytes;
  }
  early_ = {};
  bytes_.store(bytes, std::memory_order_relaxed);
}

void OwnerAccount::created(const CommitLog& log, Ticket ticket) {
  const std::lock_guard lock(sessions_mutex_);
  Ticket& last = created_[&log];
  last = std::max(last, ticket);
}

void OwnerAccount::give_back_session() {
  const std::lock_guard lock(sessions_mutex_);
  if (sessions_ && *sessions_ > 0) --*sessions_;
}

SessionGrant::~SessionGrant() {
  if (account_) account_->give_back_session();
}

void SessionGrant::settled(const Status& status) noexcept {
  if (status) account_ = nullptr;
}

// ---- OwnerUsage

void OwnerUsage::start(std::vector<Shard*> shards) {
  shards_ = std::move(shards);
  if (follows_bytes()) thread_ = std::thread([this] { run(); });
}

void OwnerUsage::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

OwnerUsage::AccountPtr OwnerUsage::find_or_make(const std::string& owner) {
  const std::lock_guard lock(mutex_);
  if (accounts_.size() >= sweep_at_) {
    std::erase_if(accounts_, [](const auto& entry) {
      if (entry.second.use_count() != 1) return false;
      // A count must find the sessions that it created.
      return std::all_of(
          entry.second->created_.begin(), entry.second->created_.end(),
          [](const auto& created) { return created.first->applied() >= created.second; });
    });
    sweep_at_ = std::max(kSweepAt, 2 * accounts_.size());
  }
  AccountPtr& account = accounts_[owner];
  if (!account) account = std::make_shared<OwnerAccount>(owner, limits_);
  return account;
}

std::shared_ptr<const OwnerAccount> OwnerUsage::account(const std::string& owner) {
  if (!follows_bytes()) return nullptr;
  AccountPtr account = find_or_make(owner);
  {
    const std::lock_guard lock(account->mutex_);
    if (std::exchange(account->counting_, true)) return account;
  }
  if (const auto counted = count(*account, kRowsAtOnce); counted && *counted) return account;
  {
    const std::lock_guard lock(mutex_);
    to_count_.push_back(account);
  }
  wake_.notify_all();
  return account;
}

void OwnerUsage::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !to_count_.empty(); });
    if (stopping_) return;
    const AccountPtr account = std::move(to_count_.front());
    to_count_.pop_front();
    lock.unlock();
    if (!count(*account, std::numeric_limits<std::size_t>::max())) {
      // What cannot be read is told to who reads it; the next table that opens asks again.
      const std::lock_guard again(account->mutex_);
      account->counting_ = false;
      account->early_ = {};
    }
    lock.lock();
  }
}

Result<bool> OwnerUsage::count(OwnerAccount& account, std::size_t rows_max) const {
  std::int64_t bytes = 0;
  std::size_t rows = 0;
  std::vector<std::uint64_t> counted_at;
  for (Shard* const shard : shards_) {
    const auto txn = shard->environment().read();
    if (!txn) return txn.error();
    const auto commit = txn->get(Keyspace::meta, format::commit_key());
    if (!commit) return commit.error();
    counted_at.push_back(0);
    if (*commit) {
      const auto row = format::parse_commit(**commit);
      if (!row) return row.error();
      counted_at.back() = row->number;
    }
    auto sessions = txn->cursor(Keyspace::sessions);
    if (!sessions) return std::move(sessions).error();
    auto versions = txn->cursor(Keyspace::versions);
    if (!versions) return std::move(versions).error();
    const format::Key of_owner = format::owner_prefix(account.owner_);
    auto on_session = sessions->seek(of_owner);
    for (; on_session && *on_session && sessions->key().starts_with(of_owner.view());
         on_session = sessions->next()) {
      const auto session = format::parse_session(sessions->key(), sessions->value());
      if (!session) return session.error();
      const format::Key of_session = format::session_rows_prefix(session->no);
      auto on_row = versions->seek(of_session);
      for (; on_row && *on_row && versions->key().starts_with(of_session.view());
           on_row = versions->next()) {
        if (++rows > rows_max) return false;
        bytes += static_cast<std::int64_t>(versions->key().size() + versions->value().size());
      }
      if (!on_row) return on_row;
      if (++rows > rows_max) return false;
    }
    if (!on_session) return on_session;
  }
  account.set_count(bytes, std::move(counted_at));
  return true;
}

void OwnerUsage::committed(
    std::size_t shard, std::uint64_t commit,
    const std::vector<std::pair<std::string, std::int64_t>>& bytes_of_owners) {
  for (const auto& [owner, bytes] : bytes_of_owners) {
    AccountPtr account;
    {
      const std::lock_guard lock(mutex_);
      const auto found = accounts_.find(owner);
      if (found != accounts_.end()) account = found->second;
    }
    if (account) account->add({shard, commit, bytes});
  }
}

void OwnerUsage::session_destroyed(const std::string& owner) {
  if (limits_.sessions_max > 0) find_or_make(owner)->give_back_session();
}

Result<std::unique_ptr<SessionGrant>> OwnerUsage::take_session(const std::string& owner) {
  if (limits_.sessions_max == 0) return std::unique_ptr<SessionGrant>();
  AccountPtr account = find_or_make(owner);
  const std::lock_guard lock(account->sessions_mutex_);
  if (!account->sessions_) {
    auto stored = count_sessions(owner, limits_.sessions_max);
    if (!stored) return std::move(stored).error();
    account->sessions_ = *stored;
  }
  if (*account->sessions_ >= limits_.sessions_max) {
    return Error(Errc::rate_limited,
                 "The owner has " + std::to_string(*account->sessions_) +
                     " sessions, as many as are allowed",
                 "Use one of those that are there; the server's sessions-per-owner-max is the "
                 "limit.");
  }
  ++*account->sessions_;
  return std::make_unique<SessionGrant>(account);
}

Result<std::size_t> OwnerUsage::count_sessions(const std::string& owner, std::size_t most) const {
  const format::Key of_owner = format::owner_prefix(owner);
  std::size_t found = 0;
  for (Shard* const shard : shards_) {
    const auto txn = shard->environment().read();
    if (!txn) return txn.error();
    auto sessions = txn->cursor(Keyspace::sessions);
    if (!sessions) return std::move(sessions).error();
    auto on_row = sessions->seek(of_owner);
    for (; on_row && *on_row && sessions->key().starts_with(of_owner.view());
         on_row = sessions->next()) {
      if (++found == most) return found;
    }
    if (!on_row) return std::move(on_row).error();
  }
  return found;
}

}  // namespace kontract
