#include "storage/format.hpp"
#include "storage/format_frame.hpp"
#include "storage/format_replies.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace kontract::format {
namespace {

using namespace std::string_literals;

struct Row {
  const char* name;
  Keyspace space;
  std::string key;
  std::string value;
};

// One row of each kind.
std::vector<Row> rows() {
  const Identity identity{"tenant-1", "room-1"};
  const Key session = session_key(identity);
  const Key session_no = session_no_key(7);
  const Key table = table_key(7, "users");
  const Key dropped = dropped_key(7, 2);
  const Key count = count_key(7, 3);
  const Key version = version_key(7, 3, "u1", 41);
  const Key tombstone = version_key(7, 3, "u1", 42);
  const Key order = order_key(7, 3, make_order(41, 2));
  const Key garbage = garbage_key({7, 3, 42, 41, "u1"});
  const Key index_row = index_row_key(7, 3, 5);
  const Key index = index_key({7, 3, "\0\5\1"s, make_order(41, 2)});
  CommitRow commit{9, 2, 3, {{Keyspace::versions, false, "key"s, 77}}};
  commit.names.push_back({Keyspace::order, true, "other"s, 0});
  const Key document = document_key("tenant-1", 3);
  const Key destroyed = destroyed_key(8);
  const Key reply = reply_key(7, "key-1");
  const Key reply_age = reply_age_key(7, 12);
  const Key replies_gone = replies_gone_key(7);
  const SessionRow session_row{7, "0190-sid", 4097, 4, 1'700'000'000'000, 3};
  const TableRow table_row{"users", "tbl_users_1", "tenant-1", perms::RW_, 3, "{}"};
  return {
      {"format", Keyspace::meta, format_key().str(), format_value({1, 4, 2})},
      {"commit", Keyspace::meta, commit_key().str(), commit_value(commit)},
      {"session", Keyspace::sessions, session.str(), session_value(session, session_row)},
      {"session no", Keyspace::sessions, session_no.str(), session_no_value(session_no, identity)},
      {"table", Keyspace::registry, table.str(), table_value(table, table_row)},
      {"dropped", Keyspace::registry, dropped.str(), dropped_value(dropped)},
      {"count", Keyspace::registry, count.str(), count_value(count, {12, 41})},
      {"version", Keyspace::versions, version.str(),
       version_value(version, {false, make_order(41, 2), "tenant-1", R"({"n":1})"})},
      {"tombstone", Keyspace::versions, tombstone.str(),
       version_value(tombstone, {true, 0, {}, {}})},
      {"order", Keyspace::order, order.str(), order_value(order, "u1")},
      {"garbage", Keyspace::garbage, garbage.str(), garbage_value(garbage, 1'700'000'000'000)},
      {"index row", Keyspace::registry, index_row.str(),
       index_row_value(index_row, {5, {{"email", "address.city"}, true}, IndexState::ready})},
      {"index", Keyspace::indexes, index.str(), index_value(index, {41, "u1"})},
      {"document", Keyspace::registry, document.str(),
       document_value(document, R"({"version":3})")},
      {"shared", Keyspace::shared, "limit:u1",
       shared_value("limit:u1", {1'700'000'000'000, "[1]"})},
      {"destroyed", Keyspace::sessions, destroyed.str(), session_no_value(destroyed, identity)},
      {"reply", Keyspace::replies, reply.str(),
       reply_value(reply, {"0123456789abcdef",
                           12,
                           41,
                           1'700'000'000'000,
                           201,
                           {{"Location", "/a"}, {"X-Empty", ""}},
                           "true"})},
      {"reply age", Keyspace::replies, reply_age.str(),
       reply_age_value(reply_age, {1'700'000'000'000, 300, "key-1"})},
      {"replies gone", Keyspace::replies, replies_gone.str(),
       replies_gone_value(replies_gone, 1'700'000'000'000)},
  };
}

TEST(FormatTest, WhatWasWrittenIsReadBack) {
  const auto all = rows();
  for (const Row& row : all) {
    SCOPED_TRACE(row.name);
    const Status verified = verify_row(row.space, row.key, row.value);
    EXPECT_TRUE(verified) << verified.error().message;
  }

  const auto format = parse_format(all[0].value);
  ASSERT_TRUE(format);
  EXPECT_EQ(format->version, 1u);
  EXPECT_EQ(format->shards, 4u);
  EXPECT_EQ(format->shard, 2u);

  const auto commit = parse_commit(all[1].value);
  ASSERT_TRUE(commit);
  EXPECT_EQ(commit->number, 9u);
  EXPECT_EQ(commit->batches, 2u);
  EXPECT_EQ(commit->ops, 3u);
  ASSERT_EQ(commit->names.size(), 2u);
  EXPECT_EQ(commit->names[0], (CommitRow::Name{Keyspace::versions, false, "key"s, 77}));
  EXPECT_EQ(commit->names[1], (CommitRow::Name{Keyspace::order, true, "other"s, 0}));

  EXPECT_EQ(*parse_session_key(all[2].key), (Identity{"tenant-1", "room-1"}));
  const auto session = parse_session(all[2].key, all[2].value);
  ASSERT_TRUE(session);
  EXPECT_EQ(session->no, 7u);
  EXPECT_EQ(session->sid, "0190-sid");
  EXPECT_EQ(session->reserved_until, 4097u);
  EXPECT_EQ(session->next_table_no, 4u);
  EXPECT_EQ(session->created_ms, 1'700'000'000'000);
  EXPECT_EQ(session->schema_version, 3u);
  EXPECT_EQ(*parse_session_no_key(all[3].key), 7u);
  EXPECT_EQ(*parse_session_no(all[3].key, all[3].value), (Identity{"tenant-1", "room-1"}));

  const auto table = parse_table(all[4].key, all[4].value);
  ASSERT_TRUE(table);
  EXPECT_EQ(table->id, "users");
  EXPECT_EQ(table->ptr, "tbl_users_1");
  EXPECT_EQ(table->owner, "tenant-1");
  EXPECT_EQ(table->permissions, perms::RW_);
  EXPECT_EQ(table->no, 3u);
  EXPECT_EQ(table->schema, "{}");
  EXPECT_EQ(parse_dropped_key(all[5].key)->table, 2u);
  EXPECT_EQ(parse_count(all[6].key, all[6].value)->records, 12u);
  EXPECT_EQ(parse_count(all[6].key, all[6].value)->changed, 41u);
  EXPECT_EQ(parse_count(all[6].key, all[6].value)->exact_from, 0u);
  EXPECT_EQ(parse_count(all[6].key, count_value(count_key(7, 3), {12, 41, 40}))->exact_from, 40u);

  const auto version_key = parse_version_key(all[7].key);
  ASSERT_TRUE(version_key);
  EXPECT_EQ(version_key->session, 7u);
  EXPECT_EQ(version_key->table, 3u);
  EXPECT_EQ(version_key->id, "u1");
  EXPECT_EQ(version_key->txid, 41u);
  const auto version = parse_version(all[7].key, all[7].value);
  ASSERT_TRUE(version);
  EXPECT_FALSE(version->tombstone);
  EXPECT_EQ(version->order, make_order(41, 2));
  EXPECT_EQ(version->owner, "tenant-1");
  EXPECT_EQ(version->data, R"({"n":1})");
  EXPECT_TRUE(parse_version(all[8].key, all[8].value)->tombstone);
  EXPECT_EQ(*parse_order(all[9].key, all[9].value), "u1");

  const auto garbage = parse_garbage_key(all[10].key);
  ASSERT_TRUE(garbage);
  EXPECT_EQ(garbage->superseding, 42u);
  EXPECT_EQ(garbage->old, 41u);
  EXPECT_EQ(garbage->id, "u1");
  EXPECT_EQ(*parse_garbage(all[10].key, all[10].value), 1'700'000'000'000);

  const auto index_row = parse_index_row(all[11].key, all[11].value);
  ASSERT_TRUE(index_row);
  EXPECT_EQ(parse_index_row_key(all[11].key)->table, 3u);
  EXPECT_EQ(index_row->no, 5u);
  EXPECT_EQ(index_row->definition, (IndexDefinition{{"email", "address.city"}, true}));
  EXPECT_EQ(index_row->state, IndexState::ready);
  const auto index_key = parse_index_key(all[12].key);
  ASSERT_TRUE(index_key);
  EXPECT_EQ(index_key->session, 7u);
  EXPECT_EQ(index_key->table, 3u);
  EXPECT_EQ(index_key->entry, "\0\5\1"s);
  EXPECT_EQ(index_of(index_key->entry), 5u);
  EXPECT_EQ(index_key->order, make_order(41, 2));
  const auto index = parse_index(all[12].key, all[12].value);
  ASSERT_TRUE(index);
  EXPECT_EQ(index->txid, 41u);
  EXPECT_EQ(index->id, "u1");
}

TEST(FormatTest, AFlippedBitIsFound) {
  for (const Row& row : rows()) {
    SCOPED_TRACE(row.name);
    for (std::size_t bit = 0; bit < row.value.size() * 8; ++bit) {
      std::string value = row.value;
      value[bit / 8] = static_cast<char>(value[bit / 8] ^ 1 << bit % 8);
      const Status verified = verify_row(row.space, row.key, value);
      ASSERT_FALSE(verified) << "bit " << bit;
      EXPECT_EQ(verified.error().code, Errc::storage_corrupt);
    }
    for (std::size_t bit = 0; bit < row.key.size() * 8; ++bit) {
      std::string key = row.key;
      key[bit / 8] = static_cast<char>(key[bit / 8] ^ 1 << bit % 8);
      EXPECT_FALSE(verify_row(row.space, key, row.value)) << "bit " << bit << " of the key";
    }
  }
}

TEST(FormatTest, ACutOrLengthenedRowIsFound) {
  for (const Row& row : rows()) {
    SCOPED_TRACE(row.name);
    for (std::size_t bytes = 0; bytes < row.value.size(); ++bytes) {
      EXPECT_FALSE(verify_row(row.space, row.key, row.value.substr(0, bytes))) << bytes;
    }
    for (std::size_t bytes = 0; bytes < row.key.size(); ++bytes) {
      EXPECT_FALSE(verify_row(row.space, row.key.substr(0, bytes), row.value)) << bytes;
    }
    EXPECT_FALSE(verify_row(row.space, row.key, row.value + '\0'));
    EXPECT_FALSE(verify_row(row.space, row.key + '\0', row.value));
  }
}

TEST(FormatTest, ARowMovedToAnotherKeyOrKeyspaceDoesNotVerify) {
  const Key here = version_key(7, 3, "u1", 41), there = version_key(7, 3, "u2", 41);
  const std::string value = version_value(here, {false, 1, "o", "{}"});
  EXPECT_TRUE(parse_version(here, value));
  EXPECT_FALSE(parse_version(there, value));

  const Key order = order_key(7, 3, 9);
  EXPECT_FALSE(parse_garbage(order, order_value(order, "12345678")));
}

TEST(FormatTest, AnyBytesAreRefusedWithoutReadingOutsideOfThem) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const auto bytes = [&](std::size_t most) {
    // On the heap and of the exact size, so that a sanitizer sees the first byte too many.
    std::string out(random() % (most + 1), '\0');
    for (char& byte : out) byte = static_cast<char>(random());
    out.shrink_to_fit();
    return out;
  };
  for (int i = 0; i < 20'000; ++i) {
    const auto space = static_cast<Keyspace>(random() % kKeyspaces);
    const std::string key = bytes(40), value = bytes(60);
    EXPECT_FALSE(verify_row(space, key, value));
    EXPECT_FALSE(describe(space, key).empty());
  }
}

TEST(FormatTest, KeysSortAsTheyAreRead) {
  std::vector<std::string> in_order = {
      version_key(1, 1, "a", 300).str(),    // the newest version first
      version_key(1, 1, "a", 299).str(),    //
      version_key(1, 1, "a", 1).str(),      //
      version_key(1, 1, "a\x01", 9).str(),  // an id that begins like another one
      version_key(1, 1, "aa", 9).str(),     //
      version_key(1, 2, "a", 9).str(),      // the next table
      version_key(2, 1, "a", 9).str(),      // the next session
      version_key(256, 1, "a", 9).str(),
  };
  EXPECT_TRUE(std::is_sorted(in_order.begin(), in_order.end()));

  // A seek for "before 300" lands on 299, one for the newest on the first.
  EXPECT_LT(in_order[0], version_key(1, 1, "a", 300 - 1).str());
  EXPECT_GT(in_order[0], version_key(1, 1, "a", ~Txid{0}).str());
  EXPECT_LT(order_key(1, 1, make_order(2, 1023)).str(), order_key(1, 1, make_order(3, 0)).str());
  // Of one id: first the version that a delete ended, then the tombstone.
  EXPECT_LT(garbage_key({1, 1, 9, 5, "a"}).str(), garbage_key({1, 1, 9, 9, "a"}).str());
}

TEST(FormatTest, TheBytesOfKeysAndValuesDoNotChange) {
  EXPECT_EQ(session_key({"o", "n"}).str(), "so\0n"s);
  EXPECT_EQ(session_no_key(258).str(), "n\0\0\0\0\0\0\1\2"s);
  EXPECT_EQ(table_key(1, "users").str(), "t\0\0\0\0\0\0\0\1users"s);
  EXPECT_EQ(dropped_key(1, 2).str(), "d\0\0\0\0\0\0\0\1\0\0\0\2"s);
  EXPECT_EQ(count_key(1, 2).str(), "c\0\0\0\0\0\0\0\1\0\0\0\2"s);
  EXPECT_EQ(version_key(1, 2, "u", 1).str(),
            "\0\0\0\0\0\0\0\1\0\0\0\2u\0\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFE"s);
  EXPECT_EQ(order_key(1, 2, 3).str(), "\0\0\0\0\0\0\0\1\0\0\0\2\0\0\0\0\0\0\0\3"s);
  EXPECT_EQ(garbage_key({1, 2, 4, 3, "u"}).str(),
            "\0\0\0\0\0\0\0\1\0\0\0\2\0\0\0\0\0\0\0\4\0\0\0\0\0\0\0\3u"s);
  EXPECT_EQ(format_key().str(), "format");
  EXPECT_EQ(commit_key().str(), "commit");

  // layout 1, kind 1, order, owner, data; then the checksum.
  const Key key = version_key(1, 2, "u", 1);
  const std::string version = version_value(key, {false, 5, "o", "{}"});
  EXPECT_EQ(version.substr(0, version.size() - 4), "\1\1\0\0\0\0\0\0\0\5\1o{}"s);
  const std::string tombstone = version_value(key, {true, 0, {}, {}});
  EXPECT_EQ(tombstone.substr(0, tombstone.size() - 4), "\1\2"s);
  // layout 1, expiry, text.
  const std::string shared = shared_value("k", {258, "7"});
  EXPECT_EQ(shared.substr(0, shared.size() - 4), "\1\0\0\0\0\0\0\1\0027"s);
}

TEST(FormatTest, AReplyIsReadBackAsItWasWritten) {
  const Key key = reply_key(7, "!k~");
  const std::string fingerprint = "\0a23456789abcdef"s;
  const ReplyRow row{fingerprint, 258, 41, 1'700'000'000'000, 303, {{"Location", "/a"}}, "[1]"};
  const std::string value = reply_value(key, row);
  const auto parsed = parse_reply(key, value);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->fingerprint, fingerprint);
  EXPECT_EQ(parsed->number, 258U);
  EXPECT_EQ(parsed->txid, 41U);
  EXPECT_EQ(parsed->created_ms, 1'700'000'000'000);
  EXPECT_EQ(parsed->status, 303);
  EXPECT_EQ(parsed->headers, row.headers);
  EXPECT_EQ(parsed->result, "[1]");
  EXPECT_EQ(parse_reply_key(key)->key, "!k~");
  EXPECT_EQ(value.substr(0, 19), "\1" + fingerprint + "\0\0"s) << "the layout of format.md";
  for (const auto& bad : {""s, "a b"s, "\xC3\xA4"s, std::string(kCallKeyBytesMax + 1, 'a')}) {
    EXPECT_FALSE(call_key_fits(bad)) << bad;
  }
  EXPECT_TRUE(call_key_fits(std::string(kCallKeyBytesMax, 'a')));
}

TEST(FormatTest, TheLongestNamesFit) {
  const std::string id(limits::kRecordIdBytesMax, 'i');
  EXPECT_LE(version_key(~0ull, ~0u, id, 1).view().size(), limits::kLmdbKeyBytesMax);
  EXPECT_LE(garbage_key({~0ull, ~0u, 1, 1, id}).view().size(), limits::kLmdbKeyBytesMax);
  EXPECT_TRUE(parse_version_key(version_key(1, 1, id, 1)));
  EXPECT_FALSE(parse_version_key(version_key(1, 1, id + "i", 1)));
}

TEST(FormatTest, ErrorsNameTheRow) {
  struct Case {
    Keyspace space;
    std::string key;
    const char* words;
  };
  const Case cases[] = {
      {Keyspace::meta, "commit", R"(row of meta, key "commit")"},
      {Keyspace::sessions, session_key({"o", "n"}).str(),
       R"(row of sessions, owner "o", session "n")"},
      {Keyspace::sessions, session_no_key(3).str(), "row of sessions, session 3"},
      {Keyspace::registry, table_key(3, "users").str(),
       R"(row of registry, session 3, table "users")"},
      {Keyspace::registry, dropped_key(3, 1).str(), "row of registry, session 3, table 1, dropped"},
      {Keyspace::registry, count_key(3, 1).str(), "row of registry, session 3, table 1, count"},
      {Keyspace::versions, version_key(3, 1, "u1", 7).str(),
       R"(row of versions, session 3, table 1, record "u1", txid 7)"},
      {Keyspace::order, order_key(3, 1, 9).str(), "row of order, session 3, table 1, order 9"},
      {Keyspace::garbage, garbage_key({3, 1, 8, 7, "u1"}).str(),
       R"(row of garbage, session 3, table 1, record "u1", txid 7)"},
      {Keyspace::registry, index_row_key(3, 1, 258).str(),
       "row of registry, session 3, table 1, index 258"},
      {Keyspace::indexes, index_key({3, 1, "\1\2\1", 9}).str(),
       "row of indexes, session 3, table 1, index 258, order 9"},
      {Keyspace::registry, document_key("o", 3).str(),
       R"(row of registry, owner "o", schema version 3)"},
      {Keyspace::shared, "limit:u1", R"(row of shared, key "limit:u1")"},
      {Keyspace::sessions, destroyed_key(3).str(), "row of sessions, session 3, destroyed"},
      {Keyspace::replies, reply_key(3, "k-1").str(), R"(row of replies, session 3, key "k-1")"},
      {Keyspace::replies, reply_age_key(3, 12).str(), "row of replies, session 3, reply 12"},
      {Keyspace::replies, replies_gone_key(3).str(), "row of replies, session 3, what is gone"},
      {Keyspace::replies, "\x01\x02"s, "row of replies, key 0x0102"},
      {Keyspace::shared, "\xFF"s, "row of shared, key 0xff"},
      {Keyspace::order, "\x01\xFF"s, "row of order, key 0x01ff"},
  };
  for (const Case& c : cases) EXPECT_EQ(describe(c.space, c.key), c.words);

  const Key key = version_key(3, 1, "u1", 7);
  std::string value = version_value(key, {false, 1, "o", "{}"});
  value.back() = static_cast<char>(value.back() ^ 1);
  EXPECT_EQ(parse_version(key, value).error().message,
            R"(The row of versions, session 3, table 1, record "u1", txid 7 is damaged: )"
            "its checksum does not match");
}

TEST(FormatTest, ASessionRowFromBeforeThereWereSchemasFollowsNone) {
  const Key key = session_key({"tenant-1", "room-1"});
  const std::string now = session_value(key, {7, "0190-sid", 4097, 4, 1'700'000'000'000, 3});
  ByteWriter then = begin_value(64);
  then.bytes(std::string_view(now).substr(1, now.size() - 1 - 8 - 4));
  const auto session = parse_session(key, seal(Keyspace::sessions, key, std::move(then)));
  ASSERT_TRUE(session) << session.error().message;
  EXPECT_EQ(session->sid, "0190-sid");
  EXPECT_EQ(session->schema_version, 0u);
}

TEST(FormatTest, AFormatRowOfANewerVersionStillTellsItsVersion) {
  const auto row = parse_format(format_value({kFormatVersion + 1, 1, 0}));
  ASSERT_TRUE(row);
  EXPECT_EQ(row->version, kFormatVersion + 1);
}

}  // namespace
}  // namespace kontract::format
