#include "net/detail/resume_store.hpp"

#include <utility>

namespace kontract::detail {

void ResumeStore::erase(All::iterator at) {
  if (at->second.until != Time::max()) ended_.erase(at->second.place);
  all_.erase(at);
}

void ResumeStore::drop_old(Time now) {
  while (!ended_.empty()) {
    const auto oldest = all_.find(ended_.front());
    if (oldest->second.until > now) return;
    erase(oldest);
  }
}

std::optional<ResumeStore::Found> ResumeStore::find(const raystream::ChannelId& channel, Time now) {
  const std::lock_guard lock(mutex_);
  drop_old(now);
  const auto found = all_.find(channel);
  if (found == all_.end()) return std::nullopt;
  return Found{found->second.secret.copy(), found->second.entry};
}

Result<std::shared_ptr<Connection>> ResumeStore::use_up(const raystream::ChannelId& channel,
                                                        std::uint64_t entry,
                                                        const std::string& owner, Time now) {
  const std::lock_guard lock(mutex_);
  drop_old(now);
  const auto found = all_.find(channel);
  if (found == all_.end() || found->second.entry != entry) {
    return Error(Errc::session_expired, "This channel was resumed by another connection");
  }
  if (found->second.owner != owner) {
    return Error(Errc::unauthorized, "The channel that was resumed is another owner's",
                 "Use a token of the same owner, or connect without resuming.");
  }
  std::shared_ptr<Connection> older = found->second.by.lock();
  erase(found);
  return older;
}

std::uint64_t ResumeStore::keep(const raystream::ChannelId& channel, SecretBytes secret,
                                std::string owner, std::weak_ptr<Connection> by, Time now) {
  const std::lock_guard lock(mutex_);
  drop_old(now);
  if (const auto there = all_.find(channel); there != all_.end()) erase(there);
  if (all_.size() >= limits_.entries && !ended_.empty()) erase(all_.find(ended_.front()));
  const std::uint64_t entry = ++last_entry_;
  if (all_.size() >= limits_.entries) return entry;
  all_.emplace(channel, Kept{.secret = std::move(secret),
                             .owner = std::move(owner),
                             .by = std::move(by),
                             .entry = entry,
                             .until = Time::max(),
                             .place = {}});
  return entry;
}

void ResumeStore::ended(const raystream::ChannelId& channel, std::uint64_t entry, Time now) {
  const std::lock_guard lock(mutex_);
  drop_old(now);
  const auto found = all_.find(channel);
  if (found == all_.end() || found->second.entry != entry) return;
  Kept& kept = found->second;
  if (kept.until != Time::max()) return;
  kept.by.reset();
  kept.until = now + limits_.after_end;
  kept.place = ended_.insert(ended_.end(), channel);
}

std::size_t ResumeStore::size(Time now) {
  const std::lock_guard lock(mutex_);
  drop_old(now);
  return all_.size();
}

}  // namespace kontract::detail
