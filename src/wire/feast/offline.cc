#include "wire/feast/offline.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "features/file_join.h"
#include "features/pull.h"
#include "wire/feast/objects.h"

namespace slip::wire::feast {
namespace {

using codec::Json;
using features::Features;

constexpr codec::Format kTables = codec::Format::kArrow;

struct ApiRow {
  std::string_view name;
  Api api;
};
constexpr std::array<ApiRow, 6> kApis = {{
    {"get_historical_features", Api::kHistorical},
    {"pull_all_from_table_or_query", Api::kPullAll},
    {"pull_latest_from_table_or_query", Api::kPullLatest},
    {"get_table_column_names_and_types_from_data_source", Api::kColumns},
    {"offline_write_batch", Api::kWrite},
    {"validate_data_source", Api::kValidate},
}};

Error bad(std::string text) { return invalid("feast.command", std::move(text)); }

Result<std::vector<std::string>> texts(const Json& body, std::string_view key) {
  std::vector<std::string> out;
  const Json* list = body.find(key);
  if (list == nullptr || list->is_null()) return out;
  if (!list->is_array()) return bad(concat({key, ": a list is wanted"}));
  for (const Json& one : list->items()) {
    if (!one.is_string() && !one.is_null()) return bad(concat({key, ": texts are wanted"}));
    out.push_back(one.is_string() ? one.as_string() : std::string());
  }
  return out;
}

Result<std::string> text_or(const Json& body, std::string_view key) {
  const Json* found = body.find(key);
  if (found == nullptr || found->is_null()) return std::string();
  if (!found->is_string()) return bad(concat({key, ": a text is wanted"}));
  return found->as_string();
}

Result<int64_t> time_or(const Json& body, std::string_view key, int64_t fallback) {
  const std::string text = TRY(text_or(body, key));
  if (text.empty()) return fallback;
  return features::parse_time_us(text);
}

// ---- history

// The join keys that a service gives a view under its other name.
std::map<std::string, std::string> keys_as(const features::Shelf& shelf, const std::string& view,
                                           const std::string& alias) {
  for (const auto& [name, applied] : shelf.latest[static_cast<size_t>(features::Kind::kService)])
    for (const features::Service::Item& item : applied->definition.service.items)
      if (item.of.view == view && item.view_as == alias) return item.join_keys;
  return {};
}

Result<features::ReadPlan> plan_of(const features::Shelf& shelf, const Json& body, bool full) {
  const auto views = TRY(texts(body, "feature_view_names"));
  const auto aliases = TRY(texts(body, "name_aliases"));
  const auto references = TRY(texts(body, "feature_refs"));
  if (references.empty()) return bad("feature_refs: a list is wanted");
  std::vector<features::Service::Item> items = TRY(features::items_of(references));
  for (features::Service::Item& item : items)
    for (size_t i = 0; i < views.size() && i < aliases.size(); ++i) {
      if (aliases[i].empty() || aliases[i] != item.of.view) continue;
      item.of.view = views[i];
      item.view_as = aliases[i];
      item.join_keys = keys_as(shelf, views[i], aliases[i]);
      break;
    }
  return features::plan_read(shelf, items, full);
}

// Pandas keeps its index as a column, which no entity has.
Result<std::vector<std::string>> entity_columns(codec::ByteSource& table) {
  const auto reader = TRY(codec::open_table(kTables, table));
  std::vector<std::string> out;
  for (const codec::Field& f : reader->schema())
    if (f.readable && !f.name.starts_with("__index_level_")) out.push_back(f.name);
  return out;
}

// What the client sends when it has no table: one column of nothing.
bool is_nothing(const std::vector<std::string>& columns) {
  return columns.empty() || (columns.size() == 1 && columns[0] == "key");
}

constexpr int64_t kDayUs = 86'400'000'000;

Status historical(Features& features, const Ctx& ctx, const Json& body, codec::ByteSource* table,
                  codec::ByteSink& out) {
  const bool full = TRY(codec::bool_or(body, "full_feature_names", false));
  const auto shelf = features.catalog().shelf(ctx.project.text);
  auto plan = std::make_shared<const features::ReadPlan>(TRY(plan_of(*shelf, body, full)));
  const auto columns = table == nullptr ? std::vector<std::string>() : TRY(entity_columns(*table));
  if (is_nothing(columns)) {
    if (!TRY(text_or(body, "entity_df_sql")).empty())
      return unsupported("feast.unsupported", "entities by SQL: there is no warehouse to ask")
          .with_hint("pass a data frame");
    features::Snapshot what;
    what.project = ctx.project.text;
    what.end_us = TRY(time_or(body, "end_date", features.now_us()));
    int64_t reach = 0;
    for (const features::ReadPlan::Read& read : plan->reads)
      reach = std::max(reach, read.view->definition.view.ttl_us.value_or(0));
    what.start_us =
        TRY(time_or(body, "start_date", what.end_us - (reach > 0 ? reach : 30 * kDayUs)));
    what.plan = std::move(plan);
    return features::join_all(features, what, kTables, out);
  }
  features::FileJoin join;
  join.project = ctx.project.text;
  join.plan = std::move(plan);
  codec::ReadOptions options;
  options.columns = columns;
  join.columns = columns;
  const auto entities = TRY(codec::open_table(kTables, *table, options));
  return features::join_file(features, join, *entities, kTables, out);
}

// ---- sources

// As its owner calls it; a name that means none of ours stays, to be told that.
std::string meant(Features& features, const Ctx& ctx, const std::string& name) {
  std::string source = source_meant(*features.catalog().shelf(ctx.project.text), name);
  return source.empty() ? name : source;
}

Status pull(Features& features, const Ctx& ctx, const Command& command, codec::ByteSink& out) {
  features::Pull pull;
  pull.project = ctx.project.text;
  pull.source = meant(features, ctx, TRY(codec::want_string(command.body, "data_source_name")));
  pull.keys = TRY(texts(command.body, "join_key_columns"));
  pull.columns = TRY(texts(command.body, "feature_name_columns"));
  pull.event_as = TRY(text_or(command.body, "timestamp_field"));
  pull.created_as = TRY(text_or(command.body, "created_timestamp_column"));
  pull.start_us = TRY(time_or(command.body, "start_date", INT64_MIN));
  pull.end_us = TRY(time_or(command.body, "end_date", INT64_MAX));
  pull.latest = command.api == Api::kPullLatest;
  return features::pull_file(features, pull, kTables, out);
}

// The client sends the source's message as JSON, or as protobuf's text: `name: "…"` among its
// fields.
Result<std::string> source_named(const Json& body) {
  const std::string text = TRY(text_or(body, "data_source_proto"));
  if (const Result<Json> source = codec::parse_json(text); source.ok() && source->is_object())
    return codec::want_string(*source, "name");
  for (const std::string_view line : split(std::string_view(text), '\n')) {
    const std::string_view field = trim(line);
    if (!field.starts_with("name: \"") || !field.ends_with('"') || field.size() < 8) continue;
    return std::string(field.substr(7, field.size() - 8));
  }
  return bad("data_source_proto names no source");
}

Status columns(Features& features, const Ctx& ctx, const Json& body, codec::ByteSink& out) {
  const auto fields = TRY(features::columns_of(features, ctx.project.text,
                                               meant(features, ctx, TRY(source_named(body)))));
  codec::Table table = codec::make_table({codec::make_field("name", codec::ColumnType::kText),
                                          codec::make_field("type", codec::ColumnType::kText)});
  for (const features::FeatureField& f : fields) {
    table.columns[0].add_text(f.name);
    table.columns[1].add_text(f.type.text());
  }
  table.rows = static_cast<int64_t>(fields.size());
  const auto writer = TRY(codec::make_table_writer(kTables, table.schema, out));
  TRY(writer->write(table));
  return writer->finish();
}

Status write_batch(Features& features, const Ctx& ctx, const Json& body, codec::ByteSource& table) {
  const auto views = TRY(texts(body, "feature_view_names"));
  if (views.size() != 1) return bad("feature_view_names: one view is wanted");
  const auto shelf = features.catalog().shelf(ctx.project.text);
  const features::ViewPtr view = shelf->view(views[0]);
  const std::string source = view != nullptr ? view->source_name : source_meant(*shelf, views[0]);
  if (source.empty())
    return not_found("feature_view.not_found",
                     concat({"Feature view ", views[0], " does not exist"}));
  const auto rows = TRY(codec::open_table(kTables, table));
  TRY(features.load(ctx, {.source = source, .to = features::To::kOffline}, *rows));
  return {};
}

}  // namespace

Result<Command> parse_command(std::string_view text) {
  if (text.size() > kCommandBytesMax) return bad("a command has at most 1 MiB");
  Result<Json> body = codec::parse_json(text);
  if (!body.ok() || !body->is_object()) return bad("the command is no JSON object");
  const std::string name = TRY(text_or(*body, "api"));
  for (const ApiRow& row : kApis)
    if (row.name == name) return Command{row.api, std::move(*body)};
  if (name.empty()) return bad("the command names no 'api'");
  return unsupported("feast.unsupported", concat({"'", name, "' isn't offered"}))
      .with_hint(name == "write_logged_features"
                     ? "a FeatureService with log: {sample_by_key: …} logs what it serves itself"
                     : "");
}

bool writes(const Command& command) {
  return command.api == Api::kWrite || command.api == Api::kValidate;
}

bool wants_table(const Command& command) {
  return command.api == Api::kWrite ||
         (command.api == Api::kHistorical && command.body.find("start_date") == nullptr &&
          command.body.find("end_date") == nullptr);
}

Status carry_out(Features& features, const Ctx& ctx, const Command& command,
                 codec::ByteSource& table) {
  if (command.api == Api::kWrite) return write_batch(features, ctx, command.body, table);
  // A source that isn't there is about to be applied: its rows will lie here, not where it says.
  const std::string name = TRY(source_named(command.body));
  return features::check_feature_name("the name of a data source", name);
}

Status answer(Features& features, const Ctx& ctx, const Command& command, codec::ByteSource* table,
              codec::ByteSink& out) {
  switch (command.api) {
    case Api::kHistorical:
      return historical(features, ctx, command.body, table, out);
    case Api::kPullAll:
    case Api::kPullLatest:
      return pull(features, ctx, command, out);
    case Api::kColumns:
      return columns(features, ctx, command.body, out);
    case Api::kWrite:
    case Api::kValidate:
      return bad("a command that writes has no answer");
  }
  CHECK(false);
}

}  // namespace slip::wire::feast
