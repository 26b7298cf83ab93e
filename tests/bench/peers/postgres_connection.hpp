// PostgresConnection: one prepared statement after the other on one connection, by libpq's pipeline
// mode, each a transaction of its own. A Connection of closed_loop.hpp.

#pragma once

#include <libpq-fe.h>

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>

#include "tests/bench/message_template.hpp"

namespace kontract::bench {

class PostgresConnection {
 public:
  // Throws std::runtime_error if it cannot connect.
  PostgresConnection(std::uint16_t port, bool writes, int keys)
      : connection_(PQconnectdb(
            ("host=127.0.0.1 user=bench dbname=postgres port=" + std::to_string(port)).c_str())),
        writes_(writes),
        keys_(static_cast<std::uint64_t>(keys)) {
    if (PQstatus(connection_.get()) != CONNECTION_OK) fail();
    const char* const statement =
        writes ? "INSERT INTO users VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET data = $2"
               : "SELECT data FROM users WHERE id = $1";
    take(PQprepare(connection_.get(), "run", statement, writes ? 2 : 1, nullptr), PGRES_COMMAND_OK);
    if (PQsetnonblocking(connection_.get(), 1) != 0) fail();
    if (PQenterPipelineMode(connection_.get()) != 1) fail();
  }

  // Runs statements that give no rows. REQUIRES: nothing was sent.
  static void execute(std::uint16_t port, const std::string& statements) {
    PostgresConnection plain(port);
    plain.take(PQexec(plain.connection_.get(), statements.c_str()), PGRES_COMMAND_OK);
  }

  int fd() const { return PQsocket(connection_.get()); }

  void send(std::uint64_t random) {
    const std::string key = "k" + std::to_string(random % keys_);
    std::string data;
    if (writes_) append_data200(data, random);
    const char* const values[] = {key.c_str(), data.c_str()};
    const int sent =
        PQsendQueryPrepared(connection_.get(), "run", writes_ ? 2 : 1, values, nullptr, nullptr, 0);
    if (sent != 1 || PQpipelineSync(connection_.get()) != 1) fail();
  }

  bool flush() {
    const int left = PQflush(connection_.get());
    if (left < 0) fail();
    return left > 0;
  }

  std::size_t receive() {
    if (PQconsumeInput(connection_.get()) != 1) fail();
    std::size_t answers = 0;
    while (PQisBusy(connection_.get()) == 0) {
      PGresult* const result = PQgetResult(connection_.get());
      if (result == nullptr) {  // the end of one statement's results, or of all that has come
        if (++nulls_ > 1) break;
        continue;
      }
      nulls_ = 0;
      const ExecStatusType status = PQresultStatus(result);
      PQclear(result);
      if (status == PGRES_PIPELINE_SYNC) {
        ++answers;
      } else if (status != (writes_ ? PGRES_COMMAND_OK : PGRES_TUPLES_OK)) {
        fail();
      }
    }
    return answers;
  }

 private:
  struct Free {
    void operator()(PGconn* connection) const { PQfinish(connection); }
  };

  explicit PostgresConnection(std::uint16_t port)
      : connection_(PQconnectdb(
            ("host=127.0.0.1 user=bench dbname=postgres port=" + std::to_string(port)).c_str())) {
    if (PQstatus(connection_.get()) != CONNECTION_OK) fail();
  }

  void take(PGresult* result, ExecStatusType expected) const {
    const ExecStatusType status = PQresultStatus(result);
    PQclear(result);
    if (status != expected) fail();
  }

  [[noreturn]] void fail() const {
    throw std::runtime_error(std::string("PostgreSQL: ") + PQerrorMessage(connection_.get()));
  }

  std::unique_ptr<PGconn, Free> connection_;
  bool writes_ = false;
  std::uint64_t keys_ = 1;
  int nulls_ = 0;  // in a row
};

}  // namespace kontract::bench
