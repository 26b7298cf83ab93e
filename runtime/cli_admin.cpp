// What administers: on a server, or in a data directory that no server has open.

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

constexpr std::string_view kUsualOwner = "dev";
constexpr std::chrono::seconds kTokenLife{60};  // it is used at once

std::string admin_token(const std::string& owner, const AdminRequest& request) {
  Peer peer = development_peer();
  peer.owner = peer.user = owner;
  return issue_token(token_claims(peer, {request.issuer, random_name(kJtiBytes)}, request.audience,
                                  std::chrono::system_clock::now(), kTokenLife),
                     secret_key(request.secret, request.issuer));
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

// What a directory is opened with by somebody who only looks, or changes a little.
Result<Options> options_of(const std::filesystem::path& data) {
  std::error_code unknown;
  if (!std::filesystem::exists(data / "shard-00", unknown)) {
    return Error(
        Errc::invalid_request, data.string() + " is no data directory",
        "`kontract serve --data` makes one; a server says at its start where its data is.");
  }
  Options options;
  options.listen = false;
  options.server.raystream = RaystreamOffer::off;
  options.store.data = data;
  options.store.shards = 0;  // as many as it has
  options.store.disk_floor_bytes = 0;
  // What a server keeps in reserve stays.
  const auto reserve = std::filesystem::file_size(data / "ballast", unknown);
  options.store.ballast_bytes = unknown ? 0 : reserve;
  options.store.alarm = [](const std::string& what) { std::cerr << what << "\n"; };
  return options;
}

Result<std::unique_ptr<Runtime>> open_directory(const std::filesystem::path& data) {
  auto options = options_of(data);
  if (!options) return std::move(options).error();
  return Runtime::start(*std::move(options));
}

}  // namespace

Result<std::unique_ptr<Store>> open_store(const std::string& data) {
  auto options = options_of(data);
  if (!options) return std::move(options).error();
  return Store::open(std::move(options->store));
}

// An owner that is asked for is signed for, if that is possible.
Server admin_server(const AdminRequest& request) {
  Server server = request.server;
  if (!request.secret.empty() && (!request.owner.empty() || server.token.empty())) {
    const std::string owner = request.owner.empty() ? std::string(kUsualOwner) : request.owner;
    server.token = admin_token(owner, request);
  }
  return server;
}

Error hinted(Error error, const AdminRequest& request) {
  if (error.code == Errc::overloaded || error.code == Errc::timeout) {
    error.hint = "Start the server with `kontract serve`, or say where it is with --url.";
  } else if (error.code == Errc::unauthorized) {
    error.hint =
        request.secret.empty()
            ? "Give the server's secret with --secret, and --owner; or a token with --token."
            : "The secret is not this server's.";
  }
  return error;
}

bool check_secret(const AdminRequest& request, Streams streams) {
  if (!request.data.empty() || request.secret.empty()) return true;
  if (request.secret.size() >= kSecretBytesMin) return true;
  streams.err << "The secret is shorter than " << kSecretBytesMin << " bytes\n";
  return false;
}

AdminCalls::AdminCalls(const AdminRequest& request) : request_(request) {}
AdminCalls::~AdminCalls() = default;

Result<Json> AdminCalls::call(const std::string& function, Json args) {
  if (request_.data.empty()) {
    const bool signs = !request_.secret.empty() && request_.server.token.empty();
    const std::string owner =
        request_.owner.empty() && signs ? std::string(kUsualOwner) : request_.owner;
    auto result = ask(admin_server(request_), request_.session, owner, function, std::move(args));
    if (result || result.error().code != Errc::unauthorized) return result;
    return hinted(std::move(result).error(), request_);
  }
  if (!runtime_) {
    auto runtime = open_directory(request_.data);
    if (!runtime) return std::move(runtime).error();
    runtime_ = *std::move(runtime);
  }
  Peer peer = development_peer();
  if (!request_.owner.empty()) peer.owner = peer.user = request_.owner;
  peer.method = "LOCAL";
  auto session = runtime_->directory().find({peer.owner, request_.session});
  if (!session) return std::move(session).error();

  const auto target = std::make_shared<OneAnswer>();
  auto answer = target->future();
  auto call = std::make_shared<Call>();
  call->context.perm = peer.perm;
  call->context.peer = std::make_shared<const Peer>(std::move(peer));
  call->function = function;
  call->args = std::move(args);
  call->reply = Reply(target, 1);
  (*session)->send(std::move(call));
  Answer came = answer.get();
  if (!came.result) return std::move(came.result).error();
  return parse_json(*came.result, {.values = limits::kSqlResultBytesMax});
}

}  // namespace kontract::cli
