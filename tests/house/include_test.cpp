// The rooms' arrows, checked: all rooms share one include root, so neither compiler nor linker
// notices when storage includes a header of net. This test reads every #include instead.
//
//   1. A room includes itself and the rooms below it: storage < actors < net < runtime < the rest.
//   2. A quoted include starts at the root, so that it names its room.
//   3. Asio and Beast appear in no public header, neither directly nor through an internal one.
//      Internal headers are those in a `detail` folder and those named *_impl.hpp.
//   4. lmdb.h and sqlite3.h are included in storage only, the latter in no public header.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace kontract {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 4> kRooms = {"storage", "actors", "net", "runtime"};
constexpr std::array<std::string_view, 2> kAboveAllRooms = {"tests", "examples"};
constexpr int kUnknown = -1;

// The height of a path that starts at the root, or kUnknown.
int height(std::string_view path) {
  const std::string_view first = path.substr(0, path.find('/'));
  const auto* room = std::find(kRooms.begin(), kRooms.end(), first);
  if (room != kRooms.end()) return static_cast<int>(room - kRooms.begin());
  const bool above = std::count(kAboveAllRooms.begin(), kAboveAllRooms.end(), first) > 0;
  return above ? static_cast<int>(kRooms.size()) : kUnknown;
}

bool is_internal(std::string_view path) {
  return path.find("/detail/") != std::string_view::npos || path.ends_with("_impl.hpp");
}

bool is_public_header(std::string_view path) {
  return path.ends_with(".hpp") && !is_internal(path);
}

// What is wrong with `path` including `target`; empty if nothing is. Both start at the root.
std::string complaint(std::string_view path, std::string_view target, bool quoted) {
  if (quoted && height(target) == kUnknown) return "start the include at the root, with its room";
  const bool ours = quoted || (target.ends_with(".hpp") && height(target) != kUnknown);
  if (ours) {
    if (height(target) > height(path))
      return "includes point down only: move the code, not the arrow";
    if (is_public_header(path) && is_internal(target)) {
      return "a public header shows no internal one: include it in the .cpp";
    }
    return {};
  }
  if (target == "lmdb.h" && !path.starts_with("storage/")) return "only storage knows LMDB";
  if (target == "sqlite3.h" && (!path.starts_with("storage/") || is_public_header(path))) {
    return "only storage knows SQLite, and its public headers do not";
  }
  const bool sockets = target.starts_with("boost/") || target.starts_with("asio");
  if (sockets && is_public_header(path)) {
    return "Boost stays out of public headers: use detail/, *_impl.hpp or the .cpp";
  }
  return {};
}

struct Include {
  std::string target;
  bool quoted;
};

// The include that `line` makes, if it makes one.
std::optional<Include> parse_include(std::string_view line) {
  const auto skip = [&line](std::string_view word) {
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    const bool there = line.starts_with(word);
    if (there) line.remove_prefix(word.size());
    return there;
  };
  if (!skip("#") || !skip("include")) return std::nullopt;
  const bool quoted = skip("\"");
  if (!quoted && !skip("<")) return std::nullopt;
  return Include{std::string(line.substr(0, line.find_first_of("\">"))), quoted};
}

// One line for each violation in `text`, the content of `path`: "net/x.hpp:3: #include ...".
std::vector<std::string> violations(std::string_view path, const std::string& text) {
  std::vector<std::string> found;
  std::istringstream lines(text);
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    const auto include = parse_include(line);
    if (!include) continue;
    const std::string why = complaint(path, include->target, include->quoted);
    if (why.empty()) continue;
    found.push_back(std::string(path) + ":" + std::to_string(number) + ": " + line + " (" + why +
                    ")");
  }
  return found;
}

TEST(Includes, OfEveryRoomPointDownOnly) {
  const fs::path root = KONTRACT_SOURCE_DIR;
  for (const std::string_view room : kRooms) {
    int files = 0;
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root / room)) {
      const fs::path extension = entry.path().extension();
      if (extension != ".hpp" && extension != ".cpp") continue;
      ++files;
      std::ifstream in(entry.path(), std::ios::binary);
      const std::string text(std::istreambuf_iterator<char>(in), {});
      ASSERT_FALSE(in.bad()) << entry.path();
      const std::string path = entry.path().lexically_relative(root).generic_string();
      for (const std::string& line : violations(path, text)) ADD_FAILURE() << line;
    }
    EXPECT_GT(files, 0) << "no sources found in " << root / room;
  }
}

TEST(Includes, ThatBreakARuleAreNamedByFileAndLine) {
  const auto found =
      violations("storage/table.cpp", "#include <map>\n\n  #  include \"net/route.hpp\"\n");
  ASSERT_EQ(found.size(), 1U);
  EXPECT_TRUE(found[0].starts_with("storage/table.cpp:3: ")) << found[0];
}

TEST(Includes, AreJudgedByTheRulesOfTheHouse) {
  struct Case {
    const char* name;
    const char* path;
    const char* include;
    bool allowed;
  };
  for (const Case& c : {
           Case{"own room", "storage/table.cpp", "\"storage/table.hpp\"", true},
           Case{"one room below", "actors/session.hpp", "\"storage/table.hpp\"", true},
           Case{"two rooms below", "runtime/runtime.cpp", "\"actors/session.hpp\"", true},
           Case{"one room above", "storage/table.cpp", "\"actors/session.hpp\"", false},
           Case{"above, in angle brackets", "actors/session.cpp", "<net/route.hpp>", false},
           Case{"the program's room", "net/listener.cpp", "\"runtime/options.hpp\"", false},
           Case{"a test", "runtime/runtime.cpp", "\"tests/net/fake.hpp\"", false},
           Case{"a system header that is named like a room", "actors/a.cpp", "<net/if.h>", true},
           Case{"not from the root", "net/listener.cpp", "\"listener.hpp\"", false},
           Case{"Beast in a source", "net/listener.cpp", "<boost/beast/core.hpp>", true},
           Case{"Beast in a public header", "net/listener.hpp", "<boost/beast/core.hpp>", false},
           Case{"Asio in a public header", "actors/scheduler.hpp", "<boost/asio.hpp>", false},
           Case{"Beast in a detail header", "net/detail/http.hpp", "<boost/beast.hpp>", true},
           Case{"Beast in an _impl header", "net/client_impl.hpp", "<boost/beast.hpp>", true},
           Case{"internal in a public header", "net/client.hpp", "\"net/client_impl.hpp\"", false},
           Case{"internal in a source", "net/client.cpp", "\"net/client_impl.hpp\"", true},
           Case{"LMDB in storage", "storage/environment.cpp", "<lmdb.h>", true},
           Case{"LMDB above storage", "actors/directory.cpp", "<lmdb.h>", false},
           Case{"SQLite in storage", "storage/sql_engine.cpp", "<sqlite3.h>", true},
           Case{"SQLite inside of storage", "storage/detail/sql_guard.hpp", "<sqlite3.h>", true},
           Case{"SQLite in a public header", "storage/sql_engine.hpp", "<sqlite3.h>", false},
           Case{"SQLite above storage", "actors/directory.cpp", "<sqlite3.h>", false},
       }) {
    SCOPED_TRACE(c.name);
    const auto found = violations(c.path, std::string("#include ") + c.include + "\n");
    EXPECT_EQ(found.empty(), c.allowed);
  }
}

}  // namespace
}  // namespace kontract
