#include "http/replays.h"

#include <algorithm>
#include <array>

#include "sys/clock.h"

namespace slip::http {
namespace {

using store::Row;
using store::Tx;

class DbReplays final : public Replays {
 public:
  DbReplays(store::Db& db, Clock& clock) : db_(db), clock_(clock) {}

  Result<std::optional<KeptReply>> begin(const Ctx& ctx, const Key& key) override;
  Status keep(const Ctx& ctx, const Key& key, const KeptReply& reply) override;
  Status forget(const Ctx& ctx, const Key& key) override;

 private:
  store::Db& db_;
  Clock& clock_;
};

// Frees keys that are too old to matter, a few at a time.
Status purge(Tx& tx, int64_t now_ms) {
  TRY(
      tx.exec("DELETE FROM http_replay WHERE (project, actor_uid, key) IN"
              " (SELECT project, actor_uid, key FROM http_replay WHERE created_ms < ? LIMIT 20)",
              {now_ms - kReplayKeptMs}));
  TRY(tx.exec("DELETE FROM http_replay WHERE status = 0 AND created_ms < ?",
              {now_ms - kReplayRunningMs}));
  return {};
}

Status begin_in(Tx& tx, const Ctx& ctx, const Replays::Key& key, int64_t now_ms,
                std::optional<KeptReply>* kept) {
  kept->reset();
  TRY(purge(tx, now_ms));
  const int64_t made =
      TRY(tx.exec("INSERT INTO http_replay (project, actor_uid, key, fingerprint, status,"
                  " content_type, body, created_ms) VALUES (?, ?, ?, ?, 0, '', '', ?)"
                  " ON CONFLICT (project, actor_uid, key) DO NOTHING",
                  {ctx.project.text, ctx.actor_uid, key.text, key.fingerprint, now_ms}));
  if (made > 0) return {};
  KeptReply reply;
  bool same = false;
  TRY(
      tx.first("SELECT fingerprint, status, content_type, body FROM http_replay"
               " WHERE project = ? AND actor_uid = ? AND key = ?",
               {ctx.project.text, ctx.actor_uid, key.text}, [&](const Row& row) {
                 same = row.text(0) == key.fingerprint;
                 reply = {static_cast<int>(row.i64(1)), row.str(2), row.str(3)};
               }));
  if (!same)
    return invalid("idempotency.key_reused", "the Idempotency-Key was used for another request");
  if (reply.status == 0)
    return conflict("idempotency.in_progress", "the first request with this key is still running");
  *kept = std::move(reply);
  return {};
}

Result<std::optional<KeptReply>> DbReplays::begin(const Ctx& ctx, const Key& key) {
  std::optional<KeptReply> kept;
  const int64_t now_ms = clock_.now_ms();
  TRY(db_.write([&](Tx& tx) { return begin_in(tx, ctx, key, now_ms, &kept); }));
  return kept;
}

Status DbReplays::keep(const Ctx& ctx, const Key& key, const KeptReply& reply) {
  return db_.write([&](Tx& tx) -> Status {
    TRY(
        tx.exec("UPDATE http_replay SET status = ?, content_type = ?, body = ?"
                " WHERE project = ? AND actor_uid = ? AND key = ? AND fingerprint = ?",
                {int64_t{reply.status}, reply.content_type, reply.body, ctx.project.text,
                 ctx.actor_uid, key.text, key.fingerprint}));
    return {};
  });
}

Status DbReplays::forget(const Ctx& ctx, const Key& key) {
  return db_.write([&](Tx& tx) -> Status {
    TRY(
        tx.exec("DELETE FROM http_replay WHERE project = ? AND actor_uid = ? AND key = ?"
                " AND fingerprint = ? AND status = 0",
                {ctx.project.text, ctx.actor_uid, key.text, key.fingerprint}));
    return {};
  });
}

}  // namespace

std::span<const store::Migration> replay_migrations() {
  static constexpr std::array<store::Migration, 1> kSteps = {{
      {"http", 1,
       "CREATE TABLE http_replay ("
       " project TEXT NOT NULL, actor_uid TEXT NOT NULL, key TEXT NOT NULL,"
       " fingerprint TEXT NOT NULL, status BIGINT NOT NULL, content_type TEXT NOT NULL,"
       " body TEXT NOT NULL, created_ms BIGINT NOT NULL,"
       " PRIMARY KEY (project, actor_uid, key));"
       "CREATE INDEX http_replay_age ON http_replay (created_ms)"},
  }};
  return kSteps;
}

std::unique_ptr<Replays> make_replays(store::Db& db, Clock& clock) {
  return std::make_unique<DbReplays>(db, clock);
}

Status check_idempotency_key(std::string_view key) {
  const bool good = key.size() <= kIdempotencyKeyBytesMax &&
                    std::ranges::all_of(key, [](char c) { return c > ' ' && c < 0x7f; });
  if (good) return {};
  return invalid("idempotency.key",
                 "an Idempotency-Key has at most 255 printable characters and no blanks");
}

}  // namespace slip::http
