// SharedWriter: the thread that writes the entries of a SharedState to LMDB, behind those who
// change them, and reads them at the start.
//
// All that is pending at one moment goes into one transaction, so the disk holds the state of one
// moment. After an error that says nothing about what the disk holds now, the environment is opened
// afresh, and the next transaction makes what it holds the same as what is in memory.

#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "storage/alarm.hpp"
#include "storage/detail/shared_entries.hpp"
#include "storage/environment.hpp"
#include "storage/group_writer.hpp"

namespace kontract {

class SharedWriter {
 public:
  struct Options {
    std::filesystem::path directory;
    std::size_t map_bytes;
    std::chrono::milliseconds interval;
    Alarm alarm;
  };
  // `entries` outlives it.
  SharedWriter(SharedEntries& entries, Options options);
  ~SharedWriter();  // writes what is left

  // Gives the entries what the disk has; makes no files. REQUIRES: before start().
  Status load(std::int64_t now_ms);
  void start();

  // Something is pending. Thread-safe; takes a lock once in an interval.
  void wake();
  Status flush();

  std::uint64_t commits() const { return commits_.load(std::memory_order_relaxed); }
  bool failing() const { return failing_.load(std::memory_order_relaxed); }

 private:
  void run();
  Status write();
  Status store();
  Status open_environment();
  Status open_afresh();
  template <class Visit>
  Status each_row(const Visit& visit);
  void tell(const Status& written, bool last);

  SharedEntries& entries_;
  const Options options_;
  const std::filesystem::path file_;

  // Of the thread.
  std::unique_ptr<Environment> environment_;  // from the first write on
  std::optional<GroupWriter> group_;          // into it
  bool doubtful_ = false;                     // what the disk holds is not known

  std::atomic<std::uint64_t> commits_{0};
  std::atomic<bool> failing_{false};  // the last write did
  std::atomic<bool> awake_{false};    // something is pending, and the thread knows

  std::mutex mutex_;
  std::condition_variable wake_, flushed_;
  std::uint64_t flush_wanted_ = 0;  // flushes that were asked for
  std::uint64_t flush_done_ = 0;    // those up to which the last write answers
  Status last_write_;
  bool closing_ = false;
  std::thread thread_;
};

}  // namespace kontract
