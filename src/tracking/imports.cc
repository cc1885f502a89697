#include "tracking/imports.h"

#include <algorithm>
#include <string_view>

#include "base/text.h"
#include "core/ledger/ledger.h"
#include "store/caller.h"
#include "sys/clock.h"
#include "tracking/counted.h"
#include "tracking/experiment_store.h"
#include "tracking/imports_store.h"
#include "tracking/location.h"
#include "tracking/run_rules.h"
#include "tracking/run_store.h"
#include "tracking/validate.h"

namespace slip::tracking {
namespace {

constexpr int64_t kIdMax = int64_t{1} << 53;  // Beyond it the next one would not be exact in JSON.

ledger::Draft event(std::string_view verb, const Experiment& e) {
  ledger::Draft draft;
  draft.verb = std::string(verb);
  draft.subject = {.kind = "experiment",
                   .uid = std::to_string(e.id),
                   .name = e.name,
                   .version = {},
                   .digest = {}};
  return draft;
}

// The first of `wanted` that `have` lacks or has otherwise; "" when none.
std::string differing(std::string_view what, const std::vector<Tag>& have,
                      const std::vector<Tag>& wanted) {
  for (const Tag& tag : wanted)
    if (std::find(have.begin(), have.end(), tag) == have.end()) return concat({what, ".", tag.key});
  return {};
}

std::string differing(const Run& have, const Run& wanted) {
  if (have.experiment_id != wanted.experiment_id) return "experiment";
  if (have.name != wanted.name) return "name";
  if (have.user_id != wanted.user_id) return "user";
  if (have.status != wanted.status) return "status";
  if (have.start_ms != wanted.start_ms) return "start_time";
  if (have.end_ms != wanted.end_ms) return "end_time";
  if (have.lifecycle != wanted.lifecycle) return "lifecycle_stage";
  std::string out = differing("params", have.params, wanted.params);
  return out.empty() ? differing("tags", have.tags, wanted.tags) : out;
}

Status check_pairs(std::string_view what, const std::vector<Tag>& pairs, size_t value_max) {
  if (pairs.size() > kImportPairsMax)
    return exhausted("import.too_large", concat({"more than ", std::to_string(kImportPairsMax), " ",
                                                 what, " of one run"}));
  for (const Tag& pair : pairs) {
    TRY(check_key(what, pair.key));
    TRY(check_length(concat({what, ".", pair.key}), pair.value, value_max));
  }
  return {};
}

Status check_run(const Run& run) {
  TRY(check_run_id(run.id));
  TRY(check_length("name", run.name, kTagValueMax));
  TRY(check_location(run.artifact_uri));
  TRY(check_pairs("params", run.params, kParamValueMax));
  return check_pairs("tags", run.tags, kTagValueMax);
}

Status write_run(store::Tx& tx, const Run& run) {
  TRY(sql::overwrite_run(tx, run));
  for (const Tag& param : run.params) TRY(sql::put_param(tx, run.run_n, param));
  for (const Tag& tag : run.tags) TRY(sql::put_run_tag(tx, run.run_n, tag));
  return {};
}

}  // namespace

Result<ImportOutcome> Imports::experiment(const Ctx& ctx, const Experiment& wanted, bool update) {
  TRY(check_experiment_name(wanted.name));
  TRY(check_location(wanted.artifact_location));
  if (wanted.id < 0 || wanted.id > kIdMax)
    return invalid("experiment.id", "an experiment's id is a number from 0 to 2^53");
  TRY(check_pairs("tags", wanted.tags, kExperimentTagValueMax));
  TRY(experiments_.ready(ctx));
  const std::string& project = ctx.project.text;
  ImportOutcome out;
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    out = {};
    Experiment e = wanted;
    const auto have = TRY(sql::find_experiment(tx, project, std::string_view(wanted.name)));
    if (!have) {
      if (TRY(sql::find_experiment(tx, project, wanted.id)))
        e.id = TRY(sql::last_experiment_id(tx, project)) + 1;
      out = {.state = Imported::kNew, .differing = {}, .experiment_id = e.id};
      TRY(sql::insert(tx, project, e, ctx.actor_uid));
      TRY(store::make_owner(tx, ctx, "experiment", std::to_string(e.id)));
      return deps_.ledger.append(tx, ctx, event("experiment.imported", e));
    }
    e.id = out.experiment_id = have->id;
    out.differing = have->lifecycle != wanted.lifecycle
                        ? "lifecycle_stage"
                        : differing("tags", have->tags, wanted.tags);
    if (out.differing.empty()) return {};
    out.state = update ? Imported::kUpdated : Imported::kDiffers;
    if (!update) return {};
    e.updated_ms = deps_.clock.now_ms();
    if (have->lifecycle != wanted.lifecycle) TRY(sql::move_experiment(tx, project, e));
    for (const Tag& tag : e.tags) TRY(sql::put_experiment_tag(tx, project, e.id, tag));
    return deps_.ledger.append(tx, ctx, event("experiment.imported", e));
  }));
  return out;
}

Result<ImportOutcome> Imports::run(const Ctx& ctx, const Run& wanted, bool update) {
  TRY(check_run(wanted));
  const std::string& project = ctx.project.text;
  ImportOutcome out;
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    out = {};
    Run run = wanted;
    const int64_t now = deps_.clock.now_ms();
    auto have = TRY(sql::find_run(tx, project, run.id));
    if (!have) {
      if (!TRY(sql::find_experiment(tx, project, run.experiment_id)))
        return not_found(
            "experiment.not_found",
            concat({"No Experiment with id=", std::to_string(run.experiment_id), " exists"}));
      run.run_n = TRY(sql::take_run_numbers(tx, 1));
      run.author = ctx.actor_uid;
      TRY(sql::insert_run(tx, project, run, now));
      if (run.lifecycle == Lifecycle::kDeleted) TRY(sql::move_run(tx, run, now));
      out.state = Imported::kNew;
    } else {
      TRY(sql::load_run_data(tx, std::span(&*have, 1)));
      out.differing = differing(*have, wanted);
      if (out.differing.empty()) return {};
      out.state = Imported::kDiffers;
      if (!update || out.differing == "experiment") return {};
      out.state = Imported::kUpdated;
      run.run_n = have->run_n;
      if (have->lifecycle != run.lifecycle) TRY(sql::move_run(tx, run, now));
    }
    TRY(write_run(tx, run));
    return deps_.ledger.append(tx, ctx, run_event("run.imported", run.id, run.experiment_id));
  }));
  out.experiment_id = wanted.experiment_id;
  return out;
}

Result<PointsOutcome> Imports::points(const Ctx& ctx, const std::string& run_id,
                                      std::span<const Metric> points) {
  TRY(check_run_id(run_id));
  TRY(check_batch(points, {}, {}));
  TRY(pending_.settle_run(ctx.project.text, run_id));
  PointsOutcome out;
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    out = {};
    const sql::RunRef run = TRY(must_find_ref(tx, ctx.project.text, run_id));
    std::vector<Metric> added;
    for (const Metric& m : points) {
      const int64_t key_n = TRY(sql::key_number(tx, ctx.project.text, m.key));
      if (!TRY(sql::add_new_point(tx, run.run_n, key_n, m))) continue;
      TRY(sql::raise_latest(tx, run.run_n, key_n, m));
      added.push_back(m);
    }
    out.imported = static_cast<int64_t>(added.size());
    out.same = static_cast<int64_t>(points.size()) - out.imported;
    if (added.empty()) return {};
    return deps_.ledger.count(tx, ctx, run_event(kMetricsLogged, run_id, run.experiment_id),
                              counted_metrics(added));
  }));
  return out;
}

}  // namespace slip::tracking
