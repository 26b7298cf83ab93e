// `kontract explain` and `check`: what needs no server.

#include <ostream>

#include "runtime/cli.hpp"

namespace kontract::cli {

int explain(const std::string& code, Streams streams) {
  if (code.empty()) {
    for (const ErrorTraits& error : all_errors()) {
      streams.out << error.name << ": " << error.cause << "\n";
    }
    return kDone;
  }
  const auto known = errc_from_name(code);
  if (!known) {
    streams.err << "There is no error '" << code << "'\n"
                << "hint: `kontract explain` lists them all.\n";
    return kFailed;
  }
  const ErrorTraits& error = traits(*known);
  streams.out << error.name << "\n"
              << "HTTP status: " << error.http_status << "\n"
              << "retry: " << (error.retry ? "yes" : "no") << "\n"
              << "cause: " << error.cause << "\n"
              << "cure: " << error.cure << "\n";
  return kDone;
}

int check(const std::string& directory, Streams streams) {
  const auto result = check_data_directory(directory);
  if (!result) return report(result.error(), streams);
  streams.out << "sessions " << result->sessions << ", tables " << result->tables << ", records "
              << result->records << ", versions " << result->versions << "\n";
  if (result->journal_groups > 0) {
    streams.out << "the next start takes " << result->journal_groups
                << " groups of writes over from the journal; they are not in these numbers\n";
  }
  for (const std::string& problem : result->problems) streams.out << problem << "\n";
  streams.out << (result->problems.empty() ? "no problems\n" : "the data is damaged\n");
  return result->problems.empty() ? kDone : kFailed;
}

}  // namespace kontract::cli
