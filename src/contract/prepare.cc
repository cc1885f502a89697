#include <algorithm>

#include "base/text.h"
#include "contract/run.h"

// Which checks there are, and which columns they look at.
namespace slip::contract {

using codec::Json;

size_t Checker::Run::add_check(Check check) {
  CheckResult r;
  r.check = std::move(check);
  results_.push_back(std::move(r));
  return results_.size() - 1;
}

size_t Checker::Run::add_check(std::string_view property, std::string_view name,
                               const std::string& pointer) {
  Check c;
  c.property = property;
  c.name = name;
  c.pointer = pointer;
  return add_check(std::move(c));
}

Checker::Run::Found Checker::Run::find(const Property& property) const {
  Found out;
  int column = 0;
  for (const FieldFact& f : fields_) {
    const bool hit = f.name == property.column() || f.name == property.name;
    if (hit && (out.field == nullptr || f.name == property.column())) {
      out.field = &f;
      out.column = f.readable ? column : -1;
    }
    column += f.readable ? 1 : 0;
  }
  return out;
}

void Checker::Run::prepare(std::span<const FieldFact> fields) {
  fields_.assign(fields.begin(), fields.end());
  for (const FieldFact& f : fields_)
    if (f.readable) readable_.push_back(&f);
  for (const Property& p : object_.properties) prepare_property(p);
  unexpected(fields);
  prepare_object();
  for (const Sla& s : contract_.slas) sla(s);
}

void Checker::Run::prepare_property(const Property& property) {
  const Found found = find(property);
  const size_t field = add_check(property.name, "field", property.pointer);
  if (found.field == nullptr) {
    // A property that may be null may be left out by a file without a schema.
    results_[field].verdict = Verdict::kFailed;
    results_[field].why = concat({"there is no column '", property.column(), "'"});
    if (!property.required && !property.primary_key)
      results_[field].check.severity = options_.loose ? Severity::kInfo : Severity::kError;
  }
  prepare_fields(property, found);
  physical(property, found);
  timezone(property, found);
  if (property.unique) {
    const size_t check = add_check(property.name, "unique", property.pointer);
    key({property.name}, check);
  }
  for (const Quality& q : property.quality) prepare_quality(q, &property);
}

void Checker::Run::prepare_fields(const Property& property, const Found& found) {
  const std::vector<Check> checks = checks_of(property, OnViolation::kReject);
  const size_t first = results_.size();
  for (const Check& c : checks) add_check(c);
  if (found.column < 0) {
    const bool nested = found.field != nullptr;
    for (size_t i = first; i < results_.size(); ++i)
      results_[i].why = nested
                            ? concat({"columns of type ", found.field->type_name, " are not read"})
                            : concat({"there is no column '", property.column(), "'"});
    return;
  }
  ColumnRun run;
  run.property = &property;
  run.column = found.column;
  run.kind_check = first;  // logicalType comes first; without one everything is read.
  const bool json = found.field->type_name == "json";
  const Reading reading = reading_of(property, kind_of(found.field->type),
                                     options_.loose || json ? Leniency::kText : Leniency::kTyped);
  run.set = compile_rules(property, checks, first, reading);
  for (auto& [check, why] : run.set.unable) results_[check].why = std::move(why);
  if (reading.how == Reading::How::kRefused) {
    CheckResult& kind = results_[first];
    kind.verdict = Verdict::kFailed;
    kind.why = concat({"the column is ", found.field->type_name.empty()
                                             ? engine::type_name(found.field->type)
                                             : std::string_view(found.field->type_name)});
  }
  columns_.push_back(std::move(run));
}

void Checker::Run::physical(const Property& property, const Found& found) {
  if (property.physical_type.empty()) return;
  const size_t check = add_check(property.name, "physicalType", property.pointer);
  CheckResult& r = results_[check];
  if (found.field == nullptr) return void(r.why = "there is no such column");
  if (options_.loose) return void(r.why = "the file has no types of its own");
  const std::optional<bool> same = same_physical(property.physical_type, found.field->type_name);
  if (!same) {
    r.why = concat(
        {"'", property.physical_type, "' and '", found.field->type_name, "' can't be compared"});
  } else if (!*same) {
    r.verdict = Verdict::kFailed;
    r.why = concat({"wanted ", property.physical_type, ", the column is ", found.field->type_name});
  }
}

void Checker::Run::timezone(const Property& property, const Found& found) {
  const bool has_type = found.field != nullptr && found.field->type_name.starts_with("timestamp[");
  if (!property.limits.timezone || !has_type || options_.loose) return;
  const bool zoned = found.field->type_name.find("tz=") != std::string::npos;
  const size_t check = add_check(property.name, "timezone", property.pointer);
  if (zoned == *property.limits.timezone) return;
  results_[check].verdict = Verdict::kFailed;
  results_[check].why = zoned ? "the column has a time zone" : "the column has no time zone";
}

void Checker::Run::unexpected(std::span<const FieldFact> fields) {
  const Json* wanted = find_custom(object_.customs, "slipway.unexpectedFields");
  const std::string_view mode =
      wanted != nullptr && wanted->is_string() ? std::string_view(wanted->as_string()) : "warn";
  if (mode == "allow" || object_.properties.empty()) return;
  std::string names;
  for (const FieldFact& f : fields) {
    const bool known = std::ranges::any_of(object_.properties, [&](const Property& p) {
      return p.column() == f.name || p.name == f.name;
    });
    if (!known) names += concat({names.empty() ? "" : ", ", f.name});
  }
  const size_t check = add_check("", "unexpectedFields", object_.pointer);
  results_[check].check.severity = mode == "reject" ? Severity::kError : Severity::kWarning;
  if (names.empty()) return;
  results_[check].verdict = Verdict::kFailed;
  results_[check].why = concat({"the contract has no property for ", names});
}

void Checker::Run::prepare_quality(const Quality& quality, const Property* property) {
  const bool library = quality.type == Quality::Type::kLibrary;
  if (quality.type == Quality::Type::kText) return;  // Words for people.
  if (property != nullptr && library && quality.metric != Metric::kDuplicate) return;  // A rule.
  Check c;
  c.property = property != nullptr ? property->name : "";
  c.name = library                               ? metric_name(quality.metric)
           : quality.type == Quality::Type::kSql ? "sql"
                                                 : std::string_view(quality.engine);
  c.id = quality.id;
  c.title = quality.name.empty() ? quality.description : quality.name;
  c.severity = quality.severity;
  c.bound = quality.bound;
  c.percent = quality.percent;
  c.pointer = quality.pointer;
  const size_t check = add_check(std::move(c));
  if (quality.type == Quality::Type::kSql) sql_.push_back({check, quality.query});
  if (quality.type == Quality::Type::kCustom)
    results_[check].why = concat({"checks of the engine '", quality.engine, "' run there"});
  if (!library || quality.metric == Metric::kRowCount) return;
  std::vector<std::string> names;
  if (property != nullptr) names.push_back(property->name);
  if (property == nullptr)
    for (const Json& name : quality.arguments.find("properties")->items())
      names.push_back(name.as_string());
  key(names, check);
}

void Checker::Run::prepare_object() {
  const std::vector<std::string> primary = object_.primary_key();
  if (!primary.empty()) key(primary, add_check("", "primaryKey", object_.pointer));
  for (const Quality& q : object_.quality) prepare_quality(q, nullptr);
  for (const Relationship& r : object_.relationships) foreign(r);
}

void Checker::Run::key(const std::vector<std::string>& names, size_t check) {
  std::vector<int> columns;
  for (const std::string& name : names) {
    const Found found = find(*object_.find(name));
    const bool list = found.field != nullptr && found.field->type == engine::Type::kList;
    if (found.column < 0 || list)
      return void(results_[check].why = concat({"'", name, "' is no column that is read"}));
    columns.push_back(found.column);
  }
  const auto same = std::ranges::find(keys_, columns, &KeyRun::columns);
  if (same != keys_.end()) return same->checks.push_back(check);
  KeyRun run;
  run.columns = std::move(columns);
  run.checks = {check};
  keys_.push_back(std::move(run));
}

void Checker::Run::foreign(const Relationship& relationship) {
  const std::string property = relationship.from.size() == 1 ? relationship.from[0] : "";
  const size_t check = add_check(property, "relationship", relationship.pointer);
  CheckResult& r = results_[check];
  r.check.title = concat({"to ", relationship.written});
  if (relationship.elsewhere) return void(r.why = "it leads to no object of this contract");
  ForeignRun run;
  run.check = check;
  run.target = concat({relationship.to_object, ".", join(relationship.to, ", ")});
  for (const std::string& name : relationship.from) {
    const Property* p = object_.find(name);
    const Found found = p != nullptr ? find(*p) : Found();
    if (found.column < 0) return void(r.why = concat({"'", name, "' is no column that is read"}));
    run.columns.push_back(found.column);
  }
  if (options_.keys) run.keys = options_.keys(relationship);
  if (run.keys == nullptr)
    return void(r.why = concat({"the rows of ", relationship.to_object, " are not at hand"}));
  foreign_.push_back(std::move(run));
}

bool Checker::Run::time_column(std::string_view element, int* column, Reading* reading) const {
  const size_t dot = element.find('.');
  if (dot != element.npos && element.substr(0, dot) != object_.name) return false;
  const std::string_view name = dot == element.npos ? element : element.substr(dot + 1);
  const Property* p = object_.find(name);
  const Found found = p != nullptr ? find(*p) : Found();
  if (found.column < 0) return false;
  *column = found.column;
  *reading = reading_of(*p, kind_of(found.field->type),
                        options_.loose ? Leniency::kText : Leniency::kTyped);
  return reading->kind == Cell::Kind::kTime && reading->how != Reading::How::kRefused;
}

void Checker::Run::sla(const Sla& sla) {
  const SlaKind kind = sla_kind(sla.property);
  if (kind == SlaKind::kOther) return;  // Watched over time, not seen in data.
  std::vector<std::string_view> elements;
  for (const std::string_view e : split(sla.element, ','))
    if (!trim(e).empty()) elements.push_back(trim(e));
  const bool ours = std::ranges::all_of(elements, [&](std::string_view e) {
    const size_t dot = e.find('.');
    if (dot == e.npos) return contract_.objects.size() == 1 || object_.find(e) != nullptr;
    // What is of no object is said with every one of them, not left out.
    return e.substr(0, dot) == object_.name || contract_.find(e.substr(0, dot)) == nullptr;
  });
  if (!ours) return;
  Check c;
  c.name = sla.property;
  c.id = sla.id;
  c.pointer = sla.pointer;
  c.property = elements.empty() ? "" : elements[0].substr(elements[0].find('.') + 1);
  const size_t check = add_check(std::move(c));
  CheckResult& r = results_[check];
  TimeRun run;
  run.check = check;
  run.kind = kind;
  run.unit = sla.unit;
  const std::optional<double> value = sla_number(sla.value);
  if (!value) return void(r.why = "its value is no number");
  run.value = *value;
  if (elements.empty() || elements.size() > 2)
    return void(r.why = "it names no element to measure by");
  const bool able =
      time_column(elements[0], &run.first, &run.reading) &&
      (elements.size() == 1 || time_column(elements[1], &run.second, &run.second_reading));
  if (!able) return void(r.why = "its element is no column of times");
  times_.push_back(std::move(run));
}

// ---- what else callers ask

std::vector<std::string> text_columns(const Object& object) {
  std::vector<std::string> out;
  for (const Property& p : object.properties) {
    const bool text = p.logical == Logical::kString || p.logical == Logical::kDate ||
                      p.logical == Logical::kTimestamp || p.logical == Logical::kTime;
    if (!text) continue;
    out.push_back(p.name);
    if (p.column() != p.name) out.push_back(p.column());
  }
  return out;
}

Result<std::string> sql_of(std::string_view query, std::string_view object,
                           std::string_view property) {
  const auto quoted = [](std::string_view name) {
    std::string out = "\"";
    for (const char c : name) out.append(c == '"' ? 2 : 1, c);
    return out + "\"";
  };
  std::string_view rest = trim(query);
  while (rest.ends_with(';')) rest = trim(rest.substr(0, rest.size() - 1));
  const std::string begin = lower(rest.substr(0, 6));
  if (begin != "select" && !begin.starts_with("with"))
    return invalid("contract.sql", "a query of a check begins with SELECT or WITH");
  std::string out;
  char quote = 0;
  while (!rest.empty()) {
    const char c = rest.front();
    if (quote != 0 ? c == quote : c == '\'' || c == '"') quote = quote != 0 ? '\0' : c;
    if (quote == 0 && c == ';')
      return invalid("contract.sql", "a query of a check is one statement");
    const bool dollar = rest.starts_with("${");
    const std::string_view tail = rest.substr(dollar ? 1 : 0);
    if (tail.starts_with("{object}") || tail.starts_with("{property}")) {
      out += quoted(tail.starts_with("{object}") ? object : property);
      rest = tail.substr(tail.find('}') + 1);
      continue;
    }
    out += c;
    rest.remove_prefix(1);
  }
  return out;
}

}  // namespace slip::contract
