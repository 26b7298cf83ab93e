#include "net/http_get.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

#include "net/detail/client_wire.hpp"

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
  ErrorCode result;
  start([&result](ErrorCode error, auto&&...) { result = error; });
  io.restart();
  io.run();
  return result;
}

Result<Json> exchange(http::request<http::string_body> request, const std::string& url,
                      const std::string& token, std::chrono::milliseconds timeout) {
  const auto server = client_wire::parse_url(url);
  if (!server) return server.error();
  asio::io_context io;
  beast::tcp_stream stream(io);
  stream.expires_after(timeout);  // for all of it
  ErrorCode error;
  const auto endpoints = tcp::resolver(io).resolve(server->host, server->port, error);
  if (!error) {
    error = complete(io, [&](auto done) { stream.async_connect(endpoints, std::move(done)); });
  }
  request.set(http::field::host, server->host);
  request.set(http::field::connection, "close");
  if (!token.empty()) request.set(http::field::authorization, "Bearer " + token);
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
    const bool late = error == beast::error::timeout;
    return Error(late ? Errc::timeout : Errc::overloaded,
                 "No answer from " + url + ": " + error.message());
  }
  const std::string& body = response.get().body();
  const auto status = response.get().result_int();
  if (status != 200) return client_wire::refusal(static_cast<int>(status), body);
  auto parsed = parse_json(body, {.values = body.size() + 1});
  if (!parsed)
    return Error(Errc::internal, "What " + url + " answers is no JSON: " + parsed.error().message);
  return parsed;
}

}  // namespace

Result<Json> http_get_json(const std::string& url, const std::string& path,
                           const std::string& token, std::chrono::milliseconds timeout) {
  return exchange({http::verb::get, path, 11}, url, token, timeout);
}

Result<Json> http_post_json(const std::string& url, const std::string& path,
                            const std::string& token, const Json& body,
                            std::chrono::milliseconds timeout) {
  http::request<http::string_body> request(http::verb::post, path, 11);
  request.set(http::field::content_type, "application/json");
  request.body() = to_text(body);
  request.prepare_payload();
  return exchange(std::move(request), url, token, timeout);
}

}  // namespace kontract
