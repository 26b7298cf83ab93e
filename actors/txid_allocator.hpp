// TxidAllocator: the transaction ids of one session, strictly increasing over its whole life.
//
// They are reserved in blocks ahead of use: the stored session row's `reserved_until` is above
// every txid that anyone was told. A block is asked for when half of the one before is used, so
// that in the steady state no call waits for it. After a crash the rest of a block is skipped.

#pragma once

#include <optional>

#include "storage/commit_log.hpp"
#include "storage/registry.hpp"

namespace kontract {

class TxidAllocator {
 public:
  // `row` as it was read, or as it is being created with the batch of `ticket`. `first` may be
  // above its reservation: a session that lost one to a failed commit never goes back.
  TxidAllocator(CommitLog& log, Epoch epoch, Identity identity, SessionRow row, Ticket ticket,
                Txid first);

  struct Grant {
    Txid txid;
    Ticket settle_after;  // an answer that tells the txid waits for this ticket
  };

  // The next txid. Errors: why the log takes no reservations, when the block is used up.
  Result<Grant> allocate();

  // What the next txid would be: reads at it see everything so far. Uses up nothing.
  Txid peek() const { return next_; }
  Txid last() const { return next_ - 1; }

  // What an answer that tells last() waits for.
  Ticket last_settles_after() { return last() < granted_until() ? 0 : ticket_; }

  // The session's row with its current reservation; changes to it go through here.
  SessionRow& row() { return row_; }
  void put_row(WriteBatch& batch) const { put_session(batch, identity_, row_); }

 private:
  Txid granted_until();

  CommitLog& log_;
  const Identity identity_;
  const Epoch epoch_;
  SessionRow row_;      // reserved_until: as asked for
  Txid granted_until_;  // as acknowledged
  Ticket ticket_;       // of the last reservation
  Txid next_;
};

}  // namespace kontract
