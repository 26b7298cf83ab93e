// Random conditions of SQL over one table, each with what it means for a record of the model: said
// from SQLite's documentation ("Datatypes In SQLite"), without SQLite.

#pragma once

#include <functional>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "storage/json.hpp"
#include "tests/storage/sql_order.hpp"

namespace kontract::testing {

struct ModelRecord {
  std::uint64_t order = 0;
  Json data;
};
using ModelRecords = std::map<std::string, ModelRecord>;
using ModelRow = ModelRecords::value_type;

// The fields that the tables of the test declare.
inline constexpr const char* kModelSchema = R"({"fields":{"k":{"type":"any"},
    "n":{"type":"integer"},"s":{"type":"string"},"b":{"type":"boolean"},"a b":{"type":"any"},
    "address.city":{"type":"any"}}})";

inline SqlValue model_value(const Json& json) {
  if (json.is_boolean()) return std::int64_t{json.get<bool>()};
  if (json.is_number_integer()) return json.get<std::int64_t>();
  if (json.is_number_float()) return json.get<double>();
  if (json.is_string()) return json.get<std::string>();
  return json.is_null() ? SqlValue() : SqlValue(json.dump());
}

inline Json json_value(const SqlValue& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return *integer;
  if (const auto* number = std::get_if<double>(&value)) return *number;
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  return nullptr;
}

enum class ModelAffinity : std::uint8_t { none, text, numeric };

// What the other side of a comparison becomes. Of text, the model has no number but "1".
inline SqlValue with_affinity(const SqlValue& value, ModelAffinity affinity) {
  const auto* text = std::get_if<std::string>(&value);
  if (affinity == ModelAffinity::numeric && text != nullptr && *text == "1") return std::int64_t{1};
  const bool number = text == nullptr && !std::holds_alternative<std::monostate>(value);
  if (affinity == ModelAffinity::text && number) return json_value(value).dump();
  return value;
}

struct ModelColumn {
  std::string sql;
  ModelAffinity affinity = ModelAffinity::none;
  std::function<SqlValue(const ModelRow&)> value;
};

inline SqlValue model_field(const ModelRow& row, const std::string& name) {
  return model_value(row.second.data.value(name, Json()));
}

inline SqlValue model_city(const ModelRow& row) {
  const Json& data = row.second.data;
  if (data.contains("address.city")) return model_value(data["address.city"]);
  return data.contains("address") ? model_value(data["address"].value("city", Json())) : SqlValue();
}

inline const std::vector<ModelColumn>& model_columns() {
  using enum ModelAffinity;
  const auto field = [](const char* name) {
    return [name](const ModelRow& row) { return model_field(row, name); };
  };
  static const std::vector<ModelColumn> columns = {
      {"id", text, [](const ModelRow& row) { return SqlValue(row.first); }},
      {"_order", numeric,
       [](const ModelRow& row) { return static_cast<std::int64_t>(row.second.order); }},
      {"k", none, field("k")},
      {"n", numeric, field("n")},
      {"s", text, field("s")},
      {"b", numeric, field("b")},
      {"\"a b\"", none, field("a b")},
      {"\"address.city\"", none, model_city},
      {"data->>'k'", none, field("k")},
      {"data->>'a b'", none, field("a b")}};
  return columns;
}

using Truth = std::optional<bool>;  // nothing: unknown

struct Condition {
  std::string sql;
  Json params = Json::array();  // for its ?, in turn
  std::function<Truth(const ModelRow&)> holds;
};

class ConditionMaker {
 public:
  ConditionMaker(std::mt19937& random, const ModelRecords& records)
      : random_(random), records_(records) {}

  Condition make(int depth = 2) {
    if (depth == 0 || pick(3) == 0) {
      return pick(8) == 0 ? contained() : pick(8) == 0 ? number_term() : term();
    }
    if (pick(5) == 0) {
      Condition inner = make(depth - 1);
      return {"NOT (" + inner.sql + ")", inner.params, [holds = inner.holds](const ModelRow& row) {
                const Truth truth = holds(row);
                return truth ? Truth(!*truth) : truth;
              }};
    }
    Condition a = make(depth - 1), b = make(depth - 1);
    const bool both = pick(4) != 0;  // the planner works with AND
    Condition joined{"(" + a.sql + (both ? " AND " : " OR ") + b.sql + ")", a.params, {}};
    for (const Json& param : b.params) joined.params.push_back(param);
    joined.holds = [a = a.holds, b = b.holds, both](const ModelRow& row) -> Truth {
      const Truth left = a(row), right = b(row);
      if (left == Truth(!both) || right == Truth(!both)) return !both;
      return left && right ? Truth(both) : std::nullopt;
    };
    return joined;
  }

  Json value() {
    static const std::vector<Json> values = {
        nullptr, 0, 1, 2, 1.5, -1, true, "a", "b", "1", "\u00e9", "", Json::array({1})};
    return values[pick(values.size())];
  }

 private:
  unsigned pick(std::size_t below) { return static_cast<unsigned>(random_() % below); }

  // One that the column may well have.
  Json value_for(const ModelColumn& column) {
    if (records_.empty() || pick(3) == 0) return value();
    const auto row = std::next(records_.begin(), pick(records_.size()));
    return json_value(column.value(*row));
  }

  Condition term() {
    static const std::vector<std::string> operators = {
        "=",  "=",      "=",  "<",       "<=", ">",       ">=",     "<>",
        "IS", "IS NOT", "IN", "BETWEEN", "IN", "IS NULL", "BETWEEN"};
    const ModelColumn& column = model_columns()[pick(model_columns().size())];
    const std::string& op = operators[pick(operators.size())];
    Condition out{column.sql + ' ' + op, Json::array(), {}};
    if (op == "IS NULL") {
      out.holds = [&column](const ModelRow& row) { return column.value(row) == SqlValue(); };
      return out;
    }
    out.params.push_back(value_for(column));
    if (op == "IN" || op == "BETWEEN") out.params.push_back(value_for(column));
    out.sql += op == "IN" ? " (?, ?)" : op == "BETWEEN" ? " ? AND ?" : " ?";
    std::vector<SqlValue> values;
    for (const Json& param : out.params) {
      values.push_back(with_affinity(model_value(param), column.affinity));
    }
    out.holds = [&column, op, values](const ModelRow& row) {
      return compare(column.value(row), op, values);
    };
    return out;
  }

  // Compares with what has the affinity of numbers, and gives it to the column.
  Condition number_term() {
    static const std::vector<std::string> operators = {"=", "=", "<", "<=", ">", ">=", "IN"};
    const ModelColumn& column = model_columns()[pick(model_columns().size())];
    const std::string& op = operators[pick(operators.size())];
    const auto number = static_cast<std::int64_t>(pick(3));
    Condition out{column.sql + ' ' + op, Json::array({number}), {}};
    out.sql += op == "IN" ? " (SELECT CAST(? AS INTEGER))" : " CAST(? AS INTEGER)";
    out.holds = [&column, op, number](const ModelRow& row) {
      const SqlValue value = with_affinity(column.value(row), ModelAffinity::numeric);
      return compare(value, op == "IN" ? "=" : op, {number});
    };
    return out;
  }

  static Truth compare(const SqlValue& value, const std::string& op,
                       const std::vector<SqlValue>& with) {
    const auto order = [&](std::size_t i) -> std::optional<int> {
      if (value == SqlValue() || with[i] == SqlValue()) return std::nullopt;
      return compare_sql(value, with[i]);
    };
    const auto truth = [](std::optional<int> sign, auto holds) {
      return sign ? Truth(holds(*sign)) : std::nullopt;
    };
    if (op == "IS") return compare_sql(value, with[0]) == 0;
    if (op == "IS NOT") return compare_sql(value, with[0]) != 0;
    if (op == "IN") {
      if (order(0) == 0 || order(1) == 0) return true;
      return order(0) && order(1) ? Truth(false) : std::nullopt;
    }
    if (op == "BETWEEN") {
      if ((order(0) && *order(0) < 0) || (order(1) && *order(1) > 0)) return false;
      return order(0) && order(1) ? Truth(true) : std::nullopt;
    }
    return truth(order(0), [&op](int sign) {
      if (op == "=") return sign == 0;
      if (op == "<>") return sign != 0;
      if (op == "<") return sign < 0;
      if (op == ">") return sign > 0;
      return op == "<=" ? sign <= 0 : sign >= 0;
    });
  }

  Condition contained() {
    const Json filter{{pick(2) == 0 ? "k" : "a b", value()}};
    return {"contains(data, ?)", Json::array({filter}),
            [filter](const ModelRow& row) { return contains(row.second.data, filter); }};
  }

  std::mt19937& random_;
  const ModelRecords& records_;
};

}  // namespace kontract::testing
