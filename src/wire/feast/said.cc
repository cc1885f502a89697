#include <algorithm>

#include <feast/objects.pb.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/util/json_util.h>

#include "base/text.h"
#include "wire/feast/kept.h"
#include "wire/feast/objects.h"
#include "wire/feast/registry.h"
#include "wire/feast/registry_messages.h"

// Messages of Feast's registry as the little of them that a definition means.
namespace slip::wire::feast {

namespace proto = ::feast::core;

namespace {

// Types are those of ours, for several of Feast's travel as one.
template <class Fields>
std::string fields_said(const Fields& fields, const Fields* without = nullptr) {
  std::vector<std::string> out;
  const auto is_left_out = [&](const proto::FeatureSpecV2& f) {
    return without != nullptr && std::any_of(without->begin(), without->end(),
                                             [&](const auto& w) { return w.name() == f.name(); });
  };
  for (const proto::FeatureSpecV2& f : fields)
    if (!is_left_out(f))
      out.push_back(concat({f.name(), ":", type_text(static_cast<uint64_t>(f.value_type()))}));
  std::sort(out.begin(), out.end());
  return join(out, ",");
}

std::string source_said(const proto::DataSource& source) {
  std::string_view name = source.name();
  if (name.ends_with(kHistorySuffix)) name.remove_suffix(kHistorySuffix.size());
  return std::string(name);
}

template <class Spec>
std::string view_said(const Spec& spec) {
  return concat(
      {"keys ", fields_said(spec.entity_columns()), "\nfeatures ",
       fields_said(spec.features(), &spec.entity_columns()), "\nttl ",
       std::to_string(spec.ttl().seconds()), ".", std::to_string(spec.ttl().nanos()), "\nsource ",
       source_said(spec.has_stream_source() ? spec.stream_source() : spec.batch_source())});
}

}  // namespace

bool message_of(const std::string& json, google::protobuf::Message* out) {
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;
  return google::protobuf::util::JsonStringToMessage(json, out, options).ok();
}

std::string json_of(const google::protobuf::Message& message) {
  std::string out;
  return google::protobuf::util::MessageToJsonString(message, &out).ok() ? out : std::string();
}

std::string plain_bytes(const google::protobuf::Message& message) {
  std::string out;
  google::protobuf::io::StringOutputStream stream(&out);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  message.SerializeToCodedStream(&coded);
  coded.Trim();
  return out;
}

void set_time(int64_t us, google::protobuf::Timestamp* out) {
  const int64_t seconds = us / 1'000'000 - (us % 1'000'000 < 0 ? 1 : 0);
  out->set_seconds(seconds);
  out->set_nanos(static_cast<int32_t>((us - seconds * 1'000'000) * 1000));
}

std::string said(const proto::EntitySpecV2& spec) {
  return concat({spec.join_key(), ":", type_text(static_cast<uint64_t>(spec.value_type()))});
}

// The times alone: columns are the views'.
std::string said(const proto::DataSource& source) {
  const proto::DataSource& batch = source.batch_source();
  const auto first = [](const std::string& a, const std::string& b) { return a.empty() ? b : a; };
  std::string event = first(source.timestamp_field(), batch.timestamp_field());
  if (event.empty()) event = "event_timestamp";
  return concat(
      {event, ",", first(source.created_timestamp_column(), batch.created_timestamp_column())});
}

std::string said(const proto::FeatureViewSpec& spec) { return view_said(spec); }
std::string said(const proto::StreamFeatureViewSpec& spec) { return view_said(spec); }

bool with_function(const proto::FeatureViewSpec& outputs, const std::string& function,
                   proto::OnDemandFeatureViewSpec* told) {
  if (fields_said(told->features()) != fields_said(outputs.features())) return false;
  if (told->has_user_defined_function()) told->mutable_user_defined_function()->set_body(function);
  if (told->feature_transformation().has_user_defined_function())
    told->mutable_feature_transformation()->mutable_user_defined_function()->set_body(function);
  return true;
}

std::string said(const proto::FeatureServiceSpec& spec) {
  std::vector<std::string> out;
  for (const proto::FeatureViewProjection& p : spec.features()) {
    std::vector<std::string> names;
    for (const proto::FeatureSpecV2& f : p.feature_columns()) names.push_back(f.name());
    std::sort(names.begin(), names.end());
    std::vector<std::string> keys;
    for (const auto& [from, to] : p.join_key_map()) keys.push_back(concat({from, "=", to}));
    std::sort(keys.begin(), keys.end());
    out.push_back(concat({p.feature_view_name(), "|", p.feature_view_name_alias(), "|",
                          join(keys, ","), "|", join(names, ",")}));
  }
  std::sort(out.begin(), out.end());
  return join(out, "\n");
}

constexpr auto kSources = static_cast<size_t>(features::Kind::kSource);

bool is_hidden(const features::About& about) {
  return about.tags.contains(concat({kTagPrefix, "deleted"}));
}

std::string source_meant(const features::Shelf& shelf, const std::string& name) {
  const auto there = [&](const std::string& source) {
    return shelf.latest[kSources].contains(source) || !shelf.views_of(source).empty();
  };
  if (name.empty()) return "";
  if (const std::string ours = source_name_of(name); there(ours)) return ours;
  for (const std::string_view suffix : {kHistorySuffix, kEventsSuffix})
    if (name.ends_with(suffix))
      if (std::string source = name.substr(0, name.size() - suffix.size()); there(source))
        return source;
  for (const auto& [source, a] : shelf.latest[kSources]) {
    const auto told = kept<proto::DataSource>(a->definition.about, "data_source");
    if (told && told->has_batch_source() && told->batch_source().name() == name) return source;
  }
  return "";
}

}  // namespace slip::wire::feast
