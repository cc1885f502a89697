#include "features/read_plan.h"

#include <algorithm>
#include <set>

#include "base/text.h"
#include "codec/hash.h"

namespace slip::features {
namespace {

class Planner {
 public:
  Planner(const Shelf& shelf, bool full_names) : shelf_(shelf), full_names_(full_names) {}

  Status add(const Service::Item& item) {
    const Reference& of = item.of;
    if (const ViewPtr view = shelf_.view(of.view, of.version)) return add_view(item, view);
    if (const auto on_demand = shelf_.find_on_demand(of.view, of.version))
      return add_computed(item, on_demand);
    const std::string version = of.version == 0 ? "" : concat({"@", std::to_string(of.version)});
    return not_found("feature_view.not_found",
                     concat({"Feature view ", of.view, version, " does not exist"}));
  }

  Result<ReadPlan> finish() {
    std::set<std::string_view> seen;
    for (const ReadPlan::Out& o : plan_.outs)
      if (!seen.insert(o.name).second)
        return invalid("feature.name_collision", concat({"two features are called '", o.name, "'"}))
            .with_hint("ask for full feature names, or leave one out");
    std::string meanings;
    for (const ReadPlan::Read& read : plan_.reads) meanings += read.view->digest;
    for (const ReadPlan::Computed& c : plan_.computed) meanings += c.what->digest;
    plan_.shape = codec::xxh3(meanings);
    for (size_t i = 0; i < plan_.outs.size(); ++i) {
      const ReadPlan::Out& o = plan_.outs[i];
      if (!o.computed) plan_.reads[o.from].outs.emplace_back(i, o.at);
      if (i > 0) plan_.out_names.push_back(',');
      codec::append_json_string(&plan_.out_names, o.name);
    }
    return std::move(plan_);
  }

 private:
  Error no_feature(const Reference& of) const {
    return not_found("feature.not_found",
                     concat({"Feature ", of.feature, " does not exist in feature view ", of.view}));
  }
  std::string name_of(const Service::Item& item, const std::string& feature) const {
    if (!item.name.empty()) return item.name;
    const std::string& view = item.view_as.empty() ? item.of.view : item.view_as;
    return full_names_ ? concat({view, "__", feature}) : feature;
  }

  Result<size_t> read_of(const ViewPtr& view, const std::map<std::string, std::string>& renamed) {
    std::vector<std::string> keys;
    for (const FeatureField& key : view->join_keys) {
      const auto found = renamed.find(key.name);
      keys.push_back(found == renamed.end() ? key.name : found->second);
    }
    for (size_t i = 0; i < plan_.reads.size(); ++i)
      if (plan_.reads[i].view == view && plan_.reads[i].request_keys == keys) return i;
    for (size_t i = 0; i < keys.size(); ++i) TRY(want_key(keys[i], view->join_keys[i].type));
    plan_.reads.push_back({view, std::move(keys), {}, {}});
    return plan_.reads.size() - 1;
  }

  Status want_key(const std::string& name, const FeatureType& type) {
    for (const FeatureField& known : plan_.keys) {
      if (known.name != name) continue;
      if (known.type.type == type.type) return {};
      return invalid("feature.join_key",
                     concat({"key ", name, " is of ", known.type.text(), " in one view and of ",
                             type.text(), " in another"}));
    }
    plan_.keys.push_back({name, type});
    return {};
  }

  size_t feature_of(size_t read, size_t feature) {
    std::vector<size_t>& list = plan_.reads[read].features;
    const auto found = std::find(list.begin(), list.end(), feature);
    if (found != list.end()) return static_cast<size_t>(found - list.begin());
    list.push_back(feature);
    return list.size() - 1;
  }

  Status add_view(const Service::Item& item, const ViewPtr& view) {
    const size_t read = TRY(read_of(view, item.join_keys));
    const auto add_one = [&](size_t feature) {
      const FeatureField& f = view->features[feature];
      plan_.outs.push_back({.name = name_of(item, f.name),
                            .view = item.of.view,
                            .feature = f.name,
                            .type = f.type,
                            .computed = false,
                            .from = read,
                            .at = feature_of(read, feature)});
    };
    if (item.of.feature == "*") {
      for (size_t i = 0; i < view->features.size(); ++i) add_one(i);
      return {};
    }
    const std::optional<size_t> at = view->find(item.of.feature);
    if (!at) return no_feature(item.of);
    add_one(*at);
    return {};
  }

  Result<size_t> computed_of(const std::shared_ptr<const CompiledOnDemand>& what,
                             const std::map<std::string, std::string>& renamed) {
    for (size_t i = 0; i < plan_.computed.size(); ++i)
      if (plan_.computed[i].what == what) return i;
    ReadPlan::Computed made{what, {}};
    for (const OnDemand::Input& input : what->definition.inputs) {
      const ViewPtr view = shelf_.view(input.of.view, input.of.version);
      const std::optional<size_t> at = view ? view->find(input.of.feature) : std::nullopt;
      if (!at) return no_feature(input.of);
      const size_t read = TRY(read_of(view, renamed));
      made.inputs.emplace_back(read, feature_of(read, *at));
    }
    for (const FeatureField& f : what->definition.request)
      if (std::none_of(plan_.request.begin(), plan_.request.end(),
                       [&](const FeatureField& known) { return known.name == f.name; }))
        plan_.request.push_back(f);
    plan_.computed.push_back(std::move(made));
    return plan_.computed.size() - 1;
  }

  Status add_computed(const Service::Item& item,
                      const std::shared_ptr<const CompiledOnDemand>& what) {
    const size_t from = TRY(computed_of(what, item.join_keys));
    bool any = false;
    for (size_t i = 0; i < what->features.size(); ++i) {
      const FeatureField& f = what->features[i];
      if (item.of.feature != "*" && item.of.feature != f.name) continue;
      any = true;
      plan_.outs.push_back({.name = name_of(item, f.name),
                            .view = item.of.view,
                            .feature = f.name,
                            .type = f.type,
                            .computed = true,
                            .from = from,
                            .at = i});
    }
    if (!any) return no_feature(item.of);
    return {};
  }

  const Shelf& shelf_;
  const bool full_names_;
  ReadPlan plan_;
};

}  // namespace

bool ReadPlan::waits() const {
  return std::any_of(computed.begin(), computed.end(),
                     [](const Computed& c) { return c.what->definition.python.has_value(); });
}

Result<ReadPlan> plan_read(const Shelf& shelf, std::span<const Service::Item> items,
                           bool full_names) {
  Planner planner(shelf, full_names);
  for (const Service::Item& item : items) TRY(planner.add(item));
  return planner.finish();
}

Result<ReadPlan> plan_service(const Shelf& shelf, const std::string& name, int64_t version,
                              bool full_names) {
  AppliedPtr service;
  const auto place = static_cast<size_t>(Kind::kService);
  if (version == 0) {
    if (const auto found = shelf.latest[place].find(name); found != shelf.latest[place].end())
      service = found->second;
  } else if (const auto found = shelf.all[place].find({name, version});
             found != shelf.all[place].end()) {
    service = found->second;
  }
  if (!service)
    return not_found("feature_service.not_found",
                     concat({"Feature service ", name, " does not exist"}));
  const Service& what = service->definition.service;
  ReadPlan out = TRY(plan_read(shelf, what.items, full_names));
  out.service = name;
  out.service_version = service->definition.version;
  out.log_sample = what.log_sample;
  return out;
}

Result<std::vector<Service::Item>> items_of(std::span<const std::string> references) {
  std::vector<Service::Item> out;
  for (const std::string& text : references) {
    Service::Item item;
    item.of = TRY(parse_reference(text));
    out.push_back(std::move(item));
  }
  return out;
}

}  // namespace slip::features
