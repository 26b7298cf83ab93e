// A list of things to do that many share: backend functions and middleware in a server of one's
// own. See README.md.

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <stdexcept>

#include "actors/middleware_shipped.hpp"
#include "net/client.hpp"
#include "runtime/runtime.hpp"

namespace {

using namespace kontract;

struct Item {
  std::string title;
  bool done = false;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Item, title, done)

constexpr std::uint64_t kItemsMax = 1000;

Task<HttpResp> add(FunctionContext& ctx, std::string title) {
  if (title.empty()) throw HttpError(422, "A thing to do needs a title");
  auto items = ctx.table("items");
  const std::uint64_t count = co_await items.count();
  if (count >= kItemsMax) throw HttpError(429, "The list is full");
  const Json item = Item{title};
  const std::string id = co_await items.push(item);
  co_return HttpResp::created(id, "/rpc/todo.get");
}

Task<Item> get(FunctionContext& ctx, std::string id) {
  const std::optional<Json> item = co_await ctx.table("items").get(id);
  if (!item) throw NotFound("There is no " + id);
  co_return item->get<Item>();
}

// Gives how many are left.
Task<std::uint64_t> finish(FunctionContext& ctx, std::vector<std::string> ids) {
  auto items = ctx.table("items");
  const Json done = {{"done", true}};
  for (const std::string& id : ids) {
    const std::optional<Json> item = co_await items.get(id);
    if (!item) throw NotFound("There is no " + id);  // then none of them is done
    co_await items.update(id, done);
  }
  const Json open = {{"done", false}};
  const QueryPage left = co_await items.query(open, QueryOptions(kItemsMax));
  co_return left.rows.size();
}

Backend todo() {
  Backend backend;
  backend.function({.name = "todo.add",
                    .args = {"title"},
                    .egroup = "todo",
                    .perm = perms::RW_,
                    .doc = "Adds a thing to do; gives its id."},
                   add);
  backend.function({.name = "todo.get",
                    .args = {"id"},
                    .egroup = "todo",
                    .perm = perms::R__,
                    .doc = "One thing to do."},
                   get);
  backend.function({.name = "todo.finish",
                    .args = {"ids"},
                    .egroup = "todo",
                    .perm = perms::RW_,
                    .doc = "Ticks all of them off, or none; gives how many are left."},
                   finish);
  backend.middleware({.name = "rate", .egroup = "todo"},
                     rate_limit({.per = RatePer::user, .rate = 100, .burst = 200}));
  backend.middleware({.name = "log", .prefixurl = "/rpc/todo."},
                     request_log([](const RequestEntry& entry) {
                       std::cout << entry.session << " " << entry.function << "\n";
                     }));
  return backend;
}

template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  return *std::move(result);
}

// What a client of it does.
void try_it(std::uint16_t port) {
  Client client({.url = "ws://127.0.0.1:" + std::to_string(port), .session = "home"});
  must(client.connect());
  must(client.call("table.create", Json::array({"items"})));
  const Json tea = must(client.call("todo.add", Json::array({"buy tea"}))).result;
  const Json cups = must(client.call("todo.add", Json::array({"wash cups"}))).result;
  const auto half = client.call("todo.finish", Json::array({Json::array({tea, "nothing"})}));
  if (half) throw std::runtime_error("a thing that is not there was done");
  std::cout << "refused: " << half.error().message << "\n";
  const Json first = must(client.call("todo.get", Json::array({tea}))).result;
  if (first["done"] == true) throw std::runtime_error("half of a call was kept");
  const Json left = must(client.call("todo.finish", Json::array({Json::array({tea})}))).result;
  std::cout << "left to do: " << left << ", for example " << cups << "\n";
  if (left != 1) throw std::runtime_error("one should be left");
}

int serve(const Options& options, bool only_try) {
  // Blocked in all threads, so that it waits for sigwait.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  const auto runtime = must(Runtime::start(options, todo()));
  if (only_try) {
    try_it(runtime->port());
    return 0;
  }
  std::cout << "listening on ws://127.0.0.1:" << runtime->port() << "\n";
  int signal = 0;
  sigwait(&signals, &signal);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const bool only_try = argc > 1 && std::string_view(argv[1]) == "--try";
    Options options;
    options.store.data = "todo-data";
    if (only_try) {
      std::string folder = (std::filesystem::temp_directory_path() / "todo-XXXXXX").string();
      if (mkdtemp(folder.data()) == nullptr) throw std::runtime_error("no temporary directory");
      options.store.data = folder;
      options.store.ballast_bytes = 0;
      options.server.port = 0;
    }
    const int code = serve(options, only_try);
    if (only_try) std::filesystem::remove_all(options.store.data);
    return code;
  } catch (const std::exception& failure) {
    std::cerr << "todo: " << failure.what() << "\n";
    return 1;
  }
}
