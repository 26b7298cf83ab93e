#include "net/detail/system_session.hpp"

#include <utility>

#include "net/token.hpp"

namespace kontract::detail {

namespace {

class SystemAnswer final : public ReplyTarget {
 public:
  explicit SystemAnswer(SystemSession::Done done) : done_(std::move(done)) {}

  void answer(std::uint64_t /*call*/, Answer&& given) noexcept override {
    const auto done = std::exchange(done_, nullptr);
    if (!given.result) return done(std::move(given.result).error());
    done(Json::parse(*given.result));
  }

 private:
  SystemSession::Done done_;
};

std::shared_ptr<const Peer> system_peer() {
  auto peer = std::make_shared<Peer>();
  peer->owner = kSystemOwner;
  peer->user = kSystemOwner;
  peer->perm = perms::RWX;
  peer->ugroups = {"admin"};
  peer->method = "LOCAL";
  return peer;
}

}  // namespace

SystemSession::SystemSession(Directory& directory, std::string name)
    : directory_(directory),
      identity_{std::string(kSystemOwner), std::move(name)},
      peer_(system_peer()) {}

void SystemSession::call(std::string function, Json args, Done done) const {
  auto session = directory_.find(identity_);
  if (!session) return done(std::move(session).error());
  auto call = std::make_shared<Call>();
  call->context.perm = peer_->perm;
  call->context.peer = peer_;
  call->function = std::move(function);
  call->args = std::move(args);
  call->deadline = Clock::now() + limits::kCallTimeout;
  call->reply = Reply(std::make_shared<SystemAnswer>(std::move(done)), 0);
  (*session)->send(std::move(call));
}

}  // namespace kontract::detail
