#include "data/data_store.h"

#include "base/text.h"
#include "codec/json.h"
#include "core/ledger/ledger.h"
#include "store/caller.h"

namespace slip::data {
namespace {

// `branch` holds where each branch stands; today there is only `main`.
constexpr std::string_view kTables = R"sql(
CREATE TABLE repository (
  project TEXT NOT NULL, uid TEXT NOT NULL, name TEXT NOT NULL, created_ms BIGINT NOT NULL,
  updated_ms BIGINT NOT NULL, created_by TEXT NOT NULL,
  PRIMARY KEY (project, uid));
CREATE UNIQUE INDEX repository_by_name ON repository (project, name);
CREATE TABLE branch (
  project TEXT NOT NULL, repository_uid TEXT NOT NULL, name TEXT NOT NULL, version BIGINT NOT NULL,
  PRIMARY KEY (project, repository_uid, name));
CREATE TABLE dataset_version (
  project TEXT NOT NULL, repository_uid TEXT NOT NULL, version BIGINT NOT NULL, uid TEXT NOT NULL,
  digest TEXT NOT NULL, root TEXT NOT NULL, parent_version BIGINT NOT NULL, format TEXT NOT NULL,
  row_count BIGINT NOT NULL, byte_count BIGINT NOT NULL, columns TEXT NOT NULL,
  message TEXT NOT NULL, created_ms BIGINT NOT NULL, created_by TEXT NOT NULL,
  PRIMARY KEY (project, repository_uid, version));
CREATE INDEX dataset_version_by_digest ON dataset_version (project, repository_uid, digest);
CREATE INDEX dataset_version_by_root ON dataset_version (root);
)sql";

constexpr std::string_view kVersionsByUid =
    "CREATE INDEX dataset_version_by_uid ON dataset_version (project, uid)";

constexpr std::array<store::Migration, 2> kMigrations = {
    {{"data", 1, kTables}, {"data", 2, kVersionsByUid}}};

constexpr std::array<ledger::Scope, 1> kScopes = {{
    {"dataset_version", "'dataset'",
     "SELECT v.repository_uid FROM dataset_version v WHERE v.project = e.project"
     " AND v.uid = e.uid"},
}};

}  // namespace

std::span<const store::Migration> migrations() { return kMigrations; }
std::span<const ledger::Scope> event_scopes() { return kScopes; }

namespace sql {
namespace {

constexpr std::string_view kMain = "main";
constexpr std::string_view kRepositoryColumns =
    "SELECT r.uid, r.name, b.version, r.created_ms, r.updated_ms, r.created_by FROM repository r "
    "JOIN branch b"
    " ON b.project = r.project AND b.repository_uid = r.uid AND b.name = 'main' ";
constexpr std::string_view kVersionColumns =
    "SELECT version, uid, digest, root, parent_version, format, row_count, byte_count, columns,"
    " message, created_ms, created_by FROM dataset_version ";

std::string with(std::string_view columns, std::string_view rest) {
  return std::string(columns).append(rest);
}

Repository read_repository(const store::Row& row) {
  return {row.str(0), row.str(1), row.i64(2), row.i64(3), row.i64(4), row.str(5)};
}

Result<std::vector<codec::Field>> parse_schema(std::string_view text) {
  std::vector<codec::Field> out;
  const codec::Json all = TRY(codec::parse_json(text));
  for (const codec::Json& item : all.items()) {
    codec::Field f;
    f.name = TRY(codec::want_string(item, "name"));
    f.type_name = TRY(codec::want_string(item, "type"));
    f.nullable = TRY(codec::want_bool(item, "nullable"));
    f.readable = TRY(codec::want_bool(item, "readable"));
    f.type = static_cast<codec::ColumnType>(TRY(codec::want_int(item, "kind")));
    out.push_back(std::move(f));
  }
  return out;
}

Result<Version> read_version(const store::Row& row, const Repository& of) {
  Version v;
  v.dataset = of.name;
  v.dataset_uid = of.uid;
  v.number = row.i64(0);
  v.uid = row.str(1);
  v.digest = row.str(2);
  v.root = row.str(3);
  v.parent_number = row.i64(4);
  v.format = TRY(codec::parse_format(row.text(5)));
  v.rows = row.i64(6);
  v.bytes = row.i64(7);
  v.columns = TRY(parse_schema(row.text(8)));
  v.message = row.str(9);
  v.created_ms = row.i64(10);
  v.created_by = row.str(11);
  return v;
}

Result<std::vector<Version>> read_versions(store::Tx& tx, const std::string& statement,
                                           std::initializer_list<store::Value> args,
                                           const Repository& of) {
  std::vector<Version> out;
  Status decoded;
  TRY(tx.each(statement, args, [&](const store::Row& row) {
    Result<Version> v = read_version(row, of);
    if (v.ok())
      out.push_back(std::move(*v));
    else
      decoded = v.error();
  }));
  TRY(decoded);
  return out;
}

std::optional<Version> first(std::vector<Version> all) {
  if (all.empty()) return std::nullopt;
  return std::move(all[0]);
}

}  // namespace

std::string schema_json(const std::vector<codec::Field>& schema) {
  codec::Json out = codec::Json::array();
  for (const codec::Field& f : schema)
    out.push(codec::Json::object({{"name", f.name},
                                  {"type", f.type_name},
                                  {"nullable", f.nullable},
                                  {"readable", f.readable},
                                  {"kind", static_cast<int64_t>(f.type)}}));
  return codec::to_json(out);
}

Result<std::optional<Repository>> find_repository(store::Tx& tx, const std::string& project,
                                                  const std::string& name) {
  std::optional<Repository> out;
  TRY(tx.each(with(kRepositoryColumns, "WHERE r.project = ? AND r.name = ?"), {project, name},
              [&](const store::Row& row) { out = read_repository(row); }));
  return out;
}

Status insert_repository(store::Tx& tx, const std::string& project, const Repository& r) {
  TRY(
      tx.exec("INSERT INTO repository (project, uid, name, created_ms, updated_ms, created_by)"
              " VALUES (?, ?, ?, ?, ?, ?)",
              {project, r.uid, r.name, r.created_ms, r.updated_ms, r.created_by}));
  TRY(tx.exec("INSERT INTO branch (project, repository_uid, name, version) VALUES (?, ?, ?, ?)",
              {project, r.uid, kMain, r.head}));
  return {};
}

Status move_main(store::Tx& tx, const std::string& project, const Repository& r,
                 const Version& to) {
  const int64_t moved =
      TRY(tx.exec("UPDATE branch SET version = ? WHERE project = ? AND repository_uid = ?"
                  " AND name = ? AND version = ?",
                  {to.number, project, r.uid, kMain, r.head}));
  if (moved != 1) return conflict("dataset.moved", "another version was committed meanwhile");
  TRY(tx.exec("UPDATE repository SET updated_ms = ? WHERE project = ? AND uid = ?",
              {to.created_ms, project, r.uid}));
  return {};
}

Result<std::vector<Repository>> list_repositories(store::Tx& tx, const Ctx& ctx,
                                                  std::string_view after, int64_t limit) {
  const store::RowTest readable = store::readable(ctx, "dataset", "r.uid");
  std::vector<store::Value> args = {std::string_view(ctx.project.text), after};
  args.insert(args.end(), readable.args.begin(), readable.args.end());
  args.emplace_back(limit);
  std::vector<Repository> out;
  TRY(tx.each(concat({kRepositoryColumns, "WHERE r.project = ? AND r.name > ?", readable.sql,
                      " ORDER BY r.name LIMIT ?"}),
              args, [&](const store::Row& row) { out.push_back(read_repository(row)); }));
  return out;
}

Status insert_version(store::Tx& tx, const std::string& project, const std::string& repository_uid,
                      const Version& v) {
  TRY(
      tx.exec("INSERT INTO dataset_version (project, repository_uid, version, uid, digest, root,"
              " parent_version, format, row_count, byte_count, columns, message, created_ms,"
              " created_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
              {project, repository_uid, v.number, v.uid, v.digest, v.root, v.parent_number,
               codec::format_name(v.format), v.rows, v.bytes, schema_json(v.columns), v.message,
               v.created_ms, v.created_by}));
  return {};
}

Result<std::optional<Version>> find_version(store::Tx& tx, const std::string& project,
                                            const Repository& r, int64_t number) {
  return first(TRY(read_versions(
      tx, with(kVersionColumns, "WHERE project = ? AND repository_uid = ? AND version = ?"),
      {project, r.uid, number}, r)));
}

Result<std::optional<Version>> find_content(store::Tx& tx, const std::string& project,
                                            const Repository& r, const std::string& digest,
                                            codec::Format format) {
  return first(TRY(read_versions(tx,
                                 with(kVersionColumns,
                                      "WHERE project = ? AND repository_uid = ? AND digest = ?"
                                      " AND format = ? ORDER BY version DESC LIMIT 1"),
                                 {project, r.uid, digest, codec::format_name(format)}, r)));
}

Result<std::vector<Version>> list_versions(store::Tx& tx, const std::string& project,
                                           const Repository& r, int64_t after, int64_t limit) {
  return read_versions(tx,
                       with(kVersionColumns,
                            "WHERE project = ? AND repository_uid = ? AND version > ?"
                            " ORDER BY version LIMIT ?"),
                       {project, r.uid, after, limit}, r);
}

Result<std::vector<std::string>> list_roots(store::Tx& tx, const std::string& after,
                                            int64_t limit) {
  std::vector<std::string> out;
  TRY(tx.each("SELECT DISTINCT root FROM dataset_version WHERE root > ? ORDER BY root LIMIT ?",
              {after, limit}, [&](const store::Row& row) { out.push_back(row.str(0)); }));
  return out;
}

}  // namespace sql
}  // namespace slip::data
