// The cure that comes with "Table X not found", pasted into a shell.

#include <gmock/gmock.h>

#include <fstream>

#include "server_process.hpp"

namespace kontract {
namespace {

using ::testing::StartsWith;

// Runs a line as somebody would who has `kontract` in the PATH. Returns the exit status.
int paste(const std::string& line, const std::vector<std::string>& environment) {
  const auto bin = std::filesystem::path(KONTRACT_PROGRAM).parent_path().string();
  std::vector<std::string> words = {"env", "PATH=" + bin + ":" + std::getenv("PATH")};
  words.insert(words.end(), environment.begin(), environment.end());
  words.insert(words.end(), {"sh", "-c", line});
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    execvp(argv[0], argv.data());
    _exit(127);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::string token_of(const std::string& owner, const std::string& secret,
                     const std::filesystem::path& scratch) {
  const auto file = scratch / "token";
  EXPECT_EQ(paste("kontract token issue --perm 7 --owner \"$WHO\" > \"$FILE\"",
                  {"WHO=" + owner, "FILE=" + file.string(), "KONTRACT_SECRET=" + secret}),
            0);
  std::ifstream in(file);
  std::string token;
  std::getline(in, token);
  return token;
}

TEST(RegistryCureTest, PastedAsItIsItMakesTheCallWork) {
  struct Case {
    const char* name;
    std::string secret, owner, session;
  };
  const std::string secret(32, 's');
  for (const Case& c :
       {Case{"development", "", "dev", "room-1"}, Case{"the usual session", "", "dev", "default"},
        Case{"a session like an option", "", "dev", "--url"},
        Case{"an owner of a server with a secret", secret, "tenant-1", "room"},
        Case{"an owner full of quotes", secret, R"(o'n "$HOME" `id` \! -x)", "r"},
        Case{"an owner like an option", secret, "--json", "r"}}) {
    SCOPED_TRACE(c.name);
    const TemporaryData data;
    const TemporaryData scratch;
    std::vector<std::string> options;
    std::vector<std::string> environment;
    if (!c.secret.empty()) {
      options = {"--secret", c.secret};
      environment = {"KONTRACT_SECRET=" + c.secret};
    }
    const ServerProcess server(data.path(), options);
    ASSERT_NE(server.port(), 0);
    environment.push_back("KONTRACT_URL=" + server.url());

    ClientOptions client_options;
    client_options.url = server.url();
    client_options.session = c.session;
    if (!c.secret.empty()) client_options.token = token_of(c.owner, c.secret, scratch.path());
    Client client(client_options);
    ASSERT_TRUE(client.connect());
    const auto missing = client.call("table.push", {"users", Json::object()});
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().message, "Table users not found");
    const std::string& hint = missing.error().hint;
    const std::string label = "Register it first: ";
    ASSERT_THAT(hint, StartsWith(label + "kontract sql "));

    EXPECT_EQ(paste(hint.substr(label.size()), environment), 0) << hint;
    EXPECT_TRUE(client.call("table.push", {"users", Json::object()}));
  }
}

}  // namespace
}  // namespace kontract
