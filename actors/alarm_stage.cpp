#include "actors/alarm_stage.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "actors/alarm_handler.hpp"
#include "storage/registry.hpp"

namespace kontract {

namespace {

constexpr std::size_t kListMax = 1000;
constexpr std::size_t kListScanMax = 10'000;

Error wrong_alarm(std::string message, std::string hint = {}) {
  return {Errc::invalid_request, std::move(message), std::move(hint)};
}

Status check_name(std::string_view name) {
  if (!name.empty() && name.size() <= kAlarmNameBytesMax && name.find('\0') == name.npos &&
      is_utf8(name)) {
    return {};
  }
  return wrong_alarm("An alarm's name must have 1 to " + std::to_string(kAlarmNameBytesMax) +
                     " bytes of UTF-8 without NUL");
}

std::string_view state_of(const AlarmRow& row) {
  switch (row.state) {
    case AlarmState::dead:
      return "dead";
    case AlarmState::done:
      return "done";
    case AlarmState::waiting:
      break;
  }
  return row.attempts > 0 ? "retrying" : "waiting";
}

// As alarm.get shows it.
Json view(const AlarmRow& row) {
  Json shown_row = Json::parse(row.spec, nullptr, /*allow_exceptions=*/false);
  shown_row["name"] = row.name;
  shown_row["state"] = state_of(row);
  shown_row["fires"] = row.fires;
  shown_row["attempts"] = row.attempts;
  shown_row["due"] = row.waits() ? Json(row.due_ms) : Json();
  if (row.waits()) shown_row["occurrence"] = row.occurrence_ms;
  if (row.state != AlarmState::waiting) shown_row["ended"] = row.ended_ms;
  if (!row.error.empty()) shown_row["error"] = row.error;
  if (row.dead_count > 0) {
    shown_row["dead"] = {{"count", row.dead_count}, {"occurrence", row.dead_ms}};
  }
  const AlarmCaller by = AlarmCaller::parse(row.by);
  shown_row["by"] = {{"user", by.peer.user}, {"perm", by.perm}};
  return shown_row;
}

struct ListOptions {
  std::string after, state;
  std::size_t limit = kListMax;

  bool takes(const AlarmRow& row) const {
    return state.empty() || state == state_of(row) || (state == "dead" && row.dead_count > 0);
  }
};

Result<ListOptions> list_options(const Json& given) {
  ListOptions options;
  if (given.is_null()) return options;
  const std::string hint = "Call it as alarm.list({after?, limit?, state?}).";
  if (!given.is_object()) return wrong_alarm("The options must be an object", hint);
  for (const auto& [key, value] : given.items()) {
    if (key == "after" && value.is_string()) {
      options.after = value.get<std::string>();
      if (Status name = check_name(options.after); !name) return name.error();
    } else if (key == "limit" && value.is_number_integer() && value > 0) {
      options.limit = std::min(value.get<std::size_t>(), kListMax);
    } else if (key == "state" && value.is_string()) {
      options.state = value.get<std::string>();
      constexpr std::array states = {"waiting", "retrying", "dead", "done"};
      if (std::find(states.begin(), states.end(), options.state) == states.end()) {
        return wrong_alarm("There is no state " + shown(options.state),
                           "States are waiting, retrying, dead and done.");
      }
    } else if (!(key == "after" && value.is_null())) {
      return wrong_alarm("Option " + shown(key) + " is unknown or has a wrong value", hint);
    }
  }
  return options;
}

std::string_view name_of(AlarmOutcome outcome) {
  constexpr std::array<std::string_view, 4> names = {"ok", "failed", "dead", "skipped"};
  return names[static_cast<std::size_t>(outcome) - 1];
}

Json view(const AlarmFireRow& fire) {
  Json one = {{"occurrence", fire.occurrence_ms},
              {"started", fire.started_ms},
              {"took_ms", fire.took_ms},
              {"attempt", fire.attempt},
              {"outcome", name_of(fire.outcome)}};
  if (!fire.error.empty()) one["error"] = fire.error;
  return one;
}

}  // namespace

AlarmCaller AlarmCaller::parse(const JsonText& text) {
  const Json stored = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  AlarmCaller caller;
  caller.peer.owner = stored.value("owner", "");
  caller.peer.user = stored.value("user", "");
  caller.peer.perm = stored.value("perm", Perm{0});
  caller.peer.ugroups = stored.value("ugroups", std::vector<std::string>());
  caller.peer.anonymous = stored.value("anonymous", false);
  caller.peer.method = "ALARM";
  caller.perm = caller.peer.perm;
  return caller;
}

JsonText AlarmCaller::text_of(const Peer& peer, Perm perm) {
  const Json text = {{"owner", peer.owner},
                     {"user", peer.user},
                     {"perm", perm},
                     {"ugroups", peer.ugroups},
                     {"anonymous", peer.anonymous}};
  return to_text(text);
}

Result<AlarmStage::Entry*> AlarmStage::entry(std::string_view name) {
  if (Status valid = check_name(name); !valid) return valid.error();
  if (const auto known = entries_.find(name); known != entries_.end()) return &known->second;
  auto row = book_.find(name);
  if (!row) return std::move(row).error();
  return &entries_.emplace(std::string(name), Entry{*row, *row}).first->second;
}

Result<std::optional<AlarmRow>> AlarmStage::find(std::string_view name) {
  const Result<Entry*> found = entry(name);
  if (!found) return found.error();
  return (*found)->now;
}

Result<Json> AlarmStage::set(std::string_view name, const Json& given, const Context& context) {
  const Result<Entry*> found = entry(name);
  if (!found) return found.error();
  const std::int64_t now = book_.now();
  auto spec = AlarmSpec::parse(given, now);
  if (!spec) return std::move(spec).error();
  const auto handler = find_alarm_handler(book_.backend(), spec->function);
  if (!handler) return handler.error();
  if (Status may = handler->check_caller(*context.peer, context.perm); !may) return may.error();
  if (Status may = handler->check_args(spec->args); !may) return may.error();
  const std::optional<std::int64_t> first = spec->first(now);
  if (!first) return wrong_alarm("The alarm has no time at which it would fire");
  AlarmRow row;
  row.name = name;
  if ((*found)->now) row.fires = (*found)->now->fires;  // its history goes on
  row.occurrence_ms = row.due_ms = *first;
  row.spec = spec->to_text();
  row.by = AlarmCaller::text_of(*context.peer, context.perm);
  (*found)->now = std::move(row);
  (*found)->changed = true;
  return Json{{"due", *first}};
}

Result<Json> AlarmStage::cancel(std::string_view name) {
  const Result<Entry*> found = entry(name);
  if (!found) return found.error();
  if (!(*found)->now) return Json(false);
  (*found)->now.reset();
  (*found)->changed = true;
  return Json(true);
}

Result<Json> AlarmStage::get(std::string_view name) {
  const auto row = find(name);
  if (!row) return row.error();
  return *row ? view(**row) : Json();
}

Result<Json> AlarmStage::list(const Json& given) {
  const auto options = list_options(given);
  if (!options) return options.error();
  if (!listed_at_) listed_at_ = book_.changes();
  std::vector<AlarmRow> rows;
  std::optional<std::string> next;
  std::size_t looked_at = 0;
  std::string last;
  const Status read = book_.each_after(options->after, [&](AlarmRow row) {
    if (rows.size() >= options->limit || looked_at >= kListScanMax) {
      next = last;
      return false;
    }
    ++looked_at;
    last = row.name;
    const auto staged = entries_.find(row.name);
    const bool replaced = staged != entries_.end() && staged->second.changed;
    if (!replaced && options->takes(row)) rows.push_back(std::move(row));
    return true;
  });
  if (!read) return read.error();
  for (const auto& [name, staged] : entries_) {
    const bool in_page = name > options->after && (!next || name <= *next);
    if (staged.changed && staged.now && in_page && options->takes(*staged.now)) {
      rows.push_back(*staged.now);
    }
  }
  std::sort(rows.begin(), rows.end(),
            [](const AlarmRow& a, const AlarmRow& b) { return a.name < b.name; });
  Json alarms = Json::array();
  for (const AlarmRow& row : rows) alarms.push_back(view(row));
  return Json{{"alarms", std::move(alarms)}, {"next", next ? Json(*next) : Json()}};
}

Result<Json> AlarmStage::history(std::string_view name) {
  const Result<Entry*> found = entry(name);
  if (!found) return found.error();
  Json history = Json::array();
  if (!(*found)->now) return history;
  const auto fires = book_.fires(name);
  if (!fires) return fires.error();
  for (const AlarmFireRow& fire : *fires) history.push_back(view(fire));
  return history;
}

Result<Json> AlarmStage::retry(std::string_view name) {
  const Result<Entry*> found = entry(name);
  if (!found) return found.error();
  std::optional<AlarmRow>& row = (*found)->now;
  if (!row) return Error(Errc::not_found, "No alarm " + shown(name));
  const std::int64_t now = book_.now();
  if (row->waits() && row->attempts > 0) {
    row->due_ms = std::min(row->due_ms, now);
  } else if (row->dead_count > 0) {
    // A repeating one goes on with its regular time behind it.
    if (row->waits()) row->resume_ms = row->occurrence_ms;
    row->state = AlarmState::waiting;
    row->occurrence_ms = row->dead_ms;
    row->due_ms = now;
    row->ended_ms = 0;
    row->dead_count = 0;
    row->dead_ms = 0;
  } else {
    return wrong_alarm("Alarm " + shown(name) + " has nothing to retry",
                       "alarm.list({state: \"dead\"}) names those that have.");
  }
  (*found)->changed = true;
  return Json(true);
}

bool AlarmStage::changes(std::string_view name) const {
  const auto known = entries_.find(name);
  return known != entries_.end() && known->second.changed;
}

void AlarmStage::put(AlarmRow row) {
  Entry& known = entries_.find(row.name)->second;
  known.now = std::move(row);
  known.changed = true;
}

void AlarmStage::add_fire(std::string_view name, AlarmFireRow fire) {
  entries_.find(name)->second.fire = std::move(fire);
}

Status AlarmStage::check() const {
  const auto changed_meanwhile = [](const std::string& what) {
    return Error(Errc::txn_conflict, what + " changed meanwhile");
  };
  if (listed_at_ && *listed_at_ != book_.changes()) return changed_meanwhile("The alarms were");
  for (const auto& [name, seen] : entries_) {
    const auto row = book_.find(name);
    if (!row) return row.error();
    const Txid revision = *row ? (*row)->revision : 0;
    if (revision != (seen.before ? seen.before->revision : 0)) {
      return changed_meanwhile("Alarm " + name + " was");
    }
  }
  return {};
}

bool AlarmStage::empty() const {
  return std::none_of(entries_.begin(), entries_.end(),
                      [](const auto& one) { return one.second.changed; });
}

Status AlarmStage::take(WriteBatch& batch, Txid txid) {
  if (empty()) return {};
  for (auto& [name, staged] : entries_) {
    if (!staged.changed) continue;
    const SessionNo session = book_.session();
    if (!staged.now) {
      if (staged.before) erase_alarm(batch, session, *staged.before);
      continue;
    }
    staged.now->revision = txid;
    put_alarm(batch, session, staged.before ? &*staged.before : nullptr, *staged.now);
    if (staged.fire) put_alarm_fire(batch, session, name, *staged.fire);
  }
  return book_.tidy(batch, [this](std::string_view name) { return changes(name); });
}

}  // namespace kontract
