// `kontract schema`: the document that an owner's sessions follow.

#include <fstream>
#include <iterator>
#include <ostream>

#include "runtime/cli.hpp"

namespace kontract::cli {
namespace {

Result<Json> read_document(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return Error(Errc::invalid_request, "Cannot read " + file, "Give a file that is there.");
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  auto document = parse_json(text);
  if (document) return document;
  Error error = std::move(document).error();
  error.message.insert(0, file + ": ");
  return error;
}

Result<Json> all_pages(AdminCalls& calls, const Json& document) {
  Json sessions = Json::array();
  for (Json after = nullptr;;) {
    auto page = calls.call("schema.apply", {document, {{"dry_run", true}, {"after", after}}});
    if (!page) return page;
    for (Json& session : page->at("sessions")) sessions.push_back(std::move(session));
    after = page->at("next");
    if (after.is_null()) return sessions;
  }
}

struct Totals {
  std::uint64_t sessions = 0, failing = 0, changed = 0, failed = 0;
};

Totals totals_of(const Json& sessions) {
  Totals totals;
  for (const Json& session : sessions) {
    ++totals.sessions;
    bool fails = session.contains("error");
    for (const Json& table : session.at("tables")) {
      totals.changed += table.at("changed").get<std::uint64_t>();
      const auto failed = table.at("failed").get<std::uint64_t>();
      totals.failed += failed;
      fails = fails || failed > 0;
    }
    if (fails) ++totals.failing;
  }
  return totals;
}

void print_dry_run(const Json& sessions, const Totals& totals, std::ostream& out) {
  Json rows = Json::array();
  std::string reasons;
  for (const Json& session : sessions) {
    const auto& name = session.at("session").get_ref<const std::string&>();
    for (const Json& table : session.at("tables")) {
      const auto& id = table.at("table").get_ref<const std::string&>();
      const char* what = table.at("created").get<bool>()   ? "create"
                         : table.at("dropped").get<bool>() ? "drop"
                                                           : "change";
      rows.push_back({{"SESSION", name},
                      {"TABLE", id},
                      {"TO DO", what},
                      {"RECORDS", table.at("records")},
                      {"CHANGED", table.at("changed")},
                      {"FAILED", table.at("failed")}});
      for (const Json& failure : table.at("failures")) {
        reasons += name + ", " + id + ", record " + to_text(failure.at("id")) + ": " +
                   failure.at("why").get<std::string>() + "\n";
      }
    }
    if (session.contains("error")) {
      reasons += name + ": " + session.at("error").get<std::string>() + "\n";
    }
  }
  if (!rows.empty()) {
    print_table({"SESSION", "TABLE", "TO DO", "RECORDS", "CHANGED", "FAILED"}, rows, out);
  }
  out << reasons << totals.sessions << " sessions, " << totals.changed << " records to change; "
      << totals.failing << " sessions with " << totals.failed
      << " records that fail would stay as they are\n";
}

}  // namespace

int schema_apply(const SchemaRequest& request, Streams streams) {
  if (!check_secret(request, streams)) return kUsage;
  const auto document = read_document(request.file);
  if (!document) return report(document.error(), streams);
  AdminCalls calls(request);
  if (request.dry_run) {
    const auto sessions = all_pages(calls, *document);
    if (!sessions) return report(sessions.error(), streams);
    const Totals totals = totals_of(*sessions);
    if (request.json) {
      streams.out << to_text({{"sessions", *sessions},
                              {"totals",
                               {{"sessions", totals.sessions},
                                {"failing", totals.failing},
                                {"changed", totals.changed},
                                {"failed", totals.failed}}}})
                  << "\n";
    } else {
      print_dry_run(*sessions, totals, streams.out);
    }
    return totals.failing == 0 ? kDone : kFailed;
  }
  const auto result = calls.call("schema.apply", Json::array({*document}));
  if (!result) return report(result.error(), streams);
  if (request.json) {
    streams.out << to_text(*result) << "\n";
  } else {
    streams.out << "version " << result->at("version")
                << (result->at("applied").get<bool>() ? " is applied\n" : " was applied before\n");
  }
  return kDone;
}

int schema_show(const SchemaRequest& request, Streams streams) {
  if (!check_secret(request, streams)) return kUsage;
  AdminCalls calls(request);
  const auto document = calls.call("schema.show", Json::array());
  if (!document) return report(document.error(), streams);
  streams.out << document->dump(2) << "\n";
  return kDone;
}

}  // namespace kontract::cli
