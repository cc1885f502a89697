#include "wire/feast/registry.h"

#include <algorithm>
#include <map>
#include <optional>

#include "base/text.h"
#include "codec/hash.h"
#include "wire/feast/registry_messages.h"

namespace slip::wire::feast {
namespace {

using features::Definition;
using features::FeatureField;

class Importer {
 public:
  explicit Importer(std::string project) : project_(std::move(project)) {}

  Status read(std::string_view bytes) {
    // Entities first: views name them.
    TRY(each_field(bytes, [&](const ProtoField& f) -> Status {
      return f.number == 1 ? entity(TRY(spec_of(f.bytes))) : Status();
    }));
    TRY(each_field(bytes, [&](const ProtoField& f) -> Status {
      if (f.number == 6) return view(TRY(spec_of(f.bytes)), false);
      if (f.number == 14) return view(TRY(spec_of(f.bytes)), true);
      if (f.number == 19) return named(TRY(spec_of(f.bytes)), "LabelView", "no such thing here");
      if (f.number == 16) return named(TRY(spec_of(f.bytes)), "Permission", "grant roles instead");
      return {};
    }));
    // On-demand views read views, services read both.
    TRY(each_field(bytes, [&](const ProtoField& f) -> Status {
      return f.number == 8 ? on_demand(TRY(spec_of(f.bytes))) : Status();
    }));
    return each_field(bytes, [&](const ProtoField& f) -> Status {
      return f.number == 7 ? service(TRY(spec_of(f.bytes))) : Status();
    });
  }

  Imported finish() {
    std::vector<Definition> all;
    for (auto& [name, d] : sources_) all.push_back(std::move(d));
    for (Definition& d : out_.definitions) all.push_back(std::move(d));
    out_.definitions = std::move(all);
    return std::move(out_);
  }

 private:
  bool wanted(const std::string& project) const { return project_.empty() || project == project_; }

  Status named(std::string_view spec, std::string_view kind, std::string_view why) {
    std::string name;
    std::string project;
    TRY(each_field(spec, [&](const ProtoField& f) -> Status {
      if (f.number == 1) name = f.bytes;
      if (f.number == 2) project = f.bytes;
      return {};
    }));
    if (wanted(project)) leave_out(kind, name, why);
    return {};
  }
  void leave_out(std::string_view kind, std::string_view name, std::string_view why) {
    out_.left_out.push_back(concat({kind, " ", name, ": ", why}));
  }

  Status entity(std::string_view spec) {
    Definition d;
    d.kind = features::Kind::kEntity;
    std::string project;
    uint64_t type = 2;
    TRY(each_field(spec, [&](const ProtoField& f) -> Status {
      if (f.number == 1) d.name = f.bytes;
      if (f.number == 9) project = f.bytes;
      if (f.number == 2) type = f.value;
      if (f.number == 3) d.about.description = f.bytes;
      if (f.number == 4) d.entity.join_key.name = f.bytes;
      if (f.number == 8) TRY(read_pair(f.bytes, &d.about.tags));
      if (f.number == 10) d.about.owner = f.bytes;
      return {};
    }));
    if (!wanted(project) || d.name == kNoEntity) return {};
    if (d.entity.join_key.name.empty()) d.entity.join_key.name = d.name;
    d.entity.join_key.type = TRY(features::parse_feature_type(type_text(type)));
    entities_[d.name] = d.entity.join_key;
    out_.definitions.push_back(std::move(d));
    return {};
  }

  // One document a source, with the columns of all the views that read it.
  Status add_source(const FeastView& v, const DataSource& s, const std::string& name,
                    const std::vector<FeatureField>& columns) {
    Definition& d = sources_[name];
    d.kind = features::Kind::kSource;
    d.name = name;
    if (!s.event_time.empty()) d.source.event_time = s.event_time;
    d.source.created_time = s.created_time;
    if (is_local_file(s.uri)) d.source.file = s.uri;
    d.source.renamed = s.renamed;
    for (const FeatureField& f : columns) {
      const FeatureField* known = d.source.find(f.name);
      if (known == nullptr && f.name != d.source.event_time && f.name != d.source.created_time)
        d.source.columns.push_back(f);
      else if (known != nullptr && known->type.type != f.type.type)
        leave_out("FeatureView", v.name,
                  concat({"column ", f.name, " has another type elsewhere"}));
    }
    const bool listed = std::any_of(out_.files.begin(), out_.files.end(),
                                    [&](const DataFile& file) { return file.source == name; });
    if (!s.uri.empty() && !listed) out_.files.push_back({name, s.uri});
    return {};
  }

  static std::string source_name(const FeastView& v, const DataSource& s) {
    return s.name.empty() ? concat({v.name, "_source"}) : source_name_of(s.name);
  }

  Status view(std::string_view spec, bool streaming) {
    FeastView v;
    TRY(read_view(spec, streaming, &v));
    if (!wanted(v.project)) return {};
    if (v.function && v.aggregates.empty())
      leave_out("FeatureView", v.name, "its Python function; rows are taken as they come");
    for (const std::string& e : v.entities) {
      const auto known = entities_.find(e);
      const bool there = known != entities_.end() &&
                         std::any_of(v.keys.begin(), v.keys.end(), [&](const FeatureField& k) {
                           return k.name == known->second.name;
                         });
      if (known != entities_.end() && !there) v.keys.push_back(known->second);
    }
    std::erase_if(v.keys, [](const FeatureField& k) { return k.name == kNoKey; });
    std::erase_if(v.features, [&](const FeatureField& f) {  // Stream views have the keys here, too.
      return std::any_of(v.keys.begin(), v.keys.end(),
                         [&](const FeatureField& k) { return k.name == f.name; });
    });
    if (!v.stream && !v.batch) {
      leave_out("FeatureView", v.name, "it has no source");
      return {};
    }
    const DataSource& s = v.stream ? *v.stream : *v.batch;
    Definition d;
    d.kind = features::Kind::kView;
    d.name = v.name;
    d.about = v.about;
    d.view.join_keys = v.keys;
    d.view.source = source_name(v, s);
    d.view.online = v.online;
    // Of ours whole seconds are the finest: half of one isn't none.
    if (v.ttl_us > 0) d.view.ttl_us = (v.ttl_us + 999'999) / 1'000'000 * 1'000'000;
    std::vector<FeatureField> columns = v.keys;
    if (v.aggregates.empty())
      take_features(v, &columns, &d.view);
    else
      TRY(take_aggregates(v, &columns, &d.view));
    TRY(add_source(v, s, d.view.source, columns));
    out_.definitions.push_back(std::move(d));
    return {};
  }

  static void take_features(const FeastView& v, std::vector<FeatureField>* columns,
                            features::View* view) {
    for (const FeatureField& f : v.features) {
      columns->push_back(f);
      view->columns.push_back(f.name);
    }
  }

  Status take_aggregates(const FeastView& v, std::vector<FeatureField>* columns,
                         features::View* view) {
    codec::Json list = codec::Json::array();
    for (const Aggregate& a : v.aggregates) {
      codec::Json one =
          codec::Json::object({{"op", a.function}, {"of", a.column}, {"name", a.name}});
      codec::Json windows = codec::Json::array();
      if (a.window_us > 0) windows.push(features::duration_text(a.window_us));
      one.set("windows", std::move(windows));
      list.push(std::move(one));
      const bool known = std::any_of(columns->begin(), columns->end(),
                                     [&](const FeatureField& f) { return f.name == a.column; });
      // Feast does not say what a column that is summed is: a number is.
      if (!known) columns->push_back({a.column, {.type = engine::Type::kDouble}});
    }
    codec::Json keys = codec::Json::object();
    for (const FeatureField& k : v.keys) keys.set(k.name, k.type.text());
    codec::Json document =
        codec::Json::object({{"kind", "FeatureView"}, {"name", v.name}, {"source", view->source}});
    document.set("join_keys", std::move(keys));
    document.set("aggregate", std::move(list));
    const Definition made = TRY(features::parse_definition(document));
    view->aggregates = made.view.aggregates;
    return {};
  }

  Status service(std::string_view spec) {
    Definition d;
    d.kind = features::Kind::kService;
    std::string project;
    std::vector<std::string_view> projections;
    TRY(each_field(spec, [&](const ProtoField& f) -> Status {
      if (f.number == 1) d.name = f.bytes;
      if (f.number == 2) project = f.bytes;
      if (f.number == 3) projections.push_back(f.bytes);
      if (f.number == 4) TRY(read_pair(f.bytes, &d.about.tags));
      if (f.number == 5) d.about.description = f.bytes;
      if (f.number == 6) d.about.owner = f.bytes;
      return {};
    }));
    if (!wanted(project)) return {};
    for (const std::string_view p : projections) TRY(projection(d.name, p, &d.service));
    if (d.service.items.empty())
      leave_out("FeatureService", d.name, "none of its views was taken");
    else
      out_.definitions.push_back(std::move(d));
    return {};
  }

  bool taken(const std::string& view) const {
    return std::any_of(out_.definitions.begin(), out_.definitions.end(), [&](const Definition& d) {
      return (d.kind == features::Kind::kView || d.kind == features::Kind::kOnDemand) &&
             d.name == view;
    });
  }

  // Its function sees each feature under its own name and under that with the view's.
  Status on_demand(std::string_view spec) {
    FeastOnDemand v;
    TRY(read_on_demand(spec, &v));
    if (!wanted(v.project)) return {};
    constexpr std::string_view kKind = "OnDemandFeatureView";
    if (v.computes_otherwise || v.function.pickle.empty()) {
      leave_out(kKind, v.name, "it is computed by no Python function");
      return {};
    }
    Definition d;
    d.kind = features::Kind::kOnDemand;
    d.name = v.name;
    d.about = v.about;
    d.on_demand.request = v.request;
    d.on_demand.outputs = v.features;
    d.on_demand.python = v.function;
    std::map<std::string, features::Reference> inputs;
    for (const FeastProjection& p : v.sources) {
      if (!taken(p.view)) {
        leave_out(kKind, v.name, concat({"it reads ", p.view}));
        return {};
      }
      for (const FeatureField& f : p.features) {
        const features::Reference of{.view = p.view, .version = 0, .feature = f.name};
        inputs[f.name] = of;
        inputs[concat({p.alias.empty() ? p.view : p.alias, "__", f.name})] = of;
      }
    }
    for (auto& [name, of] : inputs) d.on_demand.inputs.push_back({name, of});
    out_.definitions.push_back(std::move(d));
    return {};
  }

  Status projection(const std::string& service, std::string_view bytes, features::Service* out) {
    const FeastProjection p = TRY(read_projection(bytes));
    if (!taken(p.view)) {
      leave_out("FeatureService", service, concat({"its features of ", p.view}));
      return {};
    }
    for (const FeatureField& f : p.features) {
      features::Service::Item item;
      item.of = {.view = p.view, .version = 0, .feature = f.name};
      item.join_keys = p.keys;
      item.view_as = p.alias;
      out->items.push_back(std::move(item));
    }
    return {};
  }

  std::string project_;
  std::map<std::string, FeatureField> entities_;
  std::map<std::string, Definition> sources_;
  Imported out_;
};

}  // namespace

bool is_local_file(std::string_view uri) {
  return uri.starts_with('/') || uri.starts_with("file:///");
}

std::string source_name_of(const std::string& feasts) {
  if (features::check_feature_name("source", feasts).ok()) return feasts;
  std::string_view stem = feasts;
  stem.remove_prefix(stem.find_last_of('/') + 1);
  stem = stem.substr(0, stem.find('.'));
  std::string out;
  for (const char c : stem.substr(0, features::kNameBytesMax / 2))
    out += features::check_feature_name("source", std::string_view(&c, 1)).ok() ? c : '_';
  return concat({out.empty() ? "source" : out, "_", codec::sha256(feasts).hex().substr(0, 8)});
}

Result<Imported> import_registry(std::string_view bytes, const std::string& project) {
  if (bytes.size() > kRegistryBytesMax)
    return exhausted("feast.registry", "a registry file has at most 64 MiB");
  Importer importer(project);
  Status read = importer.read(bytes);
  if (!read.ok() && read.error().reason == "protobuf.syntax")
    return invalid("feast.registry", "no registry file of Feast");
  TRY(read);
  return importer.finish();
}

}  // namespace slip::wire::feast
