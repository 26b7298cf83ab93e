#include "examples/support/server_process.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <utility>

namespace examples {

using kontract::Errc;
using kontract::Error;
using kontract::Status;

ServerProcess::ServerProcess(std::vector<std::string> command, std::string data)
    : command_(std::move(command)), data_(std::move(data)), temporary_(data_.empty()) {}

ServerProcess::~ServerProcess() {
  kill();
  std::error_code ignored;
  if (temporary_ && !data_.empty()) std::filesystem::remove_all(data_, ignored);
}

Status ServerProcess::start() {
  if (data_.empty()) {
    std::string pattern = (std::filesystem::temp_directory_path() / "example-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) return Error(Errc::internal, "No temporary directory");
    data_ = pattern;
  }
  std::vector<std::string> words = command_;
  words.insert(words.end(), {"--port", std::to_string(port_), "--data", data_});
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return Error(Errc::internal, "No pipe to the server");
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ == 0) {  // Other threads may hold locks: nothing but system calls from here on.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);
    dup2(ends[1], STDOUT_FILENO);
    execv(argv[0], argv.data());
    _exit(127);
  }
  close(ends[1]);
  FILE* const out = fdopen(ends[0], "r");
  constexpr std::string_view kListening = "listening on 127.0.0.1:";
  bool listens = false;
  char buffer[512];
  while (!listens && out != nullptr && std::fgets(buffer, sizeof buffer, out) != nullptr) {
    const std::string_view line = buffer;
    if (!line.starts_with(kListening)) continue;
    std::from_chars(line.data() + kListening.size(), line.data() + line.size(), port_);
    listens = true;
  }
  if (out != nullptr) std::fclose(out);
  if (listens) return {};
  kill();
  return Error(Errc::internal, "The server " + command_.front() + " does not start",
               "What it says stands above.");
}

void ServerProcess::kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

}  // namespace examples
