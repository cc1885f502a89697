#include "serving/archive.h"

#include <map>

#include "base/check.h"
#include "base/text.h"
#include "codec/json.h"
#include "codec/table.h"
#include "serving/prediction.h"
#include "store/blob_files.h"
#include "store/tree/tree.h"
#include "sys/clock.h"
#include "sys/log.h"

namespace slip::serving {

using codec::ColumnType;
using codec::Json;

struct Archive::Part {
  std::string project;
  std::string deployment_uid;
  ArchivedPart facts;
  store::Digest digest;
};

namespace {

constexpr int64_t kBatchRows = 4096;
constexpr size_t kFixedColumns = 9;

struct Key {
  std::string project;
  std::string uid;
  auto operator<=>(const Key&) const = default;
};

ColumnType column_type(const Tensor& t, int64_t rows) {
  if (stride_of(t, rows) != 1) return ColumnType::kText;
  if (t.type == DataType::kBytes) return ColumnType::kText;
  if (t.type == DataType::kUint64) return ColumnType::kText;  // Does not fit int64.
  return is_real(t.type) ? ColumnType::kDouble : ColumnType::kInt64;
}

Json value_json(const Tensor& t, int64_t index) {
  if (t.type == DataType::kBytes) {
    const std::string& s = t.strings[static_cast<size_t>(index)];
    return is_utf8(s) ? Json(s) : Json("base64:" + to_base64(s));
  }
  if (is_real(t.type)) return Json(t.number(index));
  return Json(static_cast<int64_t>(t.number(index)));
}

std::string text_value(const Tensor& t, int64_t first, int64_t stride) {
  if (stride == 1) {
    const Json one = value_json(t, first);
    return one.is_string() ? one.as_string() : codec::to_json(one);
  }
  Json list = Json::array();
  for (int64_t i = 0; i < stride; ++i) list.push(value_json(t, first + i));
  return codec::to_json(list);
}

void add_value(const Tensor& t, int64_t row, int64_t rows, codec::Column* column) {
  const int64_t stride = stride_of(t, rows);
  // A tensor that is no row a row belongs to the request: its first row carries it.
  const int64_t first = stride == 0 ? 0 : row * stride;
  if (stride == 0 && row > 0) return column->add_null();
  if (column->type == ColumnType::kText)
    return column->add_text(text_value(t, first, stride == 0 ? t.elements() : stride));
  if (column->type == ColumnType::kDouble) return column->add_f64(t.number(first));
  column->add_i64(static_cast<int64_t>(t.number(first)));
}

// The columns that the records of one deployment need: a type where all agree, else text.
class Schema {
 public:
  void see(const PredictionRecord& r) {
    const int64_t rows = r.rows();
    for (const Tensor& t : r.inputs) see_column("in." + t.name, column_type(t, rows));
    for (const Tensor& t : r.outputs) see_column("out." + t.name, column_type(t, rows));
  }
  std::vector<codec::Field> fields() const {
    std::vector<codec::Field> out;
    const auto add = [&](std::string name, ColumnType type, bool nullable) {
      out.push_back(codec::make_field(std::move(name), type, nullable));
    };
    add("prediction_id", ColumnType::kText, false);
    add("row", ColumnType::kInt64, false);
    add("ts_us", ColumnType::kTimestampUs, false);
    add("model_version", ColumnType::kInt64, false);
    add("role", ColumnType::kText, false);
    add("canary_weight", ColumnType::kDouble, false);
    add("latency_us", ColumnType::kInt64, false);
    add("client_ref", ColumnType::kText, false);
    add("trace_id", ColumnType::kText, false);
    CHECK(out.size() == kFixedColumns);
    for (const auto& [name, type] : columns_) add(name, type, true);
    return out;
  }

 private:
  void see_column(const std::string& name, ColumnType type) {
    const auto [it, fresh] = columns_.emplace(name, type);
    if (!fresh && it->second != type) it->second = ColumnType::kText;
  }
  std::map<std::string, ColumnType> columns_;
};

const Tensor* tensor_of(const PredictionRecord& r, std::string_view column) {
  const bool input = column.starts_with("in.");
  for (const Tensor& t : input ? r.inputs : r.outputs)
    if (t.name == column.substr(input ? 3 : 4)) return &t;
  return nullptr;
}

void add_row(const PredictionRecord& r, int64_t row, int64_t rows, codec::Table* table) {
  std::vector<codec::Column>& c = table->columns;
  c[0].add_text(r.id.text());
  c[1].add_i64(row);
  c[2].add_i64(r.ts_us);
  c[3].add_i64(r.model_version);
  c[4].add_text(role_name(r.role));
  c[5].add_f64(r.canary_weight);
  c[6].add_i64(r.latency_us);
  c[7].add_text(r.client_ref);
  c[8].add_text(r.trace_id);
  for (size_t i = kFixedColumns; i < c.size(); ++i) {
    const Tensor* t = tensor_of(r, table->schema[i].name);
    if (t == nullptr)
      c[i].add_null();
    else
      add_value(*t, row, rows, &c[i]);
  }
  ++table->rows;
}

// One Parquet file on its way into the blobs.
struct Output {
  std::unique_ptr<store::BlobDraft> draft;
  std::unique_ptr<store::DraftSink> sink;
  std::unique_ptr<codec::TableWriter> writer;
  codec::Table batch;
  ArchivedPart facts;

  Status add(const PredictionRecord& r) {
    const int64_t rows = r.rows();
    if (facts.rows == 0) facts.start_us = r.ts_us;
    facts.start_us = std::min(facts.start_us, r.ts_us);
    facts.end_us = std::max(facts.end_us, r.ts_us);
    for (int64_t row = 0; row < rows; ++row) {
      add_row(r, row, rows, &batch);
      if (batch.rows >= kBatchRows) TRY(flush());
    }
    facts.rows += rows;
    return {};
  }
  Status flush() {
    if (batch.rows == 0) return {};
    TRY(writer->write(batch));
    batch = codec::make_table(batch.schema);
    return {};
  }
};

std::string path_of(int64_t segment) {
  const std::string digits = std::to_string(segment);
  return concat({"predictions/", std::string(12 - std::min<size_t>(12, digits.size()), '0'), digits,
                 ".parquet"});
}

}  // namespace

Result<std::vector<Archive::Part>> Archive::write_parts(int64_t segment) {
  std::map<Key, Schema> schemas;
  TRY(deps_.log.read(segment, 0, [&](std::string_view payload, int64_t) -> Result<bool> {
    const PredictionRecord r = TRY(decode_prediction(payload));
    schemas[{r.project, r.deployment_uid}].see(r);
    return true;
  }));
  std::map<Key, Output> outputs;
  for (const auto& [key, schema] : schemas) {
    Output& o = outputs[key];
    o.draft = TRY(deps_.blobs.create());
    o.sink = std::make_unique<store::DraftSink>(*o.draft);
    o.batch = codec::make_table(schema.fields());
    o.writer = TRY(codec::make_table_writer(codec::Format::kParquet, schema.fields(), *o.sink));
    o.facts.segment = segment;
  }
  TRY(deps_.log.read(segment, 0, [&](std::string_view payload, int64_t) -> Result<bool> {
    const PredictionRecord r = TRY(decode_prediction(payload));
    TRY(outputs[{r.project, r.deployment_uid}].add(r));
    return true;
  }));
  std::vector<Part> parts;
  for (auto& [key, o] : outputs) {
    TRY(o.flush());
    TRY(o.writer->finish());
    o.facts.bytes = o.draft->size();
    Part part{.project = key.project, .deployment_uid = key.uid, .facts = o.facts, .digest = {}};
    part.digest = TRY(o.draft->commit());
    part.facts.digest = part.digest.text();
    parts.push_back(std::move(part));
  }
  return parts;
}

Status Archive::file_part(const Part& part) {
  std::string before;
  bool done = false;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    TRY(tx.first("SELECT root FROM prediction_archive WHERE project = ? AND deployment_uid = ?",
                 {part.project, part.deployment_uid},
                 [&](const store::Row& row) { before = row.str(0); }));
    done = TRY(tx.first(
        "SELECT rows_count FROM prediction_part WHERE project = ?"
        " AND deployment_uid = ? AND segment = ?",
        {part.project, part.deployment_uid, part.facts.segment}, [](const store::Row&) {}));
    return {};
  }));
  if (done) return {};
  const store::tree::Entry entry{.path = path_of(part.facts.segment),
                                 .digest = part.digest,
                                 .size = part.facts.bytes,
                                 .meta = {}};
  const store::Digest root =
      before.empty()
          ? TRY(store::tree::build(deps_.blobs, {entry}))
          : TRY(store::tree::apply(deps_.blobs, TRY(codec::parse_sha256(before)),
                                   {{.path = entry.path, .before = {}, .after = entry}}));
  const std::string root_text = root.text();
  return deps_.db.write([&](store::Tx& tx) -> Status {
    TRY(
        tx.exec("INSERT INTO prediction_archive (project, deployment_uid, root) VALUES (?, ?, ?)"
                " ON CONFLICT (project, deployment_uid) DO UPDATE SET root = excluded.root",
                {part.project, part.deployment_uid, root_text}));
    TRY(
        tx.exec("INSERT INTO prediction_part (project, deployment_uid, segment, digest,"
                " rows_count, bytes, start_us, end_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                {part.project, part.deployment_uid, part.facts.segment, part.facts.digest,
                 part.facts.rows, part.facts.bytes, part.facts.start_us, part.facts.end_us}));
    return {};
  });
}

Result<int64_t> Archive::compact(int64_t before_segment) {
  int64_t n = 0;
  for (const store::LogSegment& s : deps_.log.segments()) {
    if (!s.closed || s.number >= before_segment) break;
    int64_t rows = 0;
    for (const Part& part : TRY(write_parts(s.number))) {
      TRY(file_part(part));
      rows += part.facts.rows;
    }
    TRY(deps_.log.remove(s.number));
    deps_.notes.info("predictions archived", {{"segment", s.number}, {"rows", rows}});
    ++n;
  }
  return n;
}

namespace {

constexpr std::string_view kPartColumns =
    "SELECT segment, digest, rows_count, bytes, start_us, end_us FROM prediction_part"
    " WHERE project = ? AND deployment_uid = ?";

ArchivedPart decode_part(const store::Row& row) {
  return {row.i64(0), row.str(1), row.i64(2), row.i64(3), row.i64(4), row.i64(5)};
}

}  // namespace

Result<std::vector<ArchivedPart>> Archive::parts(const Ctx& ctx, const std::string& deployment_uid,
                                                 const Query& query) {
  std::vector<ArchivedPart> out;
  TRY(deps_.db.read([&](store::Tx& tx) {
    return tx.each(concat({kPartColumns,
                           " AND segment > ? AND end_us >= ? AND start_us <= ?"
                           " ORDER BY segment LIMIT ?"}),
                   {ctx.project.text, deployment_uid, query.after_segment, query.from_us,
                    query.to_us, query.limit},
                   [&](const store::Row& row) { out.push_back(decode_part(row)); });
  }));
  return out;
}

Result<ArchivedPart> Archive::part(const Ctx& ctx, const std::string& deployment_uid,
                                   int64_t segment) {
  std::optional<ArchivedPart> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    TRY(tx.first(concat({kPartColumns, " AND segment = ?"}),
                 {ctx.project.text, deployment_uid, segment},
                 [&](const store::Row& row) { out = decode_part(row); }));
    return {};
  }));
  if (out) return *std::move(out);
  return not_found("prediction_part.not_found",
                   concat({"the archive has no part ", std::to_string(segment)}));
}

Result<std::unique_ptr<store::BlobReader>> Archive::open(const ArchivedPart& part) {
  return deps_.blobs.open(TRY(codec::parse_sha256(part.digest)));
}

Status Archive::mark(const std::function<void(const store::Digest&)>& keep) {
  std::vector<std::string> roots;
  TRY(deps_.db.read([&](store::Tx& tx) {
    return tx.each("SELECT root FROM prediction_archive", {},
                   [&](const store::Row& row) { roots.push_back(row.str(0)); });
  }));
  for (const std::string& root : roots)
    TRY(store::tree::mark(deps_.blobs, TRY(codec::parse_sha256(root)), keep));
  return {};
}

}  // namespace slip::serving
