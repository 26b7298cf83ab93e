// `kontract sessions`: which sessions are stored, on a server or in a data directory; no session is
// woken.

#include <ctime>
#include <ostream>

#include "actors/session_report.hpp"
#include "net/http_get.hpp"
#include "runtime/cli.hpp"

namespace kontract::cli {
namespace {

constexpr std::size_t kPage = 1000;

std::string encoded(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       std::string_view("-_.").find(c) != std::string_view::npos;
    if (plain) {
      out += c;
    } else {
      out += {'%', digits[byte >> 4], digits[byte & 0xF]};
    }
  }
  return out;
}

std::string time_text(std::int64_t ms) {
  const auto seconds = static_cast<std::time_t>(ms / 1000);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc)};
}

// Where sessions are looked up: a server, or a directory.
class Sessions {
 public:
  explicit Sessions(const SessionsRequest& request) : request_(request) {}

  Result<Json> page(const std::string& after) {
    if (request_.data.empty()) {
      std::string path =
          "/sessions?" + (request_.count ? std::string("count") : "limit=" + std::to_string(kPage));
      if (!request_.prefix.empty()) path += "&prefix=" + encoded(request_.prefix);
      if (!after.empty()) path += "&after=" + encoded(after);
      return get(path);
    }
    if (Status opened = open(); !opened) return std::move(opened).error();
    const auto page = list_sessions(*store_, {.owner = request_.owner,
                                              .prefix = request_.prefix,
                                              .after = after,
                                              .limit = request_.count ? 0 : kPage});
    if (!page) return page.error();
    return session_page_json(*page);
  }

  Result<Json> inspect() {
    const std::string& which = request_.inspect;
    const std::size_t slash = which.rfind('/');
    std::string owner = request_.owner;
    if (slash != which.npos) owner = which.substr(0, slash);
    const std::string name = which.substr(slash == which.npos ? 0 : slash + 1);
    if (request_.data.empty()) {
      auto details = get("/sessions/" + encoded(name));
      if (details && !owner.empty() && details->value("owner", "") != owner) {
        return Error(Errc::forbidden, "The token is not of owner " + owner,
                     "Give a token of that owner, or sign one with --secret and --owner.");
      }
      return details;
    }
    if (Status opened = open(); !opened) return std::move(opened).error();
    if (owner.empty()) owner = "dev";
    const auto details = inspect_session(*store_, {owner, name});
    if (!details) return details.error();
    if (!*details) {
      return Error(Errc::not_found, "Owner " + owner + " has no session " + shown(name),
                   "`kontract sessions` lists those there are.");
    }
    return session_details_json(**details);
  }

 private:
  Result<Json> get(const std::string& path) {
    auto answer = http_get_json(request_.server.url, path, admin_server(request_).token);
    if (!answer) return hinted(std::move(answer).error(), request_);
    return answer;
  }

  Status open() {
    if (store_) return {};
    auto opened = open_store(request_.data);
    if (!opened) return std::move(opened).error();
    store_ = *std::move(opened);
    return {};
  }

  const SessionsRequest& request_;
  std::unique_ptr<Store> store_;
};

void print_details(const Json& details, std::ostream& out) {
  out << "owner    " << details.at("owner").get<std::string>() << "\n"
      << "session  " << details.at("session").get<std::string>() << "\n"
      << "sid      " << details.at("sid").get<std::string>() << "\n"
      << "created  " << time_text(details.at("created_ms").get<std::int64_t>()) << "\n"
      << "txid     " << details.at("txid") << " at most\n"
      << "schema   " << details.at("schema_version") << "\n"
      << "replies  " << details.at("replies") << "\n\n";
  Json rows = Json::array();
  for (const Json& table : details.at("tables")) {
    rows.push_back({{"TABLE", table.at("id")},
                    {"OWNER", table.at("owner")},
                    {"PERMISSIONS", permission_letters(table.at("permissions").get<unsigned>())},
                    {"RECORDS", table.at("records")}});
  }
  print_table({"TABLE", "OWNER", "PERMISSIONS", "RECORDS"}, rows, out);
}

int inspect(Sessions& from, const SessionsRequest& request, Streams streams) {
  const auto details = from.inspect();
  if (!details) return report(details.error(), streams);
  if (request.json) {
    streams.out << to_text(*details) << "\n";
  } else {
    print_details(*details, streams.out);
  }
  return kDone;
}

}  // namespace

int sessions(const SessionsRequest& request, Streams streams) {
  if (!check_secret(request, streams)) return kUsage;
  Sessions from(request);
  std::uint64_t count = 0;
  std::string after;
  try {
    if (!request.inspect.empty()) return inspect(from, request, streams);
    do {  // a page at a time, however many there are
      const auto page = from.page(after);
      if (!page) return report(page.error(), streams);
      count += page->at("count").get<std::uint64_t>();
      for (const Json& session : page->at("sessions")) {
        if (request.json) {
          streams.out << to_text(session) << "\n";
          continue;
        }
        streams.out << session.at("owner").get<std::string>() << '/'
                    << session.at("session").get<std::string>() << "  "
                    << session.at("sid").get<std::string>() << "  "
                    << time_text(session.at("created_ms").get<std::int64_t>()) << "\n";
      }
      const Json& next = page->at("next");
      after = next.is_string() ? next.get<std::string>() : std::string();
    } while (!after.empty());
  } catch (const Json::exception&) {
    return report(Error(Errc::internal, "This is no list of sessions"), streams);
  }
  if (request.count) streams.out << count << "\n";
  return kDone;
}

}  // namespace kontract::cli
