#include <algorithm>
#include <array>

#include <feast/registry.pb.h>

#include "features/features.h"
#include "wire/feast/changes.h"
#include "wire/feast/paging.h"
#include "wire/feast/registry.h"
#include "wire/feast/registry_messages.h"

// Feast's registry: entities, sources, services and projects that are applied or deleted.
namespace slip::wire::feast {

namespace core = ::feast::core;
namespace calls = ::feast::registry;
using features::Kind;
using google::protobuf::Empty;

Error unsaid(std::string text) { return invalid("feast.unsupported", std::move(text)); }

Result<std::vector<Definition>> imported(const core::Registry& objects, std::string_view only_of) {
  Imported made = TRY(import_registry(objects.SerializeAsString(), ""));
  std::erase_if(made.left_out, [&](const std::string& text) { return !text.starts_with(only_of); });
  if (!made.left_out.empty()) return unsaid(join(made.left_out, "; "));
  return std::move(made.definitions);
}

Status apply(Registrar& registrar, const Asked& asked, std::vector<Definition> definitions) {
  std::vector<Definition> checked;
  for (Definition& d : definitions) {
    d.version = 0;
    checked.push_back(TRY(features::parse_definition(d.document())));
  }
  TRY(registrar.app.features.apply(asked.ctx, std::move(checked)));
  return {};
}

const Definition* find_definition(const features::Shelf& shelf, Kind kind,
                                  const std::string& name) {
  const auto& all = shelf.latest[static_cast<size_t>(kind)];
  const auto found = all.find(name);
  return found == all.end() ? nullptr : &found->second->definition;
}

void keep(std::string_view what, const google::protobuf::Message* told, features::About* about) {
  const std::string tag = concat({kTagPrefix, what});
  about->tags.erase(tag);
  if (told != nullptr) about->tags[tag] = json_of(*told);
}

core::Registry views_of(const core::Registry& all) {
  core::Registry out;
  *out.mutable_feature_views() = all.feature_views();
  for (const core::StreamFeatureView& v : all.stream_feature_views()) {
    core::FeatureView& view = *out.add_feature_views();
    view.mutable_spec()->set_name(v.spec().name());
    *view.mutable_spec()->mutable_entity_columns() = v.spec().entity_columns();
    *view.mutable_spec()->mutable_batch_source() = v.spec().batch_source();
  }
  return out;
}

namespace {

// What is the same in each source of a type, or said elsewhere.
core::DataSource unstamped(core::DataSource source) {
  source.clear_project();
  source.clear_meta();
  if (source.type() != core::DataSource::CUSTOM_SOURCE) source.clear_data_source_class_type();
  if (source.has_batch_source()) *source.mutable_batch_source() = unstamped(source.batch_source());
  return source;
}
core::DataSource bare(const core::DataSource& source) { return without_words(unstamped(source)); }

}  // namespace

Result<Definition> source_with(const features::Shelf& shelf, const std::string& name,
                               const core::DataSource& message,
                               const std::vector<features::FeatureField>& columns) {
  const Definition* before = find_definition(shelf, Kind::kSource, name);
  Definition out;
  if (before != nullptr) out = *before;
  out.kind = Kind::kSource;
  out.name = name;
  out.about = words_of(message, before);
  const std::string times = said(message);
  out.source.event_time = times.substr(0, times.find(','));
  out.source.created_time = times.substr(times.find(',') + 1);
  const core::DataSource& rows = message.has_batch_source() ? message.batch_source() : message;
  const std::string& uri = rows.file_options().uri();
  out.source.file = is_local_file(uri) ? uri : "";
  const auto& renamed =
      message.field_mapping().empty() ? rows.field_mapping() : message.field_mapping();
  out.source.renamed = {renamed.begin(), renamed.end()};
  const core::DataSource told = bare(message);
  keep("data_source", &told, &out.about);
  const auto is_time = [&](const std::string& column) {
    return column == out.source.event_time || column == out.source.created_time;
  };
  std::erase_if(out.source.columns, [&](const auto& f) { return is_time(f.name); });
  for (const features::FeatureField& f : columns) {
    const features::FeatureField* known = out.source.find(f.name);
    if (known == nullptr && !is_time(f.name)) out.source.columns.push_back(f);
    if (known != nullptr && known->type != f.type)
      return conflict("feature.column",
                      concat({"column ", f.name, " of source ", name, " is ", known->type.text(),
                              " to other views, not ", f.type.text()}));
  }
  return out;
}

namespace {

bool is_feasts(const features::View& view) {
  return !view.inline_source && !view.windowed() && view.filter.empty() &&
         std::all_of(view.row.begin(), view.row.end(), [](const features::RowFeature& r) {
           return r.expression.starts_with('"') && r.expression.ends_with('"') &&
                  std::count(r.expression.begin(), r.expression.end(), '"') == 2;
         });
}

bool may_wait(const features::Shelf& shelf, Kind kind, const std::string& name) {
  if (kind == Kind::kView) {
    const features::ViewPtr view = shelf.view(name);
    return view != nullptr && is_feasts(view->view());
  }
  if (kind != Kind::kSource) return false;
  const std::vector<features::ViewPtr> readers = shelf.views_of(name);
  return std::all_of(readers.begin(), readers.end(),
                     [](const features::ViewPtr& view) { return is_feasts(view->view()); });
}

// Views before sources, whose readers they are.
void remove_what_waits(Registrar& r, const Asked& asked) {
  features::Catalog& catalog = r.app.features.catalog();
  for (const Kind kind : {Kind::kView, Kind::kSource}) {
    const auto shelf = catalog.shelf(asked.project());
    for (const auto& [name, a] : shelf->latest[static_cast<size_t>(kind)])
      if (is_hidden(a->definition.about))
        ignore(catalog.remove(asked.ctx, kind, name), "it is still read");
  }
}

}  // namespace

Status remove(Registrar& r, const Asked& asked, Kind kind, const std::string& name) {
  features::Catalog& catalog = r.app.features.catalog();
  const Status removed = catalog.remove(asked.ctx, kind, name);
  if (!removed.ok()) {
    const auto shelf = catalog.shelf(asked.project());
    const Definition* known = find_definition(*shelf, kind, name);
    if (removed.error().reason != "feature.in_use" || known == nullptr ||
        !may_wait(*shelf, kind, name))
      return removed;
    std::vector<Definition> hidden = {*known};
    hidden[0].about.tags[concat({kTagPrefix, "deleted"})] = "true";
    return apply(r, asked, std::move(hidden));
  }
  remove_what_waits(r, asked);
  return {};
}

namespace {

// ---- entities

Status apply_entity(Registrar& r, const Asked& asked, const calls::ApplyEntityRequest& in, Empty*) {
  const core::EntitySpecV2& spec = in.entity().spec();
  if (spec.name() == kNoEntity) return {};
  const sys::Lock lock(r.changing);
  core::Registry one;
  *one.add_entities() = in.entity();
  std::vector<Definition> made = TRY(imported(one));
  if (made.size() != 1) return invalid("feast.message", "an entity is wanted");
  const auto shelf = r.app.features.catalog().shelf(asked.project());
  made[0].about = words_of(spec, find_definition(*shelf, Kind::kEntity, spec.name()));
  core::EntitySpecV2 told;
  told.set_join_key(made[0].entity.join_key.name);
  told.set_value_type(spec.value_type());
  const bool plain =
      value_type_of(made[0].entity.join_key.type) == static_cast<uint64_t>(spec.value_type());
  keep("entity", plain ? nullptr : &told, &made[0].about);
  return apply(r, asked, std::move(made));
}

Status delete_entity(Registrar& r, const Asked& asked, const calls::DeleteEntityRequest& in,
                     Empty*) {
  const sys::Lock lock(r.changing);
  const auto shelf = r.app.features.catalog().shelf(asked.project());
  if (find_definition(*shelf, Kind::kEntity, in.name()) != nullptr)
    return remove(r, asked, Kind::kEntity, in.name());
  if (find_named(r.registry(asked.project())->entities(), in.name()) != nullptr)
    return conflict("feature.in_use", concat({"Entity ", in.name(), " is a key of views"}));
  return no_such("entity.not_found", "Entity", in.name(), asked.project());
}

// ---- sources

Status apply_source(Registrar& r, const Asked& asked, const calls::ApplyDataSourceRequest& in,
                    Empty*) {
  const core::DataSource& source = in.data_source();
  if (source.type() == core::DataSource::INVALID)
    return invalid("feast.message", "a data source of some type is wanted");
  if (source.type() == core::DataSource::REQUEST_SOURCE) return {};  // Its on-demand view's.
  if (source.name().empty()) return invalid("feast.message", "a data source has a name");
  const std::string name = source_name_of(source.name());
  const sys::Lock lock(r.changing);
  const auto shelf = r.app.features.catalog().shelf(asked.project());
  const auto all = r.registry(asked.project());
  // What stands for our history, and sources that a view declares itself, come back as they went.
  const std::string ours = concat({"slipway://", asked.project(), "/"});
  if (source.file_options().uri().starts_with(ours)) return {};
  const core::DataSource* shown = find_named(all->data_sources(), source.name());
  const bool own = find_definition(*shelf, Kind::kSource, name) != nullptr;
  const bool same = shown != nullptr && plain_bytes(bare(*shown)) == plain_bytes(bare(source));
  if (same && !own) return {};
  if (shown != nullptr && !own)
    return conflict("feature.in_use", concat({"Data source ", source.name(),
                                              " is declared by the view of that name"}));
  Definition made = TRY(source_with(*shelf, name, source, {}));
  made.about.tags.erase(concat({kTagPrefix, "deleted"}));
  const Definition* before = find_definition(*shelf, Kind::kSource, name);
  if (same) made.about.tags = words_of(source, before).tags;  // It told nothing new.
  std::vector<Definition> definitions;
  definitions.push_back(std::move(made));
  return apply(r, asked, std::move(definitions));
}

Status delete_source(Registrar& r, const Asked& asked, const calls::DeleteDataSourceRequest& in,
                     Empty*) {
  const sys::Lock lock(r.changing);
  const auto shelf = r.app.features.catalog().shelf(asked.project());
  const std::string name = source_name_of(in.name());
  const Definition* known = find_definition(*shelf, Kind::kSource, name);
  if (known != nullptr && !is_hidden(known->about)) return remove(r, asked, Kind::kSource, name);
  if (find_named(r.registry(asked.project())->data_sources(), in.name()) != nullptr)
    return conflict("feature.in_use",
                    concat({"Data source ", in.name(), " is declared by the view of that name"}));
  return no_such("feature_source.not_found", "Data source", in.name(), asked.project());
}

// ---- services

// Whether a service says more than names and types.
bool says_more(core::FeatureServiceSpec spec) {
  spec = without_words(std::move(spec));
  spec.clear_name();
  for (core::FeatureViewProjection& p : *spec.mutable_features()) {
    for (const core::FeatureSpecV2& f : p.feature_columns())
      if (!f.tags().empty() || !f.description().empty() || f.vector_index()) return true;
    if (p.has_version_tag()) return true;
  }
  spec.clear_features();
  return !spec.SerializeAsString().empty();
}

Status apply_service(Registrar& r, const Asked& asked, const calls::ApplyFeatureServiceRequest& in,
                     Empty*) {
  const core::FeatureServiceSpec& spec = in.feature_service().spec();
  const sys::Lock lock(r.changing);
  const auto shelf = r.app.features.catalog().shelf(asked.project());
  const auto all = r.registry(asked.project());
  const Definition* before = find_definition(*shelf, Kind::kService, spec.name());
  const core::FeatureService* shown = find_named(all->feature_services(), spec.name());
  Definition made;
  if (before != nullptr && shown != nullptr && said(shown->spec()) == said(spec)) {
    made = *before;  // With the names it gives; of the latest versions.
    for (features::Service::Item& item : made.service.items) item.of.version = 0;
  } else {
    core::Registry one = views_of(*all);
    *one.mutable_on_demand_feature_views() = all->on_demand_feature_views();
    *one.add_feature_services() = in.feature_service();
    std::vector<Definition> got = TRY(imported(one, concat({"FeatureService ", spec.name(), ":"})));
    const auto found = std::find_if(got.begin(), got.end(),
                                    [](const Definition& d) { return d.kind == Kind::kService; });
    if (found == got.end()) return unsaid("a feature service names features of views");
    made = std::move(*found);
  }
  made.about = words_of(spec, before);
  const core::FeatureServiceSpec told = without_words(spec);
  keep("feature_service", says_more(spec) ? &told : nullptr, &made.about);
  std::vector<Definition> definitions;
  definitions.push_back(std::move(made));
  return apply(r, asked, std::move(definitions));
}

Status delete_service(Registrar& r, const Asked& asked,
                      const calls::DeleteFeatureServiceRequest& in, Empty*) {
  const sys::Lock lock(r.changing);
  const auto shelf = r.app.features.catalog().shelf(asked.project());
  if (find_definition(*shelf, Kind::kService, in.name()) == nullptr)
    return no_such("feature_service.not_found", "Feature service", in.name(), asked.project());
  return remove(r, asked, Kind::kService, in.name());
}

// ---- projects

Status apply_project(Registrar& r, const Asked& asked, const calls::ApplyProjectRequest& in,
                     Empty*) {
  const core::ProjectSpec& spec = in.project().spec();
  if (spec.name().empty()) return invalid("feast.message", "a project has a name");
  if (!spec.tags().empty() || !spec.owner().empty())
    return unsaid(concat({"Project ", spec.name(), ": projects have no tags and no owner here"}));
  if (spec.description() == r.app.description(asked.ctx)) return {};
  return r.app.describe(asked.ctx, spec.description());
}

// Whether Feast's client can say all that the definition means.
bool is_feasts(const features::Shelf& shelf, Kind kind, const Definition& d) {
  switch (kind) {
    case Kind::kEntity:
    case Kind::kService:
      return true;
    case Kind::kSource:
      return may_wait(shelf, kind, d.name) && d.source.contract.empty();
    case Kind::kView:
      return is_feasts(d.view);
    case Kind::kOnDemand:
      return d.about.tags.contains(concat({kTagPrefix, "on_demand_feature_view"}));
    case Kind::kContract:
      return false;
  }
  return false;
}

// With all that is in it, as Feast's teardown wants; rows stay in the history. Definitions that
// Feast has no words for aren't its to delete.
Status delete_project(Registrar& r, const Asked& asked, const calls::DeleteProjectRequest& in,
                      Empty*) {
  const sys::Lock lock(r.changing);
  features::Catalog& catalog = r.app.features.catalog();
  const auto shelf = catalog.shelf(asked.project());
  constexpr std::array kReadersFirst = {Kind::kContract, Kind::kService, Kind::kOnDemand,
                                        Kind::kView,     Kind::kSource,  Kind::kEntity};
  for (const Kind kind : kReadersFirst)
    for (const auto& [name, a] : shelf->latest[static_cast<size_t>(kind)])
      if (!is_feasts(*shelf, kind, a->definition))
        return conflict(
            "feature.in_use",
            concat({"Project ", in.name(), " has definitions that aren't Feast's (",
                    features::kind_name(kind), " ", name, "): delete them one by one"}));
  for (const Kind kind : kReadersFirst)
    for (const auto& [name, a] : shelf->latest[static_cast<size_t>(kind)])
      TRY(catalog.remove(asked.ctx, kind, name));
  return {};
}

// ---- what is no definition

template <class In>
void refuse(const RegistrarPtr& r, std::string_view name, std::string_view why, Rows* rows) {
  rows->push_back(
      registry_row<In, Empty>(r, name, kEdits, [why](Registrar&, const Asked&, const In&, Empty*) {
        return Status(unsaid(std::string(why)));
      }));
}

void add_refusals(const RegistrarPtr& r, Rows* rows) {
  constexpr std::string_view kGrants = "permissions are grants here: slipway grant, or the console";
  constexpr std::string_view kSaved =
      "saved datasets aren't offered: slipway feature join writes a table, slipway data keeps it";
  constexpr std::string_view kChecks =
      "validation is a data contract's: a document of kind DataContract";
  refuse<calls::ApplyPermissionRequest>(r, "ApplyPermission", kGrants, rows);
  refuse<calls::DeletePermissionRequest>(r, "DeletePermission", kGrants, rows);
  refuse<calls::ApplySavedDatasetRequest>(r, "ApplySavedDataset", kSaved, rows);
  refuse<calls::DeleteSavedDatasetRequest>(r, "DeleteSavedDataset", kSaved, rows);
  refuse<calls::CreateDatasetFromRetrievalRequest>(r, "CreateDatasetFromRetrieval", kSaved, rows);
  refuse<calls::GetDatasetJobStatusRequest>(r, "GetDatasetJobStatus", kSaved, rows);
  refuse<calls::ApplyValidationReferenceRequest>(r, "ApplyValidationReference", kChecks, rows);
  refuse<calls::DeleteValidationReferenceRequest>(r, "DeleteValidationReference", kChecks, rows);
}

}  // namespace

void add_changes(const RegistrarPtr& registrar, Rows* rows) {
  const auto edits = [&]<class In>(std::string_view name,
                                   Status (*call)(Registrar&, const Asked&, const In&, Empty*)) {
    rows->push_back(registry_row<In, Empty>(registrar, name, kEdits, call));
  };
  edits("ApplyEntity", apply_entity);
  edits("DeleteEntity", delete_entity);
  edits("ApplyDataSource", apply_source);
  edits("DeleteDataSource", delete_source);
  edits("ApplyFeatureService", apply_service);
  edits("DeleteFeatureService", delete_service);
  edits("ApplyProject", apply_project);
  edits("DeleteProject", delete_project);
  add_refusals(registrar, rows);
  add_view_changes(registrar, rows);
}

}  // namespace slip::wire::feast
