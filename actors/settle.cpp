#include "actors/settle.hpp"

namespace kontract {

void HeldAnswer::settled(const Status& status) noexcept {
  if (status) {
    reply_.deliver(std::move(answer_));
  } else {
    reply_.deliver({status.error(), answer_.txid});
  }
}

void deliver_when_settled(CommitLog& log, Ticket ticket, Reply reply, Answer answer) {
  if (ticket == 0 || log.acknowledged(ticket)) return reply.deliver(std::move(answer));
  log.when_settled(ticket, std::make_unique<HeldAnswer>(std::move(reply), std::move(answer)));
}

}  // namespace kontract
