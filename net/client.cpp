#include "net/client.hpp"

#include "net/detail/client_loop.hpp"

namespace kontract {

struct Client::Impl {
  std::shared_ptr<ClientLoop> loop;
};

namespace {

Error on_own_thread() {
  return Error(Errc::invalid_request, "A call cannot be waited for on the client's own thread",
               "Use the callback or co_await there.");
}

}  // namespace

Client::Client(ClientOptions options)
    : impl_(std::make_shared<Impl>(Impl{std::make_shared<ClientLoop>(std::move(options))})) {
  impl_->loop->start();
}

Client::~Client() {
  impl_->loop->close();
  impl_->loop->join();
}

Result<Welcome> Client::connect() {
  if (impl_->loop->on_thread()) return on_own_thread();
  return impl_->loop->first_welcome();
}

void Client::call(std::string_view function, Json args, Callback done) {
  impl_->loop->submit(function, args, std::move(done));
}

Result<CallResult> Client::call(std::string_view function, Json args) {
  return wait(function, std::move(args), 0);
}

Result<CallResult> Client::wait(std::string_view function, Json args, std::uint64_t tx) {
  if (impl_->loop->on_thread()) return on_own_thread();
  // Shared, as this thread may be gone on while the other one is still inside set_value.
  const auto answered = std::make_shared<std::promise<Result<CallResult>>>();
  auto answer = answered->get_future();
  impl_->loop->submit(
      function, args,
      [answered](Result<CallResult> result) { answered->set_value(std::move(result)); }, tx);
  return answer.get();
}

Client::Awaitable Client::async_call(std::string_view function, Json args) {
  return Awaitable(*this, std::string(function), std::move(args));
}

void Client::Awaitable::await_suspend(std::coroutine_handle<> waiting) {
  client_.call(function_, std::move(args_), [this, waiting](Result<CallResult> result) {
    result_.emplace(std::move(result));
    waiting.resume();
  });
}

std::uint64_t Client::subscribe(std::string_view table, SubscribeOptions options,
                                EventHandler handler) {
  return impl_->loop->subscribe(table, std::move(options), std::move(handler));
}

void Client::unsubscribe(std::uint64_t subscription) { impl_->loop->unsubscribe(subscription); }

void Client::on_connection(std::function<void(bool)> handler) {
  impl_->loop->on_connection(std::move(handler));
}

void Client::close() { impl_->loop->close(); }

}  // namespace kontract
