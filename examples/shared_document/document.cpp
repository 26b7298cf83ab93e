#include "document.hpp"

#include <filesystem>
#include <fstream>
#include <sstream>

namespace shared_document {

using kontract::Errc;
using kontract::Error;
using kontract::Json;
using kontract::Result;
using kontract::Status;

namespace {

// Both take and give text that came from JSON, and so is well-formed UTF-8.
std::u32string decode(const std::string& utf8) {
  std::u32string text;
  for (const unsigned char byte : utf8) {
    if (byte < 0x80) {
      text.push_back(byte);
    } else if (byte >= 0xc0) {
      text.push_back(byte & (byte >= 0xf0 ? 0x07 : byte >= 0xe0 ? 0x0f : 0x1f));
    } else {
      text.back() = text.back() << 6 | (byte & 0x3f);
    }
  }
  return text;
}

void encode(char32_t point, std::string& utf8) {
  const auto put = [&](char32_t byte) { utf8.push_back(static_cast<char>(byte)); };
  if (point < 0x80) return put(point);
  if (point < 0x800) {
    put(0xc0 | point >> 6);
  } else if (point < 0x10000) {
    put(0xe0 | point >> 12);
    put(0x80 | (point >> 6 & 0x3f));
  } else {
    put(0xf0 | point >> 18);
    put(0x80 | (point >> 12 & 0x3f));
    put(0x80 | (point >> 6 & 0x3f));
  }
  put(0x80 | (point & 0x3f));
}

}  // namespace

Result<Trace> load_trace(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file.is_open() || std::filesystem::is_directory(path))
    return Error(Errc::not_found, "The trace " + path + " cannot be read");
  auto json = kontract::parse_json(text.str(), {.depth = 16, .values = 50'000'000});
  if (!json) return Error(json.error().code, path + ": " + json.error().message);
  const auto is = [&](const char* name, Json::value_t type) {
    return json->is_object() && json->contains(name) && (*json)[name].type() == type;
  };
  if (!is("startContent", Json::value_t::string) || !is("endContent", Json::value_t::string) ||
      !is("txns", Json::value_t::array)) {
    return Error(Errc::invalid_request, path + " is no editing trace",
                 "It needs startContent, endContent and txns; data/README.md shows the shape.");
  }
  Trace trace{(*json)["startContent"], (*json)["endContent"], {}};
  for (Json& txn : (*json)["txns"]) {
    if (!txn.is_object() || !txn.contains("patches")) {
      return Error(Errc::invalid_request, path + " has a transaction without patches");
    }
    trace.edits.push_back(std::move(txn["patches"]));
  }
  return trace;
}

Document::Document(const std::string& start) : text_(decode(start)) {}

Status Document::apply(const Json& patches) {
  const Error misfit(Errc::invalid_request, "An edit does not fit the text: " + patches.dump());
  if (!patches.is_array()) return misfit;
  for (const Json& patch : patches) {
    if (!patch.is_array() || patch.size() != 3 || !patch[0].is_number_unsigned() ||
        !patch[1].is_number_unsigned() || !patch[2].is_string()) {
      return misfit;
    }
    const auto position = patch[0].get<std::size_t>();
    const auto deleted = patch[1].get<std::size_t>();
    if (position > text_.size() || deleted > text_.size() - position) return misfit;
    text_.replace(position, deleted, decode(patch[2].get_ref<const std::string&>()));
  }
  return {};
}

std::string Document::text() const {
  std::string utf8;
  for (const char32_t point : text_) encode(point, utf8);
  return utf8;
}

}  // namespace shared_document
