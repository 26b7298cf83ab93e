// The command line: which commands there are and what they take.

#include "runtime/cli.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <ostream>

#include "runtime/cli_identity.hpp"
#include "runtime/cli_token.hpp"

namespace kontract::cli {
namespace {

// Before an argument, it keeps CLI11 from taking [1,2] apart and -1 for an option.
constexpr char kWhole = '\x1f';

// Marks what is no option: lists, negative numbers, and all that follows --.
std::vector<std::string> mark_whole(std::vector<std::string> args) {
  const auto dashes = std::ranges::find(args, "--");
  for (auto arg = args.begin(); arg != args.end(); ++arg) {
    const bool number = arg->size() > 1 && (*arg)[0] == '-' && (*arg)[1] >= '0' && (*arg)[1] <= '9';
    if (arg > dashes || number || arg->starts_with('[')) arg->insert(0, 1, kWhole);
  }
  if (dashes != args.end()) args.erase(dashes);
  return args;
}

// One pin in 64 begins with a dash, and would be taken for an option of its own.
std::vector<std::string> join_pins(std::vector<std::string> args) {
  for (auto arg = args.begin(); arg != args.end() && *arg != "--"; ++arg) {
    if (*arg != "--pin" || arg + 1 == args.end()) continue;
    *arg += "=" + *(arg + 1);
    args.erase(arg + 1);
  }
  return args;
}

void unmark(std::string& arg) {
  if (arg.starts_with(kWhole)) arg.erase(0, 1);
}

struct Parsed {
  Values flags;
  std::string config, session, function, code, directory;
  std::vector<std::string> args;
  Server server;
  TokenRequests token;
  IdentityRequests identity;
  SqlRequest sql;
  SchemaRequest schema;
  RoutesRequest routes;
  SessionsRequest sessions;
};

void add_serve(CLI::App& app, Parsed& parsed) {
  CLI::App* serve = app.add_subcommand("serve", "Serve sessions over WebSocket and HTTP");
  serve->get_formatter()->column_width(40);
  serve->add_option("--config", parsed.config, "Config file (env KONTRACT_CONFIG)")
      ->type_name("FILE");
  for (const Setting& setting : settings()) {
    const std::string value = setting.text(ServeOptions());
    const bool alone = setting.type == "true|false";  // without a value it means true
    serve
        ->add_option_function<std::string>(
            "--" + setting.name,
            [&parsed, &setting, alone](const std::string& text) {
              parsed.flags[setting.name] = alone && text.empty() ? "true" : text;
            },
            setting.help + " (default " + (value.empty() ? "none" : value) + "; env " +
                setting.variable() + ", key " + setting.name + ")")
        ->type_name(setting.type)
        ->expected(alone ? 0 : 1, 1);
  }
  serve->footer(
      "SIZE takes B, KiB, MiB, GiB; DURATION takes ms, s, m, h: 64MiB, 500ms.\n"
      "A flag overrides the environment (env), that the config file (key), that the default.\n"
      "The config file has lines such as: map-size = \"64GiB\"   # comment");
}

void add_session(CLI::App& command, Parsed& parsed) {
  add_server(command, parsed.server);
  add_raystream(command, parsed.server);
  command.add_option("SESSION", parsed.session, "Name of the session")->required();
}

void add_admin(CLI::App& command, AdminRequest& request) {
  add_server(command, request.server);
  add_raystream(command, request.server);
  add_signing(command, request);
  command.add_option("--owner", request.owner, "Whose session; the token's owner, or dev")
      ->type_name("NAME");
  command.add_option("--session", request.session, "Name of the session")
      ->default_str("default")
      ->type_name("NAME");
  command.add_option("--data", request.data, "A data directory that no server has open, instead")
      ->type_name("DIR");
}

void add_schema(CLI::App& app, SchemaRequest& request) {
  CLI::App* schema = app.add_subcommand("schema", "The tables that an owner's sessions have");
  schema->require_subcommand(1);
  CLI::App* apply = schema->add_subcommand("apply", "Change them, in all sessions of the owner");
  add_admin(*apply, request);
  apply->add_option("FILE", request.file, "The document, as JSON")->required();
  apply->add_flag("--dry-run", request.dry_run, "Say what would happen, change nothing");
  apply->add_flag("--json", request.json, "Print the result as JSON");
  apply->footer(
      R"({"version": 2, "tables": {"movies": {"fields": {...}}}, "steps": [{"rename": {...}}]})"
      "\nChanging schemas in docs/protocol.md says more. The session is asked only to pass it on.");
  CLI::App* show = schema->add_subcommand("show", "Print the document that was applied last");
  add_admin(*show, request);
}

void add_sql(CLI::App& app, SqlRequest& request) {
  CLI::App* sql = app.add_subcommand("sql", "Run SQL over the registry of a session's tables");
  add_admin(*sql, request);
  sql->add_flag("--json", request.json, "Print the result as JSON");
  sql->add_option("SQL", request.sql, "One statement")->required();
  sql->add_option("PARAMS", request.params, "Values for ? or $1, each as JSON, or a string");
  sql->footer(
      "storage (id, ptr, owner, permissions, schema) has the tables: SELECT, INSERT, UPDATE,\n"
      "DELETE. trxs (txid, owner) has the active transactions: SELECT. One JSON object as the\n"
      "parameters gives those with names, such as :id.");
}

void add_routes(CLI::App& app, RoutesRequest& request) {
  CLI::App* routes = app.add_subcommand("routes", "List a server's functions and middleware");
  add_server(*routes, request.server);
  add_signing(*routes, request);
  routes->add_flag("--json", request.json, "Print what GET /routes answers");
  CLI::Option* explain = routes
                             ->add_option("--explain", request.explain,
                                          "Say which middleware calls of a function meet, and why "
                                          "the others do not match")
                             ->type_name("FN");
  routes->add_option("--path", request.path, "With --explain: of another path than /rpc/FN")
      ->type_name("PATH")
      ->needs(explain);
}

void add_sessions(CLI::App& app, SessionsRequest& request) {
  CLI::App* sessions = app.add_subcommand("sessions", "List the stored sessions, waking none");
  add_server(*sessions, request.server);
  add_signing(*sessions, request);
  sessions->add_option("--owner", request.owner, "Whose; the token's owner, or in DIR all")
      ->type_name("NAME");
  sessions->add_option("--data", request.data, "A data directory that no server has open, instead")
      ->type_name("DIR");
  sessions->add_option("--prefix", request.prefix, "Only names that begin with it")
      ->type_name("TEXT");
  sessions->add_flag("--count", request.count, "Only how many");
  sessions->add_flag("--json", request.json, "Print each as JSON, one on a line");
  CLI::App* inspect = sessions->add_subcommand("inspect", "Say what one has");
  inspect->fallthrough();
  inspect->add_option("SESSION", request.inspect, "OWNER/NAME, or NAME")->required();
}

// CLI11 reads the environment for every command unless it has something to do when it is complete.
// What commands share would then be the environment's, whatever the one that was given was told.
void read_environment_only_for_the_given(CLI::App& app) {
  for (CLI::App* command : app.get_subcommands({})) {
    command->parse_complete_callback([] {});
    read_environment_only_for_the_given(*command);
  }
}

int dispatch(const CLI::App& app, const Parsed& parsed, Streams streams) {
  const std::string command = app.get_subcommands().front()->get_name();
  if (command == "serve") {
    auto options = load_options(parsed.flags, environment_values(), parsed.config);
    if (!options) {
      report(options.error(), streams);
      return kUsage;
    }
    return serve(std::move(*options), streams);
  }
  if (command == "call") {
    return call(parsed.server, parsed.session, parsed.function, parsed.args, streams);
  }
  if (command == "routes") return routes(parsed.routes, streams);
  if (command == "sessions") return sessions(parsed.sessions, streams);
  if (command == "sql") return sql(parsed.sql, streams);
  if (command == "schema") {
    const bool shows = app.get_subcommand("schema")->got_subcommand("show");
    return shows ? schema_show(parsed.schema, streams) : schema_apply(parsed.schema, streams);
  }
  if (command == "tables") return tables(parsed.server, parsed.session, streams);
  if (command == "explain") return explain(parsed.code, streams);
  if (command == "check") return check(parsed.directory, streams);
  if (command == "token") return token(app, parsed.token, streams);
  if (command == "identity") return identity(app, parsed.identity, streams);
  streams.out << "kontract " KONTRACT_VERSION "\n";
  return kDone;
}

}  // namespace

void add_server(CLI::App& command, Server& server) {
  command.add_option("--url", server.url, "The server")
      ->envname("KONTRACT_URL")
      ->default_str("ws://127.0.0.1:8787")
      ->type_name("URL");
  command.add_option("--token", server.token, "Who calls; needed if the server has a secret")
      ->envname("KONTRACT_TOKEN")
      ->type_name("JWT");
  command
      .add_option("--ca", server.ca, "Certificates (PEM) to trust for a wss URL, not the system's")
      ->envname("KONTRACT_CA")
      ->type_name("FILE");
}

void add_raystream(CLI::App& command, Server& server) {
  const std::map<std::string, RaystreamTrust> kinds{{"auto", RaystreamTrust::automatic},
                                                    {"off", RaystreamTrust::off},
                                                    {"pinned", RaystreamTrust::pinned},
                                                    {"first-use", RaystreamTrust::first_use},
                                                    {"tls", RaystreamTrust::tls}};
  command
      .add_option("--pin", server.raystream.pins,
                  "Encrypt, and talk only to the server with this pin; may be repeated")
      ->envname("KONTRACT_PIN")
      ->type_name("PIN")
      ->allow_extra_args(false);
  command
      .add_option("--known-hosts", server.raystream.known_hosts,
                  "Encrypt, and talk only to the server that answered the first time; it is kept "
                  "in this file")
      ->envname("KONTRACT_KNOWN_HOSTS")
      ->type_name("FILE");
  command
      .add_option("--raystream", server.raystream.trust,
                  "Whom to trust when encrypting: auto (as --pin or --known-hosts say), off (do "
                  "not encrypt), pinned, first-use, tls (who has the certificate of a wss:// URL)")
      ->type_name("TRUST")
      ->option_text("auto|off|pinned|first-use|tls")
      ->transform(CLI::Transformer(kinds, CLI::ignore_case));
}

void add_signing(CLI::App& command, AdminRequest& request) {
  command.add_option("--secret", request.secret, "The server's, to sign a token with")
      ->envname("KONTRACT_SECRET")
      ->type_name("TEXT");
  command.add_option("--issuer", request.issuer, "The server's token-issuer")
      ->envname("KONTRACT_TOKEN_ISSUER")
      ->default_str(request.issuer)
      ->type_name("TEXT");
  command.add_option("--audience", request.audience, "The server's token-audience")
      ->envname("KONTRACT_TOKEN_AUDIENCE")
      ->default_str(request.audience)
      ->type_name("TEXT");
}

int run(std::vector<std::string> args, Streams streams) {
  Parsed parsed;
  parsed.server.url = parsed.sql.server.url = parsed.schema.server.url = parsed.routes.server.url =
      parsed.sessions.server.url = parsed.token.revoke.server.url = "ws://127.0.0.1:8787";
  CLI::App app("Durable sessions over WebSocket", "kontract");
  app.require_subcommand(1);
  add_serve(app, parsed);

  CLI::App* call = app.add_subcommand("call", "Call a function of a session, print its result");
  add_session(*call, parsed);
  call->add_option("FN", parsed.function, "The function, such as table.get")->required();
  call->add_option("ARGS", parsed.args, "Each as JSON, or a string if it is not JSON");
  call->footer(
      "A number as a string is '\"1\"'. Put -- before arguments that begin with a dash, unless "
      "they "
      "are numbers.");

  CLI::App* list = app.add_subcommand("tables", "List the tables of a session");
  add_session(*list, parsed);

  app.add_subcommand("explain", "Say what an error means and what helps")
      ->add_option("CODE", parsed.code, "Such as KONTRACT_TIMEOUT; all if not given");
  app.add_subcommand("check", "Verify a data directory that no server has open")
      ->add_option("DIR", parsed.directory, "The data directory")
      ->required();
  add_sql(app, parsed.sql);
  add_schema(app, parsed.schema);
  add_routes(app, parsed.routes);
  add_sessions(app, parsed.sessions);
  add_token(app, parsed.token);
  add_identity(app, parsed.identity);
  app.add_subcommand("version", "Print the version");
  read_environment_only_for_the_given(app);

  if (!args.empty() && !args.front().starts_with('-') &&
      app.get_subcommands([&](CLI::App* known) { return known->check_name(args.front()); })
          .empty()) {
    streams.err << "kontract: there is no command '" << args.front() << "'\n"
                << "Run `kontract --help` for those there are.\n";
    return kUsage;
  }
  try {
    args = join_pins(std::move(args));
    if (!args.empty() && (args.front() == "call" || args.front() == "sql")) {
      args = mark_whole(std::move(args));
    }
    std::ranges::reverse(args);  // as CLI11 takes a vector
    app.parse(std::move(args));
  } catch (const CLI::ParseError& stopped) {
    if (stopped.get_exit_code() == 0) {  // --help
      app.exit(stopped, streams.out, streams.err);
      return kDone;
    }
    streams.err << "kontract: " << stopped.what() << "\n"
                << "Run `kontract --help`, or `kontract COMMAND --help`.\n";
    return kUsage;
  }
  for (auto* words : {&parsed.args, &parsed.sql.params}) {
    for (std::string& arg : *words) unmark(arg);
  }
  unmark(parsed.sql.sql);
  return dispatch(app, parsed, streams);
}

int report(const Error& error, Streams streams) {
  streams.err << error.name() << ": " << error.message << "\n"
              << "hint: " << error.hint_or_cure() << "\n";
  return kFailed;
}

}  // namespace kontract::cli
