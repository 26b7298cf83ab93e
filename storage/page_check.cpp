#include "storage/page_check.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "storage/environment.hpp"

namespace kontract {
namespace {

using PageNo = std::uint64_t;

constexpr PageNo kNoPage = ~PageNo{0};
constexpr std::size_t kPageHeader = 16;
constexpr std::size_t kNodeHeader = 8;
constexpr std::size_t kTreeBytes = 48;  // MDB_db
constexpr std::size_t kMetaBytes = 136;
constexpr int kDepthMax = 32;
constexpr std::uint32_t kMagic = 0xBEEFC0DE;
enum PageFlag : std::uint16_t { kBranch = 1, kLeaf = 2, kOverflow = 4 };
enum NodeFlag : std::uint16_t { kBigData = 1, kSubTree = 2 };

template <class T>
T read_at(std::string_view bytes, std::size_t at) {
  T value;
  KONTRACT_ASSERT(at + sizeof value <= bytes.size());
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

class Walk {
 public:
  Walk(const std::filesystem::path& file, std::string_view bytes) : file_(file), bytes_(bytes) {}

  Status run() {
    const std::string_view meta = newest_meta();
    if (meta.empty()) return damaged("its first pages do not describe an LMDB file");
    page_bytes_ = read_at<std::uint32_t>(meta, 24);
    const auto last_page = read_at<PageNo>(meta, 24 + 2 * kTreeBytes);
    if (page_bytes_ < 512 || page_bytes_ > 65536) return damaged("its first pages are damaged");
    used_.resize(bytes_.size() / page_bytes_);
    for (const bool free_list : {false, true}) {
      in_free_list_ = free_list;
      if (auto walked = tree(meta.substr(free_list ? 24 : 24 + kTreeBytes, kTreeBytes)); !walked) {
        return walked;
      }
    }
    for (const PageNo page : free_) {
      if (page > last_page) return damaged_page(page, "is free but past the end");
      if (page < used_.size() && used_[page]) return damaged_page(page, "is both free and in use");
    }
    return {};
  }

 private:
  Status damaged(std::string_view why) const {
    return Error(Errc::storage_corrupt, file_.string() + " is damaged: " + std::string(why));
  }
  Status damaged_page(PageNo page, std::string_view why) const {
    return damaged("page " + std::to_string(page) + " " + std::string(why));
  }

  // The two metas take turns; the one with the higher transaction number counts. The second one's
  // place depends on the page size, which the first tells.
  std::string_view newest_meta() const {
    std::string_view newest;
    std::uint64_t newest_txn = 0;
    for (std::size_t at = 0, i = 0; i < 2 && at + kPageHeader + kMetaBytes <= bytes_.size(); ++i) {
      const std::string_view meta = bytes_.substr(at + kPageHeader, kMetaBytes);
      if (read_at<std::uint32_t>(meta, 0) != kMagic) return {};
      const auto txn = read_at<std::uint64_t>(meta, kMetaBytes - 8);
      if (newest.empty() || txn > newest_txn) {
        newest = meta;
        newest_txn = txn;
      }
      at += read_at<std::uint32_t>(meta, 24);
    }
    return newest;
  }

  // Marks `count` pages as used and returns their bytes; empty if they cannot be.
  std::string_view take(PageNo page, std::size_t count) {
    if (page < 2 || page >= used_.size() || count > used_.size() - page) return {};
    for (std::size_t i = 0; i < count; ++i) {
      if (used_[page + i]) return {};
      used_[page + i] = true;
    }
    return bytes_.substr(page * page_bytes_, count * page_bytes_);
  }

  Status tree(std::string_view tree) {
    const auto root = read_at<PageNo>(tree, kTreeBytes - 8);
    return root == kNoPage ? Status{} : node_page(root, read_at<std::uint16_t>(tree, 6));
  }

  Status node_page(PageNo number, int depth) {
    const std::string_view page = take(number, 1);
    if (page.empty()) return damaged_page(number, "is missing from the file, or in use twice");
    const auto flags = read_at<std::uint16_t>(page, 10);
    const std::size_t lower = read_at<std::uint16_t>(page, 12);
    if (read_at<PageNo>(page, 0) != number || flags != (depth == 1 ? kLeaf : kBranch) ||
        depth < 1 || depth > kDepthMax || lower < kPageHeader || lower > page_bytes_) {
      return damaged_page(number, "is not what its place asks for");
    }
    for (std::size_t at = kPageHeader; at + 2 <= lower; at += 2) {
      const std::size_t node = read_at<std::uint16_t>(page, at);
      if (node < lower || node + kNodeHeader > page_bytes_) {
        return damaged_page(number, "has an entry outside of itself");
      }
      Status entry = depth == 1 ? leaf_entry(number, page, node)
                                : node_page(child(page.substr(node, kNodeHeader)), depth - 1);
      if (!entry) return entry;
    }
    return {};
  }

  static PageNo child(std::string_view node) {
    return read_at<std::uint32_t>(node, 0) | PageNo{read_at<std::uint16_t>(node, 4)} << 32;
  }

  Status leaf_entry(PageNo number, std::string_view page, std::size_t node) {
    const std::size_t value_bytes = read_at<std::uint32_t>(page, node);
    const auto flags = read_at<std::uint16_t>(page, node + 4);
    const std::size_t at = node + kNodeHeader + read_at<std::uint16_t>(page, node + 6);
    const bool big = (flags & kBigData) != 0;
    const std::size_t inside = big ? sizeof(PageNo) : value_bytes;
    if (at > page_bytes_ || inside > page_bytes_ - at) {
      return damaged_page(number, "has an entry that runs over its end");
    }
    std::string_view value = page.substr(at, inside);
    if ((flags & kSubTree) != 0) {
      if (value.size() != kTreeBytes) return damaged_page(number, "has a damaged keyspace");
      return tree(value);
    }
    if (big) {
      const auto first = read_at<PageNo>(value, 0);
      const std::size_t count = (kPageHeader - 1 + value_bytes) / page_bytes_ + 1;
      const std::string_view pages = take(first, count);
      if (pages.empty()) return damaged_page(first, "is missing from the file, or in use twice");
      if (read_at<PageNo>(pages, 0) != first || read_at<std::uint16_t>(pages, 10) != kOverflow) {
        return damaged_page(first, "does not hold the value that it should");
      }
      value = pages.substr(kPageHeader, value_bytes);
    }
    return in_free_list_ ? free_entry(number, value) : Status{};
  }

  Status free_entry(PageNo number, std::string_view value) {
    const std::size_t count = value.size() < 8 ? 0 : read_at<std::uint64_t>(value, 0);
    if (value.size() < 8 || count > value.size() / 8 - 1) {
      return damaged_page(number, "has a damaged entry of the free list");
    }
    for (std::size_t i = 1; i <= count; ++i) free_.push_back(read_at<PageNo>(value, 8 * i));
    return {};
  }

  const std::filesystem::path& file_;
  const std::string_view bytes_;
  std::size_t page_bytes_ = 0;
  std::vector<bool> used_;  // by page of the file
  std::vector<PageNo> free_;
  bool in_free_list_ = false;
};

}  // namespace

Status check_pages(const std::filesystem::path& file) {
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat on_disk {};
  if (fd < 0 || ::fstat(fd, &on_disk) != 0) {
    const int rc = errno;
    if (fd >= 0) ::close(fd);
    return lmdb_error(rc, "cannot read", file);
  }
  const auto size = static_cast<std::size_t>(on_disk.st_size);
  void* map = size == 0 ? MAP_FAILED : ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  const int rc = errno;
  ::close(fd);
  if (size == 0) return Error(Errc::storage_corrupt, file.string() + " is empty");
  if (map == MAP_FAILED) return lmdb_error(rc, "cannot map", file);
  Status walked = Walk(file, {static_cast<const char*>(map), size}).run();
  ::munmap(map, size);
  return walked;
}

}  // namespace kontract
