#include "actors/events.hpp"

#include <atomic>

namespace kontract {
namespace {

constexpr std::size_t kViewsKept = 64;  // of one unit; what more there are is encoded each time

std::uint64_t next_view_id() {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

std::string_view name_of(format::ChangeKind kind) {
  switch (kind) {
    case format::ChangeKind::insert:
      return "insert";
    case format::ChangeKind::update:
      return "update";
    case format::ChangeKind::erase:
      return "delete";
  }
  return "";
}

std::string begin_tail(std::string_view table, Txid txid, std::string_view type,
                       std::size_t bytes) {
  std::string out;
  out.reserve(bytes + table.size() + 80);
  out += "\"txid\":";
  out += std::to_string(txid);
  out += ",\"type\":\"";
  out += type;
  out += "\",\"table\":";
  append_json_string(out, table);
  return out;
}

}  // namespace

EventView::EventView(Json filter) : filter_(std::move(filter)), id_(next_view_id()) {}

bool EventView::matches(const Change& change) const {
  if (filter_.is_null() || filter_.empty()) return true;
  for (const std::string* text : {&change.data, &change.old_data}) {
    if (text->empty()) continue;
    const Json data = Json::parse(*text, nullptr, /*allow_exceptions=*/false);
    if (contains(data, filter_)) return true;
  }
  return false;
}

std::string event_tail(std::string_view table, Txid txid, const Change& change, bool more) {
  std::string out = begin_tail(table, txid, name_of(change.kind),
                               change.id.size() + change.data.size() + change.old_data.size());
  out += ",\"id\":";
  append_json_string(out, change.id);
  if (!change.data.empty()) {
    out += ",\"data\":";
    out += change.data;
  }
  if (!change.old_data.empty()) {
    out += ",\"oldData\":";
    out += change.old_data;
  }
  out += more ? ",\"more\":true}" : "}";
  return out;
}

std::string resync_tail(std::string_view table, Txid txid) {
  return begin_tail(table, txid, "resync", 0) + '}';
}

Error events_trimmed(std::optional<Txid> floor) {
  return {Errc::events_trimmed,
          floor ? "The change log has what came after txid " + std::to_string(*floor)
                : "The change log has nothing of the past of this table",
          "Subscribe without `from`, then read the table afresh."};
}

EventUnit::EventUnit(Txid txid, Ticket ticket, std::vector<Change> changes)
    : txid_(txid), ticket_(ticket), changes_(std::move(changes)) {
  for (const Change& change : changes_) {
    bytes_ += sizeof change + change.id.size() + change.data.size() + change.old_data.size();
  }
}

EventUnit::Texts EventUnit::texts(std::string_view table, const EventView& view) const {
  const std::lock_guard lock(
      mutex_);  // the others of this view wait for the text rather than make it
  for (const auto& [id, texts] : by_view_) {
    if (id == view.id()) return texts;
  }
  std::vector<const Change*> shown;
  for (const Change& change : changes_) {
    if (view.matches(change)) shown.push_back(&change);
  }
  auto made = std::make_shared<std::vector<EventText>>();
  made->reserve(shown.size());
  for (const Change* change : shown) {
    const bool last = change == shown.back();
    made->push_back({event_tail(table, txid_, *change, !last), txid_, last});
  }
  Texts texts = std::move(made);
  if (by_view_.size() < kViewsKept) by_view_.emplace_back(view.id(), texts);
  return texts;
}

}  // namespace kontract
