// The records of a shard's journal.

#include <algorithm>

#include "storage/crc32c.hpp"
#include "storage/format.hpp"
#include "storage/format_frame.hpp"

namespace kontract::format {
namespace {

constexpr std::uint32_t kMagic = 0x4B4A5231;           // "KJR1"
constexpr std::size_t kHeaderBytes = 4 + 4 + 8 + 8;    // magic, payload bytes, base, index
constexpr std::size_t kFrameBytes = kHeaderBytes + 4;  // and the checksum behind the payload

}  // namespace

std::size_t journal_aligned(std::size_t bytes) {
  return (bytes + kJournalAlign - 1) / kJournalAlign * kJournalAlign;
}

std::string journal_record(std::uint64_t base, std::uint64_t index,
                           std::span<const WriteOp* const> ops) {
  std::size_t payload_bytes = 0;
  for (const WriteOp* op : ops) {
    payload_bytes += 2 + 2 + op->key.size() + (op->erase ? 0 : 4 + op->value.size());
  }
  ByteWriter out(journal_aligned(kFrameBytes + payload_bytes));
  out.be(kMagic).be(static_cast<std::uint32_t>(payload_bytes)).be(base).be(index);
  for (const WriteOp* op : ops) {
    out.be(static_cast<std::uint8_t>(op->space)).be(static_cast<std::uint8_t>(op->erase));
    out.counted<std::uint16_t>(op->key);
    if (!op->erase) out.counted<std::uint32_t>(op->value);
  }
  out.be(crc32c(out.view()));
  std::string record = std::move(out).take();
  record.resize(journal_aligned(record.size()), '\0');
  return record;
}

std::optional<std::uint64_t> journal_index(std::string_view bytes, std::uint64_t base) {
  ByteReader in(bytes.substr(0, kHeaderBytes));
  const auto magic = in.be<std::uint32_t>();
  in.be<std::uint32_t>();
  const auto of_base = in.be<std::uint64_t>();
  const auto index = in.be<std::uint64_t>();
  if (!in.done() || magic != kMagic || of_base != base) return std::nullopt;
  return index;
}

std::optional<JournalRecord> parse_journal_record(std::string_view bytes, std::uint64_t base,
                                                  std::uint64_t index) {
  if (journal_index(bytes, base) != index) return std::nullopt;
  const std::size_t payload_bytes = get_be<std::uint32_t>(bytes.data() + 4);
  if (payload_bytes > bytes.size() - kHeaderBytes ||
      bytes.size() - kHeaderBytes - payload_bytes < 4) {
    return std::nullopt;
  }
  const std::string_view sealed = bytes.substr(0, kHeaderBytes + payload_bytes);
  if (get_be<std::uint32_t>(bytes.data() + sealed.size()) != crc32c(sealed)) return std::nullopt;
  JournalRecord record;
  record.bytes = sealed.size() + 4;
  ByteReader in(sealed.substr(kHeaderBytes));
  while (in.left() > 0) {
    const auto space = in.be<std::uint8_t>();
    const auto erase = in.be<std::uint8_t>();
    const std::string_view key = in.counted<std::uint16_t>();
    const std::string_view value = erase == 0 ? in.counted<std::uint32_t>() : std::string_view();
    if (in.failed() || space >= kKeyspaces || erase > 1 || key.empty() ||
        key.size() > limits::kLmdbKeyBytesMax) {
      return std::nullopt;
    }
    if (erase == 1) {
      record.group.erase(static_cast<Keyspace>(space), std::string(key));
    } else {
      record.group.put(static_cast<Keyspace>(space), std::string(key), std::string(value));
    }
  }
  return record;
}

}  // namespace kontract::format
