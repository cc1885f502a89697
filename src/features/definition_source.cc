#include "base/text.h"
#include "features/definition_members.h"

// Documents of kind Source: columns and times, and where the rows come from.
namespace slip::features {

using codec::Json;

Result<std::vector<FeatureField>> fields_of(const Json* object, std::string_view path) {
  std::vector<FeatureField> out;
  if (object == nullptr) return out;
  for (const auto& [name, type] : object->members()) {
    TRY(check_feature_name(path, name));
    if (!type.is_string()) return bad(concat({path, ".", name}), "a type is wanted");
    Result<FeatureType> parsed = parse_feature_type(type.as_string());
    if (!parsed.ok()) return std::move(parsed).error().within(concat({path, ".", name}));
    out.push_back({name, *parsed});
  }
  if (out.size() > kFeaturesMax) return exhausted("feature.too_many", "more than 2000 columns");
  return out;
}

Result<std::vector<std::string>> names_of(const Json* list, std::string_view path) {
  std::vector<std::string> out;
  if (list == nullptr) return out;
  for (const Json& one : list->items()) {
    if (!one.is_string()) return bad(path, "names are wanted");
    TRY(check_feature_name(path, one.as_string()));
    out.push_back(one.as_string());
  }
  return out;
}

Result<Source> source_of(Members& m) {
  Source out;
  const Json* columns = TRY(m.object("columns"));
  out.columns = TRY(fields_of(columns, m.at("columns")));
  out.event_time = TRY(m.text("event_time", out.event_time));
  out.created_time = TRY(m.text("created_time"));
  out.contract = TRY(m.text("contract"));
  if (out.find(out.event_time) != nullptr || out.find(out.created_time) != nullptr)
    return bad(m.at("columns"), "the times are columns of their own");
  if (out.find("_deleted") != nullptr)
    return bad(m.at("columns"), "_deleted marks rows that take others back");
  return out;
}

namespace {

// `inputs: [txn]`, or `inputs: {t: txn}` for a table of another name.
Result<std::optional<Source::Computed>> computed_of(Members& m) {
  Source::Computed out;
  out.sql = TRY(m.text("sql"));
  const Json* inputs = m.take("inputs");
  const std::string every = TRY(m.text("every"));
  if (out.sql.empty()) {
    if (inputs != nullptr || !every.empty()) return bad(m.at("sql"), "a query is wanted");
    return std::optional<Source::Computed>();
  }
  const std::string at = m.at("inputs");
  if (inputs != nullptr && inputs->is_array())
    for (const std::string& name : TRY(names_of(inputs, at))) out.inputs[name] = name;
  if (inputs != nullptr && !inputs->is_array()) {
    if (!inputs->is_object()) return bad(at, "names of sources are wanted");
    for (const auto& [table, source] : inputs->members()) {
      if (!source.is_string()) return bad(at, "{table: source} is wanted");
      TRY(check_feature_name(at, table));
      TRY(check_feature_name(at, source.as_string()));
      out.inputs[table] = source.as_string();
    }
  }
  for (const auto& [table, source] : out.inputs)
    if (table.starts_with("_slipway")) return bad(at, "such a table is the server's own");
  if (!every.empty()) {
    out.every_us = TRY(parse_duration_us(every));
    if (*out.every_us <= 0) return bad(m.at("every"), "a time is wanted");
  }
  return std::optional(std::move(out));
}

}  // namespace

Status source_document(Members& m, Source* out) {
  *out = TRY(source_of(m));
  if (const std::string text = TRY(m.text("retention")); !text.empty()) {
    out->retention_us = TRY(parse_duration_us(text));
    if (*out->retention_us <= 0) return bad(m.at("retention"), "a time is wanted");
  }
  out->file = TRY(m.text("file"));
  if (const Json* renamed = TRY(m.object("rename")))
    for (const auto& [from, to] : renamed->members()) {
      if (!to.is_string()) return bad(m.at("rename"), "{name in files: name} is wanted");
      out->renamed[from] = to.as_string();
    }
  if (const Json* kafka = TRY(m.object("kafka")))
    out->kafka = TRY(parse_kafka_source(*kafka, m.at("kafka")));
  out->computed = TRY(computed_of(m));
  if (out->computed && out->kafka)
    return bad(m.at("sql"), "rows come from a query or from a topic, not from both");
  if (out->computed && !(out->file.empty() && out->renamed.empty()))
    return bad(m.at("sql"), "rows come from a query or from files, not from both");
  if (out->computed && !out->created_time.empty())
    return bad(m.at("created_time"), "computed rows are known from when they were computed");
  if (out->computed && out->columns.empty())
    return bad(m.at("columns"), "the columns of the query's result are wanted");
  // None as yet is to be said: `columns: {}`.
  if (m.take("columns") == nullptr) return bad(m.at("columns"), "a source has columns");
  return {};
}

}  // namespace slip::features
