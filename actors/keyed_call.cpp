// Calls with a key: which of them are repeats, and how long their replies are kept.

#include <caf/all.hpp>

#include "actors/call_key.hpp"
#include "actors/detail/continuation.hpp"
#include "actors/kept_replies.hpp"
#include "storage/wall_clock.hpp"

namespace kontract {

namespace {

// A round removes more replies than as many calls have brought.
constexpr std::uint64_t kForgetEvery = 256;

}  // namespace

// An error says that the call does not run; of a repeat it goes to nobody.
Status SessionDO::check_repeat(Call& call) {
  if (!replies_) {
    auto loaded = KeptReplies::load(shard_, facts_->no);
    if (!loaded) return std::move(loaded).error();
    replies_ = *std::move(loaded);
  }
  const Result<bool> repeat = replies_->is_repeat(call);
  if (!repeat) return repeat.error();
  if (*repeat) return Error(Errc::internal, "It is a repeat");
  if (replies_->runs() % kForgetEvery == 0) forget_replies();
  return {};
}

// A round; the next comes when it is applied.
void SessionDO::forget_replies() {
  if (forgetting_ || destroying_ || !facts_ || epoch_ != log_.epoch()) return;
  if (!log_.admit(/*frees_space=*/true)) return;
  std::shared_ptr<KeptReplies> replies = replies_;
  if (!replies) {  // there may be some of earlier times
    auto loaded = KeptReplies::load(shard_, facts_->no);
    if (!loaded) return shard_.options().alarm(loaded.error().message);
    replies = *std::move(loaded);
  }
  WriteBatch batch;
  const ReplyBounds bounds{options_.replies_max, options_.reply_bytes_max,
                           now_ms() - options_.reply_retention.count()};
  const Result<bool> more = replies->forget(bounds, limits::kBatchOpsMax, batch);
  if (!more) return shard_.options().alarm(more.error().message);
  if (batch.empty()) return;
  const Ticket ticket = log_.append(std::move(batch), epoch_, nullptr);
  if (!*more) return;
  forgetting_ = true;
  log_.when_applied(ticket, std::make_unique<Continuation>(SessionAddress(this),
                                                           [this](const Status& /*status*/) {
                                                             forgetting_ = false;
                                                             forget_replies();
                                                           }));
}

}  // namespace kontract
