#include <stdexcept>

#include "actors/detail/middleware_frame.hpp"
#include "actors/http_resp.hpp"

namespace kontract {

namespace {

Call& call_of(detail::MiddlewareFrame& frame) {
  if (!frame.step) throw std::logic_error("the call has gone on; it can not be had after next()");
  return *frame.step->call;
}

}  // namespace

const std::string& MiddlewareContext::function() const { return frame_.walk->function; }

const Identity& MiddlewareContext::session() const { return frame_.walk->session->identity(); }

const std::string& MiddlewareContext::method() const { return frame_.peer->method; }

std::optional<std::string_view> MiddlewareContext::header(const std::string& name) const {
  const auto found = frame_.peer->headers.find(name);
  if (found == frame_.peer->headers.end()) return std::nullopt;
  return found->second;
}

const Peer& MiddlewareContext::peer() const { return *frame_.peer; }

void MiddlewareContext::set_peer(Peer peer) {
  Call& call = call_of(frame_);
  if (peer.owner != frame_.peer->owner) {
    throw std::invalid_argument("set_peer: a session's calls stay with its owner");
  }
  lower_perm(peer.perm);
  peer.perm = frame_.perm;
  frame_.peer = std::make_shared<const Peer>(std::move(peer));
  call.context.peer = frame_.peer;
}

Perm MiddlewareContext::perm() const { return frame_.perm; }

void MiddlewareContext::lower_perm(Perm kept) {
  Call& call = call_of(frame_);
  frame_.perm = static_cast<Perm>(frame_.perm & kept);
  call.context.perm = frame_.perm;
}

const Json& MiddlewareContext::args() const { return call_of(frame_).args; }

void MiddlewareContext::set_args(Json args) {
  Call& call = call_of(frame_);
  if (!args.is_array()) throw std::invalid_argument("set_args: arguments are an array");
  call.args = std::move(args);
}

void MiddlewareContext::answer(const Json& result) {
  if (std::holds_alternative<Task<CallAnswer>>(frame_.task)) {
    throw std::logic_error("an around returns its answer");
  }
  frame_.answered.emplace(result);
}

void MiddlewareContext::add_header(std::string name, std::string value) {
  // It is one that a function might set as well.
  const auto checked = HttpResp::ok(nullptr).header(std::move(name), std::move(value));
  frame_.headers.push_back(checked.head().headers.front());
}

std::map<std::string, Json>& MiddlewareContext::values() { return frame_.walk->values; }

SharedState& MiddlewareContext::shared() const { return frame_.walk->front->shared; }

Next::Step Next::operator()() const {
  if (std::exchange(frame_->next_called, true)) throw std::logic_error("next() was called twice");
  return Step(*frame_);
}

void Next::Step::await_suspend(std::coroutine_handle<> waiting) {
  frame_.waiting = waiting;
  frame_.actor.let_go(frame_);
}

CallAnswer Next::Step::await_resume() {
  return CallAnswer(*std::exchange(frame_.inner, std::nullopt));
}

void MiddlewareSleep::await_suspend(std::coroutine_handle<> waiting) {
  frame_.waiting = waiting;
  frame_.actor.sleep(frame_, time_);
}

void MiddlewareSleep::await_resume() {
  if (auto error = std::exchange(frame_.sleep_error, std::nullopt)) throw CallError(*error);
}

}  // namespace kontract
