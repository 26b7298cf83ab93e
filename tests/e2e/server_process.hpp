// The `kontract` program as a child process, in a data directory of its own.

#pragma once

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <csignal>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "net/client.hpp"

namespace kontract {

class TemporaryData {
 public:
  TemporaryData() {
    std::string pattern = (std::filesystem::temp_directory_path() / "kontract-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) std::abort();
    path_ = pattern;
  }
  ~TemporaryData() { std::filesystem::remove_all(path_); }
  TemporaryData(const TemporaryData&) = delete;
  TemporaryData& operator=(const TemporaryData&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

class ServerProcess {
 public:
  // Starts `kontract serve` and waits until it listens; port() is 0 if it ended instead.
  explicit ServerProcess(const std::filesystem::path& data, std::vector<std::string> options = {}) {
    std::vector<std::string> arguments = {KONTRACT_PROGRAM, "serve", "--data",      data,
                                          "--port",         "0",     "--log-level", "warning"};
    // No test depends on how full the disk is, unless it says so.
    for (const char* option : {"--disk-floor", "--ballast"}) {
      if (std::find(options.begin(), options.end(), option) != options.end()) continue;
      arguments.insert(arguments.end(), {option, "0"});
    }
    arguments.insert(arguments.end(), options.begin(), options.end());
    int out[2];
    if (pipe(out) != 0) std::abort();
    pid_ = fork();
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      dup2(out[1], STDOUT_FILENO);
      close(out[0]);
      close(out[1]);
      std::vector<char*> argv;
      for (std::string& argument : arguments) argv.push_back(argument.data());
      argv.push_back(nullptr);
      execv(argv[0], argv.data());
      _exit(127);
    }
    close(out[1]);
    out_ = out[0];
    static const std::string marker = "listening on 127.0.0.1:";
    char byte = 0;
    std::string line;
    while (port_ == 0 && read(out_, &byte, 1) == 1) {
      if (byte != '\n') {
        line += byte;
        continue;
      }
      if (const auto at = line.find(marker); at != std::string::npos) {
        port_ = std::atoi(line.c_str() + at + marker.size());
      }
      line.clear();
    }
  }

  ~ServerProcess() {
    end(SIGKILL);
    close(out_);
  }
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  int port() const { return port_; }
  pid_t pid() const { return pid_; }
  std::string url() const { return "ws://127.0.0.1:" + std::to_string(port_); }

  // Sends the signal and waits for the end. Returns the exit status, or -signal.
  int end(int signal) {
    if (pid_ <= 0) return -1;
    kill(pid_, signal);
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

 private:
  pid_t pid_ = 0;
  int out_ = -1;
  int port_ = 0;
};

}  // namespace kontract
