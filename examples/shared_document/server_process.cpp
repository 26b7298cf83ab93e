#include "server_process.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <vector>

namespace shared_document {

using kontract::Errc;
using kontract::Error;
using kontract::Status;

ServerProcess::ServerProcess(std::string binary, std::string data)
    : binary_(std::move(binary)), data_(std::move(data)), temporary_(data_.empty()) {
  if (!temporary_) return;
  std::string pattern =
      (std::filesystem::temp_directory_path() / "shared_document-XXXXXX").string();
  if (mkdtemp(pattern.data()) != nullptr) data_ = pattern;
}

ServerProcess::~ServerProcess() {
  kill();
  std::error_code ignored;
  if (temporary_ && !data_.empty()) std::filesystem::remove_all(data_, ignored);
}

Status ServerProcess::start() {
  const std::vector<std::string> words{binary_,  "serve", "--port",      std::to_string(port_),
                                       "--data", data_,   "--log-level", "warning"};
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
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
  return Error(Errc::internal, "The server " + binary_ + " does not start",
               "What it says stands above; --server-bin names another program.");
}

void ServerProcess::kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

}  // namespace shared_document
