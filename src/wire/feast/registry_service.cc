#include "wire/feast/registry_service.h"

#include <algorithm>
#include <set>

#include <feast/registry.pb.h>

#include "features/features.h"
#include "wire/feast/kept.h"
#include "wire/feast/objects.h"
#include "wire/feast/paging.h"
#include "wire/feast/registrar.h"

namespace slip::wire::feast {

namespace core = ::feast::core;
namespace calls = ::feast::registry;
using google::protobuf::Empty;

Error no_such(std::string_view reason, std::string_view what, const std::string& name,
              const std::string& project) {
  return not_found(reason, concat({what, " ", name, " does not exist in project ", project}));
}

Result<Ctx> Registrar::enter(const Ctx& ctx, const grpc::Request& request,
                             const std::string& project, http::Right right) const {
  return enter_project(app.gate, ctx, request, project, right);
}

Result<Ctx> enter_project(http::Gate& gate, const Ctx& ctx, const grpc::Request& request,
                          const std::string& project, http::Right right) {
  Ctx there = ctx;
  if (!project.empty() && project != ctx.project.text) {
    there = TRY(gate.authenticate({request.header("authorization"), project, request.peer}));
    there.request_id = ctx.request_id;
    there.trace_id = ctx.trace_id;
    there.deadline_ns = ctx.deadline_ns;
    there.cancel = ctx.cancel;
  }
  TRY(gate.authorize(there, {right, "feature", http::On::kProject}));
  return there;
}

std::shared_ptr<const core::Registry> Registrar::registry(const std::string& project) {
  const auto shelf = app.features.catalog().shelf(project);
  const auto known = made_.with([&](const auto& made) -> std::shared_ptr<const core::Registry> {
    const auto found = made.find(project);
    return found != made.end() && found->second.of == shelf ? found->second.registry : nullptr;
  });
  if (known) return known;
  auto made = registry_of(*shelf, project);
  made_.with([&](auto& all) {
    if (all.size() >= kProjectsKept) all.clear();
    all[project] = {shelf, made};
  });
  return made;
}

std::vector<std::string> Registrar::projects(const Asked& asked) const {
  std::set<std::string> all = {asked.project()};
  const auto shelves = app.features.catalog().shelves().load();
  for (const auto& [name, shelf] : *shelves) all.insert(name);
  std::vector<std::string> out;
  for (const std::string& name : all)
    if (enter(asked.ctx, asked.request, name, http::Right::kRead).ok()) out.push_back(name);
  return out;
}

Status Registrar::add_spans(const std::string& project, const std::string& view,
                            core::FeatureViewMeta* out) const {
  const auto shelf = app.features.catalog().shelf(project);
  const features::ViewPtr found = shelf->view(view);
  if (found == nullptr) return {};
  const auto& applied = *shelf->latest[static_cast<size_t>(features::Kind::kView)].at(view);
  if (const auto told = kept<core::FeatureViewMeta>(applied.definition.about, "materialized"))
    *out->mutable_materialization_intervals() = told->materialization_intervals();
  for (const auto& [start_us, end_us] : TRY(app.materialized(project, found->uid))) {
    core::MaterializationInterval& one = *out->add_materialization_intervals();
    set_time(start_us, one.mutable_start_time());
    set_time(end_us, one.mutable_end_time());
  }
  auto& all = *out->mutable_materialization_intervals();
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) {
    return std::make_pair(a.end_time().seconds(), a.end_time().nanos()) <
           std::make_pair(b.end_time().seconds(), b.end_time().nanos());
  });
  return {};
}

namespace {

template <class Found, class Out>
Status give(const Found* found, const Error& missing, Out* out) {
  if (found == nullptr) return missing;
  *out = *found;
  return {};
}

// ---- what stands alone

Status get_entity(Registrar& r, const Asked& asked, const calls::GetEntityRequest& in,
                  core::Entity* out) {
  const auto all = r.registry(asked.project());
  return give(find_named(all->entities(), in.name()),
              no_such("entity.not_found", "Entity", in.name(), asked.project()), out);
}

Status list_entities(Registrar& r, const Asked& asked, const calls::ListEntitiesRequest& in,
                     calls::ListEntitiesResponse* out) {
  const auto all = r.registry(asked.project());
  list_page<core::Entity>(all->entities(), in, out,
                          [&](const core::Entity& one) { *out->add_entities() = one; });
  return {};
}

Status get_source(Registrar& r, const Asked& asked, const calls::GetDataSourceRequest& in,
                  core::DataSource* out) {
  const auto all = r.registry(asked.project());
  return give(find_named(all->data_sources(), in.name()),
              no_such("feature_source.not_found", "Data source", in.name(), asked.project()), out);
}

Status list_sources(Registrar& r, const Asked& asked, const calls::ListDataSourcesRequest& in,
                    calls::ListDataSourcesResponse* out) {
  const auto all = r.registry(asked.project());
  list_page<core::DataSource>(all->data_sources(), in, out,
                              [&](const core::DataSource& one) { *out->add_data_sources() = one; });
  return {};
}

Status get_service(Registrar& r, const Asked& asked, const calls::GetFeatureServiceRequest& in,
                   core::FeatureService* out) {
  const auto all = r.registry(asked.project());
  return give(find_named(all->feature_services(), in.name()),
              no_such("feature_service.not_found", "Feature service", in.name(), asked.project()),
              out);
}

Status list_services(Registrar& r, const Asked& asked, const calls::ListFeatureServicesRequest& in,
                     calls::ListFeatureServicesResponse* out) {
  const auto all = r.registry(asked.project());
  google::protobuf::RepeatedPtrField<core::FeatureService> wanted;
  for (const core::FeatureService& one : all->feature_services())
    if (in.feature_view().empty() ||
        std::any_of(one.spec().features().begin(), one.spec().features().end(),
                    [&](const auto& projection) {
                      return projection.feature_view_name() == in.feature_view();
                    }))
      *wanted.Add() = one;
  list_page<core::FeatureService>(wanted, in, out, [&](const core::FeatureService& one) {
    *out->add_feature_services() = one;
  });
  return {};
}

// ---- projects

core::Project project_message(Registrar& r, const std::string& name) {
  core::Project out = r.registry(name)->projects(0);
  *out.mutable_meta()->mutable_last_updated_timestamp() = r.registry(name)->last_updated();
  *out.mutable_meta()->mutable_created_timestamp() = r.registry(name)->last_updated();
  return out;
}

Status get_project(Registrar& r, const Asked& asked, const calls::GetProjectRequest& in,
                   core::Project* out) {
  const std::vector<std::string> all = r.projects(asked);
  const bool used = r.app.features.catalog().shelves().load()->contains(in.name());
  if (!used && in.name() != kDefaultProject)
    return not_found("project.not_found", concat({"Project ", in.name(), " does not exist"}));
  *out = project_message(r, in.name());
  out->mutable_spec()->set_description(r.app.description(asked.ctx));
  return {};
}

Status list_projects(Registrar& r, const Asked& asked, const calls::ListProjectsRequest& in,
                     calls::ListProjectsResponse* out) {
  google::protobuf::RepeatedPtrField<core::Project> all;
  for (const std::string& name : r.projects(asked)) *all.Add() = project_message(r, name);
  list_page<core::Project>(all, in, out,
                           [&](const core::Project& one) { *out->add_projects() = one; });
  return {};
}

Status list_metadata(Registrar& r, const Asked& asked, const calls::ListProjectMetadataRequest&,
                     calls::ListProjectMetadataResponse* out) {
  *out->mutable_project_metadata() = r.registry(asked.project())->project_metadata();
  return {};
}

Status whole(Registrar& r, const Asked& asked, const Empty&, core::Registry* out) {
  for (const std::string& project : r.projects(asked)) {
    core::Registry one = *r.registry(project);
    for (core::FeatureView& view : *one.mutable_feature_views())
      TRY(r.add_spans(project, view.spec().name(), view.mutable_meta()));
    for (core::StreamFeatureView& view : *one.mutable_stream_feature_views())
      TRY(r.add_spans(project, view.spec().name(), view.mutable_meta()));
    const bool newer = one.last_updated().seconds() > out->last_updated().seconds();
    google::protobuf::Timestamp before = out->last_updated();
    out->MergeFrom(one);
    if (!newer) *out->mutable_last_updated() = before;
  }
  return {};
}

// ---- what there is none of here

template <class In, class Out>
Status none(Registrar&, const Asked&, const In&, Out*) {
  return {};
}

template <class In, class Out>
auto none_named(std::string_view reason, std::string_view what) {
  return [reason, what](Registrar&, const Asked& asked, const In& in, Out*) -> Status {
    return no_such(reason, what, in.name(), asked.project());
  };
}

template <class In, class Out>
void add_none(const RegistrarPtr& registrar, std::string_view name, Rows* rows) {
  rows->push_back(registry_row<In, Out>(registrar, name, kReads, none<In, Out>));
}

void add_absent(const RegistrarPtr& r, Rows* rows) {
  add_none<calls::ListSavedDatasetsRequest, calls::ListSavedDatasetsResponse>(
      r, "ListSavedDatasets", rows);
  add_none<calls::ListValidationReferencesRequest, calls::ListValidationReferencesResponse>(
      r, "ListValidationReferences", rows);
  add_none<calls::ListPermissionsRequest, calls::ListPermissionsResponse>(r, "ListPermissions",
                                                                          rows);
  add_none<calls::ListDatasetJobsRequest, calls::ListDatasetJobsResponse>(r, "ListDatasetJobs",
                                                                          rows);
  using Saved = calls::GetSavedDatasetRequest;
  rows->push_back(registry_row<Saved, core::SavedDataset>(
      r, "GetSavedDataset", kReads,
      none_named<Saved, core::SavedDataset>("saved_dataset.not_found", "Saved dataset")));
  using Reference = calls::GetValidationReferenceRequest;
  rows->push_back(registry_row<Reference, core::ValidationReference>(
      r, "GetValidationReference", kReads,
      none_named<Reference, core::ValidationReference>("validation_reference.not_found",
                                                       "Validation reference")));
  using Permission = calls::GetPermissionRequest;
  rows->push_back(registry_row<Permission, core::Permission>(
      r, "GetPermission", kReads,
      none_named<Permission, core::Permission>("permission.not_found", "Permission")));
  using Data = calls::GetDatasetDataRequest;
  rows->push_back(registry_row<Data, calls::GetDatasetDataResponse>(
      r, "GetDatasetData", kReads,
      none_named<Data, calls::GetDatasetDataResponse>("saved_dataset.not_found", "Saved dataset")));
  // A refresh may name no project ("None"), and there is nothing to fetch from elsewhere.
  rows->push_back(registry_row<Empty, Empty>(r, "Commit", kReads, none<Empty, Empty>));
  rows->push_back(registry_row<Empty, Empty>(r, "Refresh", kReads, none<Empty, Empty>));
  using Infra = calls::GetInfraRequest;
  rows->push_back(
      registry_row<Infra, core::Infra>(r, "GetInfra", kReads, none<Infra, core::Infra>));
  // What it would make is made by the server itself.
  rows->push_back(registry_row<calls::UpdateInfraRequest, Empty>(
      r, "UpdateInfra", kEdits, none<calls::UpdateInfraRequest, Empty>));
}

}  // namespace

std::vector<grpc::Method> registry_methods(RegistryApp app) {
  const auto r = std::make_shared<Registrar>(std::move(app));
  Rows rows;
  const auto reads = [&]<class In, class Out>(
                         std::string_view name,
                         Status (*call)(Registrar&, const Asked&, const In&, Out*)) {
    rows.push_back(registry_row<In, Out>(r, name, kReads, call));
  };
  reads("GetEntity", get_entity);
  reads("ListEntities", list_entities);
  reads("GetDataSource", get_source);
  reads("ListDataSources", list_sources);
  reads("GetFeatureService", get_service);
  reads("ListFeatureServices", list_services);
  reads("GetProject", get_project);
  reads("ListProjects", list_projects);
  reads("ListProjectMetadata", list_metadata);
  reads("Proto", whole);
  add_absent(r, &rows);
  add_views(r, &rows);
  add_relations(r, &rows);
  add_changes(r, &rows);
  return rows;
}

}  // namespace slip::wire::feast
