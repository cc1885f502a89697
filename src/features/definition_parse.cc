#include <algorithm>

#include "base/text.h"
#include "contract/contract.h"
#include "features/definition_members.h"

// Documents in, by their kinds.
namespace slip::features {
namespace {

using codec::Json;

Result<std::vector<RowFeature>> rows_of(const Json* object, std::string_view path) {
  std::vector<RowFeature> out;
  if (object == nullptr) return out;
  for (const auto& [name, text] : object->members()) {
    TRY(check_feature_name(path, name));
    if (!text.is_string()) return bad(concat({path, ".", name}), "an expression is wanted");
    out.push_back({name, text.as_string()});
  }
  if (out.size() > kFeaturesMax) return exhausted("feature.too_many", "more than 2000 expressions");
  return out;
}

Result<About> about_of(Members& m) {
  About out;
  out.description = TRY(m.text("description"));
  out.owner = TRY(m.text("owner"));
  if (const Json* tags = TRY(m.object("tags")))
    for (const auto& [key, value] : tags->members())
      out.tags[key] = value.is_string() ? value.as_string() : codec::to_json(value);
  return out;
}

// ---- aggregates

struct OpName {
  std::string_view name;
  window::Op op;
};
constexpr OpName kOps[] = {{"count", window::Op::kCount},
                           {"sum", window::Op::kSum},
                           {"mean", window::Op::kMean},
                           {"avg", window::Op::kMean},
                           {"var", window::Op::kVarSample},
                           {"var_pop", window::Op::kVarPop},
                           {"stddev", window::Op::kStddevSample},
                           {"std", window::Op::kStddevSample},
                           {"stddev_pop", window::Op::kStddevPop},
                           {"skew", window::Op::kSkew},
                           {"kurtosis", window::Op::kKurtosis},
                           {"min", window::Op::kMin},
                           {"max", window::Op::kMax},
                           {"first", window::Op::kFirst},
                           {"last", window::Op::kLast},
                           {"last_k", window::Op::kLastK},
                           {"ewma", window::Op::kEwma},
                           {"count_distinct", window::Op::kDistinct},
                           {"distinct", window::Op::kDistinct},
                           {"quantile", window::Op::kQuantile},
                           {"median", window::Op::kQuantile},
                           {"top_k", window::Op::kTopK},
                           {"histogram", window::Op::kHistogram},
                           {"any", window::Op::kAny},
                           {"all", window::Op::kAll},
                           {"list_sum", window::Op::kListSum},
                           {"list_mean", window::Op::kListMean}};

Result<window::Kind> window_kind_of(const std::string& text, std::string_view path) {
  if (text == "sawtooth") return window::Kind::kSawtooth;
  if (text == "exact") return window::Kind::kExact;
  if (text == "tumbling") return window::Kind::kTumbling;
  if (text == "lifetime") return window::Kind::kLifetime;
  return bad(path, "sawtooth, exact, tumbling or lifetime is wanted");
}

Result<uint32_t> small(Members& m, std::string_view key, uint32_t fallback) {
  const int64_t v = TRY(m.number(key, fallback));
  if (v < 0 || v > window::kMaxLimit) return bad(m.at(key), "0 to 65536 is wanted");
  return static_cast<uint32_t>(v);
}

Result<window::Params> params_of(Members& m) {
  window::Params out;
  out.k = TRY(small(m, "k", 0));
  out.cap = TRY(small(m, "cap", out.cap));
  out.quantile = TRY(m.real("q", out.quantile));
  out.accuracy = TRY(m.real("accuracy", out.accuracy));
  out.alpha = TRY(m.real("alpha", out.alpha));
  return out;
}

Result<std::vector<window::Window>> windows_of(Members& m) {
  const bool exact = TRY(m.flag("exact", false));
  const std::string kind_text = TRY(m.text("kind", exact ? "exact" : "sawtooth"));
  const window::Kind kind = TRY(window_kind_of(kind_text, m.at("kind")));
  const Json* list = TRY(m.list("windows"));
  std::vector<window::Window> out;
  if (list == nullptr || list->items().empty()) {
    out.push_back({.kind = window::Kind::kLifetime, .length_us = 0});
    return out;
  }
  for (const Json& one : list->items()) {
    if (!one.is_string()) return bad(m.at("windows"), "durations are wanted, such as 1h");
    if (one.as_string() == "lifetime") {
      out.push_back({.kind = window::Kind::kLifetime, .length_us = 0});
      continue;
    }
    const int64_t us = TRY(parse_duration_us(one.as_string()));
    out.push_back({.kind = kind, .length_us = us});
  }
  return out;
}

Status add_aggregate(const Json& json, const std::string& path, View* view) {
  if (!json.is_object()) return bad(path, "{op, of, windows} is wanted");
  Members m(json, path);
  const std::string op = TRY(m.text("op"));
  const auto* found =
      std::find_if(std::begin(kOps), std::end(kOps), [&](const OpName& o) { return o.name == op; });
  if (found == std::end(kOps))
    return invalid("feature.aggregate", concat({path, ".op: '", op, "' is no aggregate"}));
  const std::string of = TRY(m.text("of"));
  if (of.empty() && found->op != window::Op::kCount) return bad(m.at("of"), "a column is wanted");
  const std::string name = TRY(m.text("name"));
  const std::string base = TRY(m.text("as", of.empty() ? std::string(op) : concat({of, "_", op})));
  const window::Params params = TRY(params_of(m));
  const std::vector<window::Window> windows = TRY(windows_of(m));
  TRY(m.end());
  if (!name.empty() && windows.size() != 1)
    return bad(m.at("name"), "one window alone has a name; `as` begins the names of several");
  for (const window::Window& w : windows) {
    AggregateFeature a;
    a.of = of;
    a.aggregate.op = found->op;
    a.aggregate.params = params;
    a.aggregate.windows = {w};
    a.name = !name.empty()      ? name
             : w.length_us == 0 ? base
                                : concat({base, "_", duration_text(w.length_us)});
    TRY(check_feature_name(path, a.name));
    view->aggregates.push_back(std::move(a));
  }
  return {};
}

// ---- documents

Result<Entity> entity_of(Members& m, const std::string& name) {
  Entity out;
  out.join_key.name = TRY(m.text("join_key", name));
  TRY(check_feature_name("join_key", out.join_key.name));
  const std::string type = TRY(m.text("type", "string"));
  out.join_key.type = TRY(parse_feature_type(type));
  return out;
}

Status join_keys_of(Members& m, View* view) {
  const Json* keys = TRY(m.object("join_keys"));
  view->join_keys = TRY(fields_of(keys, m.at("join_keys")));
  const Json* one = m.take("entity");
  const Json* several = m.take("entities");
  // Rows of the whole world, without a key, are asked for by saying so: `entities: []`.
  const bool said = keys != nullptr || one != nullptr || several != nullptr;
  for (const Json* given : {one, several}) {
    if (given == nullptr) continue;
    if (given->is_object()) {
      for (FeatureField& f : TRY(fields_of(given, m.at("entity"))))
        view->join_keys.push_back(std::move(f));
    } else if (given->is_string()) {
      view->entities.push_back(given->as_string());
    } else if (given->is_array()) {
      for (std::string& name : TRY(names_of(given, m.at("entities"))))
        view->entities.push_back(std::move(name));
    } else {
      return bad(m.at("entity"), "{key: type} or the names of entities are wanted");
    }
  }
  if (!said)
    return bad(m.at("entity"),
               "a view says its key, entity: {user_id: int64}, or that it has none, entities: []");
  if (view->join_keys.size() > kJoinKeysMax) return bad(m.at("entity"), "at most 8 keys");
  return {};
}

// `source: name`, or the source itself, whose columns may stand beside it as `columns:`.
Status view_source(Members& m, const std::string& name, View* view) {
  const Json* source = m.take("source");
  const Json* columns = TRY(m.object("columns"));
  if (source != nullptr && source->is_string()) {
    if (columns != nullptr) return bad(m.at("columns"), "they are the named source's");
    view->source = source->as_string();
    return check_feature_name("source", view->source);
  }
  Source made;
  if (source != nullptr) {
    if (!source->is_object()) return bad(m.at("source"), "a name, or {columns, event_time}");
    Members inner(*source, m.at("source"));
    made = TRY(source_of(inner));
    TRY(inner.end());
  }
  for (FeatureField& f : TRY(fields_of(columns, m.at("columns"))))
    made.columns.push_back(std::move(f));
  view->source = name;
  view->inline_source = std::move(made);
  return {};
}

// `features: {clicks: int64}` declares a column of an inline source and the feature in one.
Status view_features(Members& m, View* view) {
  const Json* features = m.take("features");
  if (features == nullptr) return {};
  if (features->is_array()) {
    view->columns = TRY(names_of(features, m.at("features")));
    return {};
  }
  if (!features->is_object()) return bad(m.at("features"), "names are wanted, or {name: type}");
  if (!view->inline_source)
    return bad(m.at("features"), "names of the source's columns are wanted");
  for (FeatureField& f : TRY(fields_of(features, m.at("features")))) {
    view->columns.push_back(f.name);
    if (view->inline_source->find(f.name) == nullptr)
      view->inline_source->columns.push_back(std::move(f));
  }
  return {};
}

Status view_tests(Members& m, View* view) {
  const Json* tests = TRY(m.list("tests"));
  if (tests == nullptr) return {};
  for (size_t i = 0; i < tests->items().size(); ++i) {
    const Json& one = tests->items()[i];
    const std::string path = concat({m.at("tests"), "[", std::to_string(i), "]"});
    if (!one.is_object()) return bad(path, "{events, at, expect} is wanted");
    Members t(one, path);
    Example made;
    made.name = TRY(t.text("name"));
    made.at = TRY(t.text("at"));
    const Json* events = TRY(t.list("events"));
    const Json* expect = TRY(t.object("expect"));
    if (events == nullptr || expect == nullptr || made.at.empty())
      return bad(path, "events, at and expect are wanted");
    TRY(t.end());
    made.events = *events;
    made.expect = *expect;
    view->tests.push_back(std::move(made));
  }
  return {};
}

// The keys are columns of an inline source whether or not it says so.
void complete_inline(View* view) {
  if (!view->inline_source) return;
  for (const FeatureField& key : view->join_keys)
    if (view->inline_source->find(key.name) == nullptr)
      view->inline_source->columns.insert(view->inline_source->columns.begin(), key);
}

Result<View> view_of(Members& m, const std::string& name) {
  View out;
  TRY(join_keys_of(m, &out));
  TRY(view_source(m, name, &out));
  TRY(view_features(m, &out));
  const Json* row = TRY(m.object("row"));
  out.row = TRY(rows_of(row, m.at("row")));
  if (const Json* aggregates = TRY(m.list("aggregate")))
    for (size_t i = 0; i < aggregates->items().size(); ++i)
      TRY(add_aggregate(aggregates->items()[i],
                        concat({m.at("aggregate"), "[", std::to_string(i), "]"}), &out));
  const std::string ttl = TRY(m.text("ttl"));
  if (!ttl.empty() && ttl != "0") {
    const int64_t us = TRY(parse_duration_us(ttl));
    if (us > 0) out.ttl_us = us;
  }
  if (const Json* late = TRY(m.object("late"))) {
    Members inner(*late, m.at("late"));
    const std::string allowed = TRY(inner.text("allowed", "1h"));
    out.lateness_us = TRY(parse_duration_us(allowed));
    TRY(inner.end());
  }
  out.filter = TRY(m.text("filter"));
  out.online = TRY(m.flag("online", true));
  TRY(view_tests(m, &out));
  complete_inline(&out);
  if (out.columns.empty() && out.row.empty() && out.aggregates.empty())
    return bad(m.at("features"), "a view has features, row or aggregate");
  if (out.windowed() && !out.columns.empty())
    return bad(m.at("features"), "of a view with aggregates these are the features");
  return out;
}

Result<PythonFunction> python_of(const Json& json, const std::string& path) {
  Members m(json, path);
  PythonFunction out;
  const std::string mode = TRY(m.text("mode", "pandas"));
  if (mode == "python")
    out.mode = PythonFunction::Mode::kPython;
  else if (mode == "singleton")
    out.mode = PythonFunction::Mode::kSingleton;
  else if (mode != "pandas")
    return bad(m.at("mode"), "pandas, python or singleton is wanted");
  out.source = TRY(m.text("source"));
  out.entry = TRY(m.text("function"));
  const std::string pickle = TRY(m.text("pickle"));
  const std::optional<std::string> bytes = from_base64(pickle);
  if (!bytes) return bad(m.at("pickle"), "base64 is wanted");
  out.pickle = *bytes;
  TRY(m.end());
  if (out.source.empty() && out.pickle.empty())
    return bad(m.at("source"), "the text of a function is wanted");
  return out;
}

Result<OnDemand> on_demand_of(Members& m) {
  OnDemand out;
  if (const Json* inputs = TRY(m.object("inputs"))) {
    for (const auto& [name, ref] : inputs->members()) {
      TRY(check_feature_name(m.at("inputs"), name));
      if (!ref.is_string()) return bad(m.at("inputs"), "references are wanted: view:feature");
      OnDemand::Input made;
      made.name = name;
      made.of = TRY(parse_reference(ref.as_string()));
      if (made.of.feature == "*") return bad(m.at("inputs"), "one feature an input is wanted");
      out.inputs.push_back(std::move(made));
    }
  }
  const Json* request = TRY(m.object("request"));
  out.request = TRY(fields_of(request, m.at("request")));
  if (const Json* python = TRY(m.object("python"))) {
    out.python = TRY(python_of(*python, m.at("python")));
    const Json* outputs = TRY(m.object("outputs"));
    out.outputs = TRY(fields_of(outputs, m.at("outputs")));
    if (out.outputs.empty()) return bad(m.at("outputs"), "{feature: type} is wanted");
    return out;
  }
  const Json* features = TRY(m.object("features"));
  out.features = TRY(rows_of(features, m.at("features")));
  if (out.features.empty()) return bad(m.at("features"), "expressions are wanted");
  return out;
}

Result<Service::Item> item_of(const Json& json, const std::string& path) {
  Service::Item out;
  if (json.is_string()) {
    out.of = TRY(parse_reference(json.as_string()));
    return out;
  }
  if (!json.is_object()) return bad(path, "view:feature, or {of, as, view_as, join_keys}");
  Members m(json, path);
  const std::string of = TRY(m.text("of"));
  out.of = TRY(parse_reference(of));
  out.name = TRY(m.text("as"));
  if (!out.name.empty()) {
    if (out.of.feature == "*") return bad(m.at("as"), "several features can't have one name");
    TRY(check_feature_name(m.at("as"), out.name));
  }
  out.view_as = TRY(m.text("view_as"));
  if (!out.view_as.empty()) TRY(check_feature_name(m.at("view_as"), out.view_as));
  if (const Json* keys = TRY(m.object("join_keys")))
    for (const auto& [from, to] : keys->members()) {
      if (!to.is_string()) return bad(m.at("join_keys"), "names are wanted");
      out.join_keys[from] = to.as_string();
    }
  TRY(m.end());
  return out;
}

Result<Service> service_of(Members& m) {
  Service out;
  const Json* features = TRY(m.list("features"));
  if (features == nullptr || features->items().empty())
    return bad(m.at("features"), "a list of view:feature is wanted");
  for (size_t i = 0; i < features->items().size(); ++i)
    out.items.push_back(TRY(
        item_of(features->items()[i], concat({m.at("features"), "[", std::to_string(i), "]"}))));
  if (const Json* log = TRY(m.object("log"))) {
    Members inner(*log, m.at("log"));
    out.log_sample = TRY(inner.real("sample_by_key", 0));
    TRY(inner.end());
    if (!(out.log_sample >= 0 && out.log_sample <= 1))
      return bad("log.sample_by_key", "0 to 1 is wanted");
  }
  return out;
}

Status fill(Members& m, Definition* out) {
  switch (out->kind) {
    case Kind::kEntity:
      out->entity = TRY(entity_of(m, out->name));
      return {};
    case Kind::kSource:
      return source_document(m, &out->source);
    case Kind::kView:
      out->view = TRY(view_of(m, out->name));
      return {};
    case Kind::kOnDemand:
      out->on_demand = TRY(on_demand_of(m));
      return {};
    case Kind::kService:
      out->service = TRY(service_of(m));
      return {};
    case Kind::kContract:
      return {};
  }
  return {};
}

// ODCS has rules of its own; here it is a document with an id.
Result<Definition> parse_data_contract(const Json& document) {
  const contract::Contract parsed = TRY(contract::parse_contract(codec::to_json(document)));
  Definition out;
  out.kind = Kind::kContract;
  out.name = parsed.id;
  out.contract = document;
  TRY(check_feature_name("id", out.name));
  if (codec::to_json(document).size() > kDefinitionBytesMax)
    return exhausted("feature.too_large", "a document has at most 1 MiB");
  return out;
}

}  // namespace

Result<Definition> parse_definition(const Json& document) {
  if (!document.is_object())
    return invalid("feature.yaml", "a document has members: kind, name, …");
  if (const Json* kind = document.find("kind");
      kind != nullptr && kind->is_string() && kind->as_string() == kind_name(Kind::kContract))
    return parse_data_contract(document);
  Members m(document, "");
  const std::string kind = TRY(m.text("kind"));
  const std::optional<Kind> known = parse_kind(kind);
  if (!known)
    return invalid("feature.kind", concat({"kind: '", kind, "' is none"}))
        .with_hint("Entity, Source, FeatureView, OnDemand, FeatureService or DataContract");
  Definition out;
  out.kind = *known;
  out.name = TRY(m.text("name"));
  TRY(check_feature_name("name", out.name));
  out.version = TRY(m.number("version", 0));
  if (out.version < 0) return bad("version", "1 or more is wanted");
  out.about = TRY(about_of(m));
  Status filled = fill(m, &out);
  if (!filled.ok()) return std::move(filled).error().within(concat({kind, " ", out.name}));
  Status ended = m.end();
  if (!ended.ok()) return std::move(ended).error().within(concat({kind, " ", out.name}));
  if (codec::to_json(out.document()).size() > kDefinitionBytesMax)
    return exhausted("feature.too_large", "a document has at most 1 MiB");
  return out;
}

}  // namespace slip::features
