#include "tracking/reproduction_store.h"

#include <utility>

#include "codec/json.h"

namespace slip::tracking::sql {
namespace {

using codec::Json;

constexpr std::string_view kColumns =
    "uid, run_id, again_run_id, verdict, same_status, environment, evidence, author, created_ms";

Json number_or_null(const std::optional<double>& value) { return value ? Json(*value) : Json(); }

// Numbers that JSON has no word for are kept as strings.
std::string evidence_of(const Reproduction& r) {
  Json outputs = Json::array();
  for (const OutputPair& o : r.outputs)
    outputs.push(Json::object({{"path", o.path}, {"was", o.was}, {"now", o.now}}));
  Json metrics = Json::array();
  for (const MetricPair& m : r.metrics)
    metrics.push(Json::object({{"key", m.key},
                               {"was", number_or_null(m.was)},
                               {"now", number_or_null(m.now)},
                               {"same", m.same}}));
  return codec::to_json(
      Json::object({{"outputs", std::move(outputs)}, {"metrics", std::move(metrics)}}));
}

Result<std::optional<double>> number_of(const Json& object, std::string_view key) {
  const Json* value = object.find(key);
  if (value == nullptr || value->is_null()) return std::optional<double>();
  return std::optional<double>(TRY(codec::want_double(object, key, codec::NonFinite::kString)));
}

Status read_evidence(std::string_view text, Reproduction* r) {
  const Json whole = TRY(codec::parse_json(text));
  const Json* outputs = whole.find("outputs");
  const Json* metrics = whole.find("metrics");
  if (outputs == nullptr || metrics == nullptr || !outputs->is_array() || !metrics->is_array())
    return corrupt("reproduction.evidence", "a reproduction's evidence is damaged");
  for (const Json& o : outputs->items()) {
    OutputPair& pair = r->outputs.emplace_back();
    pair.path = TRY(codec::want_string(o, "path"));
    pair.was = TRY(codec::want_string(o, "was"));
    pair.now = TRY(codec::want_string(o, "now"));
  }
  for (const Json& m : metrics->items()) {
    MetricPair& pair = r->metrics.emplace_back();
    pair.key = TRY(codec::want_string(m, "key"));
    pair.was = TRY(number_of(m, "was"));
    pair.now = TRY(number_of(m, "now"));
    pair.same = TRY(codec::want_bool(m, "same"));
  }
  return {};
}

struct Found {
  std::vector<Reproduction> rows;
  Status broken;

  void add(const store::Row& row) {
    Reproduction& r = rows.emplace_back();
    r.uid = row.str(0);
    r.run_id = row.str(1);
    r.again_run_id = row.str(2);
    r.verdict = static_cast<Verdict>(row.i64(3));
    r.same_status = row.i64(4) != 0;
    r.environment = row.str(5);
    if (broken.ok()) broken = read_evidence(row.text(6), &r);
    r.actor = row.str(7);
    r.created_ms = row.i64(8);
  }
};

}  // namespace

Status insert_reproduction(store::Tx& tx, std::string_view project, const Reproduction& r) {
  const std::string evidence = evidence_of(r);
  TRY(tx.exec(
      "INSERT INTO run_reproduction (project, uid, run_id, again_run_id, verdict, same_status,"
      " environment, evidence, author, created_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      {project, r.uid, r.run_id, r.again_run_id, static_cast<int64_t>(r.verdict),
       int64_t{r.same_status}, r.environment, evidence, r.actor, r.created_ms}));
  return {};
}

Result<std::optional<Reproduction>> find_reproduction(store::Tx& tx, std::string_view project,
                                                      std::string_view run_id,
                                                      std::string_view again_run_id) {
  Found found;
  std::string text = "SELECT ";
  text.append(kColumns).append(
      " FROM run_reproduction WHERE project = ? AND run_id = ? AND again_run_id = ?");
  TRY(tx.first(text, {project, run_id, again_run_id},
               [&](const store::Row& row) { found.add(row); }));
  TRY(found.broken);
  if (found.rows.empty()) return std::optional<Reproduction>();
  return std::optional<Reproduction>(std::move(found.rows.front()));
}

Result<std::vector<Reproduction>> list_reproductions(store::Tx& tx, std::string_view project,
                                                     const ReproductionPage& page) {
  Found found;
  std::string text = "SELECT ";
  text.append(kColumns).append(
      " FROM run_reproduction WHERE project = ? AND run_id = ? AND uid > ?"
      " ORDER BY uid LIMIT CAST(? AS BIGINT)");
  TRY(tx.each(text, {project, page.run_id, page.after, page.limit},
              [&](const store::Row& row) { found.add(row); }));
  TRY(found.broken);
  return std::move(found.rows);
}

}  // namespace slip::tracking::sql
