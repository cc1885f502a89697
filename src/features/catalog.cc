#include "features/catalog.h"

#include <algorithm>
#include <functional>

#include "base/text.h"
#include "codec/hash.h"
#include "contract/contract.h"
#include "contract/physical.h"
#include "core/ledger/ledger.h"
#include "features/catalog_store.h"
#include "sys/clock.h"
#include "sys/rng.h"

namespace slip::features {
namespace {

size_t place(Kind kind) { return static_cast<size_t>(kind); }

Error no_such(Kind kind, const std::string& name) {
  return not_found("feature.not_found", concat({"no ", kind_name(kind), " '", name, "'"}));
}

// Sets the version that a reference means; the view must have the feature.
Status pin(const Shelf& shelf, Reference* ref) {
  const ViewPtr view = shelf.view(ref->view, ref->version);
  if (view) {
    if (ref->feature != "*" && !view->find(ref->feature))
      return invalid("feature.reference", concat({ref->text(), ": the view has no such feature"}));
    ref->version = view->version;
    return {};
  }
  const auto on_demand = shelf.find_on_demand(ref->view, ref->version);
  if (!on_demand) return invalid("feature.reference", concat({ref->text(), ": no such view"}));
  const bool has = std::any_of(on_demand->features.begin(), on_demand->features.end(),
                               [&](const FeatureField& f) { return f.name == ref->feature; });
  if (ref->feature != "*" && !has)
    return invalid("feature.reference", concat({ref->text(), ": the view has no such feature"}));
  ref->version = on_demand->version;
  return {};
}

Status pin_all(const Shelf& shelf, Definition* d) {
  if (d->kind == Kind::kOnDemand)
    for (OnDemand::Input& i : d->on_demand.inputs) TRY(pin(shelf, &i.of));
  if (d->kind == Kind::kService)
    for (Service::Item& i : d->service.items) TRY(pin(shelf, &i.of));
  return {};
}

Result<std::shared_ptr<const CompiledOnDemand>> compile_one(const Shelf& shelf,
                                                            const std::string& project,
                                                            const Definition& d) {
  std::vector<FeatureType> types;
  for (const OnDemand::Input& i : d.on_demand.inputs) {
    const ViewPtr view = shelf.view(i.of.view, i.of.version);
    const std::optional<size_t> at = view ? view->find(i.of.feature) : std::nullopt;
    if (!at) return invalid("feature.reference", concat({i.of.text(), ": no such feature"}));
    types.push_back(view->features[*at].type);
  }
  CompiledOnDemand made = TRY(compile_on_demand(d, types));
  made.project = project;
  return std::make_shared<const CompiledOnDemand>(std::move(made));
}

// The least that the contract's SLAs ask of freshness, of the object or of all.
std::optional<int64_t> freshness_of(const contract::Contract& contract, const std::string& object) {
  std::optional<int64_t> out;
  for (const contract::Sla& sla : contract.slas) {
    if (contract::sla_kind(sla.property) != contract::SlaKind::kFreshness) continue;
    if (!sla.element.empty() && sla.element != object && !sla.element.starts_with(object + "."))
      continue;
    const std::optional<double> number = contract::sla_number(sla.value);
    const auto before =
        number ? contract::moment_before(0, *number, sla.unit, false) : std::nullopt;
    if (before) out = std::min(out.value_or(INT64_MAX), -*before);
  }
  return out;
}

// What a source's contract asks; without one: nothing.
Result<SourceContract> contract_of(const Shelf& shelf, const std::string& reference) {
  if (reference.empty()) return SourceContract();
  const size_t hash = reference.find('#');
  const auto& contracts = shelf.latest[place(Kind::kContract)];
  const auto found = contracts.find(reference.substr(0, hash));
  if (found == contracts.end())
    return invalid("feature.reference",
                   concat({"no DataContract '", reference.substr(0, hash), "'"}));
  const contract::Contract parsed =
      TRY(contract::parse_contract(codec::to_json(found->second->definition.contract)));
  const contract::Object* object = nullptr;
  if (hash != std::string::npos)
    object = parsed.find(reference.substr(hash + 1));
  else if (parsed.objects.size() == 1)
    object = &parsed.objects.front();
  if (object == nullptr)
    return invalid("feature.reference",
                   concat({"contract ", reference, ": name one of its objects"}))
        .with_hint("contract: ID#object");
  contract::RecordChecker made = TRY(contract::RecordChecker::make(*object));
  SourceContract out;
  out.checker = std::make_shared<const contract::RecordChecker>(std::move(made));
  out.freshness_us = freshness_of(parsed, object->name);
  return out;
}

// A query's inputs are there, and none of them is computed from what it computes.
Status check_inputs(const Shelf& shelf) {
  const auto& sources = shelf.latest[place(Kind::kSource)];
  enum class Seen : uint8_t { kNot, kOpen, kDone };
  std::map<std::string, Seen> seen;
  const std::function<Status(const std::string&)> visit = [&](const std::string& name) -> Status {
    if (seen[name] == Seen::kDone) return {};
    if (seen[name] == Seen::kOpen)
      return invalid("feature.reference", concat({"Source ", name, " is computed from itself"}));
    seen[name] = Seen::kOpen;
    const auto& computed = sources.at(name)->definition.source.computed;
    if (computed)
      for (const auto& [table, input] : computed->inputs) {
        if (!sources.contains(input))
          return invalid("feature.reference",
                         concat({"Source ", name, ": no Source '", input, "'"}));
        TRY(visit(input));
      }
    seen[name] = Seen::kDone;
    return {};
  };
  for (const auto& [name, a] : sources) TRY(visit(name));
  return {};
}

// Who reads the definition, by name.
std::vector<std::string> readers_of(const Shelf& shelf, Kind kind, const std::string& name) {
  std::vector<std::string> out;
  const auto add = [&](const Definition& d) {
    out.push_back(concat({kind_name(d.kind), " ", d.name}));
  };
  for (const auto& kinds : shelf.all)
    for (const auto& [key, a] : kinds) {
      const Definition& d = a->definition;
      const auto names = [&](const Reference& r) { return r.view == name; };
      if (kind == Kind::kEntity && d.kind == Kind::kView &&
          std::find(d.view.entities.begin(), d.view.entities.end(), name) != d.view.entities.end())
        add(d);
      const std::string& contract = d.kind == Kind::kSource ? d.source.contract
                                    : d.view.inline_source  ? d.view.inline_source->contract
                                                            : d.source.contract;
      if (kind == Kind::kContract && !contract.empty() &&
          contract.substr(0, contract.find('#')) == name)
        add(d);
      if (kind == Kind::kSource && d.kind == Kind::kView && !d.view.inline_source &&
          d.view.source == name)
        add(d);
      if (kind == Kind::kSource && d.kind == Kind::kSource && d.source.computed &&
          std::ranges::any_of(d.source.computed->inputs,
                              [&](const auto& input) { return input.second == name; }))
        add(d);
      if (kind != Kind::kView && kind != Kind::kOnDemand) continue;
      if (d.kind == Kind::kService &&
          std::any_of(d.service.items.begin(), d.service.items.end(),
                      [&](const Service::Item& i) { return names(i.of); }))
        add(d);
      if (d.kind == Kind::kOnDemand &&
          std::any_of(d.on_demand.inputs.begin(), d.on_demand.inputs.end(),
                      [&](const OnDemand::Input& i) { return names(i.of); }))
        add(d);
    }
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

// Another query or topic means other rows for whoever reads the source.
std::vector<Finding> compare_sources(const Shelf& before, const Shelf& after,
                                     const std::string& name) {
  const auto in = [&](const Shelf& shelf) -> const Source& {
    return shelf.latest[place(Kind::kSource)].at(name)->definition.source;
  };
  const auto query = [](const Source& s) {
    std::string out = s.computed ? s.computed->sql : std::string();
    if (s.computed)
      for (const auto& [table, input] : s.computed->inputs)
        out += concat({"\n", table, "=", input});
    return out;
  };
  const auto topic = [](const Source& s) { return s.kafka ? s.kafka->topic : std::string("none"); };
  const auto unit = [](const Source& s) { return s.kafka ? s.kafka->time_unit_ns : 0; };
  const Source& old = in(before);
  const Source& now = in(after);
  const std::string who = join(readers_of(before, Kind::kSource, name), ", ");
  std::vector<Finding> out;
  if (query(old) != query(now))
    out.push_back({Severity::kWarn, "sql", "its rows are computed anew", who});
  if (topic(old) != topic(now))
    out.push_back({old.kafka ? Severity::kWarn : Severity::kMinor, "kafka.topic",
                   concat({topic(old), " -> ", topic(now)}), who});
  else if (unit(old) != unit(now))
    out.push_back({Severity::kWarn, "kafka.time_unit", "times mean something else", who});
  return out;
}

void put(Shelf* shelf, const AppliedPtr& a) {
  const size_t k = place(a->definition.kind);
  shelf->all[k][{a->definition.name, a->definition.version}] = a;
  AppliedPtr& latest = shelf->latest[k][a->definition.name];
  if (!latest || latest->definition.version < a->definition.version) latest = a;
}

}  // namespace

std::string_view severity_name(Severity severity) {
  constexpr std::string_view kNames[] = {"none", "minor", "warn", "breaking"};
  return kNames[static_cast<size_t>(severity)];
}

ViewPtr Shelf::view(const std::string& name, int64_t version) const {
  if (version == 0) {
    const auto found = latest_views.find(name);
    return found == latest_views.end() ? nullptr : found->second;
  }
  const auto found = views.find({name, version});
  return found == views.end() ? nullptr : found->second;
}

std::shared_ptr<const CompiledOnDemand> Shelf::find_on_demand(const std::string& name,
                                                              int64_t version) const {
  std::shared_ptr<const CompiledOnDemand> out;
  for (const auto& [key, made] : on_demand)
    if (key.first == name && (version == 0 || key.second == version)) out = made;
  return out;
}

std::vector<ViewPtr> Shelf::views_of(const std::string& source) const {
  std::vector<ViewPtr> out;
  for (const auto& [key, view] : views)
    if (view->source_name == source) out.push_back(view);
  return out;
}

Catalog::Catalog(Deps deps) : deps_(deps), shelves_(std::make_shared<const Shelves>()) {}

std::shared_ptr<const Shelf> Catalog::shelf(const std::string& project) const {
  const std::shared_ptr<const Shelves> all = shelves_.load();
  const auto found = all->find(project);
  if (found != all->end()) return found->second;
  static const auto kNone = std::make_shared<const Shelf>();
  return kNone;
}

uint32_t Catalog::number_of(const std::string& uid) {
  return numbers_.try_emplace(uid, static_cast<uint32_t>(numbers_.size() + 1)).first->second;
}

Result<std::shared_ptr<const Shelf>> Catalog::compile(const std::string& project,
                                                      std::vector<AppliedPtr> applied) {
  auto out = std::make_shared<Shelf>();
  for (const AppliedPtr& a : applied) put(out.get(), a);
  TRY(check_inputs(*out));
  std::map<std::string, FeatureField> entities;
  for (const auto& [name, a] : out->latest[place(Kind::kEntity)])
    entities[name] = a->definition.entity.join_key;
  for (const auto& [name, a] : out->latest[place(Kind::kSource)]) {
    auto contract = contract_of(*out, a->definition.source.contract);
    if (!contract.ok()) return std::move(contract).error().within(concat({"Source ", name}));
    if (contract->checker) out->contracts[name] = std::move(*contract);
  }
  for (const auto& [key, a] : out->all[place(Kind::kView)]) {
    const View& view = a->definition.view;
    Source source;
    if (view.inline_source) {
      source = *view.inline_source;
      auto contract = contract_of(*out, source.contract);
      if (!contract.ok())
        return std::move(contract).error().within(concat({"FeatureView ", key.first}));
      if (contract->checker) out->contracts[view.source] = std::move(*contract);
    } else {
      const auto found = out->latest[place(Kind::kSource)].find(view.source);
      if (found == out->latest[place(Kind::kSource)].end())
        return invalid("feature.reference", concat({"FeatureView ", a->definition.name,
                                                    ": no Source '", view.source, "'"}));
      source = found->second->definition.source;
    }
    Result<CompiledView> made = compile_view(a->definition, source, entities);
    if (!made.ok())
      return std::move(made).error().within(concat({"FeatureView ", a->definition.name}));
    made->project = project;
    made->uid = a->uid;
    made->number = number_of(a->uid);
    std::shared_ptr<ViewClocks>& clocks = clocks_[a->uid];
    if (!clocks) clocks = std::make_shared<ViewClocks>();
    made->clocks = clocks;
    auto ptr = std::make_shared<const CompiledView>(std::move(*made));
    out->views[key] = ptr;
    ViewPtr& latest = out->latest_views[key.first];
    if (!latest || latest->version < ptr->version) latest = ptr;
  }
  for (const auto& [key, a] : out->all[place(Kind::kOnDemand)]) {
    auto made = compile_one(*out, project, a->definition);
    if (!made.ok())
      return std::move(made).error().within(concat({"OnDemand ", a->definition.name}));
    out->on_demand[key] = std::move(*made);
  }
  for (const auto& [key, a] : out->all[place(Kind::kService)]) {
    Definition copy = a->definition;
    Status fine = pin_all(*out, &copy);
    if (!fine.ok()) return std::move(fine).error().within(concat({"FeatureService ", key.first}));
  }
  return std::shared_ptr<const Shelf>(std::move(out));
}

Status Catalog::load() { return take(false); }

Status Catalog::reload() { return take(true); }

Status Catalog::take(bool unless_same) {
  std::map<std::string, std::vector<AppliedPtr>> by_project;
  std::vector<sql::Stored> stored;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    stored.clear();
    return sql::each_definition(tx, [&](sql::Stored s) { stored.push_back(std::move(s)); });
  }));
  uint64_t hash = 0;
  for (const sql::Stored& s : stored) hash = codec::xxh3(concat({s.applied.uid, s.document}), hash);
  const sys::Lock lock(changing_);
  if (unless_same && hash == loaded_) return {};
  for (sql::Stored& s : stored) {
    const int64_t version = s.applied.definition.version;
    const codec::Json document = TRY(codec::parse_json(s.document));
    s.applied.definition = TRY(parse_definition(document));
    s.applied.definition.version = version;
    by_project[s.project].push_back(std::make_shared<const Applied>(std::move(s.applied)));
  }
  auto next = std::make_shared<Shelves>();
  for (auto& [project, applied] : by_project)
    (*next)[project] = TRY(compile(project, std::move(applied)));
  shelves_.publish(std::move(next));
  loaded_ = hash;
  return {};
}

struct Catalog::Draft {
  std::shared_ptr<const Shelf> before;
  std::shared_ptr<const Shelf> after;
  std::vector<Change> changes;
  std::vector<AppliedPtr> added;      // New rows.
  std::vector<AppliedPtr> described;  // Rows whose document changes.
};

namespace {

// Contracts, entities and sources first, then what reads them.
void sort_by_kind(std::vector<Definition>* definitions) {
  const auto rank = [](const Definition& d) {
    return d.kind == Kind::kContract ? -1 : static_cast<int>(d.kind);
  };
  std::stable_sort(definitions->begin(), definitions->end(),
                   [&](const Definition& a, const Definition& b) { return rank(a) < rank(b); });
}

Status check_once(const std::vector<Definition>& definitions) {
  for (size_t i = 0; i < definitions.size(); ++i)
    for (size_t j = 0; j < i; ++j)
      if (definitions[i].kind == definitions[j].kind && definitions[i].name == definitions[j].name)
        return invalid("feature.duplicate", concat({kind_name(definitions[i].kind), " '",
                                                    definitions[i].name, "' is there twice"}));
  return {};
}

std::vector<AppliedPtr> all_of(const Shelf& shelf) {
  std::vector<AppliedPtr> out;
  for (const auto& kind : shelf.all)
    for (const auto& [key, a] : kind) out.push_back(a);
  return out;
}

Severity gravest(const std::vector<Finding>& findings) {
  Severity out = Severity::kNone;
  for (const Finding& f : findings) out = std::max(out, f.severity);
  return out;
}

}  // namespace

Result<Catalog::Draft> Catalog::draft(const Ctx& ctx, std::vector<Definition> definitions) {
  TRY(check_once(definitions));
  sort_by_kind(&definitions);
  Draft out;
  out.before = shelf(ctx.project.text);
  std::vector<AppliedPtr> rows = all_of(*out.before);
  out.after = out.before;
  for (Definition& d : definitions) {
    // A later document may read an earlier one's new version.
    if (d.kind == Kind::kOnDemand || d.kind == Kind::kService) {
      out.after = TRY(compile(ctx.project.text, rows));
      Status pinned = pin_all(*out.after, &d);
      if (!pinned.ok())
        return std::move(pinned).error().within(concat({kind_name(d.kind), " ", d.name}));
    }
    Change change;
    change.kind = d.kind;
    change.name = d.name;
    change.version = 1;
    change.action = "create";
    const auto& latest = out.before->latest[place(d.kind)];
    const auto known = latest.find(d.name);
    const int64_t wanted = d.version;
    if (known != latest.end()) {
      const Applied& old = *known->second;
      const bool same = old.digest == d.digest();
      change.version = same ? old.definition.version : old.definition.version + 1;
      change.action = same ? "unchanged" : "new_version";
      if (wanted > 0 && !same && wanted <= old.definition.version)
        return conflict("feature.immutable",
                        concat({kind_name(d.kind), " ", d.name, "@", std::to_string(wanted),
                                " is there and means something else"}))
            .with_hint("leave the version out, or write the next one");
      d.version = change.version;
      if (same && codec::to_json(d.document()) != codec::to_json(old.definition.document())) {
        change.action = "describe";
        Applied described = old;
        described.definition = d;
        out.described.push_back(std::make_shared<const Applied>(std::move(described)));
        std::replace_if(
            rows.begin(), rows.end(), [&](const AppliedPtr& a) { return a == known->second; },
            out.described.back());
      }
    }
    d.version = wanted > change.version ? wanted : change.version;
    change.version = d.version;
    if (change.action == "create" || change.action == "new_version") {
      Applied made;
      made.digest = d.digest();
      made.definition = std::move(d);
      made.uid = new_uuid7(deps_.clock, deps_.rng).text();
      made.created_ms = deps_.clock.now_ms();
      made.created_by = ctx.actor_uid;
      out.added.push_back(std::make_shared<const Applied>(std::move(made)));
      rows.push_back(out.added.back());
    }
    out.changes.push_back(std::move(change));
  }
  out.after = TRY(compile(ctx.project.text, rows));
  for (Change& c : out.changes) {
    if (c.action != "new_version") continue;
    if (c.kind == Kind::kView)
      c.findings = compare_views(*out.before->view(c.name), *out.after->view(c.name, c.version),
                                 *out.before);
    if (c.kind == Kind::kSource) c.findings = compare_sources(*out.before, *out.after, c.name);
    c.severity = gravest(c.findings);
  }
  return out;
}

Result<std::vector<Change>> Catalog::plan(const Ctx& ctx, std::vector<Definition> definitions) {
  const sys::Lock lock(changing_);
  return TRY(draft(ctx, std::move(definitions))).changes;
}

Result<std::vector<Change>> Catalog::apply(const Ctx& ctx, std::vector<Definition> definitions,
                                           Severity allow) {
  const sys::Lock lock(changing_);
  Draft d = TRY(draft(ctx, std::move(definitions)));
  for (const Change& c : d.changes)
    if (c.severity > allow)
      return conflict("feature.breaking",
                      concat({kind_name(c.kind), " ", c.name, ": ", severity_name(c.severity), ": ",
                              c.findings.front().path, " ", c.findings.front().text}))
          .with_hint("`slipway feature plan` lists the changes");
  const std::string& project = ctx.project.text;
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    for (const AppliedPtr& a : d.described) TRY(sql::update_document(tx, project, *a));
    for (const AppliedPtr& a : d.added) {
      TRY(sql::insert_definition(tx, project, *a));
      ledger::Draft event;
      event.verb = "feature_definition.applied";
      event.subject = {.kind = "feature_definition",
                       .uid = a->uid,
                       .name = concat({kind_name(a->definition.kind), ":", a->definition.name}),
                       .version = std::to_string(a->definition.version),
                       .digest = concat({"sha256:", a->digest})};
      TRY(deps_.ledger.append(tx, ctx, event));
    }
    return {};
  }));
  auto next = std::make_shared<Shelves>(*shelves_.load());
  (*next)[project] = d.after;
  shelves_.publish(std::move(next));
  return std::move(d.changes);
}

Status Catalog::remove(const Ctx& ctx, Kind kind, const std::string& name) {
  const sys::Lock lock(changing_);
  const std::string& project = ctx.project.text;
  const std::shared_ptr<const Shelf> before = shelf(project);
  const auto found = before->latest[place(kind)].find(name);
  if (found == before->latest[place(kind)].end()) return no_such(kind, name);
  const std::vector<std::string> readers = readers_of(*before, kind, name);
  if (!readers.empty())
    return conflict("feature.in_use",
                    concat({kind_name(kind), " ", name, " is read by ", join(readers, ", ")}));
  std::vector<AppliedPtr> rows = all_of(*before);
  std::erase_if(rows, [&](const AppliedPtr& a) {
    return a->definition.kind == kind && a->definition.name == name;
  });
  const std::shared_ptr<const Shelf> after = TRY(compile(project, std::move(rows)));
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    TRY(sql::delete_definition(tx, project, kind, name));
    ledger::Draft event;
    event.verb = "feature_definition.removed";
    event.subject = {.kind = "feature_definition",
                     .uid = found->second->uid,
                     .name = concat({kind_name(kind), ":", name}),
                     .version = std::to_string(found->second->definition.version),
                     .digest = concat({"sha256:", found->second->digest})};
    return deps_.ledger.append(tx, ctx, event);
  }));
  auto next = std::make_shared<Shelves>(*shelves_.load());
  (*next)[project] = after;
  shelves_.publish(std::move(next));
  return {};
}

}  // namespace slip::features
