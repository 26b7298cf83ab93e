// SessionDO's own messages: transactions' snapshots and the lowest txid in use.

#include <caf/all.hpp>

#include "actors/session_do.hpp"
#include "session_fixture.hpp"

namespace kontract {
namespace {

class SessionDOTest : public SessionFixture {
 protected:
  void SetUp() override {
    SessionFixture::SetUp();
    session_ = system_->spawn<SessionDO>(handle("room"));
  }
  void TearDown() override {
    caf::anon_send_exit(session_, caf::exit_reason::user_shutdown);
    session_ = nullptr;
    SessionFixture::TearDown();
  }

  template <class Reply, class Message>
  Reply ask(Message message) {
    std::optional<Reply> reply;
    caf::scoped_actor self(*system_);
    self->request(session_, std::chrono::seconds(30), std::move(message))
        .receive([&](Reply& got) { reply = std::move(got); },
                 [](const caf::error& error) { ADD_FAILURE() << caf::to_string(error); });
    return std::move(*reply);
  }

  SessionAddress session_;
};

TEST_F(SessionDOTest, MinActiveTxidFollowsTheOldestOpenTransaction) {
  const auto first = ask<Result<TransactionFacts>>(BeginTransaction{"tenant-1"});
  const auto second = ask<Result<TransactionFacts>>(BeginTransaction{"tenant-1"});
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->owner, "tenant-1");
  EXPECT_FALSE(first->sid.empty());
  EXPECT_LT(first->current_txid, second->current_txid);
  EXPECT_EQ(ask<Txid>(GetMinActiveTxid{}), first->current_txid);
  const auto committed = ask<Result<Txid>>(CommitTransaction{first->current_txid, "tenant-1"});
  ASSERT_TRUE(committed);
  EXPECT_GT(*committed, second->current_txid);
  EXPECT_EQ(ask<Txid>(GetMinActiveTxid{}), second->current_txid);
  EXPECT_TRUE(ask<Status>(RollbackTransaction{second->current_txid, "tenant-1"}));
  EXPECT_GT(ask<Txid>(GetMinActiveTxid{}), second->current_txid);
}

TEST_F(SessionDOTest, EndingWhatIsNoOpenTransactionOfTheOwnerIsRefused) {
  const auto open = ask<Result<TransactionFacts>>(BeginTransaction{"tenant-1"});
  ASSERT_TRUE(open);
  for (const auto& [txid, owner] :
       {std::pair{open->current_txid, "tenant-2"}, std::pair{Txid{9999}, "tenant-1"}}) {
    const Status rolled_back = ask<Status>(RollbackTransaction{txid, owner});
    ASSERT_FALSE(rolled_back);
    EXPECT_EQ(rolled_back.error().name(), "KONTRACT_TXID_INVALID");
    const auto committed = ask<Result<Txid>>(CommitTransaction{txid, owner});
    ASSERT_FALSE(committed);
    EXPECT_EQ(committed.error().name(), "KONTRACT_TXID_INVALID");
  }
}

TEST_F(SessionDOTest, OpenTransactionsAreLimited) {
  for (std::size_t i = 0; i < limits::kOpenTransactionsMax; ++i) {
    ASSERT_TRUE(ask<Result<TransactionFacts>>(BeginTransaction{"tenant-1"}));
  }
  const auto refused = ask<Result<TransactionFacts>>(BeginTransaction{"tenant-1"});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().name(), "KONTRACT_OVERLOADED");
}

}  // namespace
}  // namespace kontract
