#include "actors/event_hub.hpp"

#include <set>

namespace kontract {

std::shared_ptr<EventChannel> EventHub::find(TableNo table) {
  const std::lock_guard lock(mutex_);
  const auto found = channels_.find(table);
  return found == channels_.end() ? nullptr : found->second;
}

std::shared_ptr<EventChannel> EventHub::channel(SessionNo session, const TableRow& row) {
  const std::lock_guard lock(mutex_);
  std::shared_ptr<EventChannel>& channel = channels_[row.no];
  if (!channel) channel = std::make_shared<EventChannel>(shard_, session, row, limits_);
  return channel;
}

std::shared_ptr<const EventView> EventHub::view(const Json& filter) {
  std::string text = filter.empty() ? std::string() : to_text(filter);
  const std::lock_guard lock(mutex_);
  if (views_.size() >= views_looked_at_) {
    std::erase_if(views_, [](const auto& entry) { return entry.second.expired(); });
    views_looked_at_ = 64 + 2 * views_.size();
  }
  std::weak_ptr<const EventView>& known = views_[std::move(text)];
  std::shared_ptr<const EventView> view = known.lock();
  if (!view) {
    view = std::make_shared<const EventView>(filter);
    known = view;
  }
  return view;
}

void EventHub::migrated(const std::vector<TableRow>& rows, Txid txid, Ticket ticket) {
  std::vector<std::shared_ptr<EventChannel>> gone;
  {
    const std::lock_guard lock(mutex_);
    std::set<TableNo> there;
    for (const TableRow& row : rows) {
      there.insert(row.no);
      const auto found = channels_.find(row.no);
      if (found == channels_.end()) continue;
      found->second->set_row(row);
      found->second->skip(txid, ticket);
    }
    for (auto entry = channels_.begin(); entry != channels_.end();) {
      if (there.contains(entry->first)) {
        ++entry;
        continue;
      }
      gone.push_back(std::move(entry->second));
      entry = channels_.erase(entry);
    }
  }
  for (const auto& channel : gone) channel->end(table_not_found(channel->table()));
}

void EventHub::changed(const TableRow& row) {
  if (const auto channel = find(row.no)) channel->set_row(row);
}

void EventHub::dropped(const TableRow& row) {
  std::shared_ptr<EventChannel> channel;
  {
    const std::lock_guard lock(mutex_);
    const auto found = channels_.find(row.no);
    if (found == channels_.end()) return;
    channel = std::move(found->second);
    channels_.erase(found);
  }
  channel->end(table_not_found(row.id));
}

}  // namespace kontract
