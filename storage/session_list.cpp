#include "storage/session_list.hpp"

#include <charconv>

#include "storage/format.hpp"
#include "storage/format_replies.hpp"

namespace kontract {

namespace {

constexpr std::size_t kLookedAtMax = 10'000;

// Where a page goes on: behind this session of this shard.
struct ListPosition {
  std::size_t shard = 0;
  Identity after = {};
};

// A session's name has no slash; an owner's may.
std::string text_of(const ListPosition& position) {
  return std::to_string(position.shard) + '/' + position.after.name + '/' + position.after.owner;
}

Result<ListPosition> parse_position(const std::string& text) {
  ListPosition position;
  if (text.empty()) return position;
  const std::size_t name = text.find('/');
  const std::size_t owner = name == text.npos ? text.npos : text.find('/', name + 1);
  const auto read =
      std::from_chars(text.data(), text.data() + std::min(name, text.size()), position.shard);
  if (owner == text.npos || read.ec != std::errc{} || read.ptr != text.data() + name) {
    return Error(Errc::invalid_request, "after is not what a page gave as next");
  }
  position.after = {text.substr(owner + 1), text.substr(name + 1, owner - name - 1)};
  const bool fits = position.after.owner.empty()
                        ? position.after.name.empty()
                        : validate_owner(position.after.owner).has_value() &&
                              validate_session_name(position.after.name).has_value();
  if (!fits) return Error(Errc::invalid_request, "after is not what a page gave as next");
  return position;
}

class SessionWalk {
 public:
  SessionWalk(Store& store, const SessionQuery& query, ListPosition position)
      : store_(store), query_(query), position_(std::move(position)) {}

  Result<SessionPage> run() {
    for (; position_.shard < store_.shards(); ++position_.shard, position_.after = {}) {
      const auto full = shard();
      if (!full) return full.error();
      if (!*full) continue;
      page_.next = text_of(position_);
      break;
    }
    return std::move(page_);
  }

 private:
  // The first key that may fit.
  std::string first_key(const std::string& prefix) const {
    if (position_.after.owner.empty()) return prefix;
    return format::session_key(position_.after).str() + '\0';
  }

  // Whether the page is full.
  Result<bool> shard() {
    const auto txn = store_.shard(position_.shard).environment().read();
    if (!txn) return txn.error();
    auto cursor = txn->cursor(Keyspace::sessions);
    if (!cursor) return std::move(cursor).error();
    const std::string prefix = query_.owner.empty()
                                   ? std::string("s")
                                   : format::session_key({query_.owner, query_.prefix}).str();
    auto on_row = cursor->seek(first_key(prefix));
    for (; on_row && *on_row && cursor->key().starts_with(prefix); on_row = cursor->next()) {
      auto identity = format::parse_session_key(cursor->key());
      if (!identity) return std::move(identity).error();
      const bool fits = identity->name.starts_with(query_.prefix);
      if (fits) ++page_.count;
      if (fits && query_.limit > 0) {
        auto row = format::parse_session(cursor->key(), cursor->value());
        if (!row) return std::move(row).error();
        page_.sessions.push_back({*identity, *std::move(row)});
      }
      position_.after = *std::move(identity);
      const bool full = query_.limit > 0 && page_.sessions.size() == query_.limit;
      if (full || ++looked_at_ == kLookedAtMax) return true;
    }
    if (!on_row) return std::move(on_row).error();
    return false;
  }

  Store& store_;
  const SessionQuery& query_;
  ListPosition position_;
  SessionPage page_;
  std::size_t looked_at_ = 0;
};

Result<std::uint64_t> records_of(const ReadTxn& txn, SessionNo session, TableNo table) {
  const format::Key key = format::count_key(session, table);
  const auto value = txn.get(Keyspace::registry, key);
  if (!value) return value.error();
  if (!*value) return std::uint64_t{0};
  const auto row = format::parse_count(key, **value);
  if (!row) return row.error();
  return row->records;
}

// The numbers of the oldest and the newest tell; gaps, of batches that failed, are counted too.
Result<std::uint64_t> replies_of(const ReadTxn& txn, SessionNo session) {
  auto cursor = txn.cursor(Keyspace::replies);
  if (!cursor) return std::move(cursor).error();
  const format::Key prefix = format::reply_age_prefix(session);
  const auto first = cursor->seek(prefix);
  if (!first) return first.error();
  if (!*first || !cursor->key().starts_with(prefix.view())) return std::uint64_t{0};
  const auto oldest = format::parse_reply_age_key(cursor->key());
  const auto last = cursor->seek_before(format::reply_age_key(session, ~std::uint64_t{0}));
  if (!last) return last.error();
  const auto newest = format::parse_reply_age_key(cursor->key());
  if (!oldest || !newest) return oldest ? newest.error() : oldest.error();
  return newest->number - oldest->number + 1;
}

}  // namespace

Result<SessionPage> list_sessions(Store& store, const SessionQuery& query) {
  auto position = parse_position(query.after);
  if (!position) return std::move(position).error();
  // A key is built of both: what no session can have fits none.
  if (query.prefix.size() > limits::kSessionNameBytesMax ||
      query.owner.size() > limits::kOwnerBytesMax) {
    return SessionPage();
  }
  return SessionWalk(store, query, *std::move(position)).run();
}

Result<std::optional<SessionDetails>> inspect_session(Store& store, const Identity& identity) {
  if (!validate_session_name(identity.name) || !validate_owner(identity.owner)) {
    return std::optional<SessionDetails>{};
  }
  for (unsigned i = 0; i < store.shards(); ++i) {
    Shard& shard = store.shard(i);
    if (&shard != &store.shard_of(identity)) continue;
    const auto txn = shard.environment().read();
    if (!txn) return txn.error();
    auto row = load_session(*txn, identity);
    if (!row) return std::move(row).error();
    if (!*row) break;
    SessionDetails details{.session = {identity, **std::move(row)}, .shard = i, .tables = {}};
    auto tables = load_tables(*txn, details.session.row.no);
    if (!tables) return std::move(tables).error();
    for (TableRow& table : *tables) {
      const auto records = records_of(*txn, details.session.row.no, table.no);
      if (!records) return records.error();
      details.tables.push_back({std::move(table), *records});
    }
    const auto replies = replies_of(*txn, details.session.row.no);
    if (!replies) return replies.error();
    details.replies = *replies;
    return std::optional(std::move(details));
  }
  return std::optional<SessionDetails>{};
}

}  // namespace kontract
