// What format.hpp says of any row: whether it is whole, and how to name it to an operator.

#include <cstdio>

#include "storage/format.hpp"
#include "storage/format_alarms.hpp"
#include "storage/format_replies.hpp"

namespace kontract::format {
namespace {

template <class Value>
Status of(const Result<Value>& parsed) {
  if (!parsed) return parsed.error();
  return {};
}

template <class Parsed, class Value>
Status both(const Result<Parsed>& parsed_key, const Result<Value>& parsed_value) {
  if (!parsed_key) return parsed_key.error();
  return of(parsed_value);
}

std::string_view name(Keyspace space) {
  switch (space) {
    case Keyspace::meta:
      return "meta";
    case Keyspace::sessions:
      return "sessions";
    case Keyspace::registry:
      return "registry";
    case Keyspace::versions:
      return "versions";
    case Keyspace::order:
      return "order";
    case Keyspace::garbage:
      return "garbage";
    case Keyspace::indexes:
      return "indexes";
    case Keyspace::shared:
      return "shared";
    case Keyspace::changes:
      return "changes";
    case Keyspace::replies:
      return "replies";
    case Keyspace::alarms:
      return "alarms";
  }
  return "an unknown keyspace";
}

std::string of_table(SessionNo session, TableNo table) {
  return ", session " + std::to_string(session) + ", table " + std::to_string(table);
}

std::string quoted(std::string_view what, std::string_view id) {
  return ", " + std::string(what) + " \"" + std::string(id) + '"';
}

std::string txid_text(Txid txid) { return ", txid " + std::to_string(txid); }

std::string hex(std::string_view bytes) {
  std::string out = ", key 0x";
  for (const char byte : bytes) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", static_cast<unsigned char>(byte));
    out += digits;
  }
  return out;
}

char letter(std::string_view key) { return key.empty() ? '\0' : key[0]; }

}  // namespace

Status verify_row(Keyspace space, std::string_view key, std::string_view value) {
  switch (space) {
    case Keyspace::meta:
      if (key == format_key().view()) return of(parse_format(value));
      if (key == commit_key().view()) return of(parse_commit(value));
      break;
    case Keyspace::sessions:
      if (letter(key) == 's') return both(parse_session_key(key), parse_session(key, value));
      if (letter(key) == 'n') return both(parse_session_no_key(key), parse_session_no(key, value));
      if (letter(key) == 'd') return both(parse_destroyed_key(key), parse_session_no(key, value));
      break;
    case Keyspace::registry:
      if (letter(key) == 't') return both(parse_table_key(key), parse_table(key, value));
      if (letter(key) == 'd') return both(parse_dropped_key(key), parse_dropped(key, value));
      if (letter(key) == 'c') return both(parse_count_key(key), parse_count(key, value));
      if (letter(key) == 'i') return of(parse_index_row(key, value));
      if (letter(key) == 'm') return both(parse_document_key(key), parse_document(key, value));
      break;
    case Keyspace::versions:
      return both(parse_version_key(key), parse_version(key, value));
    case Keyspace::order:
      return both(parse_order_key(key), parse_order(key, value));
    case Keyspace::garbage:
      return both(parse_garbage_key(key), parse_garbage(key, value));
    case Keyspace::indexes:
      return both(parse_index_key(key), parse_index(key, value));
    case Keyspace::shared:
      return of(parse_shared(key, value));
    case Keyspace::replies:
      return verify_reply_row(key, value);
    case Keyspace::alarms:
      return verify_alarms_row(key, value);
    case Keyspace::changes: {
      auto parsed = parse_change_key(key);
      if (!parsed) return std::move(parsed).error();
      return parsed->txid == 0 ? of(parse_change_head(key, value)) : of(parse_change(key, value));
    }
  }
  return corrupt(space, key, "its key does not parse");
}

// Walks the key by hand, not with the parse functions, since their errors come from here.
std::string describe(Keyspace space, std::string_view key) {
  const auto u16 = [&](std::size_t at) {
    return static_cast<unsigned>(static_cast<std::uint8_t>(key[at])) << 8 |
           static_cast<std::uint8_t>(key[at + 1]);
  };
  const auto u32 = [&](std::size_t at) {
    std::uint32_t out = 0;
    for (std::size_t i = 0; i < 4; ++i) out = out << 8 | static_cast<std::uint8_t>(key[at + i]);
    return out;
  };
  const auto u64 = [&](std::size_t at) { return std::uint64_t{u32(at)} << 32 | u32(at + 4); };

  std::string out = "row of " + std::string(name(space));
  switch (space) {
    case Keyspace::meta:
      return out + quoted("key", key);
    case Keyspace::sessions:
      if (letter(key) == 'n' && key.size() == 9) return out + ", session " + std::to_string(u64(1));
      if (letter(key) == 'd' && key.size() == 9) {
        return out + ", session " + std::to_string(u64(1)) + ", destroyed";
      }
      if (const auto end = key.find('\0'); letter(key) == 's' && end != key.npos) {
        return out + quoted("owner", key.substr(1, end - 1)) +
               quoted("session", key.substr(end + 1));
      }
      break;
    case Keyspace::registry:
      if (letter(key) == 't' && key.size() > 9) {
        return out + ", session " + std::to_string(u64(1)) + quoted("table", key.substr(9));
      }
      if ((letter(key) == 'd' || letter(key) == 'c') && key.size() == 13) {
        return out + of_table(u64(1), u32(9)) + (letter(key) == 'd' ? ", dropped" : ", count");
      }
      if (letter(key) == 'i' && key.size() == 15) {
        return out + of_table(u64(1), u32(9)) + ", index " + std::to_string(u16(13));
      }
      if (const auto end = key.find('\0');
          letter(key) == 'm' && end != key.npos && key.size() == end + 9) {
        return out + quoted("owner", key.substr(1, end - 1)) + ", schema version " +
               std::to_string(u64(end + 1));
      }
      break;
    case Keyspace::versions:
      if (key.size() > 21) {
        return out + of_table(u64(0), u32(8)) + quoted("record", key.substr(12, key.size() - 21)) +
               txid_text(~u64(key.size() - 8));
      }
      break;
    case Keyspace::order:
      if (key.size() == 20) {
        return out + of_table(u64(0), u32(8)) + ", order " + std::to_string(u64(12));
      }
      break;
    case Keyspace::garbage:
      if (key.size() > 28) {
        return out + of_table(u64(0), u32(8)) + quoted("record", key.substr(28)) +
               txid_text(u64(20));
      }
      break;
    case Keyspace::indexes:
      if (key.size() > 22) {
        return out + of_table(u64(0), u32(8)) + ", index " + std::to_string(u16(12)) + ", order " +
               std::to_string(u64(key.size() - 8));
      }
      break;
    case Keyspace::shared:
      if (shared_key_fits(key)) return out + quoted("key", key);
      break;
    case Keyspace::replies:
      if (const std::string which = describe_reply(key); !which.empty()) return out + which;
      break;
    case Keyspace::alarms:
      if (const std::string text = describe_alarms_row(key); !text.empty()) return out + text;
      break;
    case Keyspace::changes:
      if (key.size() == 24) {
        return out + of_table(u64(0), u32(8)) + txid_text(u64(12)) + ", change " +
               std::to_string(u32(20));
      }
      break;
  }
  return out + hex(key);
}

Error corrupt(Keyspace space, std::string_view key, std::string_view why) {
  return {Errc::storage_corrupt, "The " + describe(space, key) + " is damaged: " + std::string(why),
          ""};
}

}  // namespace kontract::format
