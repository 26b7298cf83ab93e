// table.subscribe: where a subscription begins, in the order of the session and of the table.

#include <caf/all.hpp>

#include "actors/detail/session_actor_access.hpp"
#include "actors/event_hub.hpp"
#include "actors/session_do.hpp"
#include "actors/settle.hpp"

namespace kontract {

void SessionDO::subscribe(const CallPtr& call) {
  if (Status status = admit(*call, perms::R__); !status) {
    return call->reply.fail(std::move(status).error());
  }
  const std::string& id = call->args[0].get_ref<const std::string&>();
  TableEntry* entry = find_table_of(*call, id);
  if (entry == nullptr) return not_found(*call, id);
  lent_.erase(id);
  caf::anon_send(actor_of(*entry), call);
}

// Of what was sealed so far the log tells, if it is asked for; what comes is recorded from here on.
void TableActor::subscribe(Call& call) {
  SubscribeRequest& request = *call.subscribe;
  const Txid txid = call.told_txid;
  Status status = begin(call);
  if (status) status = table_->may_follow(request.filter);
  if (!status) return call.reply.fail(std::move(status).error(), txid);
  const Table::Followed followed = table_->followed();
  table_->rollback();
  const Txid from = request.from.value_or(txid);
  if (from > txid) {
    status = Error(Errc::invalid_request,
                   "from is txid " + std::to_string(from) + ", which is yet to come",
                   "Give the txid of the last event that was seen, or leave it out.");
  } else if (from < txid && (!followed.floor || from < *followed.floor)) {
    status = events_trimmed(followed.floor);
  }
  const Ticket wait_for = std::max(followed.ticket, call.settle_after);
  Answer answer{Error(), txid};
  if (status) {
    const auto channel = events_->channel(session_, row_);
    channel->enter(txid, followed.ticket);
    table_->tell(channel);
    request.subscription = std::make_unique<Subscription>(channel, events_->view(request.filter),
                                                          from, request.slow, request.waiter);
    answer.result =
        R"({"sub":)" + std::to_string(request.id) + R"(,"txid":)" + std::to_string(from) + '}';
  } else {
    answer.result = std::move(status).error();
  }
  deliver_when_settled(shard_.log(), wait_for, std::move(call.reply), std::move(answer));
}

}  // namespace kontract
