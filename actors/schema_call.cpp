// Schemas of all sessions of an owner: schema.apply, schema.show, and how a session that is awake
// takes up a document.
//
// A document is appended to the log of each shard. Once it is applied in all, it is what every
// session finds at its next load, and those that are awake are told to load again. A crash in
// between leaves some shards without it; applying it once more completes that.

#include <caf/all.hpp>
#include <map>

#include "actors/detail/continuation.hpp"
#include "actors/detail/send_when.hpp"
#include "actors/detail/session_actor_access.hpp"
#include "actors/settle.hpp"
#include "storage/schema_catalog.hpp"
#include "storage/schema_dry_run.hpp"

namespace kontract {

namespace {

Error wrong(std::string message) {
  return {Errc::invalid_request, std::move(message),
          "Call it as schema.apply(document, {dry_run?, after?})."};
}

struct ApplyOptions {
  bool dry_run = false;
  std::string after;
};

Result<ApplyOptions> parse_options(const Json& given) {
  ApplyOptions options;
  if (given.is_null()) return options;
  if (!given.is_object()) return wrong("The options must be an object");
  for (const auto& [key, value] : given.items()) {
    if (key == "dry_run" && value.is_boolean()) {
      options.dry_run = value.get<bool>();
    } else if (key == "after" && (value.is_string() || value.is_null())) {
      if (value.is_string()) options.after = value.get<std::string>();
    } else {
      return wrong("Option " + shown(key) + " is unknown or has a wrong value");
    }
  }
  return options;
}

// The documents of an owner: in each shard, and in any.
struct Known {
  std::vector<std::map<std::uint64_t, SchemaDocument>> shards;
  std::map<std::uint64_t, SchemaDocument> all;
};

Result<Known> load_known(Store& store, const std::string& owner) {
  Known known;
  for (std::size_t i = 0; i < store.shards(); ++i) {
    auto txn = store.shard(i).environment().read();
    if (!txn) return std::move(txn).error();
    auto documents = load_documents(*txn, owner, 0);
    if (!documents) return std::move(documents).error();
    auto& here = known.shards.emplace_back();
    for (SchemaDocument& document : *documents) {
      known.all.emplace(document.version(), document);
      here.emplace(document.version(), std::move(document));
    }
  }
  return known;
}

// Errors: invalid_request, schema_violation.
Status check_next(const Known& known, const SchemaDocument& document) {
  if (known.all.empty()) return {};
  const SchemaDocument& newest = known.all.rbegin()->second;
  if (document == newest) return {};
  if (document.version() > newest.version()) return document.check_after(newest);
  return Error{Errc::invalid_request,
               "Version " + std::to_string(newest.version()) + " is applied; this document is " +
                   (document.version() == newest.version() ? "another one of that version"
                                                           : "of an older one"),
               "Give it version " + std::to_string(newest.version() + 1) + " or more."};
}

}  // namespace

// A document on its way to all shards.
struct SessionDO::SchemaApply {
  CallPtr call;
  std::shared_ptr<void> claim;  // nobody else applies one for this owner
  std::vector<std::pair<CommitLog*, Ticket>> tickets;
  std::size_t waits_for = 0;
  Status status = {};
  Answer answer;
};

void SessionDO::schema_apply(const CallPtr& call) {
  if (call->args.empty() || call->args.size() > 2) {
    return call->reply.fail(wrong("Wrong number of arguments"));
  }
  if (Status status = admit(*call, perms::RWX, perms::none, "apply a schema"); !status) {
    return call->reply.fail(std::move(status).error());
  }
  const Txid txid = call->context.current_txid;
  auto options = parse_options(call->args.size() > 1 ? call->args[1] : Json());
  if (!options) return call->reply.fail(std::move(options).error(), txid);
  auto document = SchemaDocument::parse(call->args[0]);
  if (!document) return call->reply.fail(std::move(document).error(), txid);

  const std::string& owner = handle_->identity().owner;
  std::shared_ptr<void> claim;
  if (!options->dry_run) {
    claim = SessionActorAccess::claim_schema(*handle_);
    if (!claim) {
      Error error(Errc::overloaded, "A schema is being applied for this owner", "Try again.");
      error.retry_after = std::chrono::milliseconds(50);
      return call->reply.fail(std::move(error), txid);
    }
  }
  Store& store = SessionActorAccess::store(*handle_);
  auto known = load_known(store, owner);
  if (!known) return call->reply.fail(std::move(known).error(), txid);
  if (Status next = check_next(*known, *document); !next) {
    return call->reply.fail(std::move(next).error(), txid);
  }
  const bool is_new = known->all.emplace(document->version(), *document).second;
  if (options->dry_run) {
    std::vector<SchemaDocument> documents;
    for (auto& [version, one] : known->all) documents.push_back(std::move(one));
    // What was told to anybody by now counts.
    return when_applied_everywhere(
        [this, call, documents = std::move(documents), after = std::move(options->after)] {
          schema_dry_run(*call, documents, after);
        });
  }

  auto apply = std::make_shared<SchemaApply>(
      SchemaApply{call, std::move(claim), {}, 0, {}, Answer{JsonText(), txid}});
  apply->answer.result = to_text(Json{{"version", document->version()}, {"applied", is_new}});
  append_documents(store, known->shards, known->all, *apply);
  apply->waits_for = apply->tickets.size() + 1;
  for (const auto& [log, ticket] : apply->tickets) {
    log->when_settled(ticket, std::make_unique<Continuation>(SessionAddress(this),
                                                             [this, apply](const Status& status) {
                                                               schema_settled(apply, status);
                                                             }));
  }
  schema_settled(apply, {});
}

// Each shard gets what it lacks.
void SessionDO::append_documents(Store& store, const std::vector<Documents>& there,
                                 const Documents& all, SchemaApply& apply) {
  for (std::size_t i = 0; i < store.shards(); ++i) {
    CommitLog& log = store.shard(i).log();
    const Epoch epoch = log.epoch();
    WriteBatch batch;
    for (const auto& [version, document] : all) {
      if (!there[i].contains(version)) put_document(batch, handle_->identity().owner, document);
    }
    if (batch.empty()) continue;
    if (Status admitted = log.admit(/*frees_space=*/false); !admitted) {
      apply.status = std::move(admitted);
      return;
    }
    apply.tickets.emplace_back(&log, log.append(std::move(batch), epoch, nullptr));
  }
}

void SessionDO::schema_settled(const std::shared_ptr<SchemaApply>& apply, const Status& status) {
  if (!status && apply->status) apply->status = status;
  if (--apply->waits_for > 0) return;
  if (!apply->status) return schema_applied(*apply);
  // Durable: what remains is that sessions that load can see it.
  when_applied_everywhere([this, apply] { schema_applied(*apply); });
}

void SessionDO::schema_applied(SchemaApply& apply) {
  apply.claim.reset();
  Call& call = *apply.call;
  if (!apply.status) {
    return call.reply.fail(std::move(apply.status).error(), call.context.current_txid);
  }
  SessionActorAccess::reload_sessions_of_owner(*handle_);
  deliver_when_settled(log_, call.settle_after, std::move(call.reply), std::move(apply.answer));
}

// Runs `then` on this actor once all that was appended to any shard so far is in its LMDB.
void SessionDO::when_applied_everywhere(std::function<void()> then) {
  Store& store = SessionActorAccess::store(*handle_);
  const auto waits_for = std::make_shared<std::size_t>(store.shards());
  for (std::size_t i = 0; i < store.shards(); ++i) {
    CommitLog& log = store.shard(i).log();
    auto applied = [waits_for, then](const Status&) {
      if (--*waits_for == 0) then();
    };
    log.when_applied(log.appended(),
                     std::make_unique<Continuation>(SessionAddress(this), std::move(applied)));
  }
}

void SessionDO::schema_dry_run(Call& call, const std::vector<SchemaDocument>& documents,
                               const std::string& after) {
  const Txid txid = call.told_txid;
  auto page =
      dry_run(SessionActorAccess::store(*handle_), handle_->identity().owner, documents, after);
  if (!page) return call.reply.fail(std::move(page).error(), txid);
  const Json result = {{"version", documents.back().version()},
                       {"sessions", std::move(page->sessions)},
                       {"next", page->next.empty() ? Json() : Json(page->next)}};
  deliver_when_settled(log_, call.settle_after, std::move(call.reply), {to_text(result), txid});
}

void SessionDO::schema_show(Call& call) {
  const Txid txid = call.told_txid;
  auto txn = shard_.environment().read();
  if (!txn) return call.reply.fail(std::move(txn).error(), txid);
  auto newest = newest_document(*txn, handle_->identity().owner);
  if (!newest) return call.reply.fail(std::move(newest).error(), txid);
  deliver_when_settled(log_, call.settle_after, std::move(call.reply),
                       {*newest ? (*newest)->to_json() : JsonText("null"), txid});
}

// ------------------------------------------------------------------------------------- loading

// What the newest document makes of the session as it is stored; nothing if it follows that
// already, or cannot: then it goes on as it is, and says why.
Result<std::optional<Migration>> SessionDO::pending_migration(const ReadTxn& txn,
                                                              const SessionRow& session,
                                                              const std::vector<TableRow>& tables,
                                                              Txid txid) {
  const std::optional<Migration> none;
  schema_error_.clear();
  auto documents = load_documents(txn, handle_->identity().owner, session.schema_version);
  if (!documents) return std::move(documents).error();
  if (documents->empty()) return none;
  Result<Migration> migration = Error();
  if (Status admitted = log_.admit(/*frees_space=*/false); admitted) {
    migration = migrate(shard_, {.identity = handle_->identity(),
                                 .session = session,
                                 .tables = tables,
                                 .documents = *std::move(documents),
                                 .txid = txid,
                                 .oldest_reader = oldest_reader(txid + 1)});
  } else {
    migration = std::move(admitted).error();
  }
  if (migration) return std::optional(*std::move(migration));
  schema_error_ = migration.error().message;
  if (const std::string& hint = migration.error().hint; !hint.empty()) schema_error_ += ". " + hint;
  shard_.options().alarm("session " + handle_->identity().name + " of " +
                         handle_->identity().owner + " keeps its schema: " + schema_error_);
  return none;
}

// Takes up a document that was applied meanwhile: what was sent is finished, what comes waits.
void SessionDO::reload(bool applied) {
  if (applied) {
    load_again();
    reloading_ = false;
    return release_calls();
  }
  if (!facts_ || !is_behind()) return;  // it will read it, or has
  reload_wanted_ = true;
  if (!holds_calls()) start_reload();
}

// If it fails, calls go on with what is known. It must not throw, for they wait.
void SessionDO::load_again() {
  try {
    Status loaded = log_.admit(/*frees_space=*/true);  // or LMDB may lack what was acknowledged
    if (loaded) loaded = load(/*may_migrate=*/true);
    if (loaded) return;
    schema_error_ = loaded.error().message;
  } catch (const std::exception& failure) {
    schema_error_ = failure.what();
  }
  shard_.options().alarm("session " + handle_->identity().name +
                         " keeps its schema: " + schema_error_);
}

// Whether there is a document that the session does not follow.
bool SessionDO::is_behind() {
  auto txn = shard_.environment().read();
  if (!txn) return true;
  const auto newest = newest_document(*txn, handle_->identity().owner);
  return !newest || (*newest && (*newest)->version() > txids_->row().schema_version);
}

void SessionDO::start_reload() {
  reload_wanted_ = false;
  reloading_ = true;
  lent_.clear();
  for (auto& [id, entry] : tables_) {
    if (!entry.actor) continue;
    close_table(entry.actor);
    entry.actor = nullptr;
  }
  continue_reload();
}

// Once the tables' actors have ended, and all that they wrote is in LMDB.
void SessionDO::continue_reload() {
  if (!reloading_ || tables_closing_ > 0) return;
  log_.when_applied(log_.appended(), send_when(SessionAddress(this), SessionReload{true}));
}

}  // namespace kontract
