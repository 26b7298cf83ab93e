#include "examples/bank/bank_functions.hpp"

#include <optional>
#include <string>
#include <utility>

namespace bank {

using kontract::Backend;
using kontract::CallError;
using kontract::Errc;
using kontract::Error;
using kontract::FunctionContext;
using kontract::HttpError;
using kontract::Json;
using kontract::NotFound;
using kontract::QueryOptions;
using kontract::QueryPage;
using kontract::Task;
namespace perms = kontract::perms;

namespace {

struct Transferred {
  std::int64_t from = 0, to = 0;  // balances
  std::int64_t number = 0;
  bool repeated = false;
};
void to_json(Json& json, const Transferred& done) {
  json = {
      {"from", done.from}, {"to", done.to}, {"number", done.number}, {"repeated", done.repeated}};
}

Json existing(std::optional<Json> account, const std::string& id) {
  if (!account) throw NotFound("There is no account " + id);
  return *std::move(account);
}

std::int64_t integer(const Json& account, const char* member) {
  return account.at(member).get<std::int64_t>();
}

[[noreturn]] void refuse(std::string why) {
  throw CallError(Error(Errc::invalid_request, std::move(why)));
}

// Whether it was made before.
bool is_repeated(const std::string& from, std::int64_t sent, std::optional<std::int64_t> number) {
  if (!number) return false;
  if (*number < 1) refuse("Transfers are numbered from 1 on, not " + std::to_string(*number));
  if (*number > sent + 1) {
    throw CallError(Error(Errc::txn_conflict,
                          "The next transfer from " + from + " has number " +
                              std::to_string(sent + 1) + ", not " + std::to_string(*number),
                          "Send the ones before it first."));
  }
  return *number <= sent;
}

Task<bool> open(FunctionContext& ctx, std::string id, std::int64_t amount) {
  if (amount < 0) refuse("An account opens with 0 or more, not " + std::to_string(amount));
  auto accounts = ctx.table(kTable);
  const std::optional<Json> there = co_await accounts.get(id);
  if (there) refuse("There is an account " + id + " already");
  const Json account = {{"balance", amount}, {"sent", 0}, {"received", 0}};
  co_await accounts.set(id, account);
  co_return true;
}

Task<Transferred> transfer(FunctionContext& ctx, std::string from, std::string to,
                           std::int64_t amount, std::optional<std::int64_t> number) {
  if (amount <= 0) refuse("The amount must be positive, not " + std::to_string(amount));
  if (from == to) refuse("A transfer goes to another account than " + from);
  auto accounts = ctx.table(kTable);
  std::optional<Json> from_read = co_await accounts.get(from);
  Json payer = existing(std::move(from_read), from);
  std::optional<Json> to_read = co_await accounts.get(to);
  Json payee = existing(std::move(to_read), to);

  Transferred done;
  done.from = integer(payer, "balance");
  done.to = integer(payee, "balance");
  const std::int64_t sent = integer(payer, "sent");
  done.repeated = is_repeated(from, sent, number);
  done.number = done.repeated ? *number : sent + 1;
  if (done.repeated) co_return done;
  if (done.from < amount) {
    throw HttpError(422, "Account " + from + " has " + std::to_string(done.from) +
                             ", too little to pay " + std::to_string(amount));
  }
  done.from -= amount;
  done.to += amount;
  payer["balance"] = done.from;
  payer["sent"] = done.number;
  payee["balance"] = done.to;
  payee["received"] = integer(payee, "received") + 1;
  co_await accounts.set(from, payer);
  co_await accounts.set(to, payee);
  co_return done;
}

Task<std::int64_t> balance(FunctionContext& ctx, std::string id) {
  auto accounts = ctx.table(kTable);
  std::optional<Json> read = co_await accounts.get(id);
  co_return integer(existing(std::move(read), id), "balance");
}

Task<std::int64_t> total(FunctionContext& ctx) {
  auto accounts = ctx.table(kTable);
  const Json all = Json::object();
  QueryOptions page;
  std::int64_t sum = 0;
  for (;;) {
    const QueryPage read = co_await accounts.query(all, page);
    for (const auto& row : read.rows) sum += integer(row.data, "balance");
    if (read.next.empty()) co_return sum;
    page.after = read.next;
  }
}

}  // namespace

Json table_arguments() {
  const Json integer = {{"type", "integer"}, {"required", true}};
  const Json fields = {{"balance", integer}, {"sent", integer}, {"received", integer}};
  const Json schema = {{"fields", fields}};
  return Json::array({kTable, Json{{"schema", schema}}});
}

Backend backend() {
  Backend backend;
  backend.function({.name = "bank.open",
                    .args = {"id", "amount"},
                    .egroup = "bank",
                    .perm = perms::RW_,
                    .doc = "Opens an account with some money."},
                   open);
  backend.function({.name = "bank.transfer",
                    .args = {"from", "to", "amount", "number"},
                    .egroup = "bank",
                    .perm = perms::RW_,
                    .doc = "Moves money to another account; gives both balances."},
                   transfer);
  backend.function({.name = "bank.balance",
                    .args = {"id"},
                    .egroup = "bank",
                    .perm = perms::R__,
                    .doc = "The money in an account."},
                   balance);
  backend.function({.name = "bank.total",
                    .egroup = "bank",
                    .perm = perms::R__,
                    .doc = "The money in all accounts."},
                   total);
  return backend;
}

}  // namespace bank
