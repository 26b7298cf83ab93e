#include "storage/reply_check.hpp"

#include "storage/detail/each_row.hpp"
#include "storage/format_replies.hpp"

namespace kontract {

namespace {

class ReplyCheck {
 public:
  using Problem = std::function<void(const std::string&)>;

  ReplyCheck(const ReadTxn& txn, const Problem& problem) : txn_(txn), problem_(problem) {}

  Status run() {
    return each_row(txn_, Keyspace::replies, [this](auto key, auto value) -> Status {
      if (const auto reply = format::parse_reply_key(key)) return check_reply(*reply, key, value);
      if (const auto age = format::parse_reply_age_key(key)) return check_age(*age, key, value);
      return {};
    });
  }

 private:
  Status check_reply(const format::ReplyKey& key, std::string_view row_key,
                     std::string_view value) {
    const auto row = format::parse_reply(row_key, value);
    if (!row) return {};
    const format::Key age_key = format::reply_age_key(key.session, row->number);
    const auto age = txn_.get(Keyspace::replies, age_key);
    if (!age) return age.error();
    const auto parsed = *age ? format::parse_reply_age(age_key, **age)
                             : Result<format::ReplyAgeRow>(format::ReplyAgeRow());
    if (parsed && parsed->key != key.key) tell(row_key, " is not in the order of age");
    return check_session(key.session, row_key);
  }

  Status check_age(const format::ReplyAgeKey& key, std::string_view row_key,
                   std::string_view value) {
    const auto row = format::parse_reply_age(row_key, value);
    if (!row) return {};
    const auto reply = txn_.get(Keyspace::replies, format::reply_key(key.session, row->key));
    if (!reply) return reply.error();
    if (!*reply) tell(row_key, " has no reply");
    return {};
  }

  // One that is destroyed leaves its replies for a while.
  Status check_session(SessionNo session, std::string_view row_key) {
    for (const format::Key& key :
         {format::session_no_key(session), format::destroyed_key(session)}) {
      const auto found = txn_.get(Keyspace::sessions, key);
      if (!found) return found.error();
      if (*found) return {};
    }
    tell(row_key, " is of a session that is not there");
    return {};
  }

  void tell(std::string_view row_key, const std::string& what) const {
    problem_("the " + format::describe(Keyspace::replies, row_key) + what);
  }

  const ReadTxn& txn_;
  const Problem& problem_;
};

}  // namespace

Status check_replies(const ReadTxn& txn, const std::function<void(const std::string&)>& problem) {
  return ReplyCheck(txn, problem).run();
}

}  // namespace kontract
