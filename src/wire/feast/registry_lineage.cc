#include <algorithm>
#include <array>
#include <map>

#include <feast/registry.pb.h>

#include "features/features.h"
#include "wire/feast/objects.h"
#include "wire/feast/paging.h"
#include "wire/feast/registrar.h"

// Feast's registry: what is made of what.
namespace slip::wire::feast {
namespace {

namespace core = ::feast::core;
namespace calls = ::feast::registry;

using Relations = std::vector<calls::EntityRelation>;

constexpr std::string_view kSource = "dataSource";
constexpr std::string_view kEntity = "entity";
constexpr std::string_view kView = "featureView";
constexpr std::string_view kService = "featureService";
constexpr std::string_view kFeature = "feature";
constexpr std::array<std::string_view, 7> kTypes = {kSource,  kEntity,     kView,         kService,
                                                    kFeature, "labelView", "savedDataset"};

void relate(std::string_view from_type, const std::string& from, std::string_view to_type,
            const std::string& to, Relations* out) {
  calls::EntityRelation& one = out->emplace_back();
  one.mutable_source()->set_type(std::string(from_type));
  one.mutable_source()->set_name(from);
  one.mutable_target()->set_type(std::string(to_type));
  one.mutable_target()->set_name(to);
}

template <class Spec>
void of_view(const Spec& spec, Relations* out) {
  for (const std::string& entity : spec.entities())
    relate(kEntity, entity, kView, spec.name(), out);
  for (const core::FeatureSpecV2& f : spec.features())
    relate(kFeature, f.name(), kView, spec.name(), out);
  // Of a source of ours the registry lists what is pushed to, not the history behind it.
  std::string batch = spec.batch_source().name();
  if (spec.batch_source().file_options().uri().starts_with("slipway://"))
    batch.resize(batch.size() - std::min(batch.size(), kHistorySuffix.size()));
  if (!batch.empty()) relate(kSource, batch, kView, spec.name(), out);
  const bool streams = std::is_same_v<Spec, core::StreamFeatureViewSpec>;
  if (streams && !spec.stream_source().name().empty())
    relate(kSource, spec.stream_source().name(), kView, spec.name(), out);
}

Relations direct(const core::Registry& all) {
  Relations out;
  for (const core::FeatureService& service : all.feature_services())
    for (const core::FeatureViewProjection& p : service.spec().features())
      relate(kView, p.feature_view_name(), kService, service.spec().name(), &out);
  for (const core::FeatureView& view : all.feature_views()) of_view(view.spec(), &out);
  for (const core::StreamFeatureView& view : all.stream_feature_views()) of_view(view.spec(), &out);
  return out;
}

// Through a view: of services, what their views are made of; of entities, the sources.
Relations indirect(const core::Registry& all, const Relations& direct) {
  std::multimap<std::string, const calls::EntityReference*> behind;  // By view.
  for (const calls::EntityRelation& one : direct)
    if (one.target().type() == kView) behind.emplace(one.target().name(), &one.source());
  Relations out;
  for (const core::FeatureService& service : all.feature_services())
    for (const core::FeatureViewProjection& p : service.spec().features()) {
      const auto [first, last] = behind.equal_range(p.feature_view_name());
      for (auto it = first; it != last; ++it)
        relate(it->second->type(), it->second->name(), kService, service.spec().name(), &out);
    }
  for (const calls::EntityRelation& one : direct) {
    if (one.source().type() != kEntity || one.target().type() != kView) continue;
    const auto [first, last] = behind.equal_range(one.target().name());
    for (auto it = first; it != last; ++it)
      if (it->second->type() == kSource)
        relate(kEntity, one.source().name(), kSource, it->second->name(), &out);
  }
  return out;
}

Status check_type(const std::string& type) {
  if (std::find(kTypes.begin(), kTypes.end(), type) != kTypes.end()) return {};
  return invalid("feast.request", concat({"'", type, "' is no type of object"}));
}

void keep_about(const std::string& type, const std::string& name, Relations* relations) {
  const auto is = [&](const calls::EntityReference& one) {
    return (type.empty() || one.type() == type) && (name.empty() || one.name() == name);
  };
  std::erase_if(*relations, [&](const calls::EntityRelation& one) {
    return !is(one.source()) && !is(one.target());
  });
}

template <class In, class Add>
void give(const Relations& relations, const In& in, calls::PaginationMetadata* meta, Add&& add) {
  Items items;
  for (const calls::EntityRelation& one : relations) items.push_back(&one);
  page(in.pagination(), in.sorting(), &items, meta);
  for (const google::protobuf::Message* one : items)
    *add() = static_cast<const calls::EntityRelation&>(*one);
}

Status lineage(Registrar& r, const Asked& asked, const calls::GetRegistryLineageRequest& in,
               calls::GetRegistryLineageResponse* out) {
  const auto all = r.registry(asked.project());
  Relations near = direct(*all);
  Relations far = indirect(*all, near);
  if (!in.filter_object_type().empty()) TRY(check_type(in.filter_object_type()));
  if (!in.filter_object_type().empty() || !in.filter_object_name().empty()) {
    keep_about(in.filter_object_type(), in.filter_object_name(), &near);
    keep_about(in.filter_object_type(), in.filter_object_name(), &far);
  }
  give(near, in, out->mutable_relationships_pagination(), [&] { return out->add_relationships(); });
  give(far, in, out->mutable_indirect_relationships_pagination(),
       [&] { return out->add_indirect_relationships(); });
  return {};
}

Status relations_of(Registrar& r, const Asked& asked,
                    const calls::GetObjectRelationshipsRequest& in,
                    calls::GetObjectRelationshipsResponse* out) {
  TRY(check_type(in.object_type()));
  const auto all = r.registry(asked.project());
  Relations found = direct(*all);
  if (in.include_indirect()) {
    Relations far = indirect(*all, found);
    found.insert(found.end(), far.begin(), far.end());
  }
  keep_about(in.object_type(), in.object_name(), &found);
  give(found, in, out->mutable_pagination(), [&] { return out->add_relationships(); });
  return {};
}

}  // namespace

void add_relations(const RegistrarPtr& registrar, Rows* rows) {
  rows->push_back(registry_row<calls::GetRegistryLineageRequest, calls::GetRegistryLineageResponse>(
      registrar, "GetRegistryLineage", kReads, lineage));
  rows->push_back(
      registry_row<calls::GetObjectRelationshipsRequest, calls::GetObjectRelationshipsResponse>(
          registrar, "GetObjectRelationships", kReads, relations_of));
}

}  // namespace slip::wire::feast
