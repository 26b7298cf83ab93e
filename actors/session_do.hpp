// SessionDO: a durable object. One actor for each awake session; it allocates the txids in the
// order in which calls arrive, which is the serial order, and sends each call to the actor of its
// table. It owns the session's rows in the registry. Loads itself from the shard at its first
// message.

#pragma once

#include <caf/typed_actor.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "actors/alarm_book.hpp"
#include "actors/backend.hpp"
#include "actors/call.hpp"
#include "actors/directory.hpp"
#include "actors/kept_replies.hpp"
#include "actors/living.hpp"
#include "actors/open_transactions.hpp"
#include "actors/table_actor.hpp"
#include "actors/table_loan.hpp"
#include "actors/transactions.hpp"
#include "actors/txid_allocator.hpp"
#include "storage/registry_sql.hpp"
#include "storage/schema_migration.hpp"

namespace kontract {

namespace detail {
class FunctionRun;
struct OtherCall;
}  // namespace detail

// Look whether it is time to sleep, or to tidy up.
struct SessionTick {
  bool timer = false;  // the session's own, of which there is one
};
// What the session waited for is durable, or failed.
struct SessionSettled {
  std::function<void(const Status&)> then;
  Status status;
};
// A table was altered by its actor, or was not (`ticket` is 0); calls that came meanwhile wait.
struct SessionAltered {
  TableRow row;
  Ticket ticket;
  Epoch epoch;  // of the session when it asked for it
};
// A document was applied for the owner (storage/schema_document.hpp).
struct SessionReload {
  bool applied = false;  // the session's own: its tables' actors are gone, and LMDB is complete
};
// A table that was asked for is lent to the session, or is not.
struct SessionLent {
  std::string table;
  std::shared_ptr<Result<TableLoanPtr>> outcome;
};
// A worker has run the statement of a function.
struct FunctionWorked {
  std::shared_ptr<detail::FunctionRun> run;
};
// What a function waited for outside of its session's tables has come.
struct FunctionAnswered {
  std::weak_ptr<detail::FunctionRun> run;  // a timer may keep this for long after its end
  std::uint64_t wait;
  std::shared_ptr<Answer> answer;
};
// Go on removing the records of dropped tables.
struct SessionPurge {
  bool table_ended = false;  // the actor of one is gone
};

// Opens a transaction that reads at the session's present; see Transactions.
struct BeginTransaction {
  std::string owner;
};
// Ends one. Commit gives the txid at which what it wrote is seen; here its snapshot is let go.
struct CommitTransaction {
  Txid txid;
  std::string owner;
};
struct RollbackTransaction {
  Txid txid;
  std::string owner;
};
// 0 while nothing has been asked of the session.
struct GetMinActiveTxid {};

}  // namespace kontract

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(kontract::SessionTick)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(kontract::SessionPurge)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(kontract::SessionSettled)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(kontract::SessionAltered)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(kontract::SessionReload)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(kontract::SessionLent)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(kontract::FunctionWorked)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(kontract::FunctionAnswered)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(kontract::BeginTransaction)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(kontract::CommitTransaction)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(kontract::RollbackTransaction)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(kontract::GetMinActiveTxid)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(kontract::TransactionFacts)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(kontract::Status)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(kontract::Result<kontract::TransactionFacts>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(kontract::Result<kontract::Txid>)

namespace kontract {

using SessionAddress =
    caf::typed_actor<caf::reacts_to<CallPtr>,                                            // any call
                     caf::replies_to<BeginTransaction>::with<Result<TransactionFacts>>,  //
                     caf::replies_to<CommitTransaction>::with<Result<Txid>>,             //
                     caf::replies_to<RollbackTransaction>::with<Status>,                 //
                     caf::replies_to<GetMinActiveTxid>::with<Txid>,                      //
                     caf::reacts_to<SessionTick>,                                        //
                     caf::reacts_to<SessionSettled>,                                     //
                     caf::reacts_to<SessionAltered>,                                     //
                     caf::reacts_to<SessionReload>,                                      //
                     caf::reacts_to<SessionLent>,                                        //
                     caf::reacts_to<FunctionWorked>,                                     //
                     caf::reacts_to<FunctionAnswered>,                                   //
                     caf::reacts_to<SessionPurge>>;

class SessionDO final : public SessionAddress::base {
 public:
  SessionDO(caf::actor_config& config, std::shared_ptr<SessionHandle> handle);

  behavior_type make_behavior() override;
  void on_exit() override;

 private:
  struct TableEntry {
    TableRow row;
    TableAddress actor;        // null until the first call
    Ticket restart_after = 0;  // an actor died: the next reads the store once this is applied
  };
  using BuiltIn = void (SessionDO::*)(Call& call);
  struct SessionFunction;
  static const SessionFunction* find_session_function(std::string_view name);

  // Calls.
  void handle(const CallPtr& call);
  void dispatch(const CallPtr& call);
  // Permission, whether it is a repeat, and the txid. `admin_to`: for the group admin only.
  Status admit(Call& call, Perm needs, Perm may_need = perms::none, std::string_view admin_to = {});
  Status check_repeat(Call& call);  // actors/keyed_call.cpp, as the next
  void forget_replies();
  // Whether the caller may change the session's tables. Errors: forbidden, to do what `to` says.
  Status check_admin(const Call& call, std::string_view to) const;
  void to_table(const CallPtr& call, const TableFunction& function);
  void batch(const CallPtr& call);  // actors/joint_call.cpp, as the next
  void list(const CallPtr& call);
  void subscribe(const CallPtr& call);  // actors/subscribe_call.cpp
  void open(Call& call);
  void create(Call& call);  // actors/table_call.cpp, as the next two
  void drop(Call& call);
  void schema(Call& call);
  void alter(const CallPtr& call);  // actors/alter_call.cpp, as the next
  void altered(const SessionAltered& outcome);

  // Schemas of all of the owner's sessions: actors/schema_call.cpp.
  struct SchemaApply;
  using Documents = std::map<std::uint64_t, SchemaDocument>;  // by version
  void schema_apply(const CallPtr& call);
  void schema_show(Call& call);
  void append_documents(Store& store, const std::vector<Documents>& there, const Documents& all,
                        SchemaApply& apply);
  void schema_settled(const std::shared_ptr<SchemaApply>& apply, const Status& status);
  void schema_applied(SchemaApply& apply);
  void schema_dry_run(Call& call, const std::vector<SchemaDocument>& documents,
                      const std::string& after);
  void when_applied_everywhere(std::function<void()> then);
  Result<std::optional<Migration>> pending_migration(const ReadTxn& txn, const SessionRow& session,
                                                     const std::vector<TableRow>& tables,
                                                     Txid txid);
  void reload(bool applied);
  void load_again();
  bool is_behind();
  void start_reload();
  void continue_reload();
  void registry_exec(Call& call);  // actors/registry_call.cpp, as the next
  void change_registry(Call& call, RegistryChange change, JsonText result);
  void facts(Call& call);
  void allocate_txid(Call& call);
  void destroy(const CallPtr& call);  // actors/destroy_call.cpp, as the next
  void continue_destroy();
  void append_destroy();
  void destroyed(bool gone);

  // Backend functions: actors/function_call.cpp.
  void run_function(const CallPtr& call, const BackendFunction& function);
  void proceed();
  bool proceed_once();
  bool lend(const std::string& table);
  void lent(const SessionLent& message);
  void worked(const FunctionWorked& message);
  void wait_outside(const std::shared_ptr<detail::FunctionRun>& run);
  void end_wait(const std::shared_ptr<detail::FunctionRun>& run, Error error);
  void call_other(const std::shared_ptr<detail::FunctionRun>& run, const detail::OtherCall& other);
  void wake_sleepers();
  void answered(const FunctionAnswered& message);
  void go_on(const std::shared_ptr<detail::FunctionRun>& run);
  void come_back(Status status);
  void abandon_function();
  Status rebase();
  void forget_aside(const std::shared_ptr<detail::FunctionRun>& run);
  void finish(detail::FunctionRun& run);
  void start_run(const CallPtr& call, const BackendFunction& function);

  // Alarms: actors/alarm_call.cpp.
  void alarm_function(Call& call);
  void fire_alarm(const CallPtr& call);
  void run_alarm(const CallPtr& call, const AlarmRow& row);
  void alarm_failed(Call& call, const Error& error);
  void alarm_is_stale(Call& call);
  Status keep_alarms(detail::FunctionRun& run, WriteBatch& batch);
  Ticket append(WriteBatch batch, Epoch epoch, Reply reply, Answer answer);
  void batch_with_alarms(const CallPtr& call);

  // Calls wait while something is under way that changes what all of them rest on.
  bool holds_calls() const { return altering_ || reloading_ || running_ || destroying_; }
  void release_calls();

  // Calls of transactions that connections have begun, and those that read the past:
  // actors/tx_call.cpp.
  Status check_apart(const Call& call);
  Status admit_apart(Call& call);
  Result<OpenTransactions::One*> find_transaction(const Call& call, Txid txid);
  std::shared_ptr<detail::TransactionPart> part_of(const Call& call, const std::string& table);
  void transaction(const CallPtr& call);
  void begin_transaction(Call& call);
  void commit_transaction(const CallPtr& call, Txid txid);
  void drop_transaction(Txid txid, std::string why);
  void leave(Call& call);
  void end_overdue_transactions();
  void watch_transactions();

  // Tables.
  TableEntry* find_table(std::string_view id);
  TableEntry* find_table_of(const Call& call, std::string_view id);  // of the caller's owner
  const TableAddress& actor_of(TableEntry& entry);
  void close_table(const TableAddress& actor);
  void not_found(Call& call, std::string_view table);
  void start_joint(const CallPtr& call,
                   std::map<std::string, std::vector<JointPart::Operation>, std::less<>> parts,
                   std::size_t slots, Joint::Combine combine);

  // Transactions.
  // No transaction reads, now or later, at less, if `next` is the txid of the next one.
  Txid oldest_reader(Txid next) const;
  Status begin(const BeginTransaction& request,
               caf::typed_response_promise<Result<TransactionFacts>> reply);
  Status commit(const CommitTransaction& request, caf::typed_response_promise<Result<Txid>> reply);
  Status end(Txid txid, const std::string& owner);

  // Life: actors/session_life.cpp.
  Status ensure_loaded();
  Status load(bool may_migrate);
  void tick(bool timer);
  void schedule_tick(Clock::time_point from);
  void maintain_tables();
  void purge_when_applied();
  template <class Work>
  auto guarded(Work work) -> decltype(work());
  void purge(bool table_ended);
  Ticket unsettled_registry() const;
  void when_settled(Ticket ticket, std::function<void(const Status&)> then);

  const std::shared_ptr<SessionHandle> handle_;
  Shard& shard_;
  CommitLog& log_;
  const SessionOptions& options_;
  AlarmBook alarms_;

  // Empty until loaded.
  std::shared_ptr<const SessionFacts> facts_;
  std::optional<TxidAllocator> txids_;
  std::map<std::string, TableEntry, std::less<>> tables_;
  Epoch epoch_ = 0;             // what is in memory rests on this one
  Ticket registry_ticket_ = 0;  // of the last change to the session's own rows
  Transactions transactions_;
  std::shared_ptr<KeptReplies> replies_;  // null until a call has a key
  bool forgetting_ = false;               // a round of forget_replies() waits to be applied
  OpenTransactions begun_;                // those of transactions_ that connections have begun
  std::optional<Clock::time_point> transaction_tick_;  // a tick that comes for them

  // Tables that backend functions use: at hand until their actors are needed for something else.
  LentTables lent_;
  std::shared_ptr<detail::FunctionRun> running_;  // waits for the session's own tables, or null
  bool coming_back_ = false;                      // for those that running_ had
  std::set<std::shared_ptr<detail::FunctionRun>> aside_;  // wait outside, or have and still read
  std::multiset<Txid> reads_at_;                          // their txids
  std::deque<std::shared_ptr<detail::FunctionRun>> returning_;  // of aside_: their wait is over

  std::deque<CallPtr> held_;  // in their order
  bool altering_ = false;     // SessionAltered will come
  bool reloading_ = false;    // SessionReload{true} will come
  bool reload_wanted_ = false;
  CallPtr destroying_;        // the session ends with this call; null: it does not
  std::string schema_error_;  // why the session does not follow the newest document

  Clock::time_point last_used_;
  bool only_alarms_ = true;            // have called it since it woke
  std::optional<Ticket> quiet_since_;  // all that was appended when the session was found idle
  bool tick_scheduled_ = false;
  bool purging_ = false;    // a round of the purge waits to be applied
  int tables_closing_ = 0;  // dropped ones that may still write
  Living living_;
};

}  // namespace kontract
