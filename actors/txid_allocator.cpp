#include "actors/txid_allocator.hpp"

#include <algorithm>

namespace kontract {

TxidAllocator::TxidAllocator(CommitLog& log, Epoch epoch, Identity identity, SessionRow row,
                             Ticket ticket, Txid first)
    : log_(log),
      identity_(std::move(identity)),
      epoch_(epoch),
      row_(std::move(row)),
      granted_until_(first),
      ticket_(ticket),
      next_(first) {
  KONTRACT_ASSERT(first > 0);
  row_.reserved_until = std::max(row_.reserved_until, first);
}

Txid TxidAllocator::granted_until() {
  if (granted_until_ != row_.reserved_until && log_.acknowledged(ticket_)) {
    granted_until_ = row_.reserved_until;
  }
  return granted_until_;
}

Result<TxidAllocator::Grant> TxidAllocator::allocate() {
  if (next_ + limits::kTxidBlock / 2 >= row_.reserved_until) {
    // A reservation frees no space, yet must go through while deletes do.
    if (Status admitted = log_.admit(/*frees_space=*/true); admitted) {
      row_.reserved_until = std::max(next_, row_.reserved_until) + limits::kTxidBlock;
      WriteBatch batch;
      put_row(batch);
      ticket_ = log_.append(std::move(batch), epoch_, nullptr);
    } else if (next_ >= granted_until()) {
      return std::move(admitted).error();
    }
  }
  const Txid txid = next_++;
  return Grant{txid, txid < granted_until() ? 0 : ticket_};
}

}  // namespace kontract
