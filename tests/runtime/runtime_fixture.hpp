// A runtime on a folder of its own, with a function of each kind that the tests of embedding need.

#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "runtime/runtime.hpp"

namespace kontract {

// A folder that is there as long as this is.
class TestFolder {
 public:
  TestFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "runtime-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary folder");
    path_ = pattern;
  }
  ~TestFolder() { std::filesystem::remove_all(path_); }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline Options options_in(const TestFolder& folder) {
  Options options;
  options.store.data = folder.path();
  options.store.ballast_bytes = 0;
  options.server.port = 0;
  options.threads = 2;
  return options;
}

inline Task<std::uint64_t> count_up(FunctionContext& ctx, std::uint64_t by) {
  auto counters = ctx.table("t");
  const std::optional<Json> before = co_await counters.get("n");
  const std::uint64_t now = before ? before->at("n").get<std::uint64_t>() + by : by;
  const Json after = {{"n", now}};
  co_await counters.set("n", after);
  co_return now;
}

inline Task<std::string> nap(FunctionContext& ctx, std::int64_t ms) {
  co_await ctx.sleep(std::chrono::milliseconds(ms));
  co_return "rested";
}

inline Backend counting_backend() {
  Backend backend;
  backend.function({.name = "count.up", .args = {"by"}, .perm = perms::RW_}, count_up);
  backend.function({.name = "count.nap", .args = {"ms"}, .perm = perms::R__}, nap);
  return backend;
}

inline std::unique_ptr<Runtime> must_start(Options options, Backend backend = counting_backend(),
                                           Host host = {}) {
  auto started = Runtime::start(std::move(options), std::move(backend), host);
  if (!started) throw std::runtime_error(started.error().message);
  return std::move(*started);
}

// The result, or the code of the error as a string: what a test compares.
inline Json outcome(const Result<CallResult>& result) {
  if (result) return result->result;
  return std::string(traits(result.error().code).name);
}

}  // namespace kontract
