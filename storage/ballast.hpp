// The ballast: a file that holds disk space in reserve. On a full disk an operator deletes it and
// has room at once to work in; kontract makes it again when there is plenty.

#pragma once

#include <filesystem>

#include "storage/result.hpp"

namespace kontract {

// Makes <directory>/ballast `bytes` large if it is not and, with it, `floor_bytes` and as much
// again as the ballast would still be free: else deleting it on a full disk would bring it back at
// once. With 0 bytes, removes it. Whether it is as asked now.
Result<bool> keep_ballast(const std::filesystem::path& directory, std::size_t bytes,
                          std::size_t floor_bytes);

}  // namespace kontract
