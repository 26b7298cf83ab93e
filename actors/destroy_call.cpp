// session.destroy: the end of a session and of all that it has. A session of the same name that
// comes after it is another one.

#include <caf/all.hpp>

#include "actors/call_key.hpp"
#include "actors/detail/call_arguments.hpp"
#include "actors/detail/continuation.hpp"
#include "actors/detail/function_run.hpp"
#include "actors/detail/session_actor_access.hpp"
#include "actors/event_hub.hpp"
#include "actors/settle.hpp"
#include "storage/owner_usage.hpp"
#include "storage/session_purge.hpp"

namespace kontract {

namespace {

Error session_destroyed() {
  return {Errc::not_found, "The session was destroyed meanwhile",
          "A session of its name that is opened now is a new one."};
}

}  // namespace

// First all that is under way ends: functions that wait outside, then the tables' actors. Calls
// that come meanwhile wait, and are the new session's.
void SessionDO::destroy(const CallPtr& call) {
  call->key = nullptr;  // nothing of this session is kept; repeated, it destroys the next one
  Status status = check_count(*call, 0, 0, "session.destroy()");
  if (status) status = admit(*call, perms::RWX, perms::none, "destroy sessions");
  if (status) status = log_.admit(/*frees_space=*/true);
  if (!status) return call->reply.fail(std::move(status).error());
  destroying_ = call;
  for (const auto& run : aside_) {
    if (run->call().reply.pending()) run->call().reply.fail(session_destroyed());
  }
  aside_.clear();
  returning_.clear();
  reads_at_.clear();
  lent_.clear();
  for (auto& [id, entry] : tables_) {
    if (!entry.actor) continue;
    close_table(entry.actor);
    entry.actor = nullptr;
  }
  continue_destroy();
}

// Once the tables' actors have ended, and whatever was appended is settled: an answer that is
// settled may append the reply of a call with a key.
void SessionDO::continue_destroy() {
  if (!destroying_ || tables_closing_ > 0) return;
  const auto append = [this](const Status& /*settled*/) { append_destroy(); };
  log_.when_applied(log_.appended(), std::make_unique<Continuation>(SessionAddress(this), append));
}

void SessionDO::append_destroy() {
  Call& call = *destroying_;
  std::vector<TableRow> tables;
  for (const auto& [id, entry] : tables_) tables.push_back(entry.row);
  WriteBatch batch;
  destroy_session(batch, handle_->identity(), facts_->no, tables);
  const Ticket ticket =
      log_.append(std::move(batch), epoch_,
                  std::make_unique<HeldAnswer>(std::move(call.reply),
                                               Answer{JsonText("true"), call.told_txid}));
  const auto then = [this, ticket](const Status& /*applied*/) {
    destroyed(log_.acknowledged(ticket));
  };
  log_.when_applied(ticket, std::make_unique<Continuation>(SessionAddress(this), then));
}

// If it failed, the session goes on: it is read again by the next call.
void SessionDO::destroyed(bool gone) {
  destroying_ = nullptr;
  if (gone) {
    const std::string sid = facts_->sid;
    if (OwnerUsage* const usage = shard_.usage()) {
      usage->session_destroyed(handle_->identity().owner);
    }
    facts_ = nullptr;
    txids_.reset();
    for (const auto& [id, entry] : tables_) {
      SessionActorAccess::events(*handle_)->dropped(entry.row);
    }
    tables_.clear();
    transactions_.clear();
    begun_ = {};
    replies_ = nullptr;
    registry_ticket_ = 0;
    reload_wanted_ = false;
    schema_error_.clear();
    if (options_.on_destroyed) options_.on_destroyed(sid);
  }
  release_calls();
}

}  // namespace kontract
