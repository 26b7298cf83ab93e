// The frame of every value (layout, payload, checksum), for the files that implement format.hpp.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "storage/byte_codec.hpp"
#include "storage/commit_log.hpp"
#include "storage/result.hpp"

namespace kontract::format {

// A writer that holds the layout already; the payload follows, then seal().
ByteWriter begin_value(std::size_t payload_bytes);
std::string seal(Keyspace space, std::string_view key, ByteWriter value);

// The payload of a value whose checksum is right.
Result<std::string_view> open(Keyspace space, std::string_view key, std::string_view value);

Error bad_key(Keyspace space, std::string_view key);
Error bad_value(Keyspace space, std::string_view key);

// Whether a parsed id is one that could have been written.
bool id_fits(std::string_view id, std::size_t bytes_max);

}  // namespace kontract::format
