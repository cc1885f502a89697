#include "features/file_join.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/text.h"

namespace slip::features {
namespace {

struct Entities {
  std::vector<codec::Field> schema;
  std::vector<codec::Table> batches;
  RequestColumns request;
  std::vector<int64_t> times_us;
};

Result<std::string> time_column(const std::string& wanted,
                                const std::vector<codec::Field>& schema) {
  std::string only;
  for (const codec::Field& f : schema) {
    if (f.name == wanted || (wanted.empty() && f.name == "event_timestamp")) return f.name;
    if (f.type == codec::ColumnType::kTimestampUs) only = only.empty() ? f.name : "?";
  }
  if (wanted.empty() && !only.empty() && only != "?") return only;
  return invalid("feature.time", "no column of times in the entities")
      .with_hint("call it event_timestamp, or name it");
}

Status take_batch(const ReadPlan& plan, const std::string& time, const codec::Table& table,
                  Entities* out) {
  const auto take = [&](const FeatureField& f) -> Status {
    const codec::Column* c = table.find(f.name);
    if (c == nullptr)
      return invalid("feature.missing_key", concat({"the entities have no column '", f.name, "'"}));
    std::vector<Cell>& cells = out->request.columns[f.name];
    for (int64_t i = 0; i < table.rows; ++i) {
      Result<Cell> cell = cell_of_column(*c, i, f.type);
      if (!cell.ok())
        return std::move(cell).error().within(
            concat({"row ", std::to_string(out->request.rows + i), ", ", f.name}));
      cells.push_back(std::move(*cell));
    }
    return {};
  };
  for (const FeatureField& f : plan.keys) TRY(take(f));
  for (const FeatureField& f : plan.request) TRY(take(f));
  const codec::Column* c = table.find(time);
  static constexpr FeatureType kTime{.type = engine::Type::kTimestampUs};
  for (int64_t i = 0; i < table.rows; ++i) {
    const Cell cell = TRY(cell_of_column(*c, i, kTime));
    out->times_us.push_back(is_null(cell) ? INT64_MIN : std::get<int64_t>(cell));
  }
  out->request.rows += table.rows;
  if (out->request.rows > kEntityRowsMax)
    return exhausted("feature.too_many_rows", "more than 20 million entity rows");
  return {};
}

std::vector<codec::Field> joined_schema(const Entities& e, const ReadPlan& plan) {
  std::vector<codec::Field> out = e.schema;
  for (const ReadPlan::Out& o : plan.outs)
    out.push_back(codec::make_field(o.name, column_type_of(o.type)));
  return out;
}

Status write(const Entities& e, const ReadPlan& plan, const Features::Joined& joined,
             const std::vector<codec::Field>& schema, codec::TableWriter& writer) {
  size_t row = 0;
  for (const codec::Table& table : e.batches) {
    codec::Table out = codec::make_table(schema);
    std::ranges::copy(table.columns, out.columns.begin());
    out.rows = table.rows;
    for (size_t o = 0; o < plan.outs.size(); ++o)
      for (size_t i = 0; i < static_cast<size_t>(table.rows); ++i)
        add_to_column(&out.columns[e.schema.size() + o], joined.values[o][row + i],
                      plan.outs[o].type);
    row += static_cast<size_t>(table.rows);
    TRY(writer.write(out));
  }
  return writer.finish();
}

// The entities' keys of a read, from its rows in the span.
Status add_entities(Features& features, const Snapshot& what, const ReadPlan::Read& read,
                    std::set<std::vector<Cell>>* out) {
  History::Reading reading;
  reading.project = what.project;
  reading.source = read.view->source_name;
  reading.from_us = what.start_us;
  reading.to_us = what.end_us;
  const History::View rows = TRY(features.history().read(reading));
  return rows.visit([&](const History::Chunk& chunk) -> Status {
    const Batch& batch = chunk.batch;
    if (!batch.view.empty() && batch.view != read.view->name) return {};
    const auto columns = columns_as(batch, read.view->source.columns);
    const engine::Column event = batch.event.view();
    for (int64_t i = 0; i < batch.rows(); ++i) {
      if (event.is_null(i) || event.i64(i) < what.start_us || event.i64(i) > what.end_us) continue;
      std::vector<Cell> key;
      for (const size_t k : read.view->key_columns) key.push_back(cell_at(columns[k].view(), i));
      out->insert(std::move(key));
      if (static_cast<int64_t>(out->size()) > kEntityRowsMax)
        return exhausted("feature.too_many_rows", "more than 20 million entities");
    }
    return {};
  });
}

// Rows of which no view knows anything go.
std::vector<size_t> known_rows(const Features::Joined& joined, size_t rows) {
  std::vector<size_t> out;
  for (size_t i = 0; i < rows; ++i) {
    bool known = false;
    for (const std::vector<int64_t>& event : joined.event_us) known = known || event[i] != 0;
    for (const std::vector<Cell>& values : joined.values) known = known || !is_null(values[i]);
    if (known) out.push_back(i);
  }
  return out;
}

}  // namespace

Status join_file(Features& features, const FileJoin& join, codec::TableReader& entities,
                 codec::Format as, codec::ByteSink& out) {
  const ReadPlan& plan = *join.plan;
  Entities e;
  e.schema = entities.schema();
  std::erase_if(e.schema, [&](const codec::Field& f) {
    const bool read =
        join.columns.empty() || std::ranges::find(join.columns, f.name) != join.columns.end();
    return !f.readable || !read;
  });
  const std::string time = TRY(time_column(join.time, e.schema));
  for (const ReadPlan::Out& o : plan.outs)
    for (const codec::Field& f : e.schema)
      if (f.name == o.name)
        return invalid("feature.name_collision",
                       concat({"the entities have a column '", o.name, "'"}))
            .with_hint("ask for full feature names");
  for (;;) {
    std::optional<codec::Table> batch = TRY(entities.next());
    if (!batch) break;
    TRY(take_batch(plan, time, *batch, &e));
    e.batches.push_back(std::move(*batch));
  }
  for (const FeatureField& f : plan.keys) e.request.columns[f.name];
  const Features::Joined joined =
      TRY(features.join(join.project, plan, e.request, e.times_us, join.joining));
  const std::vector<codec::Field> schema = joined_schema(e, plan);
  const auto writer = TRY(codec::make_table_writer(as, schema, out));
  return write(e, plan, joined, schema, *writer);
}

Status join_all(Features& features, const Snapshot& what, codec::Format as, codec::ByteSink& out) {
  const ReadPlan& plan = *what.plan;
  if (!plan.request.empty())
    return invalid("feature.missing_key", concat({"'", plan.request[0].name,
                                                  "' of the request comes with entities only"}));
  std::set<std::vector<Cell>> entities;
  for (const ReadPlan::Read& read : plan.reads) {
    if (read.request_keys != plan.reads[0].request_keys)
      return unsupported("feature.request", "without entities, all views must be of the same ones");
    TRY(add_entities(features, what, read, &entities));
  }
  RequestColumns request;
  request.rows = static_cast<int64_t>(entities.size());
  for (const FeatureField& key : plan.keys) request.columns[key.name];
  for (const std::vector<Cell>& entity : entities)
    for (size_t k = 0; k < entity.size(); ++k)
      request.columns[plan.reads[0].request_keys[k]].push_back(entity[k]);
  const std::vector<int64_t> times(entities.size(), what.end_us);
  const Features::Joined joined =
      TRY(features.join(what.project, plan, request, times, what.joining));
  codec::Table table =
      codec::make_table({codec::make_field("event_timestamp", codec::ColumnType::kTimestampUs)});
  const std::vector<size_t> rows = known_rows(joined, entities.size());
  for (size_t i = 0; i < rows.size(); ++i) table.columns[0].add_i64(what.end_us);
  const auto add = [&](const std::string& name, const FeatureType& type,
                       const std::vector<Cell>& cells) {
    codec::Table one = codec::make_table({codec::make_field(name, column_type_of(type))});
    for (const size_t i : rows) add_to_column(&one.columns[0], cells[i], type);
    table.schema.push_back(std::move(one.schema[0]));
    table.columns.push_back(std::move(one.columns[0]));
  };
  for (const FeatureField& key : plan.keys) add(key.name, key.type, request.columns[key.name]);
  for (size_t o = 0; o < plan.outs.size(); ++o)
    add(plan.outs[o].name, plan.outs[o].type, joined.values[o]);
  table.rows = static_cast<int64_t>(rows.size());
  const auto writer = TRY(codec::make_table_writer(as, table.schema, out));
  TRY(writer->write(table));
  return writer->finish();
}

}  // namespace slip::features
