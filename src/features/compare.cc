#include <algorithm>

#include "base/text.h"
#include "features/catalog.h"

// What a new version of a view means for those who read the one before (features.md 5.4).
namespace slip::features {
namespace {

// Services and on-demand views that read a feature; "*" for any.
std::string readers(const Shelf& shelf, const std::string& view, std::string_view feature) {
  std::vector<std::string> out;
  const auto reads = [&](const Reference& r) {
    return r.view == view && (feature == "*" || r.feature == "*" || r.feature == feature);
  };
  for (const auto& [name, a] : shelf.latest[static_cast<size_t>(Kind::kService)])
    if (std::any_of(a->definition.service.items.begin(), a->definition.service.items.end(),
                    [&](const Service::Item& i) { return reads(i.of); }))
      out.push_back(name);
  for (const auto& [name, a] : shelf.latest[static_cast<size_t>(Kind::kOnDemand)])
    if (std::any_of(a->definition.on_demand.inputs.begin(), a->definition.on_demand.inputs.end(),
                    [&](const OnDemand::Input& i) { return reads(i.of); }))
      out.push_back(name);
  return join(out, ", ");
}

bool widens(const FeatureType& from, const FeatureType& to) {
  FeatureType wide = from;
  wide.narrow = false;
  return from.narrow && wide == to;
}

struct Comparison {
  const CompiledView& before;
  const CompiledView& after;
  const Shelf& shelf;
  std::vector<Finding> out;

  void add(Severity severity, std::string path, std::string text, std::string_view feature) {
    std::string who = readers(shelf, before.name, feature);
    // Nobody reads it: the change breaks nobody.
    if (severity == Severity::kBreaking && who.empty()) severity = Severity::kWarn;
    out.push_back({severity, std::move(path), std::move(text), std::move(who)});
  }

  void features() {
    for (const FeatureField& f : before.features) {
      const std::optional<size_t> at = after.find(f.name);
      const std::string path = concat({"features.", f.name});
      if (!at) {
        add(Severity::kBreaking, path, "removed", f.name);
        continue;
      }
      const FeatureType& now = after.features[*at].type;
      if (now == f.type) continue;
      add(widens(f.type, now) ? Severity::kMinor : Severity::kBreaking, path,
          concat({"type ", f.type.text(), " -> ", now.text()}), f.name);
    }
    for (const FeatureField& f : after.features)
      if (!before.find(f.name))
        add(Severity::kMinor, concat({"features.", f.name}), "added", f.name);
  }

  void rows() {
    for (const RowFeature& old : before.view().row)
      for (const RowFeature& now : after.view().row)
        if (old.name == now.name && old.expression != now.expression)
          add(Severity::kBreaking, concat({"row.", old.name}),
              concat({"means something else: ", old.expression, " -> ", now.expression}),
              before.view().windowed() ? "*" : old.name);
  }

  void aggregates() {
    for (const AggregateFeature& old : before.view().aggregates)
      for (const AggregateFeature& now : after.view().aggregates) {
        if (old.name != now.name) continue;
        const window::Window& a = old.aggregate.windows.front();
        const window::Window& b = now.aggregate.windows.front();
        if (old.of == now.of && old.aggregate.op == now.aggregate.op && a.kind == b.kind &&
            a.length_us == b.length_us)
          continue;
        add(Severity::kBreaking, concat({"aggregate.", old.name}), "means something else",
            old.name);
      }
  }

  void keys() {
    if (before.join_keys != after.join_keys) add(Severity::kBreaking, "join_keys", "changed", "*");
    if (before.source.event_time != after.source.event_time)
      add(Severity::kBreaking, "source.event_time",
          concat({before.source.event_time, " -> ", after.source.event_time}), "*");
    if (before.source_name != after.source_name)
      add(Severity::kBreaking, "source", concat({before.source_name, " -> ", after.source_name}),
          "*");
    if (before.view().filter != after.view().filter)
      add(Severity::kBreaking, "filter", "changed", "*");
  }

  void ttl() {
    const std::optional<int64_t>& old = before.view().ttl_us;
    const std::optional<int64_t>& now = after.view().ttl_us;
    if (old == now) return;
    const bool shorter = now && (!old || *now < *old);
    const auto text = [](const std::optional<int64_t>& us) {
      return us ? duration_text(*us) : std::string("none");
    };
    add(shorter ? Severity::kBreaking : Severity::kWarn, "ttl",
        concat({text(old), " -> ", text(now)}), "*");
  }
};

}  // namespace

std::vector<Finding> compare_views(const CompiledView& before, const CompiledView& after,
                                   const Shelf& shelf) {
  Comparison c{before, after, shelf, {}};
  c.features();
  c.rows();
  c.aggregates();
  c.keys();
  c.ttl();
  return std::move(c.out);
}

}  // namespace slip::features
