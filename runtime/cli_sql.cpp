// `kontract sql`: the registry of a session, on a server or in a data directory.

#include <algorithm>
#include <ostream>

#include "runtime/cli.hpp"

namespace kontract::cli {
namespace {

constexpr std::string_view kFunction = "registry.exec";

// A single object names the parameters.
Json call_args(const SqlRequest& request) {
  Json params = json_list(request.params);
  if (params.size() == 1 && params[0].is_object()) params = Json(params[0]);
  return Json::array({request.sql, std::move(params)});
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

}  // namespace

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

int sql(const SqlRequest& request, Streams streams) {
  if (!check_secret(request, streams)) return kUsage;
  AdminCalls calls(request);
  const auto result = calls.call(std::string(kFunction), call_args(request));
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
