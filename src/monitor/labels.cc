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
                  const std::string& label, int64_t now_us, Joined* joined) {
  TRY(sql::set_label(tx, project, row, label, now_us));
  const bool correct = row.predicted == label;
  TRY(sql::add_outcome(tx, project, row.deployment_uid, row, correct));
  joined->outcomes.push_back({.prediction_id = row.prediction_id,
                              .row = row.row,
                              .model_version = row.model_version,
                              .on_canary = row.on_canary,
                              .canary_weight = row.canary_weight,
                              .correct = correct});
  return {};
}

Status join_pending(store::Tx& tx, const std::string& project, const LoggedRow& row, int64_t now_us,
                    Joined* joined) {
  std::optional<std::string> label = TRY(
      sql::take_pending(tx, project, row.deployment_uid, pending_key(row.prediction_id, row.row)));
  if (!label && !row.client_ref.empty() && row.row == 0)
    label =
        TRY(sql::take_pending(tx, project, row.deployment_uid, pending_ref_key(row.client_ref)));
  if (!label) return {};
  return join_label(tx, project, row, *label, now_us, joined);
}

namespace {

struct Target {
  std::string id;  // Empty: by reference.
  int64_t row = 0;
};

Result<std::vector<Target>> check_labels(std::span<const Label> labels) {
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
    if (!l.prediction_id.empty())
      std::tie(t.id, t.row) = TRY(parse_prediction_ref(l.prediction_id));
    out.push_back(std::move(t));
  }
  return out;
}

// What one label does in the transaction.
Status add_one(store::Tx& tx, const std::string& project, const std::string& uid,
               const Label& label, const Target& target, int64_t now_us, LabelCounts* counts,
               Joined* joined) {
  const std::optional<LoggedRow> row =
      target.id.empty() ? TRY(sql::find_row_by_ref(tx, project, uid, label.client_ref))
                        : TRY(sql::find_row(tx, project, target.id, target.row));
  if (row && row->deployment_uid != uid)
    return invalid("labels.other_deployment",
                   "prediction " + target.id + " was made by another deployment");
  if (row && row->label) {
    ++counts->duplicates;
    return {};
  }
  if (row) {
    ++counts->joined;
    return join_label(tx, project, *row, label.label, now_us, joined);
  }
  const std::string key =
      target.id.empty() ? pending_ref_key(label.client_ref) : pending_key(target.id, target.row);
  const bool fresh = TRY(sql::insert_pending(tx, project, uid, key, label.label));
  ++(fresh ? counts->pending : counts->duplicates);
  return {};
}

}  // namespace

Result<LabelCounts> Monitor::add_labels(const Ctx& ctx, const std::string& deployment,
                                        std::span<const Label> labels) {
  const std::vector<Target> targets = TRY(check_labels(labels));
  const std::string uid = TRY(deps_.deployments.uid_of(ctx, deployment));
  LabelCounts all;
  for (size_t first = 0; first < labels.size(); first += kLabelsPerStep) {
    const size_t end = std::min(labels.size(), first + static_cast<size_t>(kLabelsPerStep));
    LabelCounts counts;
    bool decided = false;
    TRY(deps_.db.write([&](store::Tx& tx) -> Status {
      counts = {};
      decided = false;
      Joined joined;
      const int64_t now_us = deps_.clock.now_us();
      for (size_t i = first; i < end; ++i)
        TRY(add_one(tx, ctx.project.text, uid, labels[i], targets[i], now_us, &counts, &joined));
      if (joined.outcomes.empty()) return {};
      ledger::Draft draft;
      draft.verb = "label.joined";
      draft.subject.kind = "deployment";
      draft.subject.uid = uid;
      draft.subject.name = deployment;
      TRY(deps_.ledger.count(tx, ctx, draft, static_cast<int64_t>(joined.outcomes.size())));
      decided = TRY(deps_.outcomes.on_outcomes(tx, ctx, uid, joined.outcomes));
      return {};
    }));
    if (decided) deps_.outcomes.after_commit();
    all.joined += counts.joined;
    all.pending += counts.pending;
    all.duplicates += counts.duplicates;
  }
  return all;
}

Result<LoggedRow> Monitor::prediction(const Ctx& ctx, const std::string& id) {
  const auto [uuid, row] = TRY(parse_prediction_ref(id));
  std::optional<LoggedRow> out;
  TRY(deps_.db.read([&, &uuid = uuid, row = row](store::Tx& tx) -> Status {
    out = TRY(sql::find_row(tx, ctx.project.text, uuid, row));
    return {};
  }));
  if (!out) return not_found("prediction.not_found", "no prediction " + id + " has been taken in");
  return *std::move(out);
}

}  // namespace slip::monitor
