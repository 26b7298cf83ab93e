#include "actors/kept_replies.hpp"

#include "actors/settle.hpp"
#include "storage/wall_clock.hpp"

namespace kontract {

namespace {

// The reply of a call that has handed its own on.
class NobodysTarget final : public ReplyTarget {
 public:
  void answer(std::uint64_t /*call_id*/, Answer&& /*answer*/) noexcept override {}
};

Error key_of_another_call(const std::string& key) {
  return {Errc::invalid_request, "The key " + key + " belongs to another call",
          "Repeat a call with the same user, function and arguments; use a key of its own for "
          "each other one."};
}

Error reply_is_gone() {
  return {Errc::timeout,
          "The reply to this call, if it has run, is not kept any more; whether it has is unknown",
          "Look at the state before you make the call anew, with another key."};
}

Answer answer_of(StoredReply reply) {
  Answer answer{std::move(reply.result), reply.txid};
  if (reply.status != 0) {
    answer.head =
        std::make_shared<const ResponseHead>(ResponseHead{reply.status, std::move(reply.headers)});
  }
  return answer;
}

}  // namespace

// Where the answer of a call that runs goes.
class KeyedTarget final : public ReplyTarget {
 public:
  KeyedTarget(std::shared_ptr<KeptReplies> replies, std::string key, Reply first)
      : replies_(std::move(replies)), key_(std::move(key)), first_(std::move(first)) {}
  void answer(std::uint64_t /*call_id*/, Answer&& answer) noexcept override {
    replies_->settle(key_, std::move(first_), std::move(answer));
  }

 private:
  const std::shared_ptr<KeptReplies> replies_;
  const std::string key_;
  Reply first_;
};

void keep_reply(const Call& call, const Answer& answer, WriteBatch& batch) {
  if (call.key && call.key->replies && answer.result) {
    call.key->replies->keep(*call.key, answer, batch);
  }
}

Result<std::shared_ptr<KeptReplies>> KeptReplies::load(Shard& shard, SessionNo session) {
  const Result<ReadTxn> txn = shard.environment().read();
  if (!txn) return txn.error();
  const Result<ReplyEnd> end = load_reply_end(*txn, session);
  if (!end) return end.error();
  return std::shared_ptr<KeptReplies>(new KeptReplies(shard, session, *end));
}

void KeptReplies::wrap(Reply& reply, const std::string& key) {
  auto target = std::make_shared<KeyedTarget>(shared_from_this(), key, std::move(reply));
  reply = Reply(std::move(target), 0);
}

Result<bool> KeptReplies::is_repeat(Call& call) {
  static const auto nobody = std::make_shared<NobodysTarget>();
  CallKey& key = *call.key;
  const auto hand_on = [&call] { return std::exchange(call.reply, Reply(nobody, 0)); };
  {
    std::unique_lock lock(mutex_);
    drop_shown();  // before LMDB is read: then each reply is here or there
    const auto known = entries_.find(key.text);
    if (known != entries_.end()) {
      Entry& entry = known->second;
      if (entry.fingerprint != key.fingerprint) return key_of_another_call(key.text);
      if (!entry.answer) {
        entry.waiting.push_back(hand_on());
        return true;
      }
      Answer answer = *entry.answer;
      lock.unlock();
      hand_on().deliver(std::move(answer));
      return true;
    }
  }
  const Result<ReadTxn> txn = shard_.environment().read();
  if (!txn) return txn.error();
  Result<std::optional<StoredReply>> stored = load_reply(*txn, session_, key.text);
  if (!stored) return std::move(stored).error();
  if (*stored) {
    if ((*stored)->fingerprint != key.fingerprint) return key_of_another_call(key.text);
    hand_on().deliver(answer_of(**std::move(stored)));
    return true;
  }
  if (key.first_sent_ms) {
    const auto gone = forgotten_until(*txn, session_);
    if (!gone) return gone.error();
    if (*gone && *key.first_sent_ms - kTransitMax.count() <= **gone) return reply_is_gone();
  }
  {
    const std::lock_guard lock(mutex_);
    entries_[key.text].fingerprint = key.fingerprint;
  }
  ++runs_;
  wrap(call.reply, key.text);
  key.replies = shared_from_this();
  return false;
}

void KeptReplies::keep(const CallKey& key, const Answer& answer, WriteBatch& batch) {
  const std::lock_guard lock(mutex_);
  put(key.text, entries_.at(key.text), answer, batch);
}

void KeptReplies::put(const std::string& key, Entry& entry, const Answer& answer,
                      WriteBatch& batch) {
  StoredReply reply{.fingerprint = entry.fingerprint,
                    .txid = answer.txid,
                    .created_ms = now_ms(),
                    .result = *answer.result};
  if (answer.head) {
    reply.status = answer.head->status;
    reply.headers = answer.head->headers;
  }
  put_reply(batch, session_, key, reply, end_);
  entry.in_batch = true;
}

// The answer of a call that wrote nothing: true if it comes again once it is on disk. While the
// store takes no writes it is told without: run again, the call will write nothing again.
bool KeptReplies::store_alone(const std::string& key, Reply& first, const Answer& answer) {
  if (!answer.result || !log_.admit(/*frees_space=*/false)) return false;
  WriteBatch batch;
  {
    const std::lock_guard lock(mutex_);
    Entry& entry = entries_.at(key);
    if (entry.in_batch) return false;
    put(key, entry, answer, batch);
  }
  wrap(first, key);
  // It rests on nothing that waits: all that the answer tells of is durable.
  log_.append(std::move(batch), log_.epoch(),
              std::make_unique<HeldAnswer>(std::move(first), answer));
  return true;
}

// On any thread.
void KeptReplies::settle(const std::string& key, Reply first, Answer answer) {
  if (store_alone(key, first, answer)) return;
  std::vector<Reply> waiting;
  {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(key);
    Entry& entry = found->second;
    waiting = std::move(entry.waiting);
    if (answer.result && entry.in_batch) {
      entry.answer = answer;
      entry.shown_by = log_.appended();
      shown_later_.emplace_back(entry.shown_by, key);
    } else {
      entries_.erase(found);
    }
  }
  first.deliver(answer);
  for (Reply& repeat : waiting) repeat.deliver(answer);
}

// With mutex_ held.
void KeptReplies::drop_shown() {
  const Ticket applied = log_.applied();
  while (!shown_later_.empty() && shown_later_.front().first <= applied) {
    entries_.erase(shown_later_.front().second);
    shown_later_.pop_front();
  }
}

Result<bool> KeptReplies::forget(const ReplyBounds& bounds, std::size_t ops_max,
                                 WriteBatch& batch) {
  ReplyEnd end;
  {
    const std::lock_guard lock(mutex_);
    drop_shown();
    end = end_;
  }
  const Result<ReadTxn> txn = shard_.environment().read();
  if (!txn) return txn.error();
  return forget_replies(*txn, session_, end, bounds, ops_max, batch);
}

}  // namespace kontract
