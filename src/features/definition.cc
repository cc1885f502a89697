#include "features/definition.h"

#include <algorithm>

#include "base/text.h"
#include "codec/hash.h"
#include "codec/yaml.h"

namespace slip::features {
namespace {

using codec::Json;

constexpr std::string_view kKinds[kKindCount] = {"Entity",   "Source",         "FeatureView",
                                                 "OnDemand", "FeatureService", "DataContract"};

Json fields_json(const std::vector<FeatureField>& fields) {
  Json out = Json::object();
  for (const FeatureField& f : fields) out.set(f.name, f.type.text());
  return out;
}

Json rows_json(const std::vector<RowFeature>& rows) {
  Json out = Json::object();
  for (const RowFeature& r : rows) out.set(r.name, r.expression);
  return out;
}

Json source_json(const Source& s) {
  Json out = Json::object({{"columns", fields_json(s.columns)}, {"event_time", s.event_time}});
  if (!s.created_time.empty()) out.set("created_time", s.created_time);
  if (!s.contract.empty()) out.set("contract", s.contract);
  if (!s.computed) return out;
  out.set("sql", s.computed->sql);
  Json inputs = Json::object();
  for (const auto& [table, source] : s.computed->inputs) inputs.set(table, source);
  out.set("inputs", std::move(inputs));
  return out;
}

std::string_view op_name(window::Op op) {
  constexpr std::string_view kNames[window::kOpCount] = {
      "count",    "sum",        "mean",      "var_pop",
      "var",      "stddev_pop", "stddev",    "skew",
      "kurtosis", "min",        "max",       "first",
      "last",     "last_k",     "ewma",      "count_distinct",
      "quantile", "top_k",      "histogram", "any",
      "all",      "list_sum",   "list_mean"};
  return kNames[static_cast<size_t>(op)];
}

std::string_view window_kind(window::Kind kind) {
  constexpr std::string_view kNames[] = {"sawtooth", "exact", "tumbling", "lifetime"};
  return kNames[static_cast<size_t>(kind)];
}

Json aggregate_json(const AggregateFeature& a) {
  const window::Params& p = a.aggregate.params;
  const window::Window& w = a.aggregate.windows.front();
  Json out = Json::object({{"name", a.name},
                           {"op", op_name(a.aggregate.op)},
                           {"of", a.of},
                           {"kind", window_kind(w.kind)}});
  if (w.length_us > 0) out.set("windows", Json::array({duration_text(w.length_us)}));
  switch (a.aggregate.op) {
    case window::Op::kLastK:
    case window::Op::kTopK:
      out.set("k", static_cast<int64_t>(p.k));
      break;
    case window::Op::kQuantile:
      out.set("q", p.quantile);
      out.set("accuracy", p.accuracy);
      break;
    case window::Op::kEwma:
      out.set("alpha", p.alpha);
      if (p.k != 0) out.set("k", static_cast<int64_t>(p.k));
      break;
    default:
      break;
  }
  if (a.aggregate.op == window::Op::kDistinct || a.aggregate.op == window::Op::kTopK ||
      a.aggregate.op == window::Op::kHistogram)
    out.set("cap", static_cast<int64_t>(p.cap));
  return out;
}

Json view_meaning(const View& v) {
  Json out = Json::object({{"join_keys", fields_json(v.join_keys)}});
  if (v.inline_source) {
    out.set("source", source_json(*v.inline_source));
  } else {
    out.set("source", v.source);
  }
  Json columns = Json::array();
  for (const std::string& c : v.columns) columns.push(c);
  out.set("features", std::move(columns));
  out.set("row", rows_json(v.row));
  Json aggregates = Json::array();
  for (const AggregateFeature& a : v.aggregates) aggregates.push(aggregate_json(a));
  out.set("aggregate", std::move(aggregates));
  if (v.ttl_us) out.set("ttl", duration_text(*v.ttl_us));
  if (v.windowed()) out.set("late", Json::object({{"allowed", duration_text(v.lateness_us)}}));
  if (!v.filter.empty()) out.set("filter", v.filter);
  return out;
}

std::string_view python_mode_name(PythonFunction::Mode mode) {
  constexpr std::string_view kNames[] = {"pandas", "python", "singleton"};
  return kNames[static_cast<size_t>(mode)];
}

Json on_demand_meaning(const OnDemand& o) {
  Json inputs = Json::object();
  for (const OnDemand::Input& i : o.inputs) inputs.set(i.name, i.of.text());
  Json out = Json::object({{"inputs", std::move(inputs)}, {"request", fields_json(o.request)}});
  if (!o.python) {
    out.set("features", rows_json(o.features));
    return out;
  }
  Json python = Json::object({{"mode", python_mode_name(o.python->mode)}});
  if (!o.python->source.empty()) python.set("source", o.python->source);
  if (!o.python->entry.empty()) python.set("function", o.python->entry);
  if (!o.python->pickle.empty()) python.set("pickle", to_base64(o.python->pickle));
  out.set("python", std::move(python));
  out.set("outputs", fields_json(o.outputs));
  return out;
}

Json service_meaning(const Service& s) {
  Json items = Json::array();
  for (const Service::Item& i : s.items) {
    if (i.name.empty() && i.join_keys.empty() && i.view_as.empty()) {
      items.push(i.of.text());
      continue;
    }
    Json one = Json::object({{"of", i.of.text()}});
    if (!i.name.empty()) one.set("as", i.name);
    if (!i.view_as.empty()) one.set("view_as", i.view_as);
    if (!i.join_keys.empty()) {
      Json keys = Json::object();
      for (const auto& [from, to] : i.join_keys) keys.set(from, to);
      one.set("join_keys", std::move(keys));
    }
    items.push(std::move(one));
  }
  return Json::object({{"features", std::move(items)}});
}

Json examples_json(const std::vector<Example>& tests) {
  Json out = Json::array();
  for (const Example& e : tests) {
    Json one = Json::object({{"at", e.at}, {"events", e.events}, {"expect", e.expect}});
    if (!e.name.empty()) one.set("name", e.name);
    out.push(std::move(one));
  }
  return out;
}

void add_about(const About& about, Json* out) {
  if (!about.description.empty()) out->set("description", about.description);
  if (!about.owner.empty()) out->set("owner", about.owner);
  if (about.tags.empty()) return;
  Json tags = Json::object();
  for (const auto& [key, value] : about.tags) tags.set(key, value);
  out->set("tags", std::move(tags));
}

}  // namespace

std::string_view kind_name(Kind kind) { return kKinds[static_cast<size_t>(kind)]; }

std::optional<Kind> parse_kind(std::string_view name) {
  for (int k = 0; k < kKindCount; ++k)
    if (kKinds[k] == name) return static_cast<Kind>(k);
  return std::nullopt;
}

const std::string& Source::name_of(const std::string& in_file) const {
  const auto found = renamed.find(in_file);
  return found == renamed.end() ? in_file : found->second;
}

const FeatureField* Source::find(std::string_view column) const {
  for (const FeatureField& f : columns)
    if (f.name == column) return &f;
  return nullptr;
}

std::string Reference::text() const {
  if (version == 0) return concat({view, ":", feature});
  return concat({view, "@", std::to_string(version), ":", feature});
}

Result<Reference> parse_reference(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == text.npos || colon == 0 || colon + 1 == text.size())
    return invalid("feature.reference", concat({"'", text, "' is no feature"}))
        .with_hint("view:feature, view@3:feature, view:*");
  Reference out;
  out.feature = text.substr(colon + 1);
  std::string_view view = text.substr(0, colon);
  if (const size_t at = view.rfind('@'); at != view.npos && at > 0) {
    std::string_view version = view.substr(at + 1);
    if (version.starts_with('v')) version.remove_prefix(1);
    const std::optional<int64_t> number = parse_int(version);
    if (number && *number > 0) out.version = *number;
    if (out.version > 0 || view.substr(at + 1) == "latest") view = view.substr(0, at);
  }
  out.view = view;
  return out;
}

Status check_feature_name(std::string_view what, std::string_view name) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  };
  if (name.empty() || name.size() > kNameBytesMax || !std::all_of(name.begin(), name.end(), plain))
    return invalid(
        "feature.name",
        concat({what, " '", name, "': a name has 1 to 128 letters, digits, '_', '-', '.'"}));
  return {};
}

Json Definition::meaning() const {
  switch (kind) {
    case Kind::kEntity:
      return Json::object(
          {{"join_key", entity.join_key.name}, {"type", entity.join_key.type.text()}});
    case Kind::kSource:
      return source_json(source);
    case Kind::kView:
      return view_meaning(view);
    case Kind::kOnDemand:
      return on_demand_meaning(on_demand);
    case Kind::kService:
      return service_meaning(service);
    case Kind::kContract:
      return contract;
  }
  return nullptr;
}

std::string Definition::digest() const {
  const Json whole = Json::object({{"kind", kind_name(kind)}, {"name", name}, {"of", meaning()}});
  return codec::sha256(codec::to_json(whole)).hex();
}

Json Definition::document() const {
  if (kind == Kind::kContract) return contract;
  Json out = Json::object({{"kind", kind_name(kind)}, {"name", name}});
  if (version > 0) out.set("version", version);
  add_about(about, &out);
  const Json of = meaning();
  for (const auto& [key, value] : of.members()) out.set(key, value);
  if (kind == Kind::kView) {
    if (!view.entities.empty()) {
      Json names = Json::array();
      for (const std::string& e : view.entities) names.push(e);
      out.set("entities", std::move(names));
    }
    if (!view.online) out.set("online", false);
    if (!view.tests.empty()) out.set("tests", examples_json(view.tests));
  }
  if (kind == Kind::kSource && source.computed && source.computed->every_us)
    out.set("every", duration_text(*source.computed->every_us));
  if (kind == Kind::kSource && source.retention_us)
    out.set("retention", duration_text(*source.retention_us));
  if (kind == Kind::kSource && !source.file.empty()) out.set("file", source.file);
  if (kind == Kind::kSource && !source.renamed.empty()) {
    Json renamed = Json::object();
    for (const auto& [from, to] : source.renamed) renamed.set(from, to);
    out.set("rename", std::move(renamed));
  }
  if (kind == Kind::kService && service.log_sample > 0)
    out.set("log", Json::object({{"sample_by_key", service.log_sample}}));
  return out;
}

Result<std::vector<Definition>> parse_definitions(std::string_view yaml) {
  std::vector<Definition> out;
  size_t line = 1;
  std::string document;
  size_t first_line = 1;
  const auto take = [&]() -> Status {
    Result<Json> parsed = codec::parse_yaml(document);
    const std::string where = concat({"document at line ", std::to_string(first_line)});
    if (!parsed.ok()) return std::move(parsed).error().within(where);
    if (parsed->is_null()) return {};
    Result<Definition> made = parse_definition(*parsed);
    if (!made.ok()) return std::move(made).error().within(where);
    out.push_back(std::move(*made));
    return {};
  };
  for (const std::string_view text : split(yaml, '\n')) {
    if (text == "---" || text.starts_with("--- ") || text == "---\r") {
      TRY(take());
      document.clear();
      first_line = line + 1;
    } else {
      document.append(text).push_back('\n');
    }
    ++line;
  }
  TRY(take());
  if (out.size() > kDocumentsMax)
    return exhausted("feature.too_many", "more than 1000 documents at once");
  return out;
}

}  // namespace slip::features
