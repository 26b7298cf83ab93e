// `kontract sql`: the registry of a session, on a server or in a data directory.

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <future>
#include <iostream>
#include <ostream>

#include "net/token.hpp"
#include "runtime/cli.hpp"
#include "runtime/runtime.hpp"

namespace kontract::cli {
namespace {

constexpr std::string_view kFunction = "registry.exec";
constexpr std::string_view kUsualOwner = "dev";
constexpr std::chrono::seconds kTokenLife{60};  // it is used at once

// A single object names the parameters.
Json call_args(const SqlRequest& request) {
  Json params = json_list(request.params);
  if (params.size() == 1 && params[0].is_object()) params = Json(params[0]);
  return Json::array({request.sql, std::move(params)});
}

std::string admin_token(const std::string& owner, const std::string& secret) {
  const auto now = std::chrono::duration_cast<std::chrono::seconds>(
      std::chrono::system_clock::now().time_since_epoch());
  return issue_token({{"sub", owner},
                      {"owner", owner},
                      {"perm", perms::RWX},
                      {"ugroups", {"admin"}},
                      {"iat", now.count()},
                      {"exp", (now + kTokenLife).count()}},
                     secret);
}

// An owner that is asked for is signed for, if that is possible.
Result<Json> on_server(const SqlRequest& request) {
  Server server = request.server;
  std::string owner = request.owner;
  if (!request.secret.empty() && (!owner.empty() || server.token.empty())) {
    if (owner.empty()) owner = kUsualOwner;
    server.token = admin_token(owner, request.secret);
  }
  auto result = ask(server, request.session, owner, std::string(kFunction), call_args(request));
  if (!result && result.error().code == Errc::unauthorized) {
    result.error().hint =
        request.secret.empty()
            ? "Give the server's secret with --secret, and --owner; or a token with --token."
            : "The secret is not this server's.";
  }
  return result;
}

class OneAnswer final : public ReplyTarget {
 public:
  void answer(std::uint64_t /*call_id*/, Answer&& answer) noexcept override {
    answered_.set_value(std::move(answer));
  }
  std::future<Answer> future() { return answered_.get_future(); }

 private:
  std::promise<Answer> answered_;
};

Result<std::unique_ptr<Runtime>> open_directory(const std::filesystem::path& data) {
  std::error_code unknown;
  if (!std::filesystem::exists(data / "shard-00", unknown)) {
    return Error(
        Errc::invalid_request, data.string() + " is no data directory",
        "`kontract serve --data` makes one; a server says at its start where its data is.");
  }
  Options options;
  options.listen = false;
  options.store.data = data;
  options.store.shards = 0;  // as many as it has
  options.store.disk_floor_bytes = 0;
  // What a server keeps in reserve stays.
  const auto reserve = std::filesystem::file_size(data / "ballast", unknown);
  options.store.ballast_bytes = unknown ? 0 : reserve;
  options.store.alarm = [](const std::string& what) { std::cerr << what << "\n"; };
  return Runtime::start(std::move(options));
}

Result<Json> in_directory(const SqlRequest& request) {
  auto runtime = open_directory(request.data);
  if (!runtime) return std::move(runtime).error();
  Peer peer = development_peer();
  if (!request.owner.empty()) peer.owner = peer.user = request.owner;
  peer.method = "LOCAL";
  auto session = (*runtime)->directory().find({peer.owner, request.session});
  if (!session) return std::move(session).error();

  const auto target = std::make_shared<OneAnswer>();
  auto answer = target->future();
  auto call = std::make_shared<Call>();
  call->context.perm = peer.perm;
  call->context.peer = std::make_shared<const Peer>(std::move(peer));
  call->function = kFunction;
  call->args = call_args(request);
  call->reply = Reply(target, 1);
  (*session)->send(std::move(call));
  Answer came = answer.get();
  session->reset();
  (*runtime)->stop();
  if (!came.result) return std::move(came.result).error();
  return parse_json(*came.result, {.values = limits::kSqlResultBytesMax});
}

// A value as text; what would move the cursor is written as JSON.
std::string cell(const Json& value) {
  if (value.is_null()) return "NULL";
  if (!value.is_string()) return to_text(value);
  const auto& text = value.get_ref<const std::string&>();
  const bool plain = std::ranges::none_of(
      text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
  return plain ? text : to_text(value);
}

std::size_t width(const std::string& text) {  // in code points
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

void print_table(const Json& columns, const Json& rows, std::ostream& out) {
  std::vector<std::vector<std::string>> lines;
  auto& header = lines.emplace_back();
  for (const Json& name : columns) header.push_back(cell(name));
  for (const Json& row : rows) {
    auto& line = lines.emplace_back();
    for (const Json& name : columns) {
      line.push_back(cell(row.at(name.get_ref<const std::string&>())));
    }
  }
  std::vector<std::size_t> widths(columns.size());
  for (const auto& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], width(line[i]));
  }
  for (const auto& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i) {
      out << line[i];
      if (i + 1 < line.size()) out << std::string(widths[i] - width(line[i]) + 2, ' ');
    }
    out << "\n";
  }
}

}  // namespace

int sql(const SqlRequest& request, Streams streams) {
  if (request.data.empty() && !request.secret.empty() && request.secret.size() < kSecretBytesMin) {
    streams.err << "The secret is shorter than " << kSecretBytesMin << " bytes\n";
    return kUsage;
  }
  const auto result = request.data.empty() ? on_server(request) : in_directory(request);
  if (!result) return report(result.error(), streams);
  const Json& columns = result->at("columns");
  if (request.json) {
    streams.out << to_text(*result) << "\n";
  } else if (!columns.empty()) {
    print_table(columns, result->at("rows"), streams.out);
  } else {
    const auto changes = result->at("changes").get<std::uint64_t>();
    streams.out << changes << (changes == 1 ? " row" : " rows") << " changed\n";
  }
  return kDone;
}

}  // namespace kontract::cli
