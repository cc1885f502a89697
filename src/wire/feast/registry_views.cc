#include <algorithm>
#include <utility>

#include <feast/registry.pb.h>

#include "features/features.h"
#include "wire/feast/paging.h"
#include "wire/feast/registrar.h"
#include "wire/feast/registry_messages.h"

// Feast's registry: views of all kinds, and their features.
namespace slip::wire::feast {
namespace {

namespace core = ::feast::core;
namespace calls = ::feast::registry;

Error no_view(const Asked& asked, const std::string& name) {
  return no_such("feature_view.not_found", "Feature view", name, asked.project());
}

template <class Meta>
constexpr bool kMaterialized = requires(Meta meta) { meta.materialization_intervals(); };

template <class View>
Status add_spans(const Registrar& r, const Asked& asked, View* view) {
  if constexpr (kMaterialized<std::decay_t<decltype(view->meta())>>)
    return r.add_spans(asked.project(), view->spec().name(), view->mutable_meta());
  return {};
}

template <class Views, class View>
Status get_view(Registrar& r, const Asked& asked, const Views& views, const std::string& name,
                View* out) {
  const auto* found = find_named(views, name);
  if (found == nullptr) return no_view(asked, name);
  *out = *found;
  return add_spans(r, asked, out);
}

Status get_feature_view(Registrar& r, const Asked& asked, const calls::GetFeatureViewRequest& in,
                        core::FeatureView* out) {
  return get_view(r, asked, r.registry(asked.project())->feature_views(), in.name(), out);
}

Status get_stream_view(Registrar& r, const Asked& asked,
                       const calls::GetStreamFeatureViewRequest& in, core::StreamFeatureView* out) {
  return get_view(r, asked, r.registry(asked.project())->stream_feature_views(), in.name(), out);
}

Status get_on_demand_view(Registrar& r, const Asked& asked,
                          const calls::GetOnDemandFeatureViewRequest& in,
                          core::OnDemandFeatureView* out) {
  return get_view(r, asked, r.registry(asked.project())->on_demand_feature_views(), in.name(), out);
}

Status get_any(Registrar& r, const Asked& asked, const calls::GetAnyFeatureViewRequest& in,
               calls::GetAnyFeatureViewResponse* out) {
  const auto all = r.registry(asked.project());
  calls::AnyFeatureView& any = *out->mutable_any_feature_view();
  if (find_named(all->stream_feature_views(), in.name()) != nullptr)
    return get_view(r, asked, all->stream_feature_views(), in.name(),
                    any.mutable_stream_feature_view());
  if (find_named(all->on_demand_feature_views(), in.name()) != nullptr)
    return get_view(r, asked, all->on_demand_feature_views(), in.name(),
                    any.mutable_on_demand_feature_view());
  return get_view(r, asked, all->feature_views(), in.name(), any.mutable_feature_view());
}

template <class In, class Out>
Status no_such_view(Registrar&, const Asked& asked, const In& in, Out*) {
  return no_view(asked, in.name());
}

// ---- lists

Status list_views(Registrar& r, const Asked& asked, const calls::ListFeatureViewsRequest& in,
                  calls::ListFeatureViewsResponse* out) {
  const auto all = r.registry(asked.project());
  list_page<core::FeatureView>(all->feature_views(), in, out, [&](const core::FeatureView& one) {
    *out->add_feature_views() = one;
  });
  for (core::FeatureView& view : *out->mutable_feature_views())
    TRY(r.add_spans(asked.project(), view.spec().name(), view.mutable_meta()));
  return {};
}

Status list_stream_views(Registrar& r, const Asked& asked,
                         const calls::ListStreamFeatureViewsRequest& in,
                         calls::ListStreamFeatureViewsResponse* out) {
  const auto all = r.registry(asked.project());
  list_page<core::StreamFeatureView>(
      all->stream_feature_views(), in, out,
      [&](const core::StreamFeatureView& one) { *out->add_stream_feature_views() = one; });
  for (core::StreamFeatureView& view : *out->mutable_stream_feature_views())
    TRY(r.add_spans(asked.project(), view.spec().name(), view.mutable_meta()));
  return {};
}

Status list_on_demand_views(Registrar& r, const Asked& asked,
                            const calls::ListOnDemandFeatureViewsRequest& in,
                            calls::ListOnDemandFeatureViewsResponse* out) {
  const auto all = r.registry(asked.project());
  list_page<core::OnDemandFeatureView>(
      all->on_demand_feature_views(), in, out,
      [&](const core::OnDemandFeatureView& one) { *out->add_on_demand_feature_views() = one; });
  return {};
}

template <class Spec>
bool reads_source(const Spec& spec, const std::string& name) {
  if constexpr (requires { spec.batch_source(); })
    return spec.batch_source().name() == name || spec.stream_source().name() == name;
  else
    return spec.sources().contains(name);
}

template <class View>
bool is_wanted(const core::Registry& all, const View& view,
               const calls::ListAllFeatureViewsRequest& in) {
  const auto& spec = view.spec();
  if (!has_tags(spec.tags(), in.tags())) return false;
  const auto holds = [](const auto& list, const auto& matches) {
    return std::any_of(list.begin(), list.end(), matches);
  };
  if (!in.entity().empty() &&
      !holds(spec.entities(), [&](const std::string& e) { return e == in.entity(); }))
    return false;
  if (!in.feature().empty() &&
      !holds(spec.features(), [&](const auto& f) { return f.name() == in.feature(); }))
    return false;
  if (!in.data_source().empty() && !reads_source(spec, in.data_source())) return false;
  if (!in.feature_service().empty()) {
    const auto* service = find_named(all.feature_services(), in.feature_service());
    if (service == nullptr || !holds(service->spec().features(), [&](const auto& p) {
          return p.feature_view_name() == spec.name();
        }))
      return false;
  }
  if (!in.has_updated_since()) return true;
  const auto moment = [](const google::protobuf::Timestamp& t) {
    return std::make_pair(t.seconds(), t.nanos());
  };
  return moment(view.meta().last_updated_timestamp()) >= moment(in.updated_since());
}

Status list_all(Registrar& r, const Asked& asked, const calls::ListAllFeatureViewsRequest& in,
                calls::ListAllFeatureViewsResponse* out) {
  const auto all = r.registry(asked.project());
  Items items;
  for (const core::FeatureView& one : all->feature_views())
    if (is_wanted(*all, one, in)) items.push_back(&one);
  for (const core::StreamFeatureView& one : all->stream_feature_views())
    if (is_wanted(*all, one, in)) items.push_back(&one);
  for (const core::OnDemandFeatureView& one : all->on_demand_feature_views())
    if (is_wanted(*all, one, in)) items.push_back(&one);
  page(in.pagination(), in.sorting(), &items, out->mutable_pagination());
  const auto put = [&](const auto& one, auto* view) -> Status {
    *view = one;
    return add_spans(r, asked, view);
  };
  for (const google::protobuf::Message* one : items) {
    calls::AnyFeatureView& any = *out->add_feature_views();
    if (one->GetDescriptor() == core::FeatureView::descriptor())
      TRY(put(static_cast<const core::FeatureView&>(*one), any.mutable_feature_view()));
    else if (one->GetDescriptor() == core::OnDemandFeatureView::descriptor())
      TRY(put(static_cast<const core::OnDemandFeatureView&>(*one),
              any.mutable_on_demand_feature_view()));
    else
      TRY(put(static_cast<const core::StreamFeatureView&>(*one),
              any.mutable_stream_feature_view()));
  }
  return {};
}

template <class In, class Out>
Status no_views(Registrar&, const Asked&, const In&, Out*) {
  return {};
}

// ---- features

template <class View>
void add_features(const View& view, const std::string& of_view, const std::string& name,
                  std::vector<calls::Feature>* out) {
  const auto& spec = view.spec();
  if (!of_view.empty() && spec.name() != of_view) return;
  for (const core::FeatureSpecV2& f : spec.features()) {
    if (!name.empty() && f.name() != name) continue;
    calls::Feature& one = out->emplace_back();
    one.set_name(f.name());
    one.set_feature_view(spec.name());
    one.set_type(feast_type(static_cast<uint64_t>(f.value_type())));
    one.set_description(f.description());
    one.set_owner(spec.owner());
    *one.mutable_created_timestamp() = view.meta().created_timestamp();
    *one.mutable_last_updated_timestamp() = view.meta().last_updated_timestamp();
    *one.mutable_tags() = f.tags();
    one.set_kind("feature");
  }
}

std::vector<calls::Feature> features_of(const core::Registry& all, const std::string& view,
                                        const std::string& name) {
  std::vector<calls::Feature> out;
  for (const core::FeatureView& one : all.feature_views()) add_features(one, view, name, &out);
  for (const core::StreamFeatureView& one : all.stream_feature_views())
    add_features(one, view, name, &out);
  for (const core::OnDemandFeatureView& one : all.on_demand_feature_views())
    add_features(one, view, name, &out);
  return out;
}

Status list_features(Registrar& r, const Asked& asked, const calls::ListFeaturesRequest& in,
                     calls::ListFeaturesResponse* out) {
  std::vector<calls::Feature> features;
  if (in.kind().empty() || in.kind() == "feature")
    features = features_of(*r.registry(asked.project()), in.feature_view(), in.name());
  Items items;
  for (const calls::Feature& one : features) items.push_back(&one);
  page(in.pagination(), in.sorting(), &items, out->mutable_pagination());
  for (const google::protobuf::Message* one : items)
    *out->add_features() = static_cast<const calls::Feature&>(*one);
  return {};
}

Status get_feature(Registrar& r, const Asked& asked, const calls::GetFeatureRequest& in,
                   calls::Feature* out) {
  const auto found = features_of(*r.registry(asked.project()), in.feature_view(), in.name());
  if (in.feature_view().empty() || in.name().empty() || found.empty())
    return not_found("feature.none", concat({"Feature ", in.name(), " not found in feature view ",
                                             in.feature_view(), " in project ", asked.project()}));
  *out = found.front();
  return {};
}

}  // namespace

void add_views(const RegistrarPtr& registrar, Rows* rows) {
  const auto reads = [&]<class In, class Out>(
                         std::string_view name,
                         Status (*call)(Registrar&, const Asked&, const In&, Out*)) {
    rows->push_back(registry_row<In, Out>(registrar, name, kReads, call));
  };
  reads("GetFeatureView", get_feature_view);
  reads("GetStreamFeatureView", get_stream_view);
  reads("GetAnyFeatureView", get_any);
  reads("GetOnDemandFeatureView", get_on_demand_view);
  reads("GetLabelView", no_such_view<calls::GetLabelViewRequest, core::LabelView>);
  reads("ListFeatureViews", list_views);
  reads("ListStreamFeatureViews", list_stream_views);
  reads("ListAllFeatureViews", list_all);
  reads("ListOnDemandFeatureViews", list_on_demand_views);
  reads("ListLabelViews", no_views<calls::ListLabelViewsRequest, calls::ListLabelViewsResponse>);
  reads("ListFeatures", list_features);
  reads("GetFeature", get_feature);
}

}  // namespace slip::wire::feast
