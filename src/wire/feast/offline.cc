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

constexpr codec::Format kTables = codec::Format::kArrow;  // As they travel.

struct ApiRow {
  std::string_view name;
  Api api;
};
constexpr std::array<ApiRow, 7> kApis = {{
    {"get_historical_features", Api::kHistorical},
    {"pull_all_from_table_or_query", Api::kPullAll},
    {"pull_latest_from_table_or_query", Api::kPullLatest},
    {"get_table_column_names_and_types_from_data_source", Api::kColumns},
    {"offline_write_batch", Api::kWrite},
    {"validate_data_source", Api::kValidate},
    {"persist", Api::kPersist},
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

// Where an answer goes, and as what.
struct Out {
  codec::Format as = kTables;
  codec::ByteSink& bytes;
};

Status historical(const Offline& at, const Ctx& ctx, const Json& body, codec::ByteSource* table,
                  const Out& out) {
  Features& features = at.features;
  const bool full = TRY(codec::bool_or(body, "full_feature_names", false));
  const auto shelf = features.catalog().shelf(ctx.project.text);
  auto plan = std::make_shared<const features::ReadPlan>(TRY(plan_of(*shelf, body, full)));
  TRY(at.files.refresh_plan(ctx, *plan));
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
    return features::join_all(features, what, out.as, out.bytes);
  }
  features::FileJoin join;
  join.project = ctx.project.text;
  join.plan = std::move(plan);
  codec::ReadOptions options;
  options.columns = columns;
  options.nanoseconds = true;  // To microseconds, to which they are cut.
  join.columns = columns;
  const auto entities = TRY(codec::open_table(kTables, *table, options));
  return features::join_file(features, join, *entities, out.as, out.bytes);
}

// ---- sources

// As its owner calls it; a name that means none of ours stays, to be told that.
std::string meant(Features& features, const Ctx& ctx, const std::string& name) {
  std::string source = source_meant(*features.catalog().shelf(ctx.project.text), name);
  return source.empty() ? name : source;
}

// A file of the server's machine that such a source is; "": it is none.
std::string file_of(const Offline& at, const Ctx& ctx, const std::string& source) {
  const Result<features::Source> known = at.features.source_for(ctx, source, "");
  return known.ok() && at.files.reads(known->file) ? known->file : "";
}

Status pull(const Offline& at, const Ctx& ctx, const Command& command, const Out& out) {
  const std::string name = TRY(codec::want_string(command.body, "data_source_name"));
  features::Pull pull;
  pull.project = ctx.project.text;
  pull.source = meant(at.features, ctx, name);
  pull.keys = TRY(texts(command.body, "join_key_columns"));
  pull.columns = TRY(texts(command.body, "feature_name_columns"));
  pull.event_as = TRY(text_or(command.body, "timestamp_field"));
  pull.created_as = TRY(text_or(command.body, "created_timestamp_column"));
  pull.start_us = TRY(time_or(command.body, "start_date", INT64_MIN));
  pull.end_us = TRY(time_or(command.body, "end_date", INT64_MAX));
  pull.latest = command.api == Api::kPullLatest;
  // A file that no view reads, such as a table that was saved, has no history.
  const auto shelf = at.features.catalog().shelf(ctx.project.text);
  const std::string file = file_of(at, ctx, pull.source);
  if (!file.empty() && shelf->views_of(pull.source).empty())
    return features::pull_rows([&] { return at.files.open(file); }, pull, out.as, out.bytes);
  TRY(at.files.refresh(ctx, {pull.source}));
  return features::pull_file(at.features, pull, out.as, out.bytes);
}

// The client sends the source's message as JSON, or as protobuf's text: `name: "…"` among its
// fields.
struct SourceSaid {
  std::string name;
  std::string file;
};
Result<SourceSaid> source_said(const Json& body) {
  SourceSaid out;
  const std::string text = TRY(text_or(body, "data_source_proto"));
  if (const Result<Json> source = codec::parse_json(text); source.ok() && source->is_object()) {
    out.name = TRY(codec::want_string(*source, "name"));
    const Json* options = source->find("fileOptions");
    if (options != nullptr && options->is_object()) out.file = TRY(text_or(*options, "uri"));
    return out;
  }
  for (const std::string_view line : split(std::string_view(text), '\n')) {
    const std::string_view field = trim(line);
    for (const auto& [key, value] : {std::pair{"name: \"", &out.name}, {"uri: \"", &out.file}}) {
      const std::string_view head = key;
      if (!value->empty() || !field.starts_with(head) || !field.ends_with('"')) continue;
      if (field.size() > head.size())
        *value = field.substr(head.size(), field.size() - head.size() - 1);
    }
  }
  if (out.name.empty()) return bad("data_source_proto names no source");
  return out;
}

Status write_columns(const std::vector<std::pair<std::string, std::string>>& fields,
                     const Out& out) {
  codec::Table table = codec::make_table({codec::make_field("name", codec::ColumnType::kText),
                                          codec::make_field("type", codec::ColumnType::kText)});
  for (const auto& [name, type] : fields) {
    table.columns[0].add_text(name);
    table.columns[1].add_text(type);
  }
  table.rows = static_cast<int64_t>(fields.size());
  const auto writer = TRY(codec::make_table_writer(out.as, table.schema, out.bytes));
  TRY(writer->write(table));
  return writer->finish();
}

// Of a source that is about to be applied there is its file alone.
Status columns(const Offline& at, const Ctx& ctx, const Json& body, const Out& out) {
  const SourceSaid said = TRY(source_said(body));
  std::vector<std::pair<std::string, std::string>> fields;
  if (at.files.reads(said.file)) {
    const std::unique_ptr<features::FileRows> rows = TRY(at.files.open(said.file));
    for (const codec::Field& f : rows->rows().schema()) fields.emplace_back(f.name, f.type_name);
    return write_columns(fields, out);
  }
  for (const features::FeatureField& f :
       TRY(features::columns_of(at.features, ctx.project.text, meant(at.features, ctx, said.name))))
    fields.emplace_back(f.name, f.type.text());
  return write_columns(fields, out);
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
  codec::ReadOptions options;
  options.decimals = options.nested = options.nanoseconds = true;
  const auto rows = TRY(codec::open_table(kTables, table, options));
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

bool changes(const Command& command) {
  return command.api == Api::kWrite || command.api == Api::kPersist;
}

bool writes(const Command& command) { return changes(command) || command.api == Api::kValidate; }

bool wants_table(const Command& command) {
  return changes(command) ||
         (command.api == Api::kHistorical && command.body.find("start_date") == nullptr &&
          command.body.find("end_date") == nullptr);
}

bool wants_edit(const Command& command) {
  return changes(command) || command.api == Api::kColumns || command.api == Api::kValidate;
}

std::vector<std::string> projects_of(const Features& features, const Ctx& ctx,
                                     const Command& command) {
  const auto shelves = features.catalog().shelves().load();
  const Result<std::string> named = text_or(command.body, "project");
  if (named.ok() && !named->empty() && (shelves->contains(*named) || command.api == Api::kWrite))
    return {*named};
  std::string name;
  if (const Result<std::string> source = text_or(command.body, "data_source_name"); source.ok())
    name = *source;
  if (const auto views = texts(command.body, "feature_view_names"); views.ok() && !views->empty())
    name = views->front();
  if (const Result<SourceSaid> said = source_said(command.body); name.empty() && said.ok())
    name = said->name;
  const auto has = [&](const features::Shelf& shelf) {
    return shelf.view(name) != nullptr || !source_meant(shelf, name).empty();
  };
  if (name.empty() || has(*features.catalog().shelf(ctx.project.text))) return {""};
  std::vector<std::string> out;
  for (const auto& [project, shelf] : *shelves)
    if (has(*shelf)) out.push_back(project);
  return out;
}

namespace {

Status answer_as(const Offline& at, const Ctx& ctx, const Command& command,
                 codec::ByteSource* table, const Out& out) {
  switch (command.api) {
    case Api::kHistorical:
      return historical(at, ctx, command.body, table, out);
    case Api::kPullAll:
    case Api::kPullLatest:
      return pull(at, ctx, command, out);
    case Api::kColumns:
      return columns(at, ctx, command.body, out);
    case Api::kWrite:
    case Api::kValidate:
    case Api::kPersist:
      return bad("a command that writes has no answer");
  }
  CHECK(false);
}

// The answer of another command as the file that a source is.
Status persist(const Offline& at, const Ctx& ctx, const Json& body, codec::ByteSource& table) {
  const std::string of = TRY(codec::want_string(body, "retrieve_func"));
  Json inner = body;
  inner.set("api", of);
  const Command command = TRY(parse_command(codec::to_json(inner)));
  if (command.api != Api::kHistorical)
    return unsupported("feast.unsupported", concat({"'", of, "' isn't saved: training sets are"}));
  const std::string name = TRY(codec::want_string(body, "data_source_name"));
  const features::Source to = TRY(at.features.source_for(ctx, meant(at.features, ctx, name), ""));
  if (to.file.empty())
    return invalid("feast.command", concat({"data source ", name, " is no file"}));
  const bool overwrite = TRY(codec::bool_or(body, "allow_overwrite", false));
  return at.files.write(to.file, overwrite, [&](codec::ByteSink& bytes) {
    return answer_as(at, ctx, command, &table, {.as = codec::Format::kParquet, .bytes = bytes});
  });
}

}  // namespace

Status carry_out(const Offline& at, const Ctx& ctx, const Command& command,
                 codec::ByteSource& table) {
  if (command.api == Api::kWrite) return write_batch(at.features, ctx, command.body, table);
  if (command.api == Api::kPersist) return persist(at, ctx, command.body, table);
  // A source that isn't there is about to be applied; one that is a file here must be readable.
  const SourceSaid said = TRY(source_said(command.body));
  if (at.files.reads(said.file)) TRY(at.files.open(said.file));
  return {};
}

Status answer(const Offline& at, const Ctx& ctx, const Command& command, codec::ByteSource* table,
              codec::ByteSink& out) {
  return answer_as(at, ctx, command, table, {.as = kTables, .bytes = out});
}

}  // namespace slip::wire::feast
