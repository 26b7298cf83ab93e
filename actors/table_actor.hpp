// TableActor: the only writer of one table of one session. Runs calls in the order of its mailbox,
// which is the order of their txids, and hands what they write to the commit log.
//
// What a call throws costs that call. The actor then forgets what it had in memory, waits until
// everything appended so far is applied, and starts again from disk; calls behind it wait.

#pragma once

#include <caf/typed_actor.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <variant>
#include <vector>

#include "actors/call.hpp"
#include "actors/joint.hpp"
#include "actors/living.hpp"
#include "actors/table_loan.hpp"
#include "actors/table_operations.hpp"
#include "storage/table.hpp"

namespace kontract {

class EventHub;
class Workers;

// Collect garbage that no reader at or after this txid needs, and go on building indexes.
struct TableMaintain {
  Txid oldest_reader;
  bool continued = false;  // the actor's own: goes on with a round that found more
};
// Owner, permissions or schema are others for the calls that are sent after this.
struct TableSetRow {
  TableRow row;
};
// Tells whoever asked for an alter how it ended, also if it is dropped on its way.
struct AlterEnd {
  explicit AlterEnd(std::function<void(Ticket)> told) : tell(std::move(told)) {}
  AlterEnd(const AlterEnd&) = delete;
  AlterEnd& operator=(const AlterEnd&) = delete;
  ~AlterEnd() { tell(ticket); }

  Ticket ticket = 0;  // of the batch with the row; 0: nothing was changed
  std::function<void(Ticket)> tell;
};
// Store the row and the rows of the indexes that follow from it, and go by them.
struct TableAlter {
  CallPtr call;  // answered here
  JsonText result;
  TableRow row;
  std::vector<IndexDefinition> indexes;
  std::shared_ptr<const FieldCheck> check;  // what all records must fit
  std::shared_ptr<AlterEnd> end;
  bool checked = false;  // they do
};
// Tells whoever asked for a table what came of it, also if it is dropped on its way.
struct LendEnd {
  using Tell = std::function<void(Result<TableLoanPtr>)>;
  explicit LendEnd(Tell told) : tell(std::move(told)) {}
  LendEnd(const LendEnd&) = delete;
  LendEnd& operator=(const LendEnd&) = delete;
  ~LendEnd() { tell(std::move(outcome)); }

  Result<TableLoanPtr> outcome = Error(Errc::internal, "A table of the call had to be restarted");
  Tell tell;
};
// Lend the table at its turn.
struct TableLend {
  std::shared_ptr<LendEnd> end;
};
// It comes back; null if it has to be read again.
struct TableReturned {
  std::shared_ptr<std::unique_ptr<Table>> table;
};
struct TableClose {};   // end after what was sent before
struct TableResume {};  // what was appended before a restart is applied
struct TableBack {};    // the call that ran on a worker is over

}  // namespace kontract

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(kontract::CallPtr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(kontract::JointPartPtr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(kontract::Outcome)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(kontract::TableMaintain)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(kontract::TableSetRow)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(kontract::TableAlter)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(kontract::TableLend)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(kontract::TableReturned)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(kontract::TableClose)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(kontract::TableResume)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(kontract::TableBack)

namespace kontract {

using TableAddress = caf::typed_actor<caf::reacts_to<CallPtr>,        // a record function
                                      caf::reacts_to<JointPartPtr>,   // a part of a call
                                      caf::reacts_to<Outcome>,        // of the part it waits for
                                      caf::reacts_to<TableMaintain>,  //
                                      caf::reacts_to<TableSetRow>,    //
                                      caf::reacts_to<TableAlter>,     //
                                      caf::reacts_to<TableLend>,      //
                                      caf::reacts_to<TableReturned>,  //
                                      caf::reacts_to<TableClose>,     //
                                      caf::reacts_to<TableBack>,      //
                                      caf::reacts_to<TableResume>>;

class TableActor final : public TableAddress::base {
 public:
  using Hook = std::function<void(const Call&)>;

  // `barrier`: the table is read once everything up to this ticket is applied. `workers`, which
  // outlive it, take SQL that runs for long.
  TableActor(caf::actor_config& config, Shard& shard, SessionNo session, TableRow row,
             Ticket barrier, const Hook* hook, Workers& workers, Living living,
             std::shared_ptr<EventHub> events);

  behavior_type make_behavior() override;
  void on_exit() override;

 private:
  using Work = std::variant<CallPtr, JointPartPtr, TableSetRow, TableAlter, TableLend, TableClose>;

  void take(Work work);
  void refuse_waiting();
  void drain();  // runs what waits until the gate closes again
  void run(Work& work);
  void run_call(const CallPtr& call);
  void subscribe(Call& call);  // actors/subscribe_call.cpp
  // Runs a call that was let in; false if it takes too long for this thread, and left no trace.
  bool run_function(Call& call, std::chrono::milliseconds sql_time);
  void send_away(const CallPtr& call);
  bool busy() const { return gate_ || behind_barrier_ || away_ || lent_; }
  void lend(LendEnd& end);
  void take_back(std::unique_ptr<Table> table);
  void run_part(JointPart& part);
  // Of transactions that connections have begun: actors/tx_table.cpp.
  bool run_in_transaction(Call& call, const TableFunction& function,
                          std::chrono::milliseconds sql_time);
  void run_part_in_transaction(JointPart& part);
  void run_commit(JointPart& part);
  void set_row(const TableRow& row);
  void run_alter(TableAlter& alter);
  void check_away(const TableAlter& alter);
  bool fits(TableAlter& alter);
  Status prepare_alter(const TableAlter& alter, WriteBatch& batch);
  Status execute(const JointPart::Operation& operation, Joint::Report& report);
  void await_outcome(const JointPart& part, Joint::Report& report);
  void settle_gate(const Outcome& outcome);
  void maintain(const TableMaintain& request);
  Result<bool> maintain_round(const TableMaintain& request, WriteBatch& batch);

  Status ensure_open();
  Status begin(const Call& call);
  Status same_epoch(Epoch admitted_in) const;
  void restart();  // forget, and wait for what was appended
  void wait_for_barrier();

  Shard& shard_;
  const SessionNo session_;
  TableRow row_;
  const Hook* hook_;
  Workers& workers_;
  std::unique_ptr<Table> table_;  // null until needed, and while it is lent
  Ticket barrier_;
  bool behind_barrier_ = false;  // waits for TableResume
  // A worker runs a call: it alone touches the table until TableBack.
  bool away_ = false;
  bool lent_ = false;                  // TableReturned will come
  std::uint64_t opening_ = 0;          // of table_
  std::string failed_away_;            // what a call threw there
  std::optional<TableAlter> checked_;  // goes on when it is back
  bool collecting_ = false;            // a continued TableMaintain is under way
  bool index_turn_ = false;            // the last round was one of indexes, not of garbage
  std::shared_ptr<Joint> gate_;        // waits for this joint's Outcome
  std::shared_ptr<detail::TransactionPart> proposed_;  // by gate_, instead of what table_ staged
  std::deque<Work> waiting_;
  Living living_;
  const std::shared_ptr<EventHub> events_;
};

}  // namespace kontract
