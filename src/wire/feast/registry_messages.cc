#include "wire/feast/registry_messages.h"

#include "base/text.h"

namespace slip::wire::feast {

using features::FeatureField;
using features::FeatureType;

Status read_pair(std::string_view bytes, std::map<std::string, std::string>* out) {
  std::string key;
  std::string value;
  TRY(each_field(bytes, [&](const ProtoField& f) -> Status {
    if (f.number == 1) key = f.bytes;
    if (f.number == 2) value = f.bytes;
    return {};
  }));
  (*out)[key] = value;
  return {};
}

// feast.types.ValueType.Enum: scalars 1–8, lists 11–18, sets 22–29; what is nested or a number of
// another kind travels as text.
std::string_view type_text(uint64_t value_type) {
  constexpr std::string_view kScalars[] = {"bytes",   "string",  "int32", "int64",
                                           "float64", "float32", "bool",  "timestamp"};
  constexpr std::string_view kLists[] = {"list<bytes>", "list<string>",  "list<int32>",
                                         "list<int64>", "list<float64>", "list<float32>",
                                         "list<bool>",  "list<int64>"};
  if (value_type >= 1 && value_type <= 8) return kScalars[value_type - 1];
  if (value_type >= 11 && value_type <= 18) return kLists[value_type - 11];
  if (value_type >= 22 && value_type <= 29) return kLists[value_type - 22];
  if (value_type == 33 || value_type == 38 || value_type == 39 || value_type == 45)
    return "list<string>";
  if (value_type == 48) return "timestamp";
  return "string";
}

uint64_t value_type_of(const FeatureType& type) {
  const std::string text = type.text();
  for (uint64_t v = 1; v <= 18; ++v)
    if (v != 9 && v != 10 && type_text(v) == text) return v;
  return 2;
}

std::string feast_type(uint64_t value_type) {
  constexpr std::pair<std::string_view, std::string_view> kNames[] = {
      {"bytes", "Bytes"}, {"string", "String"},          {"int32", "Int32"},
      {"int64", "Int64"}, {"float64", "Float64"},        {"float32", "Float32"},
      {"bool", "Bool"},   {"timestamp", "UnixTimestamp"}};
  std::string_view text = type_text(value_type);
  const bool list = text.starts_with("list<");
  if (list) text = text.substr(5, text.size() - 6);
  for (const auto& [ours, theirs] : kNames)
    if (ours == text) return list ? concat({"Array(", theirs, ")"}) : std::string(theirs);
  return "String";
}

Result<FeatureField> read_field(std::string_view bytes) {  // FeatureSpecV2
  FeatureField out;
  uint64_t type = 2;
  TRY(each_field(bytes, [&](const ProtoField& f) -> Status {
    if (f.number == 1) out.name = f.bytes;
    if (f.number == 2) type = f.value;
    return {};
  }));
  out.type = TRY(features::parse_feature_type(type_text(type)));
  return out;
}

// A source in a source in a source is none of Feast's.
constexpr int kSourceDepthMax = 3;

static Status read_source(std::string_view bytes, DataSource* out, int depth = 0) {
  if (depth > kSourceDepthMax) return invalid("feast.registry", "sources are nested too deeply");
  return each_field(bytes, [&](const ProtoField& f) -> Status {
    switch (f.number) {
      case 20:
        out->name = f.bytes;
        return {};
      case 1:
        out->type = f.value;
        return {};
      case 2:
        return read_pair(f.bytes, &out->renamed);
      case 3:
        if (!f.bytes.empty()) out->event_time = f.bytes;
        return {};
      case 5:
        if (!f.bytes.empty()) out->created_time = f.bytes;
        return {};
      case 11:
        return each_field(f.bytes, [&](const ProtoField& file) -> Status {
          if (file.number == 2) out->uri = file.bytes;
          return {};
        });
      case 26: {  // A push source's or stream's own batch source: times and file are its.
        DataSource batch;
        TRY(read_source(f.bytes, &batch, depth + 1));
        if (out->event_time.empty()) out->event_time = batch.event_time;
        if (out->created_time.empty()) out->created_time = batch.created_time;
        if (out->uri.empty()) out->uri = batch.uri;
        if (out->renamed.empty()) out->renamed = batch.renamed;
        return {};
      }
      case 18:
        return each_field(f.bytes, [&](const ProtoField& r) -> Status {
          if (r.number == 3) out->request.push_back(TRY(read_field(r.bytes)));
          return {};
        });
      default:
        return {};
    }
  });
}

static Result<int64_t> micros_of(std::string_view bytes) {  // google.protobuf.Duration
  int64_t seconds = 0;
  int64_t nanos = 0;
  TRY(each_field(bytes, [&](const ProtoField& f) -> Status {
    if (f.number == 1) seconds = static_cast<int64_t>(f.value);
    if (f.number == 2) nanos = static_cast<int64_t>(f.value);
    return {};
  }));
  constexpr int64_t kSecondsMax = int64_t{1} << 40;
  if (seconds < -kSecondsMax || seconds > kSecondsMax || nanos < -999'999'999 ||
      nanos > 999'999'999)
    return invalid("feast.registry", "a duration is out of range");
  return seconds * 1'000'000 + nanos / 1000;
}

static Result<Aggregate> aggregate_of(std::string_view bytes) {
  Aggregate out;
  TRY(each_field(bytes, [&](const ProtoField& f) -> Status {
    if (f.number == 1) out.column = f.bytes;
    if (f.number == 2) out.function = f.bytes;
    if (f.number == 3) out.window_us = TRY(micros_of(f.bytes));
    if (f.number == 5) out.name = f.bytes;
    return {};
  }));
  if (out.name.empty()) {
    out.name = concat({out.function, "_", out.column});
    if (out.window_us > 0)
      out.name += concat({"_", std::to_string(out.window_us / 1'000'000), "s"});
  }
  return out;
}

// FeatureViewSpec and StreamFeatureViewSpec number the same things differently.
namespace {
struct Numbers {
  uint32_t tags, ttl, batch, online, stream, description, owner, keys, function, aggregates;
};
constexpr Numbers kPlain = {5, 6, 7, 8, 9, 10, 11, 12, 15, 0};
constexpr Numbers kStreaming = {7, 9, 10, 12, 11, 6, 8, 5, 13, 15};
}  // namespace

static Status view_part(const ProtoField& f, const Numbers& n, FeastView* out) {
  if (f.number == 1) out->name = f.bytes;
  if (f.number == 2) out->project = f.bytes;
  if (f.number == 3) out->entities.emplace_back(f.bytes);
  if (f.number == 4) out->features.push_back(TRY(read_field(f.bytes)));
  if (f.number == n.tags) TRY(read_pair(f.bytes, &out->about.tags));
  if (f.number == n.ttl) out->ttl_us = TRY(micros_of(f.bytes));
  if (f.number == n.batch) TRY(read_source(f.bytes, &out->batch.emplace()));
  if (f.number == n.online) out->online = f.value != 0;
  if (f.number == n.stream) TRY(read_source(f.bytes, &out->stream.emplace()));
  if (f.number == n.description) out->about.description = f.bytes;
  if (f.number == n.owner) out->about.owner = f.bytes;
  if (f.number == n.keys) out->keys.push_back(TRY(read_field(f.bytes)));
  if (f.number == n.function) out->function = true;
  if (n.aggregates != 0 && f.number == n.aggregates)
    out->aggregates.push_back(TRY(aggregate_of(f.bytes)));
  return {};
}

// The `spec` of an object, field 1.
Result<std::string_view> spec_of(std::string_view bytes) {
  std::string_view out;
  TRY(each_field(bytes, [&](const ProtoField& f) -> Status {
    if (f.number == 1) out = f.bytes;
    return {};
  }));
  return out;
}

Status read_view(std::string_view spec, bool streaming, FeastView* out) {
  const Numbers& numbers = streaming ? kStreaming : kPlain;
  return each_field(spec, [&](const ProtoField& f) { return view_part(f, numbers, out); });
}

// ---- on-demand views

Result<FeastProjection> read_projection(std::string_view bytes) {
  FeastProjection out;
  TRY(each_field(bytes, [&](const ProtoField& f) -> Status {
    if (f.number == 1) out.view = f.bytes;
    if (f.number == 2) out.features.push_back(TRY(read_field(f.bytes)));
    if (f.number == 3) out.alias = f.bytes;
    if (f.number == 4) TRY(read_pair(f.bytes, &out.keys));
    return {};
  }));
  return out;
}

// An entry of the map of sources: one of a view, a projection of one, data of the request.
static Status on_demand_source(std::string_view entry, FeastOnDemand* out) {
  return each_field(entry, [&](const ProtoField& pair) -> Status {
    if (pair.number != 2) return {};
    return each_field(pair.bytes, [&](const ProtoField& f) -> Status {
      if (f.number == 1) {
        FeastView view;
        TRY(read_view(TRY(spec_of(f.bytes)), false, &view));
        out->sources.push_back({view.name, "", view.features, {}});
      }
      if (f.number == 2) {
        DataSource data;
        TRY(read_source(f.bytes, &data));
        for (const FeatureField& field : data.request) out->request.push_back(field);
      }
      if (f.number == 3) out->sources.push_back(TRY(read_projection(f.bytes)));
      return {};
    });
  });
}

static Status read_function(std::string_view bytes, FeastOnDemand* out) {
  return each_field(bytes, [&](const ProtoField& f) -> Status {
    if (f.number == 1) out->function.entry = f.bytes;
    if (f.number == 2) out->function.pickle = f.bytes;
    return {};
  });
}

Status read_on_demand(std::string_view spec, FeastOnDemand* out) {
  std::string mode;
  bool singleton = false;
  TRY(each_field(spec, [&](const ProtoField& f) -> Status {
    if (f.number == 1) out->name = f.bytes;
    if (f.number == 2) out->project = f.bytes;
    if (f.number == 3) out->features.push_back(TRY(read_field(f.bytes)));
    if (f.number == 4) TRY(on_demand_source(f.bytes, out));
    if (f.number == 5) TRY(read_function(f.bytes, out));
    if (f.number == 6) out->about.description = f.bytes;
    if (f.number == 7) TRY(read_pair(f.bytes, &out->about.tags));
    if (f.number == 8) out->about.owner = f.bytes;
    if (f.number == 10)
      TRY(each_field(f.bytes, [&](const ProtoField& t) -> Status {
        if (t.number == 1) return read_function(t.bytes, out);
        out->computes_otherwise = true;
        return {};
      }));
    if (f.number == 11) mode = f.bytes;
    if (f.number == 15) singleton = f.value != 0;
    if (f.number == 16) out->computes_otherwise = true;
    return {};
  }));
  using Mode = features::PythonFunction::Mode;
  if (mode == "python") out->function.mode = singleton ? Mode::kSingleton : Mode::kPython;
  return {};
}

}  // namespace slip::wire::feast
