#include "tracking/imports.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "base/text.h"
#include "core/ledger/ledger.h"
#include "store/caller.h"
#include "sys/clock.h"
#include "tracking/counted.h"
#include "tracking/experiment_store.h"
#include "tracking/imports_store.h"
#include "tracking/location.h"
#include "tracking/metric_store.h"
#include "tracking/model_store.h"
#include "tracking/run_rules.h"
#include "tracking/run_store.h"
#include "tracking/validate.h"

namespace slip::tracking {
namespace {

constexpr int64_t kIdMax = int64_t{1} << 53;  // Beyond it the next one would not be exact in JSON.
constexpr size_t kImportValueMax = 65'535;    // Other servers keep longer ones than we take.

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

bool operator==(const Dataset& a, const Dataset& b) {
  return a.name == b.name && a.digest == b.digest && a.source_type == b.source_type &&
         a.source == b.source && a.schema == b.schema && a.profile == b.profile;
}

std::string differing_inputs(const Run& have, const Run& wanted) {
  for (const DatasetInput& input : wanted.dataset_inputs) {
    const auto same = std::ranges::find_if(have.dataset_inputs, [&](const DatasetInput& d) {
      return d.dataset == input.dataset && differing("tags", d.tags, input.tags).empty();
    });
    if (same == have.dataset_inputs.end()) return concat({"inputs.", input.dataset.name});
  }
  for (const std::string& id : wanted.model_inputs)
    if (std::ranges::find(have.model_inputs, id) == have.model_inputs.end())
      return concat({"model_inputs.", id});
  for (const ModelOutput& output : wanted.model_outputs) {
    const auto same = std::ranges::find_if(have.model_outputs, [&](const ModelOutput& o) {
      return o.model_id == output.model_id && o.step == output.step;
    });
    if (same == have.model_outputs.end()) return concat({"model_outputs.", output.model_id});
  }
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
  if (have.artifact_uri != wanted.artifact_uri) return "artifact_uri";
  std::string out = differing("params", have.params, wanted.params);
  if (out.empty()) out = differing("tags", have.tags, wanted.tags);
  return out.empty() ? differing_inputs(have, wanted) : out;
}

std::string differing(const LoggedModel& have, const LoggedModel& wanted) {
  if (have.experiment_id != wanted.experiment_id) return "experiment";
  if (have.name != wanted.name) return "name";
  if (have.model_type != wanted.model_type) return "model_type";
  if (have.source_run_id != wanted.source_run_id) return "source_run_id";
  if (have.status != wanted.status) return "status";
  if (have.created_ms != wanted.created_ms) return "created_ms";
  if (have.lifecycle != wanted.lifecycle) return "lifecycle_stage";
  if (have.artifact_uri != wanted.artifact_uri) return "artifact_uri";
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

Status check_model_id(const std::string& id) {
  if (id.starts_with("m-")) return check_run_id(id);
  return invalid("logged_model.id", "a logged model's id begins with m-");
}

Status check_run(const Run& run) {
  TRY(check_run_id(run.id));
  TRY(check_length("name", run.name, kTagValueMax));
  if (!run.artifact_uri.empty()) TRY(check_location(run.artifact_uri));
  TRY(check_pairs("params", run.params, kImportValueMax));
  if (std::max({run.dataset_inputs.size(), run.model_inputs.size(), run.model_outputs.size()}) >
      kImportPairsMax)
    return exhausted("import.too_large", concat({"more than ", std::to_string(kImportPairsMax),
                                                 " inputs or outputs of one run"}));
  for (const DatasetInput& input : run.dataset_inputs) TRY(check_inputs(std::span(&input, 1)));
  for (const std::string& id : run.model_inputs) TRY(check_model_id(id));
  for (const ModelOutput& output : run.model_outputs) TRY(check_model_id(output.model_id));
  return check_pairs("tags", run.tags, kTagValueMax);
}

Status check_model(const LoggedModel& m) {
  TRY(check_model_id(m.id));
  TRY(check_logged_model_name(m.name));
  TRY(check_length("model_type", m.model_type, kExperimentNameMax));
  TRY(check_length("status_message", m.status_message, kTagValueMax));
  if (!m.source_run_id.empty()) TRY(check_run_id(m.source_run_id));
  if (!m.artifact_uri.empty()) TRY(check_location(m.artifact_uri));
  TRY(check_pairs("params", m.params, kImportValueMax));
  return check_pairs("tags", m.tags, kImportValueMax);
}

Result<Experiment> must_find(store::Tx& tx, const Ctx& ctx, int64_t id) {
  auto found = TRY(sql::find_experiment(tx, ctx.project.text, id));
  if (found) return std::move(*found);
  return not_found("experiment.not_found",
                   concat({"No Experiment with id=", std::to_string(id), " exists"}));
}

Status write_run(store::Tx& tx, const Ctx& ctx, const Run& run) {
  TRY(sql::overwrite_run(tx, run));
  for (const Tag& param : run.params) TRY(sql::put_param(tx, run.run_n, param));
  for (const Tag& tag : run.tags) TRY(sql::put_run_tag(tx, run.run_n, tag));
  for (const DatasetInput& input : run.dataset_inputs)
    TRY(sql::add_dataset_input(tx, ctx.project.text, run, input));
  for (const std::string& id : run.model_inputs) TRY(sql::add_model_input(tx, run.run_n, id));
  for (const ModelOutput& output : run.model_outputs)
    TRY(sql::add_model_output(tx, run.run_n, output));
  return {};
}

}  // namespace

Result<ImportOutcome> Imports::experiment(const Ctx& ctx, const Experiment& wanted, bool update) {
  TRY(check_experiment_name(wanted.name));
  if (!wanted.artifact_location.empty()) TRY(check_location(wanted.artifact_location));
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
      if (e.artifact_location.empty())
        e.artifact_location = below_uri(deps_.roots.root, std::to_string(e.id));
      out = {.state = Imported::kNew,
             .differing = {},
             .experiment_id = e.id,
             .artifacts = e.artifact_location};
      TRY(sql::insert(tx, project, e, ctx.actor_uid));
      TRY(store::make_owner(tx, ctx, "experiment", std::to_string(e.id)));
      return deps_.ledger.append(tx, ctx, event("experiment.imported", e));
    }
    e.id = out.experiment_id = have->id;
    out.artifacts = have->artifact_location;
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
    const Experiment home = TRY(must_find(tx, ctx, run.experiment_id));
    if (run.artifact_uri.empty())
      run.artifact_uri = below_uri(home.artifact_location, concat({run.id, "/artifacts"}));
    auto have = TRY(sql::find_run(tx, project, run.id));
    out.experiment_id = run.experiment_id;
    out.artifacts = have ? have->artifact_uri : run.artifact_uri;
    if (!have) {
      run.run_n = TRY(sql::take_run_numbers(tx, 1));
      run.author = ctx.actor_uid;
      TRY(sql::insert_run(tx, project, run, now));
      if (run.lifecycle == Lifecycle::kDeleted) TRY(sql::move_run(tx, run, now));
      out.state = Imported::kNew;
    } else {
      TRY(sql::load_run_data(tx, std::span(&*have, 1)));
      out.differing = differing(*have, run);
      if (out.differing.empty()) return {};
      out.state = Imported::kDiffers;
      if (!update || out.differing == "experiment") return {};
      out.state = Imported::kUpdated;
      out.artifacts = run.artifact_uri;
      run.run_n = have->run_n;
      if (have->lifecycle != run.lifecycle) TRY(sql::move_run(tx, run, now));
    }
    TRY(write_run(tx, ctx, run));
    return deps_.ledger.append(tx, ctx, run_event("run.imported", run.id, run.experiment_id));
  }));
  return out;
}

Result<ImportOutcome> Imports::logged_model(const Ctx& ctx, const LoggedModel& wanted,
                                            bool update) {
  TRY(check_model(wanted));
  const std::string& project = ctx.project.text;
  ImportOutcome out;
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    out = {};
    LoggedModel m = wanted;
    const Experiment home = TRY(must_find(tx, ctx, m.experiment_id));
    if (m.artifact_uri.empty())
      m.artifact_uri = below_uri(home.artifact_location, concat({"models/", m.id, "/artifacts"}));
    const auto have = TRY(sql::find_model(tx, project, m.id));
    out.experiment_id = m.experiment_id;
    out.artifacts = have ? have->artifact_uri : m.artifact_uri;
    m.author = ctx.actor_uid;
    if (!have) {
      TRY(sql::insert_model(tx, project, m));
      out.state = Imported::kNew;
    } else {
      out.differing = differing(*have, m);
      if (out.differing.empty()) return {};
      out.state = Imported::kDiffers;
      if (!update || out.differing == "experiment") return {};
      out.state = Imported::kUpdated;
      out.artifacts = m.artifact_uri;
      TRY(sql::overwrite_model(tx, project, m));
      for (const Tag& tag : m.tags) TRY(sql::put_model_tag(tx, project, m.id, tag));
      for (const Tag& param : m.params) TRY(sql::put_model_param(tx, project, m.id, param));
    }
    ledger::Draft draft;
    draft.verb = "logged_model.imported";
    draft.subject = {
        .kind = "logged_model", .uid = m.id, .name = m.name, .version = {}, .digest = {}};
    return deps_.ledger.append(tx, ctx, draft);
  }));
  return out;
}

// True when it was not there.
Result<bool> Imports::add(store::Tx& tx, const Ctx& ctx, const sql::RunRef& run, const Metric& m) {
  const int64_t key_n = TRY(sql::key_number(tx, ctx.project.text, m.key));
  if (!TRY(sql::add_new_point(tx, run.run_n, key_n, m))) return false;
  TRY(sql::raise_latest(tx, run.run_n, key_n, m));
  return true;
}

Result<PointsOutcome> Imports::points(const Ctx& ctx, const std::string& run_id,
                                      std::span<const Metric> points) {
  TRY(check_run_id(run_id));
  TRY(check_batch(points, {}, {}));
  for (const Metric& m : points)
    if (!m.model_id.empty()) TRY(check_model_id(m.model_id));
  TRY(pending_.settle_run(ctx.project.text, run_id));
  PointsOutcome out;
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    out = {};
    const sql::RunRef run = TRY(must_find_ref(tx, ctx.project.text, run_id));
    std::vector<Metric> added;
    std::set<std::string_view> known;
    for (const Metric& m : points) {
      if (!m.model_id.empty() && known.insert(m.model_id).second &&
          !TRY(sql::experiment_of_model(tx, ctx.project.text, m.model_id)))
        return not_found("logged_model.not_found",
                         concat({"Logged model with ID '", m.model_id, "' not found."}));
      const bool added_now = m.model_id.empty()
                                 ? TRY(add(tx, ctx, run, m))
                                 : TRY(sql::add_new_model_metric(tx, ctx.project.text, run_id, m));
      if (added_now) added.push_back(m);
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
