// Process: a child program that never outlives its owner, and the directory it works in.

#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace kontract::bench {

// A new directory under `parent`, removed with all that is in it.
class TemporaryDirectory {
 public:
  // Throws std::runtime_error if it cannot be created.
  TemporaryDirectory(const std::filesystem::path& parent, const std::string& prefix);
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// Not thread-safe. The kernel kills the child when the thread that started it dies.
class Process {
 public:
  // Runs argv[0] with its stdout and stderr in the file `log`: a pipe would stop a talkative
  // server whenever nobody reads it. Throws std::runtime_error if it cannot be started.
  Process(const std::vector<std::string>& argv, std::filesystem::path log);
  ~Process();  // kills it if it still runs
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  std::string output() const;  // all that it has printed so far

  // Waits until it prints a line with `mark` and returns what follows the mark on that line.
  // Throws std::runtime_error, with its last output, when it ends or `timeout` passes before.
  std::string wait_for(const std::string& mark, std::chrono::milliseconds timeout);

  // Its exit status (128 + N if signal N ended it), or nothing when `timeout` passes before.
  std::optional<int> wait(std::chrono::milliseconds timeout);

  // SIGTERM; then SIGKILL when it still runs after `timeout`. Returns as wait() does.
  std::optional<int> stop(std::chrono::milliseconds timeout);

 private:
  std::string command_;
  std::filesystem::path log_;
  pid_t pid_ = -1;
  int pidfd_ = -1;
  std::optional<int> status_;  // set once it has been waited for
};

// Runs a program to its end and returns its output. Throws std::runtime_error, with that output,
// when it exits with anything but 0 or runs for longer than `timeout`.
std::string run_to_end(const std::vector<std::string>& argv, const std::filesystem::path& log,
                       std::chrono::milliseconds timeout);

}  // namespace kontract::bench
