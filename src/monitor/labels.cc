#include <algorithm>

#include "base/text.h"
#include "base/uuid.h"
#include "core/ledger/ledger.h"
#include "monitor/joins.h"
#include "monitor/monitor.h"
#include "monitor/monitor_store.h"
#include "sys/clock.h"

namespace slip::monitor {

std::string pending_key(const std::string& prediction_id, int64_t row) {
  return concat({"id:", prediction_id, "/", std::to_string(row)});
}

std::string pending_ref_key(const std::string& client_ref) { return "ref:" + client_ref; }

Result<std::pair<std::string, int64_t>> parse_prediction_ref(std::string_view text) {
  const size_t slash = text.find('/');
  const Result<Uuid> id = parse_uuid(text.substr(0, slash));
  const std::optional<int64_t> row = slash == text.npos ? 0 : parse_int(text.substr(slash + 1));
  if (!id.ok() || !row || *row < 0)
    return invalid("labels.prediction_id",
                   concat({"`", text.substr(0, 80), "` is no prediction id"}));
  return std::pair(id->text(), *row);
}

Status join_label(store::Tx& tx, const std::string& project, const LoggedRow& row,
                  const KeptLabel& label, Joined* joined) {
  TRY(sql::set_label(tx, project, row, label));
  const bool correct = row.predicted == label.label;
  TRY(sql::add_outcome(tx, project, row, label.event_ms, correct));
  joined->outcomes.push_back({.prediction_id = row.prediction_id,
                              .row = row.row,
                              .model_version = row.model_version,
                              .on_canary = row.on_canary,
                              .canary_weight = row.canary_weight,
                              .client_ref = row.client_ref,
                              .label = label.label,
                              .correct = correct});
  return {};
}

Status join_pending(store::Tx& tx, const std::string& project, const LoggedRow& row,
                    Joined* joined) {
  std::optional<KeptLabel> label = TRY(
      sql::take_pending(tx, project, row.deployment_uid, pending_key(row.prediction_id, row.row)));
  if (!label && !row.client_ref.empty() && row.row == 0)
    label =
        TRY(sql::take_pending(tx, project, row.deployment_uid, pending_ref_key(row.client_ref)));
  if (!label) return {};
  return join_label(tx, project, row, *label, joined);
}

Status count_joined(ledger::Ledger& ledger, store::Tx& tx, const Ctx& ctx, const Place& deployment,
                    std::span<const Labelled> joined) {
  if (joined.empty()) return {};
  ledger::Draft draft;
  draft.verb = "label.joined";
  draft.subject.kind = "deployment";
  draft.subject.uid = deployment.uid;
  draft.subject.name = deployment.name;
  ledger::Ledger::Counted counted;
  for (const Labelled& l : joined) {
    ++counted.n;
    counted.items.push_back(concat({l.prediction_id, "/", std::to_string(l.row), "=", l.label}));
  }
  return ledger.count(tx, ctx, draft, counted);
}

namespace {

struct Target {
  std::string id;  // Empty: by reference.
  int64_t row = 0;
  std::string client_ref;
  KeptLabel label;
};

Result<KeptLabel> kept_label(const Label& l, int64_t now_us) {
  const int64_t event_ms = l.event_ms.value_or(now_us / 1000);
  // Microseconds or nanoseconds by mistake lie far ahead; a client's clock a little.
  if (event_ms < 0 || event_ms > now_us / 1000 + kLabelAheadMsMax)
    return invalid("labels.event_ms", concat({"event_ms ", std::to_string(event_ms),
                                              " is no time in milliseconds that has been"}));
  return KeptLabel{l.label, event_ms, now_us};
}

Result<std::vector<Target>> check_labels(std::span<const Label> labels, int64_t now_us) {
  if (static_cast<int64_t>(labels.size()) > kLabelsPerRequestMax)
    return exhausted("labels.too_many",
                     concat({"at most ", std::to_string(kLabelsPerRequestMax), " labels at once"}));
  std::vector<Target> out;
  for (const Label& l : labels) {
    if (l.prediction_id.empty() == l.client_ref.empty())
      return invalid("labels.target", "a label names a prediction_id or a client_ref");
    if (l.label.size() > kLabelBytesMax || l.client_ref.size() > kLabelBytesMax)
      return invalid("labels.too_long", "a label or reference is too long");
    Target t;
    t.label = TRY(kept_label(l, now_us));
    t.client_ref = l.client_ref;
    if (!l.prediction_id.empty())
      std::tie(t.id, t.row) = TRY(parse_prediction_ref(l.prediction_id));
    out.push_back(std::move(t));
  }
  return out;
}

struct Told {
  int64_t kept_from_ms = 0;  // An unknown prediction from before has expired.
  LabelCounts counts;
  Joined joined;
};

// What one label does in the transaction.
Status add_one(store::Tx& tx, const std::string& project, const std::string& uid,
               const Target& target, Told* told) {
  const std::optional<LoggedRow> row =
      target.id.empty() ? TRY(sql::find_row_by_ref(tx, project, uid, target.client_ref))
                        : TRY(sql::find_row(tx, project, target.id, target.row));
  if (row && row->deployment_uid != uid)
    return invalid("labels.other_deployment",
                   "prediction " + target.id + " was made by another deployment");
  if (row && row->label) {
    ++told->counts.duplicates;
    return {};
  }
  if (row) {
    ++told->counts.joined;
    return join_label(tx, project, *row, target.label, &told->joined);
  }
  if (!target.id.empty() && parse_uuid(target.id)->unix_ms() < told->kept_from_ms) {
    ++told->counts.expired;
    return {};
  }
  const std::string key =
      target.id.empty() ? pending_ref_key(target.client_ref) : pending_key(target.id, target.row);
  const bool fresh = TRY(sql::insert_pending(tx, project, uid, key, target.label));
  ++(fresh ? told->counts.pending : told->counts.duplicates);
  return {};
}

}  // namespace

Result<LabelCounts> Monitor::add_labels(const Ctx& ctx, const std::string& deployment,
                                        std::span<const Label> labels) {
  const std::vector<Target> targets = TRY(check_labels(labels, deps_.clock.now_us()));
  const std::string uid = TRY(deps_.deployments.uid_of(ctx, deployment));
  LabelCounts all;
  for (size_t first = 0; first < targets.size(); first += kLabelsPerStep) {
    const size_t end = std::min(targets.size(), first + static_cast<size_t>(kLabelsPerStep));
    Told told;
    bool decided = false;
    TRY(deps_.db.write([&](store::Tx& tx) -> Status {
      told = {};
      decided = false;
      const std::optional<Config> config = TRY(sql::find_config(tx, ctx.project.text, uid));
      told.kept_from_ms = kept_from_us(config ? config->retention_days : kRetentionDaysDefault,
                                       deps_.clock.now_us()) /
                          1000;
      for (size_t i = first; i < end; ++i)
        TRY(add_one(tx, ctx.project.text, uid, targets[i], &told));
      const std::vector<Labelled>& joined = told.joined.outcomes;
      if (joined.empty()) return {};
      TRY(count_joined(deps_.ledger, tx, ctx, {uid, deployment}, joined));
      decided = TRY(deps_.outcomes.on_outcomes(tx, ctx, uid, joined));
      return {};
    }));
    if (decided) deps_.outcomes.after_commit();
    all.joined += told.counts.joined;
    all.pending += told.counts.pending;
    all.duplicates += told.counts.duplicates;
    all.expired += told.counts.expired;
    if (told.counts.expired > 0) all.expired_before_ms = told.kept_from_ms;
  }
  return all;
}

Result<LoggedRow> Monitor::prediction(const Ctx& ctx, const std::string& id) {
  const auto [uuid, row] = TRY(parse_prediction_ref(id));
  std::optional<LoggedRow> out;
  int64_t days = kRetentionDaysMax;
  TRY(deps_.db.read([&, &uuid = uuid, row = row](store::Tx& tx) -> Status {
    out = TRY(sql::find_row(tx, ctx.project.text, uuid, row));
    if (!out) days = TRY(sql::shortest_retention(tx, ctx.project.text));
    return {};
  }));
  if (out) return *std::move(out);
  // Whose it was, its id doesn't say: some monitor of the project keeps nothing that old.
  const int64_t kept_from_ms = kept_from_us(days, deps_.clock.now_us()) / 1000;
  if (TRY(parse_uuid(uuid)).unix_ms() < kept_from_ms)
    return not_found("prediction.expired",
                     concat({"prediction ", id, " is older than the ", std::to_string(days),
                             " days for which rows are kept"}))
        .with_hint("the deployment's archive has it: GET /deployments/NAME/parts");
  return not_found("prediction.not_found", "no prediction " + id + " has been taken in");
}

}  // namespace slip::monitor
