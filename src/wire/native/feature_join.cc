#include "wire/native/feature_join.h"

#include <algorithm>

#include "base/text.h"
#include "wire/native/native.h"

namespace slip::wire::native {
namespace {

constexpr int64_t kEntityRowsMax = 20'000'000;

struct Entities {
  std::vector<codec::Field> schema;
  std::vector<codec::Table> batches;
  features::RequestColumns request;
  std::vector<int64_t> times_us;
};

Result<std::string> time_column(const http::Request& request,
                                const std::vector<codec::Field>& schema) {
  const std::string wanted = query_text(request, "time");
  std::string only;
  for (const codec::Field& f : schema) {
    if (f.name == wanted || (wanted.empty() && f.name == "event_timestamp")) return f.name;
    if (f.type == codec::ColumnType::kTimestampUs) only = only.empty() ? f.name : "?";
  }
  if (wanted.empty() && !only.empty() && only != "?") return only;
  return invalid("feature.time", "no column of times in the entities")
      .with_hint("event_timestamp, or ?time=COLUMN");
}

Status take_batch(const features::ReadPlan& plan, const std::string& time,
                  const codec::Table& table, Entities* out) {
  const auto take = [&](const features::FeatureField& f) -> Status {
    const codec::Column* c = table.find(f.name);
    if (c == nullptr)
      return invalid("feature.missing_key", concat({"the entities have no column '", f.name, "'"}));
    std::vector<features::Cell>& cells = out->request.columns[f.name];
    for (int64_t i = 0; i < table.rows; ++i) {
      Result<features::Cell> cell = features::cell_of_column(*c, i, f.type);
      if (!cell.ok())
        return std::move(cell).error().within(
            concat({"row ", std::to_string(out->request.rows + i), ", ", f.name}));
      cells.push_back(std::move(*cell));
    }
    return {};
  };
  for (const features::FeatureField& f : plan.keys) TRY(take(f));
  for (const features::FeatureField& f : plan.request) TRY(take(f));
  const codec::Column* c = table.find(time);
  static constexpr features::FeatureType kTime{.type = engine::Type::kTimestampUs};
  for (int64_t i = 0; i < table.rows; ++i) {
    const features::Cell cell = TRY(features::cell_of_column(*c, i, kTime));
    out->times_us.push_back(features::is_null(cell) ? INT64_MIN : std::get<int64_t>(cell));
  }
  out->request.rows += table.rows;
  if (out->request.rows > kEntityRowsMax)
    return exhausted("feature.too_many_rows", "more than 20 million entity rows");
  return {};
}

Result<std::shared_ptr<const features::ReadPlan>> plan_of(features::Features& features,
                                                          const Ctx& ctx,
                                                          const http::Request& request) {
  const std::string service = query_text(request, "service");
  const std::string list = query_text(request, "features");
  const bool full = query_text(request, "full_names") == "true";
  if (service.empty() == list.empty())
    return invalid("request.query", "?service= or ?features=view:feature,… is wanted");
  const std::string key = concat({service, "\n", list, full ? "\nfull" : "\n"});
  return features.cached_plan(
      ctx, key, [&](const features::Shelf& shelf) -> Result<features::ReadPlan> {
        if (!service.empty()) return features::plan_service(shelf, service, 0, full);
        std::vector<std::string> references;
        for (const std::string_view one : split(std::string_view(list), ','))
          references.emplace_back(trim(one));
        return features::plan_read(shelf, TRY(features::items_of(references)), full);
      });
}

std::vector<codec::Field> joined_schema(const Entities& e, const features::ReadPlan& plan) {
  std::vector<codec::Field> out = e.schema;
  for (const features::ReadPlan::Out& o : plan.outs) {
    const codec::ColumnType type = features::column_type_of(o.type);
    out.push_back({.name = o.name,
                   .type = type,
                   .type_name = std::string(codec::column_type_name(type)),
                   .nullable = true,
                   .readable = true});
  }
  return out;
}

Status write(const Entities& e, const features::ReadPlan& plan,
             const features::Features::Joined& joined, codec::TableWriter& writer) {
  size_t row = 0;
  for (const codec::Table& table : e.batches) {
    codec::Table out;
    out.schema = joined_schema(e, plan);
    out.columns = table.columns;
    out.rows = table.rows;
    for (size_t o = 0; o < plan.outs.size(); ++o) {
      codec::Column column;
      column.type = out.schema[e.schema.size() + o].type;
      if (column.type == codec::ColumnType::kText || column.type == codec::ColumnType::kBytes)
        column.offsets.push_back(0);
      for (size_t i = 0; i < static_cast<size_t>(table.rows); ++i)
        features::add_to_column(&column, joined.values[o][row + i], plan.outs[o].type);
      out.columns.push_back(std::move(column));
    }
    row += static_cast<size_t>(table.rows);
    TRY(writer.write(out));
  }
  return writer.finish();
}

}  // namespace

Result<std::unique_ptr<features::FileRows>> open_spooled(features::Features& features,
                                                         http::Request& request) {
  const std::string format = query_text(request, "format");
  if (format.empty())
    return invalid("request.missing_field", "?format= is missing: parquet, csv, jsonl or arrow");
  const codec::Format parsed = TRY(codec::parse_format(format));
  if (!request.draft) return invalid("request.missing_field", "the request has no body");
  return features.open_file(parsed, std::move(request.draft));
}

Result<http::Reply> join_file(features::Features& features, const Ctx& ctx,
                              http::Request& request) {
  const auto plan = TRY(plan_of(features, ctx, request));
  features::Features::Joining joining;
  const std::string mode = query_text(request, "mode");
  if (mode == "as_known")
    joining.mode = features::JoinMode::kAsKnown;
  else if (!mode.empty() && mode != "as_of")
    return invalid("request.query", "?mode= is as_of or as_known");
  const std::string out_text = query_text(request, "out");
  const codec::Format out_format =
      TRY(codec::parse_format(out_text.empty() ? "parquet" : out_text));
  const std::unique_ptr<features::FileRows> table = TRY(open_spooled(features, request));
  Entities e;
  e.schema = table->rows().schema();
  std::erase_if(e.schema, [](const codec::Field& f) { return !f.readable; });
  const std::string time = TRY(time_column(request, e.schema));
  for (const features::ReadPlan::Out& o : plan->outs)
    for (const codec::Field& f : e.schema)
      if (f.name == o.name)
        return invalid("feature.name_collision",
                       concat({"the entities have a column '", o.name, "'"}))
            .with_hint("?full_names=true");
  for (;;) {
    std::optional<codec::Table> batch = TRY(table->rows().next());
    if (!batch) break;
    TRY(take_batch(*plan, time, *batch, &e));
    e.batches.push_back(std::move(*batch));
  }
  for (const features::FeatureField& f : plan->keys) e.request.columns[f.name];
  const features::Features::Joined joined =
      TRY(features.join(ctx.project.text, *plan, e.request, e.times_us, joining));
  http::Reply reply;
  reply.content_type = "application/octet-stream";
  const auto sink = codec::text_sink(&reply.body);
  const auto writer = TRY(codec::make_table_writer(out_format, joined_schema(e, *plan), *sink));
  TRY(write(e, *plan, joined, *writer));
  return reply;
}

}  // namespace slip::wire::native
