#include "wire/feast/objects.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include <feast/objects.pb.h>

#include "base/text.h"
#include "codec/hash.h"
#include "wire/feast/kept.h"
#include "wire/feast/registry.h"
#include "wire/feast/registry_messages.h"

namespace slip::wire::feast {
namespace {

namespace proto = ::feast::core;
using features::About;
using features::Applied;
using features::AppliedPtr;
using features::CompiledView;
using features::FeatureField;
using features::Kind;
using features::Service;
using features::Shelf;
using features::Source;

constexpr size_t place(Kind kind) { return static_cast<size_t>(kind); }

// Of the first version, and of the latest.
template <class Meta>
void set_times(const Shelf& shelf, const Applied& latest, Meta* meta) {
  const auto& all = shelf.all[place(latest.definition.kind)];
  const auto first = all.lower_bound({latest.definition.name, 0});
  const bool known = first != all.end() && first->first.first == latest.definition.name;
  const int64_t created_ms = known ? first->second->created_ms : latest.created_ms;
  set_time(created_ms * 1000, meta->mutable_created_timestamp());
  set_time(latest.created_ms * 1000, meta->mutable_last_updated_timestamp());
}

template <class Spec>
void set_about(const About& about, Spec* spec) {
  spec->set_description(about.description);
  spec->set_owner(about.owner);
  spec->clear_tags();
  for (const auto& [key, value] : about.tags)
    if (!key.starts_with(kTagPrefix)) (*spec->mutable_tags())[key] = value;
}

void set_field(const FeatureField& field, proto::FeatureSpecV2* out) {
  out->set_name(field.name);
  out->set_value_type(static_cast<::feast::types::ValueType::Enum>(value_type_of(field.type)));
}

bool streams(const proto::DataSource& source) {
  return source.type() == proto::DataSource::PUSH_SOURCE ||
         source.type() == proto::DataSource::STREAM_KAFKA ||
         source.type() == proto::DataSource::STREAM_KINESIS;
}

// ---- one project

class Describer {
 public:
  Describer(const Shelf& shelf, const std::string& project) : shelf_(shelf), project_(project) {}

  std::shared_ptr<const proto::Registry> make() {
    for (const auto& [name, a] : shelf_.latest[place(Kind::kEntity)]) entity(*a);
    for (const auto& [name, a] : shelf_.latest[place(Kind::kSource)])
      source(name, a->definition.source, *a);
    for (const auto& [name, view] : shelf_.latest_views) {
      const Applied& a = *shelf_.latest[place(Kind::kView)].at(name);
      if (view->view().inline_source) source(view->source_name, view->source, a);
    }
    for (const auto& [name, view] : shelf_.latest_views)
      if (computes(*view)) computed_.insert(view->source_name);
    for (const auto& [name, view] : shelf_.latest_views)
      this->view(*view, *shelf_.latest[place(Kind::kView)].at(name));
    for (const std::string& name : computed_) events(name);
    for (const auto& [name, a] : shelf_.latest[place(Kind::kOnDemand)]) on_demand(*a);
    for (const auto& [name, a] : shelf_.latest[place(Kind::kService)]) service(*a);
    for (const auto& [name, key] : made_entities_) {
      proto::EntitySpecV2& spec = *out_->add_entities()->mutable_spec();
      set_key(name, key, &spec);
    }
    return finish();
  }

 private:
  std::shared_ptr<const proto::Registry> finish() {
    out_->set_registry_schema_version("1");
    out_->add_projects()->mutable_spec()->set_name(project_);
    out_->add_project_metadata()->set_project(project_);
    out_->mutable_infra();
    int64_t newest_ms = 0;
    for (const auto& kind : shelf_.latest)
      for (const auto& [name, a] : kind) newest_ms = std::max(newest_ms, a->created_ms);
    set_time(newest_ms * 1000, out_->mutable_last_updated());
    out_->set_version_id(codec::sha256(plain_bytes(*out_)).hex().substr(0, 32));
    return std::move(out_);
  }

  void set_key(const std::string& name, const FeatureField& key, proto::EntitySpecV2* spec) {
    spec->set_name(name);
    spec->set_project(project_);
    spec->set_join_key(key.name);
    spec->set_value_type(static_cast<::feast::types::ValueType::Enum>(value_type_of(key.type)));
  }

  void entity(const Applied& a) {
    proto::Entity& made = *out_->add_entities();
    const FeatureField& key = a.definition.entity.join_key;
    set_key(a.definition.name, key, made.mutable_spec());
    if (const auto told = kept<proto::EntitySpecV2>(a.definition.about, "entity");
        told && said(*told) == said(made.spec()))
      made.mutable_spec()->set_value_type(told->value_type());
    set_about(a.definition.about, made.mutable_spec());
    set_times(shelf_, a, made.mutable_meta());
    entities_.emplace(key.name, a.definition.name);
  }

  // What Feast calls the entity of a key.
  std::string entity_of(const FeatureField& key, const std::vector<std::string>& named) {
    const auto& documents = shelf_.latest[place(Kind::kEntity)];
    for (const std::string& name : named) {
      const auto found = documents.find(name);
      if (found != documents.end() && found->second->definition.entity.join_key.name == key.name)
        return name;
    }
    if (const auto known = entities_.find(key.name); known != entities_.end()) return known->second;
    std::string name = key.name;
    while (documents.contains(name)) name += "_key";
    made_entities_.emplace(name, key);
    return name;
  }

  // A source, with where its history lies.
  void source(const std::string& name, const Source& of, const Applied& a) {
    proto::DataSource made;
    made.set_type(proto::DataSource::PUSH_SOURCE);
    made.set_timestamp_field(of.event_time);
    made.set_created_timestamp_column(of.created_time);
    proto::DataSource& file = *made.mutable_batch_source();
    file.set_name(concat({name, kHistorySuffix}));
    file.set_type(proto::DataSource::BATCH_FILE);
    file.set_timestamp_field(of.event_time);
    file.set_created_timestamp_column(of.created_time);
    file.mutable_file_options()->set_uri(concat({"slipway://", project_, "/", name}));
    if (a.definition.kind == Kind::kSource) {
      auto told = kept<proto::DataSource>(a.definition.about, "data_source");
      if (told && said(*told) == said(made)) made = std::move(*told);
      set_about(a.definition.about, &made);
    }
    if (made.name().empty() || source_name_of(made.name()) != name) made.set_name(name);
    made.set_project(project_);
    set_times(shelf_, a, made.mutable_meta());
    sources_[name] = made;
    if (a.definition.kind != Kind::kSource || !is_hidden(a.definition.about))
      *out_->add_data_sources() = std::move(made);
  }

  template <class Spec>
  void set_sources(const std::string& name, bool fed, Spec* spec) const {
    spec->clear_batch_source();
    spec->clear_stream_source();
    const auto found = sources_.find(name);
    if (found == sources_.end()) return;
    const proto::DataSource& source = found->second;
    if (!streams(source)) {
      *spec->mutable_batch_source() = source;
      return;
    }
    if (fed) *spec->mutable_stream_source() = source;
    if (source.has_batch_source()) *spec->mutable_batch_source() = source.batch_source();
  }

  // Whether Feast's client can't make of rows of the source what the view does.
  bool computes(const CompiledView& view) const {
    if (view.view().windowed() || !view.view().filter.empty()) return true;
    const auto found = sources_.find(view.source_name);
    if (found == sources_.end()) return true;
    const auto& renamed = renames(found->second);
    return std::any_of(
        view.view().row.begin(), view.view().row.end(), [&](const features::RowFeature& r) {
          return !std::any_of(renamed.begin(), renamed.end(), [&](const auto& pair) {
            return pair.second == r.name && r.expression == concat({"\"", pair.first, "\""});
          });
        });
  }
  static const google::protobuf::Map<std::string, std::string>& renames(
      const proto::DataSource& source) {
    return source.field_mapping().empty() && source.has_batch_source()
               ? source.batch_source().field_mapping()
               : source.field_mapping();
  }

  void set_keys(const std::vector<FeatureField>& keys, const std::vector<std::string>& named,
                proto::FeatureViewSpec* spec) {
    for (const FeatureField& key : keys) {
      spec->add_entities(entity_of(key, named));
      set_field(key, spec->add_entity_columns());
    }
  }

  void view(const CompiledView& view, const Applied& a) {
    if (is_hidden(a.definition.about)) return;
    const bool computed = computes(view);
    proto::FeatureViewSpec spec;
    std::vector<std::string> named = view.view().entities;
    if (const auto told = a.definition.about.tags.find(concat({kTagPrefix, "entities"}));
        told != a.definition.about.tags.end())
      for (const std::string_view name : split(told->second, ',')) named.emplace_back(name);
    set_keys(view.join_keys, named, &spec);
    if (view.join_keys.empty()) {
      spec.add_entities(std::string(kNoEntity));
      set_field({.name = std::string(kNoKey), .type = {.type = engine::Type::kText}},
                spec.add_entity_columns());
    }
    for (const FeatureField& f : view.features) set_field(f, spec.add_features());
    const int64_t ttl_us = view.view().ttl_us.value_or(0);
    spec.mutable_ttl()->set_seconds(ttl_us / 1'000'000);
    spec.mutable_ttl()->set_nanos(static_cast<int32_t>(ttl_us % 1'000'000 * 1000));
    spec.set_online(view.view().online && !computed);
    spec.set_version("latest");
    set_sources(view.source_name, !computed && !computed_.contains(view.source_name), &spec);
    const About& about = a.definition.about;
    if (auto told = kept<proto::StreamFeatureViewSpec>(about, "stream_feature_view")) {
      set_sources(view.source_name, true, &*told);
      if (said(*told) == said(spec)) return stream_view(view, a, *told);
    }
    if (auto told = kept<proto::FeatureViewSpec>(about, "feature_view")) {
      told->set_online(spec.online());
      set_sources(view.source_name, spec.has_stream_source(), &*told);
      if (said(*told) == said(spec)) spec = std::move(*told);
    }
    proto::FeatureView& made = *out_->add_feature_views();
    *made.mutable_spec() = std::move(spec);
    name_view(view.name, a, &made);
  }

  template <class View>
  void name_view(const std::string& name, const Applied& a, View* made) {
    made->mutable_spec()->set_name(name);
    made->mutable_spec()->set_project(project_);
    set_about(a.definition.about, made->mutable_spec());
    set_times(shelf_, a, made->mutable_meta());
    made->mutable_meta()->set_current_version_number(static_cast<int32_t>(a.definition.version));
  }

  void stream_view(const CompiledView& view, const Applied& a,
                   const proto::StreamFeatureViewSpec& told) {
    proto::StreamFeatureView& made = *out_->add_stream_feature_views();
    *made.mutable_spec() = told;
    made.mutable_spec()->set_online(view.view().online);
    name_view(view.name, a, &made);
  }

  // The columns of a source that views compute from, for Feast's client to push to.
  void events(const std::string& name) {
    const auto source = sources_.find(name);
    const std::string of = concat({name, kEventsSuffix});
    if (source == sources_.end() || !streams(source->second) || shelf_.latest_views.contains(of))
      return;
    const CompiledView* reader = nullptr;
    std::map<std::string, FeatureField> keys;
    for (const auto& [view_name, view] : shelf_.latest_views) {
      if (view->source_name != name) continue;
      reader = view.get();
      for (const FeatureField& key : view->join_keys) keys.emplace(key.name, key);
    }
    if (reader == nullptr) return;
    proto::FeatureView& made = *out_->add_feature_views();
    proto::FeatureViewSpec& spec = *made.mutable_spec();
    for (const auto& [key_name, key] : keys) set_keys({key}, {}, &spec);
    for (const FeatureField& f : reader->source.columns)
      if (!keys.contains(f.name)) set_field(f, spec.add_features());
    spec.mutable_ttl();
    spec.set_version("latest");
    set_sources(name, true, &spec);
    name_view(of, *shelf_.latest[place(Kind::kView)].at(reader->name), &made);
    About about;
    about.description = concat({"Rows of ", name, " as they come: to be pushed"});
    set_about(about, &spec);
  }

  // A Python function that Feast's client brought goes back to it as it came, with what it reads
  // of the request. False: it isn't one, or computes something else by now.
  bool function_view(const features::CompiledOnDemand& made, const Applied& a) {
    auto told = kept<proto::OnDemandFeatureViewSpec>(a.definition.about, "on_demand_feature_view");
    if (!told || !made.definition.python) return false;
    proto::FeatureViewSpec outputs;
    for (const FeatureField& f : made.features) set_field(f, outputs.add_features());
    if (!with_function(outputs, made.definition.python->pickle, &*told)) return false;
    for (const auto& [name, source] : told->sources())
      if (source.has_request_data_source() && sources_.emplace(name, proto::DataSource()).second) {
        *out_->add_data_sources() = source.request_data_source();
        out_->mutable_data_sources()->rbegin()->set_project(project_);
      }
    proto::OnDemandFeatureView& out = *out_->add_on_demand_feature_views();
    *out.mutable_spec() = std::move(*told);
    name_view(a.definition.name, a, &out);
    return true;
  }

  void on_demand(const Applied& a) {
    const auto made = shelf_.find_on_demand(a.definition.name, a.definition.version);
    if (made == nullptr || function_view(*made, a)) return;
    proto::FeatureView& out = *out_->add_feature_views();
    proto::FeatureViewSpec& spec = *out.mutable_spec();
    std::map<std::string, FeatureField> keys;
    for (const features::OnDemand::Input& input : made->definition.inputs)
      if (const features::ViewPtr view = shelf_.view(input.of.view, input.of.version)) {
        for (const FeatureField& key : view->join_keys)
          if (keys.emplace(key.name, key).second) set_keys({key}, view->view().entities, &spec);
        if (!spec.has_batch_source()) set_sources(view->source_name, false, &spec);
      }
    for (const FeatureField& f : made->definition.request)
      if (keys.emplace(f.name, f).second) set_keys({f}, {}, &spec);
    for (const FeatureField& f : made->features) set_field(f, spec.add_features());
    spec.mutable_ttl();
    spec.set_version("latest");
    name_view(a.definition.name, a, &out);
  }

  std::vector<FeatureField> features_of(const features::Reference& of) const {
    std::vector<FeatureField> all;
    if (const features::ViewPtr view = shelf_.view(of.view, of.version)) {
      all = view->features;
    } else if (const auto made = shelf_.find_on_demand(of.view, of.version)) {
      all = made->features;
    }
    if (of.feature != "*")
      std::erase_if(all, [&](const FeatureField& f) { return f.name != of.feature; });
    return all;
  }

  const proto::FeatureViewSpec* view_spec(const std::string& name) const {
    for (const proto::FeatureView& v : out_->feature_views())
      if (v.spec().name() == name) return &v.spec();
    return nullptr;
  }

  void projection_of(const Service::Item& item, proto::FeatureServiceSpec* spec) const {
    proto::FeatureViewProjection* out = nullptr;
    for (proto::FeatureViewProjection& p : *spec->mutable_features()) {
      const std::map<std::string, std::string> keys(p.join_key_map().begin(),
                                                    p.join_key_map().end());
      if (p.feature_view_name() == item.of.view && p.feature_view_name_alias() == item.view_as &&
          keys == item.join_keys)
        out = &p;
    }
    if (out == nullptr) {
      out = spec->add_features();
      out->set_feature_view_name(item.of.view);
      out->set_feature_view_name_alias(item.view_as);
      out->mutable_join_key_map()->insert(item.join_keys.begin(), item.join_keys.end());
      out->set_view_type("featureView");
      const proto::FeatureViewSpec* view = view_spec(item.of.view);
      if (view != nullptr && view->has_batch_source()) {
        *out->mutable_batch_source() = view->batch_source();
        // As Feast's client has it: the moment of creation in both places.
        out->set_timestamp_field(view->batch_source().created_timestamp_column());
        out->set_created_timestamp_column(view->batch_source().created_timestamp_column());
      }
    }
    for (const FeatureField& f : features_of(item.of)) set_field(f, out->add_feature_columns());
  }

  void service(const Applied& a) {
    proto::FeatureService& made = *out_->add_feature_services();
    proto::FeatureServiceSpec& spec = *made.mutable_spec();
    for (const Service::Item& item : a.definition.service.items) projection_of(item, &spec);
    if (auto told = kept<proto::FeatureServiceSpec>(a.definition.about, "feature_service");
        told && said(*told) == said(spec))
      spec = std::move(*told);
    spec.set_name(a.definition.name);
    spec.set_project(project_);
    set_about(a.definition.about, &spec);
    set_times(shelf_, a, made.mutable_meta());
  }

  const Shelf& shelf_;
  const std::string& project_;
  std::shared_ptr<proto::Registry> out_ = std::make_shared<proto::Registry>();
  std::map<std::string, std::string> entities_;  // By join key: the first of that key.
  std::map<std::string, FeatureField> made_entities_;
  std::map<std::string, proto::DataSource> sources_;
  std::set<std::string> computed_;  // Sources that views compute from.
};

}  // namespace

std::shared_ptr<const proto::Registry> registry_of(const Shelf& shelf, const std::string& project) {
  return Describer(shelf, project).make();
}

}  // namespace slip::wire::feast
