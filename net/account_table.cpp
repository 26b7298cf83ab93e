#include "net/account_table.hpp"

#include <utility>

#include "net/detail/password_workers.hpp"
#include "net/detail/system_session.hpp"
#include "storage/wall_clock.hpp"

namespace kontract {

namespace {

using Found = Result<std::optional<UserAccount>>;

Json accounts_schema() {
  const auto field = [](const char* type) { return Json{{"type", type}, {"required", true}}; };
  Json login = field("string"), sub = field("string"), owner = field("string");
  login["primkey"] = true;
  sub["unique"] = true;
  owner["index"] = true;
  return {{"fields",
           {{"login", login},
            {"sub", sub},
            {"owner", owner},
            {"hash", field("string")},
            {"perm", {{"type", "integer"}, {"required", true}, {"default", perms::RWX}}},
            {"ugroups", {{"type", "array"}, {"required", true}, {"default", Json::array()}}},
            {"enabled", {{"type", "boolean"}, {"required", true}, {"default", true}}},
            {"generation", {{"type", "integer"}, {"required", true}, {"default", 1}}}}}};
}

// An account as its record has it.
struct Kept {
  UserAccount account;
  std::string hash;
};

// What the schema does not say of a record that an operator has changed.
Result<Kept> read_record(const Json& record) {
  if (!record.is_object()) return Error(Errc::internal, "The record of an account is no object");
  const auto text = [&](const char* name) {
    const auto found = record.find(name);
    return found != record.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  Kept kept;
  UserAccount& account = kept.account;
  account.login = text("login");
  account.sub = text("sub");
  account.owner = text("owner");
  kept.hash = text("hash");
  const auto perm = record.value("perm", Json());
  const auto generation = record.value("generation", Json());
  const auto enabled = record.value("enabled", Json());
  bool sound = !account.sub.empty() && !account.owner.empty() && perm.is_number_integer() &&
               perm >= 0 && perm <= perms::RWX && generation.is_number_integer() &&
               generation >= 1 && enabled.is_boolean();
  const auto groups = record.value("ugroups", Json::array());
  sound = sound && groups.is_array();
  for (const Json& group : groups) {
    sound = sound && group.is_string();
    if (sound) account.ugroups.push_back(group.get<std::string>());
  }
  if (!sound) {
    return Error(Errc::internal, "The record of the account " + account.login + " is not sound");
  }
  account.perm = perm.get<Perm>();
  account.generation = generation.get<std::uint64_t>();
  account.enabled = enabled.get<bool>();
  return kept;
}

Json record_of(const UserAccount& account, std::string hash) {
  return {{"login", account.login},     {"sub", account.sub},
          {"owner", account.owner},     {"hash", std::move(hash)},
          {"perm", account.perm},       {"ugroups", account.ugroups},
          {"enabled", account.enabled}, {"generation", account.generation},
          {"created_ms", now_ms()}};
}

Error too_many_passwords() {
  Error error(Errc::overloaded, "Too many passwords wait to be checked", "Try again in a moment.");
  error.retry_after = std::chrono::seconds(1);
  return error;
}

bool is_code(const Result<Json>& answer, Errc code) {
  return !answer && answer.error().code == code;
}

}  // namespace

// What waits for a session keeps it alive. What is for the workers does not, since none of them may
// end it: they are stopped before it goes.
class AccountTable::State : public std::enable_shared_from_this<AccountTable::State> {
 public:
  State(Directory& directory, AccountTableOptions options)
      : session_(directory, kAccountsSession),
        options_(std::move(options)),
        unmatchable_(unmatchable_hash(options_.cost)),
        workers_(options_.workers, options_.waiting_max) {}

  void create(Credentials with, UserAccount wanted, Done done) {
    const auto kept = std::make_shared<Done>(std::move(done));
    const bool taken =
        workers_.post([this, with = std::move(with), wanted = std::move(wanted), kept]() mutable {
          auto hash = make_hash(with.password);
          with.password.wipe();
          if (!hash) return (*kept)(std::move(hash).error());
          wanted.login = std::move(with.login);
          const Json record = record_of(wanted, std::move(*hash));
          insert(record, std::move(wanted), std::move(*kept), Table::may_be_missing);
        });
    if (!taken) (*kept)(too_many_passwords());
  }

  void verify(Credentials given, Done done) {
    const auto checked = std::make_shared<Credentials>(std::move(given));
    check(checked,
          [this, checked, done = std::move(done)](const Result<std::optional<Kept>>& kept) {
            if (!kept) return done(kept.error());
            if (!*kept) return done(nobody());
            done(std::optional((*kept)->account));
            make_hash_anew(**kept, checked->password);
          });
  }

  void find(const std::string& sub, Done done) {
    session_.call("table.exec",
                  {kAccountsTable, "SELECT data FROM accounts WHERE sub = ?", Json::array({sub})},
                  [done = std::move(done)](const Result<Json>& answer) {
                    if (is_code(answer, Errc::storage_ptr_not_found)) return done(nobody());
                    if (!answer) return done(answer.error());
                    const Json& rows = answer->at("rows");
                    if (rows.empty()) return done(nobody());
                    auto kept = read_record(
                        Json::parse(rows[0].at("data").get<std::string>(), nullptr, false));
                    if (!kept) return done(std::move(kept).error());
                    done(std::optional(std::move(kept->account)));
                  });
  }

  void change_password(Credentials given, SecretBytes fresh, Done done) {
    const auto checked = std::make_shared<Credentials>(std::move(given));
    const auto next = std::make_shared<SecretBytes>(std::move(fresh));
    check(checked, [this, next, done = std::move(done)](const Result<std::optional<Kept>>& kept) {
      if (!kept) return done(kept.error());
      if (!*kept) return done(nobody());
      replace(**kept, *next, done);
    });
  }

  void stop() { workers_.stop(); }

 private:
  enum class Table : bool { may_be_missing, was_made };

  static Found nobody() { return std::optional<UserAccount>(); }

  Result<std::string> make_hash(const SecretBytes& password) const {
    if (options_.on_hash) options_.on_hash();
    return hash_password(password.view(), options_.cost);
  }

  void insert(const Json& record, UserAccount account, Done done, Table table) {
    auto after = [self = shared_from_this(), record, account = std::move(account),
                  done = std::move(done), table](const Result<Json>& answer) mutable {
      if (answer) return done(std::optional(std::move(account)));
      if (is_code(answer, Errc::schema_violation)) return done(nobody());
      if (!is_code(answer, Errc::storage_ptr_not_found) || table == Table::was_made) {
        return done(answer.error());
      }
      self->make_table(record, std::move(account), std::move(done));
    };
    session_.call("table.push", {kAccountsTable, record}, std::move(after));
  }

  void make_table(const Json& record, UserAccount account, Done done) {
    auto after = [self = shared_from_this(), record, account = std::move(account),
                  done = std::move(done)](const Result<Json>& made) mutable {
      // Somebody else may have made it meanwhile.
      if (!made && !is_code(made, Errc::invalid_request)) return done(made.error());
      self->insert(record, std::move(account), std::move(done), Table::was_made);
    };
    session_.call("table.create", {kAccountsTable, {{"schema", accounts_schema()}}},
                  std::move(after));
  }

  // The account if it is enabled and the password right; on a worker. One computation in any case.
  void check(const std::shared_ptr<Credentials>& given,
             std::function<void(Result<std::optional<Kept>>)> then) {
    auto after = [self = shared_from_this(), given,
                  then = std::move(then)](const Result<Json>& record) mutable {
      std::optional<Kept> kept;
      if (!record && !is_code(record, Errc::storage_ptr_not_found)) return then(record.error());
      if (record && !record->is_null()) {
        auto read = read_record(*record);
        if (!read) return then(std::move(read).error());
        kept = std::move(*read);
      }
      const bool taken =
          self->workers_.post([raw = self.get(), given, then, kept = std::move(kept)]() mutable {
            then(raw->compare(std::move(kept), given->password));
          });
      if (!taken) then(too_many_passwords());
    };
    session_.call("table.get", {kAccountsTable, given->login}, std::move(after));
  }

  Result<std::optional<Kept>> compare(std::optional<Kept> kept, const SecretBytes& password) const {
    if (options_.on_hash) options_.on_hash();
    const auto same = is_password(kept ? kept->hash : unmatchable_, password.view());
    if (!same) return same.error();
    if (!*same || !kept->account.enabled) return std::optional<Kept>();
    return kept;
  }

  // What was answered already does not depend on it: it is tried again at the next login.
  void make_hash_anew(const Kept& kept, const SecretBytes& password) const {
    if (!needs_rehash(kept.hash, options_.cost)) return;
    const auto hash = make_hash(password);
    if (!hash) return;
    session_.call("table.exec",
                  {kAccountsTable, "UPDATE accounts SET hash = ? WHERE id = ? AND hash = ?",
                   Json::array({*hash, kept.account.login, kept.hash})},
                  [](const Result<Json>&) {});
  }

  // Another password comes between: then this one was wrong.
  void replace(const Kept& kept, const SecretBytes& fresh, Done done) const {
    const auto hash = make_hash(fresh);
    if (!hash) return done(hash.error());
    UserAccount account = kept.account;
    ++account.generation;
    session_.call(
        "table.exec",
        {kAccountsTable, "UPDATE accounts SET hash = ?, generation = ? WHERE id = ? AND hash = ?",
         Json::array({*hash, account.generation, account.login, kept.hash})},
        [account, done = std::move(done)](const Result<Json>& answer) {
          if (!answer) return done(answer.error());
          if (answer->at("changes") != 1) return done(nobody());
          done(std::optional(account));
        });
  }

  const detail::SystemSession session_;
  const AccountTableOptions options_;
  const std::string unmatchable_;
  detail::PasswordWorkers workers_;
};

AccountTable::AccountTable(Directory& directory, AccountTableOptions options)
    : state_(std::make_shared<State>(directory, std::move(options))) {}

AccountTable::~AccountTable() { stop(); }

void AccountTable::create(Credentials with, UserAccount wanted, Done done) {
  state_->create(std::move(with), std::move(wanted), std::move(done));
}

void AccountTable::verify(Credentials given, Done done) {
  state_->verify(std::move(given), std::move(done));
}

void AccountTable::find(std::string sub, Done done) { state_->find(sub, std::move(done)); }

void AccountTable::change_password(Credentials given, SecretBytes fresh, Done done) {
  state_->change_password(std::move(given), std::move(fresh), std::move(done));
}

void AccountTable::stop() { state_->stop(); }

}  // namespace kontract
