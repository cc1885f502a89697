#include <algorithm>
#include <utility>

#include <feast/registry.pb.h>

#include "features/features.h"
#include "wire/feast/changes.h"
#include "wire/feast/paging.h"
#include "wire/feast/registry_messages.h"

// Feast's registry: views that are applied, deleted, or were materialized by its client.
namespace slip::wire::feast {
namespace {

namespace core = ::feast::core;
namespace calls = ::feast::registry;
using features::Kind;
using google::protobuf::Empty;

constexpr int kSpansMax = 100;  // Of Feast's client; the oldest go.

Error uses_python(std::string_view what, const std::string& name) {
  return unsaid(concat({what, " ", name,
                        ": a Python function is a pickle, which a server never opens; write it as "
                        "expressions, in a document of kind FeatureView (row) or OnDemand"}));
}

Status check_spec(const core::FeatureViewSpec& spec) {
  if (spec.has_feature_transformation()) return uses_python("FeatureView", spec.name());
  if (!spec.source_views().empty())
    return unsaid(concat({"FeatureView ", spec.name(), ": a view of views; name a source"}));
  return {};
}
Status check_spec(const core::StreamFeatureViewSpec& spec) {
  if (spec.has_feature_transformation() || spec.has_user_defined_function())
    return uses_python("StreamFeatureView", spec.name());
  return {};
}

// Whether fields say more than names and the plainest types.
template <class Fields>
bool fields_say_more(Fields fields) {
  return std::any_of(fields.begin(), fields.end(), [](core::FeatureSpecV2 f) {
    const auto type = static_cast<uint64_t>(f.value_type());
    const auto plain = features::parse_feature_type(type_text(type));
    if (!plain.ok() || value_type_of(*plain) != type) return true;
    f.clear_name();
    f.clear_value_type();
    return !f.SerializeAsString().empty();
  });
}

bool says_more(core::FeatureViewSpec spec) {
  if (fields_say_more(spec.features()) || fields_say_more(spec.entity_columns())) return true;
  spec = without_words(std::move(spec));
  spec.clear_name();
  spec.clear_features();
  spec.clear_entities();
  spec.clear_entity_columns();
  spec.clear_ttl();
  spec.clear_online();
  spec.clear_batch_source();
  spec.clear_stream_source();
  if (spec.version() == "latest") spec.clear_version();
  return !spec.SerializeAsString().empty();
}
bool says_more(const core::StreamFeatureViewSpec&) { return true; }  // Its kind.

template <class Spec>
features::About words_of_view(const Spec& spec, const Definition* before) {
  features::About out = words_of(spec, before);
  keep("feature_view", nullptr, &out);
  keep("stream_feature_view", nullptr, &out);
  keep("deleted", nullptr, &out);
  Spec told = without_words(spec);
  told.clear_batch_source();
  told.clear_stream_source();
  constexpr bool kStream = std::is_same_v<Spec, core::StreamFeatureViewSpec>;
  if (says_more(spec)) keep(kStream ? "stream_feature_view" : "feature_view", &told, &out);
  std::vector<std::string> names(spec.entities().begin(), spec.entities().end());
  std::string keys;
  for (const core::FeatureSpecV2& key : spec.entity_columns())
    keys += concat({keys.empty() ? "" : ",", key.name()});
  const std::string tag = concat({kTagPrefix, "entities"});
  out.tags.erase(tag);
  if (join(names, ",") != keys) out.tags[tag] = join(names, ",");
  return out;
}

// What Feast can't say of a view would be lost.
bool computes(const features::View& before, const features::View& now) {
  if (before.windowed() && !now.windowed()) return true;
  if (!before.filter.empty()) return true;
  return std::any_of(before.row.begin(), before.row.end(), [&](const features::RowFeature& r) {
    return !before.windowed() &&
           std::none_of(now.row.begin(), now.row.end(), [&](const features::RowFeature& n) {
             return n.name == r.name && n.expression == r.expression;
           });
  });
}

void put(core::Registry* out, const core::FeatureViewSpec& spec) {
  *out->add_feature_views()->mutable_spec() = spec;
}
void put(core::Registry* out, const core::StreamFeatureViewSpec& spec) {
  *out->add_stream_feature_views()->mutable_spec() = spec;
}

// The view as the importer has it, and its source with what other views read of it.
template <class Spec>
Result<std::vector<Definition>> definitions_of(Registrar& r, const Asked& asked, const Spec& spec) {
  const auto shelf = r.app.features.catalog().shelf(asked.project());
  core::Registry one;
  *one.mutable_entities() = r.registry(asked.project())->entities();
  put(&one, spec);
  std::vector<Definition> out;
  for (Definition& d : TRY(imported(one))) {
    if (d.kind == Kind::kSource)
      out.push_back(TRY(source_with(
          *shelf, d.name, spec.has_stream_source() ? spec.stream_source() : spec.batch_source(),
          d.source.columns)));
    if (d.kind == Kind::kView) out.push_back(std::move(d));
  }
  return out;
}

// What the registry shows under the name, of either kind of view; "": nothing.
std::string shown(const core::Registry& all, const std::string& name) {
  if (const auto* view = find_named(all.feature_views(), name)) return said(view->spec());
  if (const auto* view = find_named(all.stream_feature_views(), name)) return said(view->spec());
  return "";
}

template <class Spec>
Status apply_spec(Registrar& r, const Asked& asked, const Spec& spec) {
  TRY(check_spec(spec));
  const sys::Lock lock(r.changing);
  const auto shelf = r.app.features.catalog().shelf(asked.project());
  const std::string before_said = shown(*r.registry(asked.project()), spec.name());
  const Definition* before = find_definition(*shelf, Kind::kView, spec.name());
  const Definition* on_demand = find_definition(*shelf, Kind::kOnDemand, spec.name());
  if (before_said == said(spec)) {                             // Words alone have changed.
    if (before == nullptr && on_demand == nullptr) return {};  // A view of a source's columns.
    Definition same = before != nullptr ? *before : *on_demand;
    same.about = words_of_view(spec, &same);
    if (before != nullptr && !computes(before->view, {})) same.view.online = spec.online();
    std::vector<Definition> words;
    words.push_back(std::move(same));
    return apply(r, asked, std::move(words));
  }
  if (before == nullptr && !before_said.empty())
    return unsaid(concat({spec.name(), " is computed by the server: change its document"}));
  std::vector<Definition> made = TRY(definitions_of(r, asked, spec));
  for (Definition& d : made) {
    if (d.kind != Kind::kView) continue;
    if (before != nullptr && computes(before->view, d.view))
      return unsaid(concat(
          {"FeatureView ", spec.name(), " computes what Feast can't say: change its document"}));
    d.about = words_of_view(spec, before);
  }
  return apply(r, asked, std::move(made));
}

// The function is the definition's, and opened by a worker alone.
core::OnDemandFeatureViewSpec without_function(core::OnDemandFeatureViewSpec spec) {
  if (spec.has_user_defined_function()) spec.mutable_user_defined_function()->clear_body();
  if (spec.feature_transformation().has_user_defined_function())
    spec.mutable_feature_transformation()->mutable_user_defined_function()->clear_body();
  return without_words(std::move(spec));
}

Status apply_on_demand(Registrar& r, const Asked& asked,
                       const core::OnDemandFeatureViewSpec& spec) {
  const sys::Lock lock(r.changing);
  core::Registry one = views_of(*r.registry(asked.project()));
  *one.add_on_demand_feature_views()->mutable_spec() = spec;
  std::vector<Definition> made =
      TRY(imported(one, concat({"OnDemandFeatureView ", spec.name(), ":"})));
  std::erase_if(made, [&](const Definition& d) {
    return d.kind != Kind::kOnDemand || d.name != spec.name();
  });
  if (made.size() != 1) return invalid("feast.message", "an on-demand view is wanted");
  const auto shelf = r.app.features.catalog().shelf(asked.project());
  made[0].about = words_of(spec, find_definition(*shelf, Kind::kOnDemand, spec.name()));
  const core::OnDemandFeatureViewSpec told = without_function(spec);
  keep("on_demand_feature_view", &told, &made[0].about);
  keep("deleted", nullptr, &made[0].about);
  return apply(r, asked, std::move(made));
}

Status apply_view(Registrar& r, const Asked& asked, const calls::ApplyFeatureViewRequest& in,
                  Empty*) {
  switch (in.base_feature_view_case()) {
    case calls::ApplyFeatureViewRequest::kFeatureView:
      return apply_spec(r, asked, in.feature_view().spec());
    case calls::ApplyFeatureViewRequest::kStreamFeatureView:
      return apply_spec(r, asked, in.stream_feature_view().spec());
    case calls::ApplyFeatureViewRequest::kOnDemandFeatureView:
      return apply_on_demand(r, asked, in.on_demand_feature_view().spec());
    case calls::ApplyFeatureViewRequest::kLabelView:
      return unsaid(concat({"LabelView ", in.label_view().spec().name(),
                            ": labels belong to predictions here (docs: labels)"}));
    case calls::ApplyFeatureViewRequest::BASE_FEATURE_VIEW_NOT_SET:
      break;
  }
  return invalid("feast.message", "a view is wanted");
}

Status delete_view(Registrar& r, const Asked& asked, const calls::DeleteFeatureViewRequest& in,
                   Empty*) {
  const sys::Lock lock(r.changing);
  const auto shelf = r.app.features.catalog().shelf(asked.project());
  for (const Kind kind : {Kind::kView, Kind::kOnDemand}) {
    const Definition* known = find_definition(*shelf, kind, in.name());
    if (known != nullptr && !is_hidden(known->about)) return remove(r, asked, kind, in.name());
  }
  if (!shown(*r.registry(asked.project()), in.name()).empty())
    return conflict("feature.in_use",
                    concat({"Feature view ", in.name(), " is the columns of a source"}));
  return no_such("feature_view.not_found", "Feature view", in.name(), asked.project());
}

// The client has brought the span online, by writes of its own.
Status materialized(Registrar& r, const Asked& asked, const calls::ApplyMaterializationRequest& in,
                    Empty*) {
  const std::string& name = in.feature_view().spec().name();
  const sys::Lock lock(r.changing);
  const auto shelf = r.app.features.catalog().shelf(asked.project());
  const Definition* before = find_definition(*shelf, Kind::kView, name);
  if (before == nullptr)
    return no_such("feature_view.not_found", "Feature view", name, asked.project());
  if (!in.has_start_date() || !in.has_end_date())
    return invalid("feast.message", "a start and an end are wanted");
  core::FeatureViewMeta meta;
  if (auto told = kept<core::FeatureViewMeta>(before->about, "materialized"))
    meta = std::move(*told);
  core::MaterializationInterval& span = *meta.add_materialization_intervals();
  *span.mutable_start_time() = in.start_date();
  *span.mutable_end_time() = in.end_date();
  auto& spans = *meta.mutable_materialization_intervals();
  if (spans.size() > kSpansMax) spans.DeleteSubrange(0, spans.size() - kSpansMax);
  Definition now = *before;
  keep("materialized", &meta, &now.about);
  std::vector<Definition> words;
  words.push_back(std::move(now));
  return apply(r, asked, std::move(words));
}

}  // namespace

void add_view_changes(const RegistrarPtr& registrar, Rows* rows) {
  const auto edits = [&]<class In>(std::string_view name,
                                   Status (*call)(Registrar&, const Asked&, const In&, Empty*)) {
    rows->push_back(registry_row<In, Empty>(registrar, name, kEdits, call));
  };
  edits("ApplyFeatureView", apply_view);
  edits("DeleteFeatureView", delete_view);
  edits("ApplyMaterialization", materialized);
}

}  // namespace slip::wire::feast
