#include "runtime/cli_identity.hpp"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <ostream>

#include "net/server_identity.hpp"

namespace kontract::cli {
namespace {

std::filesystem::path file_of(const IdentityRequest& request) {
  return std::filesystem::path(request.data) / kIdentityFile;
}

int show(const IdentityRequest& request, Streams streams) {
  const auto keys = read_identities(file_of(request));
  if (!keys) return report(keys.error(), streams);
  for (const raystream::SigningKey& key : *keys) {
    streams.out << raystream::to_pin(key.public_key()) << "\n";
  }
  return kDone;
}

int rotate(const IdentityRequest& request, Streams streams) {
  if (request.drop_old) {
    const Status dropped = drop_old_identities(file_of(request));
    return dropped ? kDone : report(dropped.error(), streams);
  }
  const auto fresh = rotate_identity(file_of(request));
  if (!fresh) return report(fresh.error(), streams);
  streams.out << raystream::to_pin(*fresh) << "\n";
  return kDone;
}

CLI::App* add_command(CLI::App& identity, const char* name, const char* what,
                      IdentityRequest& request) {
  CLI::App* command = identity.add_subcommand(name, what);
  command->add_option("--data", request.data, "The data directory, also of a running server")
      ->envname("KONTRACT_DATA")
      ->type_name("DIR")
      ->required();
  return command;
}

}  // namespace

void add_identity(CLI::App& app, IdentityRequests& requests) {
  CLI::App* identity =
      app.add_subcommand("identity", "Who a server is to clients that pin it (raystream)");
  identity->require_subcommand(1);
  add_command(*identity, "show", "Print its pins, the newest first", requests.show);
  CLI::App* rotate = add_command(
      *identity, "rotate", "Make a new key, which it has from its next start on, and print its pin",
      requests.rotate);
  rotate->add_flag("--drop-old", requests.rotate.drop_old,
                   "Make none, but drop all that are older than the newest");
  identity->footer(
      "After rotate, clients that have pinned an older key still get in. Tell them the new pin,\n"
      "then drop the old keys. A server reads its keys when it starts.");
}

int identity(const CLI::App& app, const IdentityRequests& requests, Streams streams) {
  const bool shows = app.get_subcommand("identity")->got_subcommand("show");
  return shows ? show(requests.show, streams) : rotate(requests.rotate, streams);
}

}  // namespace kontract::cli
