#include "contract/record.h"

#include <algorithm>

#include "base/text.h"

namespace slip::contract {

using codec::Json;

Result<RecordChecker> RecordChecker::make(const Object& object, bool strict) {
  RecordChecker out;
  OnViolation fallback = OnViolation::kReject;
  const Json* wanted = find_custom(object.customs, "slipway.onViolation");
  if (wanted != nullptr && wanted->is_string())
    fallback = parse_on_violation(wanted->as_string()).value_or(fallback);
  const Json* unexpected = find_custom(object.customs, "slipway.unexpectedFields");
  out.unexpected_ =
      unexpected != nullptr && unexpected->is_string() ? unexpected->as_string() : "allow";
  for (const Property& p : object.properties) {
    const std::vector<Check> own = checks_of(p, fallback);
    Inline one;
    one.kind_check = out.checks_.size();
    one.logical = logical_name(p.logical);
    one.may_be_null = !p.required && !p.primary_key;
    for (int k = 0; k < kCellKinds; ++k) {
      const auto kind = static_cast<Cell::Kind>(k);
      RuleSet& set = one.by_kind[k];
      set = compile_rules(p, own, one.kind_check, reading_of(p, kind, Leniency::kJson));
      std::erase_if(set.rules,
                    [&](const Rule& r) { return !own[r.check - one.kind_check].structural; });
      const bool usual = set.reading.how != Reading::How::kRefused && kind != Cell::Kind::kNull;
      for (const auto& [check, why] : set.unable)
        if (usual && p.logical != Logical::kNone)
          out.unable_.push_back(concat({p.name, " ", own[check - one.kind_check].name, ": ", why}));
    }
    out.names_.push_back(p.name);
    out.checks_.insert(out.checks_.end(), own.begin(), own.end());
    out.inlines_.push_back(std::move(one));
  }
  if (strict && !out.unable_.empty())
    return invalid("contract.not_inline",
                   concat({"a single record can't be put to ", out.unable_.front()}));
  return out;
}

void RecordChecker::violate(size_t property, size_t check, std::string why,
                            RecordVerdict* out) const {
  Violation v;
  v.property = property;
  v.check = checks_[check].name;
  v.action = checks_[check].action;
  v.reason = std::move(why);
  if (v.action == OnViolation::kNullOut) {
    if (!inlines_[property].may_be_null)
      v.action = OnViolation::kReject;
    else if (out->nulled.empty() || out->nulled.back() != property)
      out->nulled.push_back(property);
  }
  out->action = out->clean ? v.action : std::max(out->action, v.action);
  out->clean = false;
  out->violations.push_back(std::move(v));
}

void RecordChecker::check(std::span<const Cell> cells, RecordVerdict* out) const {
  out->clean = true;
  out->violations.clear();
  out->nulled.clear();
  Json scratch;
  for (size_t p = 0; p < inlines_.size(); ++p) {
    const Cell cell = p < cells.size() ? cells[p] : Cell();
    const RuleSet& set = inlines_[p].by_kind[static_cast<size_t>(cell.kind)];
    if (cell.is_null()) {
      for (const Rule& rule : set.rules)
        if (!holds(rule, cell)) violate(p, rule.check, reason(rule, cell), out);
      continue;
    }
    const std::optional<Cell> read = set.reading.read(cell, &scratch);
    if (!read) {
      violate(p, inlines_[p].kind_check, concat({"is no ", inlines_[p].logical}), out);
      continue;
    }
    for (const Rule& rule : set.rules)
      if (!holds(rule, *read)) violate(p, rule.check, reason(rule, *read), out);
  }
}

RecordVerdict RecordChecker::check_record(const Json& record) const {
  std::vector<Cell> cells(names_.size());
  size_t known = 0;
  for (size_t p = 0; p < names_.size(); ++p) {
    const Json* value = record.find(names_[p]);
    if (value == nullptr) continue;
    ++known;
    cells[p] = Cell::of_json(*value);
  }
  RecordVerdict out;
  check(cells, &out);
  const bool extra = record.is_object() && record.members().size() > known;
  if (!extra || unexpected_ == "allow") return out;
  Violation v;
  v.property = names_.size();
  v.check = "unexpectedFields";
  v.action = unexpected_ == "reject" ? OnViolation::kReject : OnViolation::kWarn;
  v.reason = "has members that the contract has no property for";
  out.action = out.clean ? v.action : std::max(out.action, v.action);
  out.clean = false;
  out.violations.push_back(std::move(v));
  return out;
}

}  // namespace slip::contract
