#include "serving/serving_store.h"

#include <array>

#include "base/check.h"
#include "base/text.h"
#include "store/caller.h"

namespace slip::serving {
namespace {

constexpr std::string_view kSchema1 = R"(
CREATE TABLE deployment (
  project TEXT NOT NULL,
  name TEXT NOT NULL,
  uid TEXT NOT NULL,
  model TEXT NOT NULL,
  target TEXT NOT NULL,
  log_ack TEXT NOT NULL,
  stable_version BIGINT NOT NULL,
  previous_version BIGINT NOT NULL,
  canary_version BIGINT NOT NULL,
  canary_weight DOUBLE PRECISION NOT NULL,
  canary_state TEXT NOT NULL,
  canary_alpha DOUBLE PRECISION NOT NULL,
  canary_started_ms BIGINT NOT NULL,
  canary_ended_ms BIGINT NOT NULL,
  canary_verdict TEXT NOT NULL,
  created_ms BIGINT NOT NULL,
  updated_ms BIGINT NOT NULL,
  revision BIGINT NOT NULL,
  PRIMARY KEY (project, name)
);
CREATE UNIQUE INDEX deployment_uid ON deployment (uid)
)";

constexpr std::string_view kSchema2 = R"(
CREATE TABLE prediction_archive (
  project TEXT NOT NULL,
  deployment_uid TEXT NOT NULL,
  root TEXT NOT NULL,
  PRIMARY KEY (project, deployment_uid)
);
CREATE TABLE prediction_part (
  project TEXT NOT NULL,
  deployment_uid TEXT NOT NULL,
  segment BIGINT NOT NULL,
  digest TEXT NOT NULL,
  rows_count BIGINT NOT NULL,
  bytes BIGINT NOT NULL,
  start_us BIGINT NOT NULL,
  end_us BIGINT NOT NULL,
  PRIMARY KEY (project, deployment_uid, segment)
)
)";

constexpr std::string_view kSchema3 =
    "ALTER TABLE deployment ADD COLUMN cache_ttl_ms BIGINT NOT NULL DEFAULT 0";

constexpr std::array<store::Migration, 3> kMigrations = {
    {{"serving", 1, kSchema1}, {"serving", 2, kSchema2}, {"serving", 3, kSchema3}}};

}  // namespace

std::span<const store::Migration> migrations() { return kMigrations; }

namespace sql {
namespace {

constexpr std::string_view kColumns =
    "project, name, uid, model, target, log_ack, stable_version, previous_version, canary_version,"
    " canary_weight, canary_state, canary_alpha, canary_started_ms, canary_ended_ms,"
    " canary_verdict, created_ms, updated_ms, revision, cache_ttl_ms";

Deployment decode(const store::Row& row) {
  Deployment d;
  d.project = row.str(0);
  d.name = row.str(1);
  d.uid = row.str(2);
  d.model = row.str(3);
  d.target = row.str(4);
  const std::optional<Ack> ack = parse_ack(row.text(5));
  CHECK(ack);  // Only we write this column.
  d.log_ack = *ack;
  d.stable_version = row.i64(6);
  d.previous_version = row.i64(7);
  if (row.i64(8) != 0) {
    Canary c;
    c.version = row.i64(8);
    c.weight = row.f64(9);
    c.state = row.str(10);
    c.alpha = row.f64(11);
    c.started_ms = row.i64(12);
    c.ended_ms = row.i64(13);
    if (!row.text(14).empty()) {
      Result<codec::Json> verdict = codec::parse_json(row.text(14));
      if (verdict.ok()) c.verdict = std::move(verdict).value();
    }
    d.canary = std::move(c);
  }
  d.created_ms = row.i64(15);
  d.updated_ms = row.i64(16);
  d.revision = row.i64(17);
  d.cache_ttl_ms = row.i64(18);
  return d;
}

Result<std::vector<Deployment>> query(store::Tx& tx, std::string_view where,
                                      std::span<const store::Value> args) {
  std::vector<Deployment> out;
  TRY(tx.each(concat({"SELECT ", kColumns, " FROM deployment ", where}), args,
              [&](const store::Row& row) { out.push_back(decode(row)); }));
  return out;
}

Result<std::vector<Deployment>> query(store::Tx& tx, std::string_view where,
                                      std::initializer_list<store::Value> args) {
  return query(tx, where, std::span(args.begin(), args.size()));
}

std::optional<Deployment> only(std::vector<Deployment> rows) {
  if (rows.empty()) return std::nullopt;
  return std::move(rows.front());
}

}  // namespace

Result<std::optional<Deployment>> find(store::Tx& tx, std::string_view project,
                                       std::string_view name) {
  return only(TRY(query(tx, "WHERE project = ? AND name = ?", {project, name})));
}

Result<std::optional<Deployment>> find_uid(store::Tx& tx, std::string_view uid) {
  return only(TRY(query(tx, "WHERE uid = ?", {uid})));
}

Result<std::vector<Deployment>> list_all(store::Tx& tx, int64_t limit) {
  return query(tx, "ORDER BY project, name LIMIT ?", {limit});
}

Result<std::vector<Deployment>> list(store::Tx& tx, const Ctx& ctx, std::string_view after,
                                     int64_t limit) {
  const store::RowTest readable = store::readable(ctx, "deployment", "uid");
  std::vector<store::Value> args = {std::string_view(ctx.project.text), after};
  args.insert(args.end(), readable.args.begin(), readable.args.end());
  args.emplace_back(limit);
  return query(
      tx, concat({"WHERE project = ? AND name > ?", readable.sql, " ORDER BY name LIMIT ?"}), args);
}

Result<std::set<std::string>> readable(store::Tx& tx, const Ctx& ctx,
                                       const std::vector<std::string>& uids) {
  const store::RowTest test = store::readable(ctx, "deployment", "uid");
  const std::string sql =
      concat({"SELECT uid FROM (SELECT CAST(? AS TEXT) AS uid) one WHERE uid <> ''", test.sql});
  std::set<std::string> out;
  for (const std::string& uid : uids) {
    std::vector<store::Value> args = {std::string_view(uid)};
    args.insert(args.end(), test.args.begin(), test.args.end());
    TRY(tx.each(sql, args, [&](const store::Row& row) { out.insert(row.str(0)); }));
  }
  return out;
}

Status insert(store::Tx& tx, const Deployment& d) {
  TRY(tx.exec(concat({"INSERT INTO deployment (", kColumns,
                      ") VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0, 0.0, '', 0.0, 0, 0, '', ?, ?, ?, ?)"}),
              {d.project, d.name, d.uid, d.model, d.target, ack_name(d.log_ack), d.stable_version,
               d.created_ms, d.updated_ms, d.revision, d.cache_ttl_ms}));
  return {};
}

Status update(store::Tx& tx, const Deployment& d) {
  const Canary none;
  const Canary& c = d.canary ? *d.canary : none;
  const std::string verdict = c.verdict.is_null() ? "" : codec::to_json(c.verdict);
  const int64_t changed = TRY(
      tx.exec("UPDATE deployment SET model = ?, target = ?, log_ack = ?, stable_version = ?,"
              " previous_version = ?, canary_version = ?, canary_weight = ?, canary_state = ?,"
              " canary_alpha = ?, canary_started_ms = ?, canary_ended_ms = ?, canary_verdict = ?,"
              " updated_ms = ?, cache_ttl_ms = ?, revision = ? WHERE project = ? AND name = ? AND "
              "revision = ?",
              {d.model, d.target, ack_name(d.log_ack), d.stable_version, d.previous_version,
               c.version, c.weight, c.state, c.alpha, c.started_ms, c.ended_ms, verdict,
               d.updated_ms, d.cache_ttl_ms, d.revision, d.project, d.name, d.revision - 1}));
  if (changed == 1) return {};
  return conflict("deployment.changed", "deployment `" + d.name + "` was changed meanwhile");
}

Status remove(store::Tx& tx, std::string_view project, std::string_view name) {
  TRY(tx.exec("DELETE FROM deployment WHERE project = ? AND name = ?", {project, name}));
  return {};
}

}  // namespace sql
}  // namespace slip::serving
