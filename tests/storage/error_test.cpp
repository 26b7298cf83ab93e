#include "storage/error.hpp"

#include <gtest/gtest.h>

#include <set>

namespace kontract {
namespace {

TEST(ErrorTest, EveryCodeIsOnTheWireAsTheProtocolSays) {
  struct Case {
    Errc code;
    const char* name;
    int http_status;
    bool retry;
  };
  for (const Case& c : {
           Case{Errc::storage_ptr_not_found, "KONTRACT_STORAGE_PTR_NOT_FOUND", 404, false},
           Case{Errc::permission_denied, "KONTRACT_PERMISSION_DENIED", 403, false},
           Case{Errc::exec_cross_table, "KONTRACT_EXEC_CROSS_TABLE", 403, false},
           Case{Errc::exec_failed, "KONTRACT_EXEC_FAILED", 400, false},
           Case{Errc::exec_limit, "KONTRACT_EXEC_LIMIT", 413, false},
           Case{Errc::ctx_missing, "KONTRACT_CTX_MISSING", 400, false},
           Case{Errc::txid_invalid, "KONTRACT_TXID_INVALID", 400, false},
           Case{Errc::txn_conflict, "KONTRACT_TXN_CONFLICT", 409, true},
           Case{Errc::schema_violation, "KONTRACT_SCHEMA_VIOLATION", 422, false},
           Case{Errc::unauthorized, "KONTRACT_UNAUTHORIZED", 401, false},
           Case{Errc::forbidden, "KONTRACT_FORBIDDEN", 403, false},
           Case{Errc::not_found, "KONTRACT_NOT_FOUND", 404, false},
           Case{Errc::invalid_request, "KONTRACT_INVALID_REQUEST", 400, false},
           Case{Errc::too_large, "KONTRACT_TOO_LARGE", 413, false},
           Case{Errc::rate_limited, "KONTRACT_RATE_LIMITED", 429, true},
           Case{Errc::overloaded, "KONTRACT_OVERLOADED", 503, true},
           Case{Errc::timeout, "KONTRACT_TIMEOUT", 504, true},
           Case{Errc::events_trimmed, "KONTRACT_EVENTS_TRIMMED", 410, false},
           Case{Errc::session_expired, "KONTRACT_SESSION_EXPIRED", 401, true},
           Case{Errc::crypto_unsupported, "KONTRACT_CRYPTO_UNSUPPORTED", 501, false},
           Case{Errc::decrypt_failed, "KONTRACT_DECRYPT_FAILED", 400, false},
           Case{Errc::invalid_nonce, "KONTRACT_INVALID_NONCE", 400, false},
           Case{Errc::storage_full, "KONTRACT_STORAGE_FULL", 507, false},
           Case{Errc::storage_corrupt, "KONTRACT_STORAGE_CORRUPT", 500, false},
           Case{Errc::backend_invalid, "KONTRACT_BACKEND_INVALID", 500, false},
           Case{Errc::internal, "KONTRACT_INTERNAL", 500, false},
       }) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(traits(c.code).code, c.code);
    EXPECT_EQ(traits(c.code).name, c.name);
    EXPECT_EQ(traits(c.code).http_status, c.http_status);
    EXPECT_EQ(traits(c.code).retry, c.retry);
    EXPECT_EQ(errc_from_name(c.name), c.code);
  }
  EXPECT_EQ(all_errors().size(), 26U);
}

TEST(ErrorTest, EveryCodeExplainsItselfInSentences) {
  std::set<std::string_view> texts;
  for (const ErrorTraits& error : all_errors()) {
    SCOPED_TRACE(error.name);
    for (const std::string_view text : {error.cause, error.cure}) {
      ASSERT_GT(text.size(), 20U);
      EXPECT_TRUE(text.ends_with('.'));
      EXPECT_TRUE(texts.insert(text).second) << "the text of another code";
    }
  }
}

TEST(ErrorTest, ANameIsFoundWithAndWithoutItsPrefix) {
  EXPECT_EQ(errc_from_name("STORAGE_FULL"), Errc::storage_full);
  EXPECT_EQ(errc_from_name("KONTRACT_STORAGE_FULL"), Errc::storage_full);
  EXPECT_EQ(errc_from_name("KONTRACT_"), std::nullopt);
  EXPECT_EQ(errc_from_name(""), std::nullopt);
  EXPECT_EQ(errc_from_name("storage_full"), std::nullopt);
}

TEST(ErrorTest, AnErrorWithoutAHintGivesTheCureOfItsCode) {
  EXPECT_EQ(Error(Errc::timeout, "too slow").hint_or_cure(), traits(Errc::timeout).cure);
  EXPECT_EQ(Error(Errc::timeout, "too slow", "wait").hint_or_cure(), "wait");
}

}  // namespace
}  // namespace kontract
