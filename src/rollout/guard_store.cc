#include "rollout/guard_store.h"

#include <array>

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

constexpr std::array<store::Migration, 1> kMigrations = {{{"rollout", 1, kSchema1}}};

}  // namespace

std::span<const store::Migration> migrations() { return kMigrations; }

namespace sql {

Result<GuardState> find(store::Tx& tx, std::string_view project, std::string_view deployment_uid,
                        int64_t canary_started_ms) {
  std::string text;
  const bool found =
      TRY(tx.first("SELECT state FROM canary_guard WHERE project = ? AND deployment_uid = ?"
                   " AND canary_started_ms = ?",
                   {project, deployment_uid, canary_started_ms},
                   [&](const store::Row& row) { text = row.str(0); }));
  if (!found) return GuardState();
  return GuardState::from_json(TRY(codec::parse_json(text)));
}

Status put(store::Tx& tx, std::string_view project, std::string_view deployment_uid,
           int64_t canary_started_ms, const GuardState& state) {
  const std::string text = codec::to_json(state.to_json());
  TRY(
      tx.exec("INSERT INTO canary_guard (project, deployment_uid, canary_started_ms, state)"
              " VALUES (?, ?, ?, ?) ON CONFLICT (project, deployment_uid, canary_started_ms)"
              " DO UPDATE SET state = excluded.state",
              {project, deployment_uid, canary_started_ms, text}));
  return {};
}

}  // namespace sql
}  // namespace slip::rollout
