// KeptReplies: the calls with a key of one session. Each runs once; who repeats it gets the same
// answer, from whoever runs it, from memory, or from the store.
//
// A call that may run has its Reply wrapped: the answer comes back here. An answer whose reply went
// into a batch (keep_reply) is on disk by then; that of a call which wrote nothing is stored in a
// batch of its own first. Errors are not kept: a call that failed has left nothing, and runs again.
//
// What a batch has brought is remembered here until LMDB shows it.

#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "actors/call.hpp"
#include "actors/call_key.hpp"
#include "storage/reply_rows.hpp"

namespace kontract {

class KeptReplies : public std::enable_shared_from_this<KeptReplies> {
 public:
  // REQUIRES: LMDB has all that was put for the session. The shard outlives every call.
  static Result<std::shared_ptr<KeptReplies>> load(Shard& shard, SessionNo session);

  // On the session's actor. False: the call, which has a key, is to run. True: it is a repeat, and
  // is answered or will be; its own reply is nobody's now.
  // Errors: invalid_request (the key is another call's), timeout (a repeat so old that what became
  // of the first one is not known any more).
  Result<bool> is_repeat(Call& call);

  // As keep_reply().
  void keep(const CallKey& key, const Answer& answer, WriteBatch& batch);

  // Adds the removal of replies that are too old, or too many; false when none is left.
  Result<bool> forget(const ReplyBounds& bounds, std::size_t ops_max, WriteBatch& batch);

  // How many calls this has let run.
  std::uint64_t runs() const { return runs_; }

 private:
  friend class KeyedTarget;

  struct Entry {
    std::string fingerprint;
    bool in_batch = false;  // its reply is in a batch that was appended, or is about to be
    std::vector<Reply> waiting;
    std::optional<Answer> answer;  // it is durable
    Ticket shown_by = 0;           // with `answer`: LMDB shows it when this is applied
  };

  KeptReplies(Shard& shard, SessionNo session, ReplyEnd end)
      : shard_(shard), log_(shard.log()), session_(session), end_(end) {}

  void settle(const std::string& key, Reply first, Answer answer);
  bool store_alone(const std::string& key, Reply& first, const Answer& answer);
  void put(const std::string& key, Entry& entry, const Answer& answer, WriteBatch& batch);
  void drop_shown();
  void wrap(Reply& reply, const std::string& key);

  Shard& shard_;
  CommitLog& log_;
  const SessionNo session_;
  std::uint64_t runs_ = 0;  // of the session's actor

  std::mutex mutex_;  // guards what follows
  ReplyEnd end_;
  std::unordered_map<std::string, Entry> entries_;          // by key
  std::deque<std::pair<Ticket, std::string>> shown_later_;  // those with an answer, by ticket
};

}  // namespace kontract
