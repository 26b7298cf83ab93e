// A program of its own with kontract in it: starts a server on a free port and a temporary
// directory, connects to it as a client, stores a record, reads it back and stops.

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>
#include <utility>

#include "net/client.hpp"
#include "runtime/runtime.hpp"

namespace {

namespace fs = std::filesystem;

// A directory for as long as this lives; its path is empty if it could not be made.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string pattern = (fs::temp_directory_path() / "kontract-external-XXXXXX").string();
    if (mkdtemp(pattern.data()) != nullptr) path_ = pattern;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

kontract::Status store_and_read(std::uint16_t port) {
  kontract::Client client(
      {.url = "ws://127.0.0.1:" + std::to_string(port), .session = "room-1", .token = {}});
  if (auto welcome = client.connect(); !welcome) return welcome.error();

  if (auto made = client.call("table.create", {"users"}); !made) return made.error();
  const kontract::Json ann = {{"name", "Ann"}, {"age", 30}};
  if (auto set = client.call("table.set", {"users", "u1", ann}); !set) return set.error();

  auto user = client.call("table.get", {"users", "u1"});
  if (!user) return user.error();
  std::cout << user->result.dump() << "\n";
  return {};
}

int report(const kontract::Error& error) {
  std::cerr << error.message << "\n";
  return 1;
}

}  // namespace

int main() {
  const TemporaryDirectory data;
  if (data.path().empty()) {
    std::cerr << "There is no room for a temporary directory\n";
    return 1;
  }
  kontract::Options options;
  options.store.data = data.path();
  options.server.port = 0;

  auto runtime = kontract::Runtime::start(std::move(options));
  if (!runtime) return report(runtime.error());
  if (auto done = store_and_read((*runtime)->port()); !done) return report(done.error());
  (*runtime)->stop();
  return 0;
}
