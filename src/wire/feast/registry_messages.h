#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/protobuf.h"
#include "features/definition.h"

// The messages of Feast's registry that mean something here, read field by field. Field numbers
// are those of feast/core/*.proto and feast/types/Value.proto. Pure; any thread.
namespace slip::wire::feast {

// Calls `on_field` for each field of a message.
template <class F>
Status each_field(std::string_view bytes, F&& on_field) {
  ProtoReader reader(bytes);
  while (const std::optional<ProtoField> f = TRY(reader.next())) TRY(on_field(*f));
  return {};
}

struct DataSource {
  std::string name;
  uint64_t type = 0;
  std::string event_time;
  std::string created_time;
  std::string uri;
  std::map<std::string, std::string> renamed;  // Column of the file -> feature.
  std::vector<features::FeatureField> request;
};

struct Aggregate {
  std::string column;
  std::string function;
  std::string name;
  int64_t window_us = 0;
};

struct FeastView {
  std::string name;
  std::string project;
  std::vector<std::string> entities;
  std::vector<features::FeatureField> keys;
  std::vector<features::FeatureField> features;
  features::About about;
  int64_t ttl_us = 0;
  bool online = false;
  bool function = false;
  std::optional<DataSource> batch;
  std::optional<DataSource> stream;
  std::vector<Aggregate> aggregates;
};

// What an on-demand view is computed from, and by what.
struct FeastProjection {
  std::string view;
  std::string alias;  // "": none.
  std::vector<features::FeatureField> features;
  std::map<std::string, std::string> keys;
};
struct FeastOnDemand {
  std::string name;
  std::string project;
  features::About about;
  std::vector<features::FeatureField> features;
  std::vector<FeastProjection> sources;
  std::vector<features::FeatureField> request;
  features::PythonFunction function;
  bool computes_otherwise = false;  // By substrait or aggregations.
};
Status read_on_demand(std::string_view spec, FeastOnDemand* out);
Result<FeastProjection> read_projection(std::string_view bytes);

// A view's spec; `streaming`: StreamFeatureViewSpec, which numbers the same things differently.
Status read_view(std::string_view spec, bool streaming, FeastView* out);
Status read_pair(std::string_view bytes,
                 std::map<std::string, std::string>* out);          // A map's entry.
Result<features::FeatureField> read_field(std::string_view bytes);  // FeatureSpecV2
// feast.types.ValueType.Enum as a type of ours; what is nested travels as text.
std::string_view type_text(uint64_t value_type);
uint64_t value_type_of(const features::FeatureType& type);  // The plainest one.
std::string feast_type(uint64_t value_type);  // As Feast's client writes it: "Array(Float32)".
// The `spec` of an object, field 1.
Result<std::string_view> spec_of(std::string_view bytes);

}  // namespace slip::wire::feast
