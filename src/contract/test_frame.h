#pragma once

#include <string>
#include <vector>

#include "codec/json.h"
#include "contract/checker.h"
#include "contract/contract.h"
#include "engine/column/column.h"

// For tests: columns from JSON, a contract around a few lines, a check from end to end.
namespace slip::contract::testing {

using codec::Json;
using engine::Type;

inline void add_value(engine::Values* out, const Json& v) {
  if (v.is_null()) return out->add_null();
  switch (out->type()) {
    case Type::kBool:
      return out->add_bool(v.as_bool());
    case Type::kInt64:
    case Type::kTimestampUs:
      return out->add_i64(v.as_int());
    case Type::kDouble:
      return out->add_f64(v.as_double());
    case Type::kText:
    case Type::kBytes:
      return out->add_text(v.as_string());
    case Type::kList:
      for (const Json& item : v.items()) add_value(&out->items(), item);
      return out->end_list();
  }
}

// One column: its field, and its values.
struct Given {
  std::string name;
  Type type;
  Json values;
  std::string type_name;
  Type item = Type::kInt64;
};

struct Frame {
  explicit Frame(const std::vector<Given>& given) {
    for (const Given& g : given) {
      fields.push_back({g.name, g.type, g.type_name, true});
      values.emplace_back(g.type, g.item);
      for (const Json& v : g.values.items()) add_value(&values.back(), v);
    }
    for (const engine::Values& v : values) columns.push_back(v.view());
  }
  int64_t rows() const { return columns.empty() ? 0 : columns[0].n; }

  std::vector<FieldFact> fields;
  std::vector<engine::Values> values;
  std::vector<engine::Column> columns;
};

inline std::string indented(const std::string& text, size_t by) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    out.append(by, ' ').append(text.substr(at, end - at)).append("\n");
    at = end + 1;
  }
  return out;
}
// `schema`: lines below `schema:`.
inline Contract contract_of(const std::string& schema, const std::string& root = "") {
  const std::string text =
      "apiVersion: v3.1.0\nkind: DataContract\nid: c\nversion: 1.0.0\nstatus: active\n" + root +
      "schema:\n" + indented(schema, 2);
  const Result<Contract> got = parse_contract(text);
  CHECK(got.ok());
  return *got;
}
// One object `t` with one property `x`.
inline Contract one_property(const std::string& property, const std::string& object = "") {
  return contract_of("- name: t\n" + indented(object, 2) + "  properties:\n    - name: x\n" +
                     indented(property, 6));
}

inline Report check(const Contract& contract, const Frame& frame, CheckOptions options = {}) {
  Checker checker(contract, contract.objects[0], frame.fields, std::move(options));
  CHECK(checker.add(frame.columns, frame.rows()).ok());
  return checker.finish().value();
}

inline const CheckResult* find(const Report& report, std::string_view property,
                               std::string_view name) {
  for (const CheckResult& r : report.results)
    if (r.check.property == property && r.check.name == name) return &r;
  return nullptr;
}

}  // namespace slip::contract::testing
