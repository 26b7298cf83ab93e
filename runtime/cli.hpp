// cli: the `kontract` program, as main.cpp runs it and tests do.
//
// Exit codes: 0; 1 what was asked for failed, with message and hint on stderr; 2 wrong usage.

#pragma once

#include <iosfwd>
#include <memory>
#include <string>
#include <vector>

#include "net/client.hpp"
#include "runtime/config.hpp"
#include "storage/json.hpp"

namespace CLI {  // NOLINT(readability-identifier-naming): the library's
class App;
}

namespace kontract {
class Runtime;
class Store;
}  // namespace kontract

namespace kontract::cli {

inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;
inline constexpr int kUsage = 2;

struct Streams {
  std::ostream& out;
  std::ostream& err;
};

// The program with these arguments, its own name not among them.
int run(std::vector<std::string> args, Streams streams);

// Message and hint, one line each. Returns kFailed.
int report(const Error& error, Streams streams);

// Serves until SIGTERM or SIGINT, then drains; a second signal ends the process at once.
// REQUIRES: no other thread, as both signals are blocked for those that it starts.
int serve(ServeOptions options, Streams streams);

struct Server {
  std::string url, token;
  ClientRaystream raystream = {};
  std::string ca = {};  // of a wss URL: whom to trust; empty: those whom the system trusts
};
// Asks for one call, on a connection of its own. `owner`: whose session it must be; empty: any.
// Errors: with hints for the command line.
Result<Json> ask(const Server& server, const std::string& session, const std::string& owner,
                 const std::string& function, Json args);
// Each as JSON, or a string if it is not JSON.
Json json_list(const std::vector<std::string>& args);

// One call; `args` are JSON, or strings where they are not.
int call(const Server& server, const std::string& session, const std::string& function,
         const std::vector<std::string>& args, Streams streams);
int tables(const Server& server, const std::string& session, Streams streams);

struct AdminRequest {
  Server server;
  std::string secret;                                      // to sign a token with,
  std::string issuer = "kontract", audience = "kontract";  // and what it says of both
  std::string owner;                                       // empty: the token's, or dev
  std::string session = "default";
  std::string data;  // not empty: that directory instead of a server
};
// Adds where the server is, and who calls.
void add_server(CLI::App& command, Server& server);
// Adds how a WebSocket to it is encrypted.
void add_raystream(CLI::App& command, Server& server);
// Adds what a token is signed with.
void add_signing(CLI::App& command, AdminRequest& request);
// False, and said why, if its secret cannot be one.
bool check_secret(const AdminRequest& request, Streams streams);

// Its server, with a token of who may administer if one can be signed, or was given.
Server admin_server(const AdminRequest& request);
// The refusal of such a one, with what helps.
Error hinted(Error error, const AdminRequest& request);

// Calls as somebody who may administer. A directory stays open until the end.
class AdminCalls {
 public:
  explicit AdminCalls(const AdminRequest& request);
  ~AdminCalls();
  Result<Json> call(const std::string& function, Json args);

 private:
  const AdminRequest& request_;
  std::unique_ptr<Runtime> runtime_;
};

// Objects with these members, as a table.
void print_table(const Json& columns, const Json& rows, std::ostream& out);

// RWX, with - for what is not there.
std::string permission_letters(std::uint64_t permissions);

struct RoutesRequest : AdminRequest {  // of a server
  std::string explain;                 // the function whose middleware is asked for
  std::string path;                    // empty: the one that its calls have
  bool json = false;
};
// Functions and middleware: GET /routes.
int routes(const RoutesRequest& request, Streams streams);

struct SqlRequest : AdminRequest {
  std::string sql;
  std::vector<std::string> params;
  bool json = false;
};
// One statement over a session's registry: registry.exec.
int sql(const SqlRequest& request, Streams streams);

struct SchemaRequest : AdminRequest {
  std::string file;
  bool dry_run = false;
  bool json = false;
};
// Changes the schemas of all of an owner's sessions: schema.apply. With `dry_run` kFailed if a
// session would fail.
int schema_apply(const SchemaRequest& request, Streams streams);
int schema_show(const SchemaRequest& request, Streams streams);

struct SessionsRequest : AdminRequest {  // its `session` is not looked at; no owner: all of `data`
  std::string prefix;
  std::string inspect;  // OWNER/NAME or NAME: that one, with its tables
  bool count = false;
  bool json = false;
};
// The stored sessions: GET /sessions, or those in a data directory.
int sessions(const SessionsRequest& request, Streams streams);
// Of a data directory that no server has open.
Result<std::unique_ptr<Store>> open_store(const std::string& data);

// All codes if `code` is empty.
int explain(const std::string& code, Streams streams);
int check(const std::string& directory, Streams streams);

}  // namespace kontract::cli
