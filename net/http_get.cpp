#include "net/http_get.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <optional>

#include "net/detail/client_tls.hpp"
#include "net/detail/client_wire.hpp"
#include "net/detail/transport.hpp"

namespace kontract {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using ErrorCode = boost::system::error_code;

// Runs one operation to its end.
template <class Start>
ErrorCode complete(asio::io_context& io, Start start) {
  std::optional<ErrorCode> result;
  start([&result](ErrorCode error, auto&&...) { result = error; });
  io.restart();
  while (!result && io.run_one() > 0) {
  }
  return result.value_or(asio::error::operation_aborted);
}

struct Call {
  const std::string& url;
  const std::string& token;
  const std::string& ca_file;
  std::chrono::milliseconds timeout;
};

// Makes the connection one of TLS.
Status secure(asio::io_context& io, detail::SocketTransport& stream, const std::string& host,
              const Call& call) {
  const auto context = detail::client_tls({.ca = call.ca_file, .certificate = {}, .key = {}});
  if (!context) return context.error();
  auto tls = detail::TlsSession::open(*context, stream.socket().native_handle(),
                                      detail::TlsSession::Side::client);
  if (!tls || !tls->expect_host(host)) return Error(Errc::internal, "TLS cannot be set up");
  const auto session = tls;
  stream.start_tls(std::move(tls));
  const ErrorCode error = complete(io, [&](auto done) { stream.async_handshake(std::move(done)); });
  if (!error) return {};
  auto refused = detail::tls_refusal(call.url, error, session->certificate_problem());
  if (refused) return std::move(*refused);
  return Error(error == asio::error::operation_aborted ? Errc::timeout : Errc::overloaded,
               "No answer from " + call.url + ": " + error.message());
}

Result<Json> exchange(http::request<http::string_body> request, const Call& call) {
  const auto server = client_wire::parse_url(call.url);
  if (!server) return server.error();
  asio::io_context io;
  detail::SocketTransport stream{detail::Socket(asio::make_strand(io))};
  bool late = false;
  asio::steady_timer limit(io, call.timeout);  // for all of it
  limit.async_wait([&](ErrorCode stopped) {
    if (stopped) return;
    late = true;
    stream.close();
  });
  ErrorCode error;
  const auto endpoints = tcp::resolver(io).resolve(server->host, server->port, error);
  if (!error) {
    error = complete(
        io, [&](auto done) { asio::async_connect(stream.socket(), endpoints, std::move(done)); });
  }
  if (!error && server->tls) {
    if (Status secured = secure(io, stream, server->host, call); !secured) {
      return std::move(secured).error();
    }
  }
  request.set(http::field::host, server->host);
  request.set(http::field::connection, "close");
  if (!call.token.empty()) request.set(http::field::authorization, "Bearer " + call.token);
  if (!error) {
    error = complete(io, [&](auto done) { http::async_write(stream, request, std::move(done)); });
  }
  beast::flat_buffer buffer;
  http::response_parser<http::string_body> response;
  response.body_limit(client_wire::kMessageBytesMax);
  if (!error) {
    error = complete(
        io, [&](auto done) { http::async_read(stream, buffer, response, std::move(done)); });
  }
  if (error) {
    return Error(late ? Errc::timeout : Errc::overloaded,
                 "No answer from " + call.url + ": " + error.message());
  }
  const std::string& body = response.get().body();
  const auto status = response.get().result_int();
  if (status != 200) return client_wire::refusal(static_cast<int>(status), body);
  auto parsed = parse_json(body, {.values = body.size() + 1});
  if (!parsed)
    return Error(Errc::internal,
                 "What " + call.url + " answers is no JSON: " + parsed.error().message);
  return parsed;
}

}  // namespace

Result<Json> http_get_json(const std::string& url, const std::string& path,
                           const std::string& token, const std::string& ca_file,
                           std::chrono::milliseconds timeout) {
  return exchange({http::verb::get, path, 11}, {url, token, ca_file, timeout});
}

Result<Json> http_post_json(const std::string& url, const std::string& path,
                            const std::string& token, const Json& body, const std::string& ca_file,
                            std::chrono::milliseconds timeout) {
  http::request<http::string_body> request(http::verb::post, path, 11);
  request.set(http::field::content_type, "application/json");
  request.body() = to_text(body);
  request.prepare_payload();
  return exchange(std::move(request), {url, token, ca_file, timeout});
}

}  // namespace kontract
