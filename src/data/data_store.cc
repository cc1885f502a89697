#include "data/data_store.h"

#include <array>

#include "base/check.h"
#include "base/text.h"
#include "codec/json.h"

namespace slip::data {
namespace {

constexpr std::string_view kSchema1 = R"(
CREATE TABLE dataset (
  project TEXT NOT NULL,
  name TEXT NOT NULL,
  uid TEXT NOT NULL,
  created_ms BIGINT NOT NULL,
  updated_ms BIGINT NOT NULL,
  PRIMARY KEY (project, name)
);
CREATE TABLE dataset_version (
  project TEXT NOT NULL,
  dataset_uid TEXT NOT NULL,
  number BIGINT NOT NULL,
  uid TEXT NOT NULL,
  digest TEXT NOT NULL,
  parent_number BIGINT NOT NULL,
  format TEXT NOT NULL,
  columns TEXT NOT NULL,
  row_count BIGINT NOT NULL,
  size_bytes BIGINT NOT NULL,
  message TEXT NOT NULL,
  created_ms BIGINT NOT NULL,
  created_by TEXT NOT NULL,
  PRIMARY KEY (project, dataset_uid, number)
);
CREATE INDEX dataset_version_digest ON dataset_version (project, dataset_uid, digest)
)";

constexpr std::array<store::Migration, 1> kMigrations = {{{"data", 1, kSchema1}}};

using codec::Json;

std::string encode_columns(const std::vector<codec::RowColumn>& columns) {
  Json out = Json::array();
  for (const codec::RowColumn& c : columns) {
    Json item = Json::array();
    item.push(c.name).push(c.type).push(c.nullable);
    out.push(std::move(item));
  }
  return codec::to_json(out);
}

std::vector<codec::RowColumn> decode_columns(std::string_view text) {
  const Result<Json> json = codec::parse_json(text);
  CHECK(json.ok() && json->is_array());  // Only we write this column.
  std::vector<codec::RowColumn> out;
  for (const Json& item : json->items()) {
    const std::vector<Json>& parts = item.items();
    out.push_back({parts[0].as_string(), parts[1].as_string(), parts[2].as_bool()});
  }
  return out;
}

}  // namespace

std::span<const store::Migration> migrations() { return kMigrations; }

namespace sql {
namespace {

constexpr std::string_view kVersionColumns =
    "number, uid, digest, parent_number, format, columns, row_count, size_bytes, message,"
    " created_ms, created_by";

Version decode(const store::Row& row, const Dataset& dataset) {
  Version v;
  v.dataset = dataset.name;
  v.dataset_uid = dataset.uid;
  v.number = row.i64(0);
  v.uid = row.str(1);
  v.digest = row.str(2);
  v.parent_number = row.i64(3);
  const auto format = codec::parse_row_format(row.text(4));
  CHECK(format.has_value());
  v.format = *format;
  v.columns = decode_columns(row.text(5));
  v.rows = row.i64(6);
  v.bytes = row.i64(7);
  v.message = row.str(8);
  v.created_ms = row.i64(9);
  v.created_by = row.str(10);
  return v;
}

Result<std::vector<Version>> query(store::Tx& tx, const Dataset& dataset, std::string_view where,
                                   std::initializer_list<store::Value> args) {
  std::vector<Version> out;
  TRY(tx.each(concat({"SELECT ", kVersionColumns, " FROM dataset_version ", where}), args,
              [&](const store::Row& row) { out.push_back(decode(row, dataset)); }));
  return out;
}

std::optional<Version> only(std::vector<Version> rows) {
  if (rows.empty()) return std::nullopt;
  return std::move(rows.front());
}

constexpr std::string_view kDatasets =
    "SELECT d.name, d.uid, d.created_ms, d.updated_ms, COUNT(v.number),"
    " COALESCE(MAX(v.number), 0) FROM dataset d LEFT JOIN dataset_version v"
    " ON v.project = d.project AND v.dataset_uid = d.uid ";

Dataset decode_dataset(const store::Row& row) {
  return {.name = row.str(0),
          .uid = row.str(1),
          .versions_count = row.i64(4),
          .latest_version = row.i64(5),
          .created_ms = row.i64(2),
          .updated_ms = row.i64(3)};
}

}  // namespace

Result<std::optional<Dataset>> find_dataset(store::Tx& tx, std::string_view project,
                                            std::string_view name) {
  std::optional<Dataset> out;
  TRY(tx.first(concat({kDatasets,
                       "WHERE d.project = ? AND d.name = ?"
                       " GROUP BY d.name, d.uid, d.created_ms, d.updated_ms"}),
               {project, name}, [&](const store::Row& row) { out = decode_dataset(row); }));
  return out;
}

Result<std::vector<Dataset>> list_datasets(store::Tx& tx, std::string_view project,
                                           std::string_view after, int64_t limit) {
  std::vector<Dataset> out;
  TRY(tx.each(concat({kDatasets,
                      "WHERE d.project = ? AND d.name > ?"
                      " GROUP BY d.name, d.uid, d.created_ms, d.updated_ms"
                      " ORDER BY d.name LIMIT ?"}),
              {project, after, limit},
              [&](const store::Row& row) { out.push_back(decode_dataset(row)); }));
  return out;
}

Status insert_dataset(store::Tx& tx, std::string_view project, const Dataset& d) {
  TRY(
      tx.exec("INSERT INTO dataset (project, name, uid, created_ms, updated_ms)"
              " VALUES (?, ?, ?, ?, ?)",
              {project, d.name, d.uid, d.created_ms, d.updated_ms}));
  return {};
}

Status touch_dataset(store::Tx& tx, std::string_view project, const Dataset& d,
                     int64_t updated_ms) {
  TRY(tx.exec("UPDATE dataset SET updated_ms = ? WHERE project = ? AND name = ?",
              {updated_ms, project, d.name}));
  return {};
}

Result<std::optional<Version>> find_version(store::Tx& tx, std::string_view project,
                                            const Dataset& dataset, int64_t number) {
  return only(TRY(query(tx, dataset, "WHERE project = ? AND dataset_uid = ? AND number = ?",
                        {project, dataset.uid, number})));
}

Result<std::optional<Version>> find_digest(store::Tx& tx, std::string_view project,
                                           const Dataset& dataset, std::string_view digest,
                                           codec::RowFormat format) {
  return only(TRY(query(tx, dataset,
                        "WHERE project = ? AND dataset_uid = ? AND digest = ? AND format = ?"
                        " ORDER BY number LIMIT 1",
                        {project, dataset.uid, digest, codec::row_format_name(format)})));
}

Result<std::vector<Version>> list_versions(store::Tx& tx, std::string_view project,
                                           const Dataset& dataset, int64_t after, int64_t limit) {
  return query(tx, dataset,
               "WHERE project = ? AND dataset_uid = ? AND number > ? ORDER BY number LIMIT ?",
               {project, dataset.uid, after, limit});
}

Status insert_version(store::Tx& tx, std::string_view project, const Version& v) {
  TRY(tx.exec(concat({"INSERT INTO dataset_version (project, dataset_uid, ", kVersionColumns,
                      ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"}),
              {project, v.dataset_uid, v.number, v.uid, v.digest, v.parent_number,
               codec::row_format_name(v.format), encode_columns(v.columns), v.rows, v.bytes,
               v.message, v.created_ms, v.created_by}));
  return {};
}

Status each_digest(store::Tx& tx, const std::function<void(std::string_view)>& on_digest) {
  return tx.each("SELECT digest FROM dataset_version", {},
                 [&](const store::Row& row) { on_digest(row.text(0)); });
}

}  // namespace sql
}  // namespace slip::data
