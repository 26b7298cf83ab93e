// The workload: writers type a trace into one table, readers look on.
//
// Edit number n is the record of id "0000000n" with {"seq", "writer", "patches"}. As the id is the
// edit's number, an edit whose outcome is unknown is simply set again: it is there once.

#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "net/client.hpp"

namespace shared_document {

inline constexpr const char* kTable = "edits";

// What has been acknowledged so far. Thread-safe.
class Progress {
 public:
  explicit Progress(std::size_t edits) : acknowledged_(edits, false) {}

  void acknowledge(std::size_t seq);
  void fail(kontract::Error error);  // the first one counts

  std::size_t watermark() const;  // every edit below it is acknowledged
  std::optional<kontract::Error> error() const;

  // Until so many edits (or all below it) are acknowledged. False if something failed, or if
  // nothing went on for kStandstill.
  static constexpr std::chrono::seconds kStandstill{30};
  bool wait_for_count(std::size_t count) const;
  bool wait_for_watermark(std::size_t watermark) const;

 private:
  bool wait(const std::function<bool()>& reached) const;

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::vector<bool> acknowledged_;
  std::size_t count_ = 0;
  std::size_t watermark_ = 0;
  std::optional<kontract::Error> error_;
};

using Edits = std::vector<kontract::Json>;

// Sets edits `first`, `first + step`, ... with several calls in flight, each until it is
// acknowledged.
class Writer {
 public:
  static constexpr int kInFlight = 32;

  Writer(kontract::ClientOptions options, const Edits& edits, Progress& progress, std::size_t first,
         std::size_t step);
  void start();
  std::size_t repeats() const { return repeats_; }  // calls whose outcome was unknown or refused

 private:
  void send_next();
  void send(std::size_t seq);

  const Edits& edits_;
  Progress& progress_;
  const std::size_t writer_;
  const std::size_t step_;
  std::atomic<std::size_t> next_;
  std::atomic<std::size_t> repeats_{0};
  kontract::Client client_;  // last: its thread uses the others
};

// Every row of the table, by pages; an interrupted page is asked for again.
kontract::Result<std::vector<kontract::Json>> read_rows(kontract::Client& client);

// The edits by number (null: absent), and how many there are. Errors: internal if a row is not what
// was written, or an edit is there twice.
struct Seen {
  std::vector<const kontract::Json*> edits;  // into the rows
  std::size_t count = 0;
};
kontract::Result<Seen> examine(const std::vector<kontract::Json>& rows, const Edits& written);

// Reads the whole table again and again as it grows; everything acknowledged before a reading began
// must be in it.
class Reader {
 public:
  Reader(kontract::ClientOptions options, const Edits& edits, Progress& progress);
  ~Reader();  // waits
  std::size_t readings() const { return readings_; }

 private:
  void run();
  kontract::Status read_once();

  const Edits& edits_;
  Progress& progress_;
  std::atomic<std::size_t> readings_{0};
  kontract::Client client_;
  std::thread thread_;
};

}  // namespace shared_document
