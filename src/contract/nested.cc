#include "contract/nested.h"

#include "base/text.h"

namespace slip::contract {
namespace {

using codec::Json;

NestedPlan::Member compile_member(const Property& property) {
  NestedPlan::Member out;
  out.name = property.name;
  out.required = property.required;
  const std::vector<Check> checks = checks_of(property, OnViolation::kReject);
  for (int k = 0; k < kCellKinds; ++k) {
    const Reading reading = reading_of(property, static_cast<Cell::Kind>(k), Leniency::kJson);
    out.by_kind.push_back(compile_rules(property, checks, 0, reading));
    std::erase_if(out.by_kind.back().rules,
                  [&](const Rule& rule) { return !checks[rule.check].structural; });
  }
  return out;
}

std::string fault_of(const NestedPlan::Member& member, const Json* value) {
  if (value == nullptr || value->is_null()) return member.required ? "is missing" : "";
  const Cell cell = Cell::of_json(*value);
  const RuleSet& set = member.by_kind[static_cast<size_t>(cell.kind)];
  Json scratch;
  const std::optional<Cell> read = set.reading.read(cell, &scratch);
  if (!read) return concat({"is a ", kind_name(cell.kind)});
  for (const Rule& rule : set.rules)
    if (!holds(rule, *read)) return reason(rule, *read);
  return {};
}

std::string at(std::string_view where, std::string fault) {
  if (fault.empty()) return fault;
  const bool deeper = fault.starts_with('.') || fault.starts_with('[');
  return concat({where, deeper ? "" : ": ", fault});
}

}  // namespace

std::shared_ptr<const NestedPlan> compile_nested(const Property& property) {
  auto out = std::make_shared<NestedPlan>();
  for (const Property& p : property.properties) out->members.push_back(compile_member(p));
  out->has_item = !property.items.empty();
  if (out->has_item) out->item = compile_member(property.items.front());
  return out;
}

std::string nested_fault(const NestedPlan& plan, const Json& value) {
  if (value.is_object())
    for (const NestedPlan::Member& member : plan.members) {
      std::string fault = at(concat({".", member.name}), fault_of(member, value.find(member.name)));
      if (!fault.empty()) return fault;
    }
  if (value.is_array() && plan.has_item)
    for (size_t i = 0; i < value.items().size(); ++i) {
      std::string fault =
          at(concat({"[", std::to_string(i), "]"}), fault_of(plan.item, &value.items()[i]));
      if (!fault.empty()) return fault;
    }
  return {};
}

}  // namespace slip::contract
