// Files of the data directory that nobody but their owner may read (0600): they hold keys.
//
// Each change replaces the file as a whole, durably; two that come at once follow one another.

#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "storage/result.hpp"

namespace kontract::detail {

// Errors: not_found (no file); invalid_request (others may read it, it cannot be read, or has more
// than 64 KiB).
Result<std::string> read_private_file(const std::filesystem::path& path);

// Makes of the file's text what `change` does, while nobody else does; it gets nothing if there is
// no file. Makes the file, not its directory. Errors: those of `change` and of reading, but
// not_found; invalid_request, storage_full (it cannot be written).
using ChangeText = std::function<Result<std::string>(const std::optional<std::string>& text)>;
Status change_private_file(const std::filesystem::path& path, const ChangeText& change);

}  // namespace kontract::detail
