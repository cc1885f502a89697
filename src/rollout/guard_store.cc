#include "rollout/guard_store.h"

#include <array>

#include "codec/hash.h"

namespace slip::rollout {
namespace {

constexpr std::string_view kSchema1 = R"(
CREATE TABLE canary_guard (
  project TEXT NOT NULL,
  deployment_uid TEXT NOT NULL,
  canary_started_ms BIGINT NOT NULL,
  state TEXT NOT NULL,
  PRIMARY KEY (project, deployment_uid, canary_started_ms)
)
)";

// draws_kept: whether canary_guard_draw may hold rows of that canary.
constexpr std::string_view kSchema2 = R"(
CREATE TABLE canary_guard_draw (
  project TEXT NOT NULL,
  deployment_uid TEXT NOT NULL,
  canary_started_ms BIGINT NOT NULL,
  draw_digest TEXT NOT NULL,
  PRIMARY KEY (project, deployment_uid, canary_started_ms, draw_digest)
);
ALTER TABLE canary_guard ADD COLUMN draws_kept BIGINT NOT NULL DEFAULT 0
)";

constexpr std::array<store::Migration, 2> kMigrations = {
    {{"rollout", 1, kSchema1}, {"rollout", 2, kSchema2}}};

}  // namespace

std::span<const store::Migration> migrations() { return kMigrations; }

namespace sql {

Result<GuardState> find(store::Tx& tx, const Key& key) {
  std::string text;
  const bool found =
      TRY(tx.first("SELECT state FROM canary_guard WHERE project = ? AND deployment_uid = ?"
                   " AND canary_started_ms = ?",
                   {key.project, key.deployment_uid, key.canary_started_ms},
                   [&](const store::Row& row) { text = row.str(0); }));
  if (!found) return GuardState();
  return GuardState::from_json(TRY(codec::parse_json(text)));
}

Status put(store::Tx& tx, const Key& key, const GuardState& state) {
  const std::string text = codec::to_json(state.to_json());
  TRY(
      tx.exec("INSERT INTO canary_guard (project, deployment_uid, canary_started_ms, state,"
              " draws_kept) VALUES (?, ?, ?, ?, 1)"
              " ON CONFLICT (project, deployment_uid, canary_started_ms)"
              " DO UPDATE SET state = excluded.state, draws_kept = 1",
              {key.project, key.deployment_uid, key.canary_started_ms, text}));
  return {};
}

Result<bool> insert_draw(store::Tx& tx, const Key& key, std::string_view draw) {
  const std::string digest = codec::sha256(draw).hex();
  const int64_t n = TRY(
      tx.exec("INSERT INTO canary_guard_draw (project, deployment_uid, canary_started_ms,"
              " draw_digest) VALUES (?, ?, ?, ?)"
              " ON CONFLICT (project, deployment_uid, canary_started_ms, draw_digest) DO NOTHING",
              {key.project, key.deployment_uid, key.canary_started_ms, digest}));
  return n == 1;
}

Result<std::vector<Key>> keys_with_draws(store::Tx& tx) {
  std::vector<Key> out;
  TRY(tx.each(
      "SELECT project, deployment_uid, canary_started_ms FROM canary_guard"
      " WHERE draws_kept = 1",
      {}, [&](const store::Row& row) { out.push_back({row.str(0), row.str(1), row.i64(2)}); }));
  return out;
}

Result<int64_t> drop_draws(store::Tx& tx, const Key& key, int64_t limit) {
  return tx.exec(
      "DELETE FROM canary_guard_draw WHERE project = ? AND deployment_uid = ?"
      " AND canary_started_ms = ? AND draw_digest IN (SELECT draw_digest FROM canary_guard_draw"
      " WHERE project = ? AND deployment_uid = ? AND canary_started_ms = ? LIMIT ?)",
      {key.project, key.deployment_uid, key.canary_started_ms, key.project, key.deployment_uid,
       key.canary_started_ms, limit});
}

Status note_draws_gone(store::Tx& tx, const Key& key) {
  TRY(
      tx.exec("UPDATE canary_guard SET draws_kept = 0 WHERE project = ? AND deployment_uid = ?"
              " AND canary_started_ms = ?",
              {key.project, key.deployment_uid, key.canary_started_ms}));
  return {};
}

}  // namespace sql
}  // namespace slip::rollout
