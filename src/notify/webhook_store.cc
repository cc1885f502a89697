#include "notify/webhook_store.h"

#include <array>

#include "base/text.h"
#include "notify/events.h"
#include "notify/webhooks.h"

namespace slip::notify {
namespace {

// busy_until_ms: when the attempt that is under way is given up, 0 when there is none.
constexpr std::string_view kSchema1 = R"(
CREATE TABLE webhook (
  project TEXT NOT NULL,
  uid TEXT NOT NULL,
  name TEXT NOT NULL,
  url TEXT NOT NULL,
  description TEXT NOT NULL,
  secret TEXT NOT NULL,
  active BIGINT NOT NULL,
  events TEXT NOT NULL,
  for_mlflow BIGINT NOT NULL,
  created_ms BIGINT NOT NULL,
  updated_ms BIGINT NOT NULL,
  busy_until_ms BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (project, uid)
);
CREATE TABLE webhook_delivery (
  project TEXT NOT NULL,
  uid TEXT NOT NULL,
  webhook_uid TEXT NOT NULL,
  event TEXT NOT NULL,
  seq BIGINT NOT NULL,
  payload TEXT NOT NULL,
  state TEXT NOT NULL,
  attempts BIGINT NOT NULL,
  next_ms BIGINT NOT NULL,
  created_ms BIGINT NOT NULL,
  updated_ms BIGINT NOT NULL,
  status BIGINT NOT NULL,
  response TEXT NOT NULL,
  error TEXT NOT NULL,
  replay_of TEXT NOT NULL,
  PRIMARY KEY (project, webhook_uid, uid)
);
CREATE INDEX webhook_delivery_due ON webhook_delivery (project, webhook_uid, state, next_ms, seq);
CREATE INDEX webhook_delivery_age ON webhook_delivery (created_ms)
)";
// Webhooks of the other form: see Webhook.
constexpr std::string_view kSchema2 = R"(
ALTER TABLE webhook ADD COLUMN form TEXT NOT NULL DEFAULT 'mlflow';
ALTER TABLE webhook ADD COLUMN credentials TEXT NOT NULL DEFAULT '';
ALTER TABLE webhook ADD COLUMN model_uid TEXT NOT NULL DEFAULT '';
ALTER TABLE webhook ADD COLUMN model_name TEXT NOT NULL DEFAULT '';
ALTER TABLE webhook ADD COLUMN test_mode BIGINT NOT NULL DEFAULT 0
)";
constexpr std::array<store::Migration, 2> kMigrations = {
    {{"notify", 1, kSchema1}, {"notify", 2, kSchema2}}};

}  // namespace

std::span<const store::Migration> migrations() { return kMigrations; }

namespace sql {
namespace {

constexpr std::string_view kColumns =
    "w.uid, w.name, w.url, w.description, w.secret, w.active, w.events, w.created_ms,"
    " w.updated_ms, w.form, w.credentials, w.model_uid, w.model_name, w.test_mode";
constexpr int kColumnCount = 14;
constexpr std::string_view kDeliveryColumns =
    "d.uid, d.webhook_uid, d.event, d.seq, d.payload, d.state, d.attempts, d.next_ms, d.created_ms,"
    " d.updated_ms, d.status, d.response, d.error, d.replay_of";
constexpr int kDeliveryColumnCount = 14;

std::string joined(const Webhook& webhook) { return join(webhook.events, " "); }

int64_t for_mlflow(const Webhook& webhook) {
  if (webhook.form != Form::kMlflow) return 0;
  for (const std::string& event : webhook.events)
    if (const EventKind* kind = find_kind(event); kind && kind->mlflow) return 1;
  return 0;
}

Webhook decode(const store::Row& row, int at = 0) {
  Webhook w;
  w.uid = row.str(at);
  w.name = row.str(at + 1);
  w.url = row.str(at + 2);
  w.description = row.str(at + 3);
  w.secret = row.str(at + 4);
  w.active = row.i64(at + 5) != 0;
  for (const std::string_view event : split(row.text(at + 6), ' ')) w.events.emplace_back(event);
  w.created_ms = row.i64(at + 7);
  w.updated_ms = row.i64(at + 8);
  w.form = row.text(at + 9) == form_name(Form::kDatabricks) ? Form::kDatabricks : Form::kMlflow;
  w.credentials = row.str(at + 10);
  w.model_uid = row.str(at + 11);
  w.model_name = row.str(at + 12);
  w.test_mode = row.i64(at + 13) != 0;
  return w;
}

Delivery decode_delivery(const store::Row& row) {
  Delivery d;
  d.uid = row.str(0);
  d.webhook_uid = row.str(1);
  d.event = row.str(2);
  d.seq = row.i64(3);
  d.payload = row.str(4);
  d.state = row.str(5);
  d.attempts = row.i64(6);
  d.next_ms = row.i64(7);
  d.created_ms = row.i64(8);
  d.updated_ms = row.i64(9);
  d.status = row.i64(10);
  d.response = row.str(11);
  d.error = row.str(12);
  d.replay_of = row.str(13);
  return d;
}

Result<int64_t> number(store::Tx& tx, std::string_view sql,
                       std::initializer_list<store::Value> args) {
  int64_t n = 0;
  TRY(tx.first(sql, args, [&](const store::Row& row) { n = row.i64(0); }));
  return n;
}

}  // namespace

Status insert(store::Tx& tx, std::string_view project, const Webhook& w) {
  TRY(
      tx.exec("INSERT INTO webhook (project, uid, name, url, description, secret, active, events,"
              " for_mlflow, created_ms, updated_ms, form, credentials, model_uid, model_name,"
              " test_mode) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
              {project, w.uid, w.name, w.url, w.description, w.secret, int64_t{w.active}, joined(w),
               for_mlflow(w), w.created_ms, w.updated_ms, form_name(w.form), w.credentials,
               w.model_uid, w.model_name, int64_t{w.test_mode}}));
  return {};
}

Status update(store::Tx& tx, std::string_view project, const Webhook& w) {
  TRY(
      tx.exec("UPDATE webhook SET name = ?, url = ?, description = ?, secret = ?, active = ?,"
              " events = ?, for_mlflow = ?, updated_ms = ?, credentials = ?, test_mode = ?"
              " WHERE project = ? AND uid = ?",
              {w.name, w.url, w.description, w.secret, int64_t{w.active}, joined(w), for_mlflow(w),
               w.updated_ms, w.credentials, int64_t{w.test_mode}, project, w.uid}));
  return {};
}

Status remove(store::Tx& tx, std::string_view project, std::string_view uid) {
  TRY(tx.exec("DELETE FROM webhook WHERE project = ? AND uid = ?", {project, uid}));
  return {};
}

Result<std::optional<Webhook>> find(store::Tx& tx, std::string_view project, std::string_view uid) {
  std::optional<Webhook> out;
  TRY(tx.first(concat({"SELECT ", kColumns, " FROM webhook w WHERE w.project = ? AND w.uid = ?"}),
               {project, uid}, [&](const store::Row& row) { out = decode(row); }));
  return out;
}

Result<int64_t> count(store::Tx& tx, std::string_view project) {
  return number(tx, "SELECT COUNT(*) FROM webhook WHERE project = ?", {project});
}

Result<int64_t> count_active(store::Tx& tx) {
  return number(tx, "SELECT COUNT(*) FROM webhook WHERE active = 1", {});
}

Result<std::vector<Webhook>> active(store::Tx& tx, std::string_view project) {
  std::vector<Webhook> out;
  TRY(tx.each(concat({"SELECT ", kColumns,
                      " FROM webhook w WHERE w.project = ? AND w.active = 1 ORDER BY w.uid"}),
              {project}, [&](const store::Row& row) { out.push_back(decode(row)); }));
  return out;
}

Status rename_model(store::Tx& tx, std::string_view project, std::string_view model_uid,
                    std::string_view name) {
  TRY(tx.exec("UPDATE webhook SET model_name = ? WHERE project = ? AND model_uid = ?",
              {name, project, model_uid}));
  return {};
}

Result<search::Page<Webhook>> list(store::Tx& tx, std::string_view project,
                                   const search::PageQuery& query) {
  const search::Select select{kColumns, kColumnCount, "webhook w WHERE w.project = ?"};
  return search::read_page(tx, project, select, query,
                           [](const store::Row& row) { return decode(row); });
}

Status insert_delivery(store::Tx& tx, std::string_view project, const Delivery& d) {
  TRY(
      tx.exec("INSERT INTO webhook_delivery (project, uid, webhook_uid, event, seq, payload, state,"
              " attempts, next_ms, created_ms, updated_ms, status, response, error, replay_of)"
              " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
              {project, d.uid, d.webhook_uid, d.event, d.seq, d.payload, d.state, d.attempts,
               d.next_ms, d.created_ms, d.updated_ms, d.status, d.response, d.error, d.replay_of}));
  return {};
}

Result<std::optional<Delivery>> find_delivery(store::Tx& tx, std::string_view project,
                                              std::string_view webhook_uid, std::string_view uid) {
  std::optional<Delivery> out;
  TRY(tx.first(
      concat({"SELECT ", kDeliveryColumns,
              " FROM webhook_delivery d WHERE d.project = ? AND d.webhook_uid = ? AND d.uid = ?"}),
      {project, webhook_uid, uid}, [&](const store::Row& row) { out = decode_delivery(row); }));
  return out;
}

Result<search::Page<Delivery>> list_deliveries(store::Tx& tx, std::string_view project,
                                               const search::PageQuery& query) {
  const search::Select select{kDeliveryColumns, kDeliveryColumnCount,
                              "webhook_delivery d WHERE d.project = ?"};
  return search::read_page(tx, project, select, query, decode_delivery);
}

Result<std::vector<Ready>> ready(store::Tx& tx, int64_t now_ms) {
  std::vector<Ready> out;
  TRY(tx.each(
      concat({"SELECT ", kColumns,
              ", w.project FROM webhook w WHERE w.active = 1 AND w.busy_until_ms <= ? AND EXISTS"
              " (SELECT 1 FROM webhook_delivery d WHERE d.project = w.project"
              " AND d.webhook_uid = w.uid AND d.state = 'pending' AND d.next_ms <= ?)"
              " ORDER BY w.busy_until_ms, w.uid LIMIT ?"}),
      {now_ms, now_ms, kClaimsAtOnce},
      [&](const store::Row& row) { out.push_back({row.str(kColumnCount), decode(row)}); }));
  return out;
}

Result<std::optional<Delivery>> first_due(store::Tx& tx, const Ready& ready, int64_t now_ms) {
  std::optional<Delivery> out;
  TRY(tx.first(
      concat(
          {"SELECT ", kDeliveryColumns,
           " FROM webhook_delivery d WHERE d.project = ? AND d.webhook_uid = ?"
           " AND d.state = 'pending' AND d.next_ms <= ? ORDER BY d.next_ms, d.seq, d.uid LIMIT 1"}),
      {ready.project, ready.webhook.uid, now_ms},
      [&](const store::Row& row) { out = decode_delivery(row); }));
  return out;
}

Status lease(store::Tx& tx, const Due& due) {
  TRY(tx.exec("UPDATE webhook SET busy_until_ms = ? WHERE project = ? AND uid = ?",
              {due.lease_until_ms, due.project, due.delivery.webhook_uid}));
  TRY(
      tx.exec("UPDATE webhook_delivery SET attempts = ? WHERE project = ? AND webhook_uid = ?"
              " AND uid = ?",
              {due.delivery.attempts, due.project, due.delivery.webhook_uid, due.delivery.uid}));
  return {};
}

Status settle(store::Tx& tx, const Due& due, const Delivery& d) {
  TRY(
      tx.exec("UPDATE webhook_delivery SET state = ?, next_ms = ?, updated_ms = ?, status = ?,"
              " response = ?, error = ? WHERE project = ? AND webhook_uid = ? AND uid = ?"
              " AND state = 'pending'",
              {d.state, d.next_ms, d.updated_ms, d.status, d.response, d.error, due.project,
               d.webhook_uid, d.uid}));
  TRY(
      tx.exec("UPDATE webhook SET busy_until_ms = 0 WHERE project = ? AND uid = ?"
              " AND busy_until_ms = ?",
              {due.project, d.webhook_uid, due.lease_until_ms}));
  return {};
}

Result<int64_t> tidy(store::Tx& tx, int64_t before_ms, int64_t limit) {
  constexpr std::string_view kDelete =
      "DELETE FROM webhook_delivery WHERE (project, webhook_uid, uid) IN"
      " (SELECT d.project, d.webhook_uid, d.uid FROM webhook_delivery d WHERE ";
  const int64_t old = TRY(tx.exec(
      concat({kDelete, "d.created_ms < ? AND d.state <> 'pending' LIMIT ?)"}), {before_ms, limit}));
  const int64_t orphans =
      TRY(tx.exec(concat({kDelete,
                          "NOT EXISTS (SELECT 1 FROM webhook w WHERE w.project = d.project"
                          " AND w.uid = d.webhook_uid) LIMIT ?)"}),
                  {limit - old}));
  return old + orphans;
}

}  // namespace sql
}  // namespace slip::notify
