#include "tests/bench/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

extern "C" {
#include <sys/pidfd.h>  // glibc 2.36 forgot to say that it is C
}

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <system_error>

namespace kontract::bench {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kShownBytesMax = 2000;

// What the child runs between fork and exec: nothing but async-signal-safe calls.
[[noreturn]] void become(char* const* argv, const char* log, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);  // the parent died before the line above
  const int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (fd >= 0) {
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    close(fd);
  }
  execv(argv[0], argv);
  _exit(127);
}

int exit_status(int raw) { return WIFSIGNALED(raw) ? 128 + WTERMSIG(raw) : WEXITSTATUS(raw); }

}  // namespace

TemporaryDirectory::TemporaryDirectory(const std::filesystem::path& parent,
                                       const std::string& prefix) {
  std::string name = (parent / (prefix + "-XXXXXX")).string();
  if (mkdtemp(name.data()) == nullptr) {
    throw std::runtime_error("cannot create a directory in " + parent.string());
  }
  path_ = name;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

Process::Process(const std::vector<std::string>& argv, std::filesystem::path log)
    : command_(argv.at(0)), log_(std::move(log)) {
  if (access(command_.c_str(), X_OK) != 0) {
    throw std::runtime_error(command_ + " is not there or cannot be run; build it first");
  }
  std::vector<char*> pointers;
  for (const std::string& argument : argv) pointers.push_back(const_cast<char*>(argument.c_str()));
  pointers.push_back(nullptr);
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ == 0) become(pointers.data(), log_.c_str(), parent);
  if (pid_ < 0) throw std::runtime_error("cannot fork for " + command_);
  pidfd_ = pidfd_open(pid_, 0);
}

Process::~Process() {
  if (!status_) {
    kill(pid_, SIGKILL);
    int raw = 0;
    waitpid(pid_, &raw, 0);
  }
  if (pidfd_ >= 0) close(pidfd_);
}

std::string Process::output() const {
  std::ostringstream text;
  text << std::ifstream(log_).rdbuf();
  return text.str();
}

std::string Process::wait_for(const std::string& mark, std::chrono::milliseconds timeout) {
  constexpr std::chrono::milliseconds kLook{10};
  const auto deadline = Clock::now() + timeout;
  for (;;) {
    const bool ended = wait(kLook).has_value();
    const std::string text = output();
    const std::size_t at = text.find(mark);
    const std::size_t end = at == std::string::npos ? at : text.find('\n', at);
    if (end != std::string::npos) return text.substr(at + mark.size(), end - at - mark.size());
    if (ended || Clock::now() > deadline) {
      throw std::runtime_error(command_ + (ended ? " ended" : " did not get ready") +
                               " without printing \"" + mark +
                               "\": " + text.substr(0, kShownBytesMax));
    }
  }
}

std::optional<int> Process::wait(std::chrono::milliseconds timeout) {
  if (status_) return status_;
  pollfd ended{pidfd_, POLLIN, 0};
  if (poll(&ended, 1, static_cast<int>(timeout.count())) <= 0) return std::nullopt;
  int raw = 0;
  if (waitpid(pid_, &raw, 0) == pid_) status_ = exit_status(raw);
  return status_;
}

std::optional<int> Process::stop(std::chrono::milliseconds timeout) {
  if (!status_) kill(pid_, SIGTERM);
  if (!wait(timeout)) {
    kill(pid_, SIGKILL);
    return wait(std::chrono::seconds(10));
  }
  return status_;
}

std::string run_to_end(const std::vector<std::string>& argv, const std::filesystem::path& log,
                       std::chrono::milliseconds timeout) {
  Process process(argv, log);
  const auto status = process.wait(timeout);
  if (status == 0) return process.output();
  const std::string how =
      status ? "exited with " + std::to_string(*status) : std::string("ran for too long");
  throw std::runtime_error(argv.at(0) + " " + how + ": " +
                           process.output().substr(0, kShownBytesMax));
}

}  // namespace kontract::bench
