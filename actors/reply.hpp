// Reply: the one answer a call gets. Fulfilled exactly once; one that is dropped answers
// KONTRACT_INTERNAL by itself, so no caller waits for ever.

#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <variant>

#include "actors/http_resp.hpp"
#include "storage/json.hpp"
#include "storage/result.hpp"
#include "storage/version.hpp"

namespace kontract {

struct Answer {
  Result<JsonText> result;
  Txid txid = 0;  // the transaction in which the call ran; 0 if it did not
  // Over HTTP: status and headers of a result, headers of an error; null: the usual ones.
  std::shared_ptr<const ResponseHead> head = nullptr;
};

// Where answers go: a connection, or a caller in process.
class ReplyTarget {
 public:
  virtual ~ReplyTarget() = default;
  // Called once for each call, from any thread; must not block.
  virtual void answer(std::uint64_t call_id, Answer&& answer) noexcept = 0;
};

// Holds a place among the calls in flight of a session; given back when destroyed.
class SessionLease {
 public:
  SessionLease() = default;
  explicit SessionLease(std::shared_ptr<class SessionHandle> handle) : handle_(std::move(handle)) {}
  SessionLease(SessionLease&&) noexcept = default;
  SessionLease& operator=(SessionLease&& other) noexcept;
  ~SessionLease();

  void release();

 private:
  std::shared_ptr<class SessionHandle> handle_;
};

class Reply {
 public:
  Reply() = default;
  Reply(std::shared_ptr<ReplyTarget> target, std::uint64_t call_id)
      : target_(std::move(target)), call_id_(call_id) {}
  Reply(Reply&&) noexcept = default;
  Reply& operator=(Reply&& other) noexcept;  // the one it had is dropped
  ~Reply();

  void fail(Error error, Txid txid = 0) { deliver({std::move(error), txid}); }
  void deliver(Answer answer);

  bool pending() const { return target_ != nullptr; }
  void hold(SessionLease lease) { lease_ = std::move(lease); }

 private:
  std::shared_ptr<ReplyTarget> target_;
  std::uint64_t call_id_ = 0;
  SessionLease lease_;
};

}  // namespace kontract
