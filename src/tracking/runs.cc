#include "tracking/runs.h"

#include <utility>

#include "base/text.h"
#include "core/ledger/ledger.h"
#include "sys/clock.h"
#include "sys/rng.h"
#include "tracking/experiment_store.h"
#include "tracking/run_search.h"
#include "tracking/run_store.h"
#include "tracking/validate.h"

namespace slip::tracking {
namespace {

constexpr std::string_view kRunNameTag = "mlflow.runName";
constexpr size_t kDatasetsToldMax = 20;  // In one event.

Error no_run(std::string_view run_id) {
  return not_found("run.not_found", concat({"Run with id=", run_id, " not found"}));
}

Result<Run> must_find(store::Tx& tx, const Ctx& ctx, std::string_view run_id) {
  auto found = TRY(sql::find_run(tx, ctx.project.text, run_id));
  if (!found) return no_run(run_id);
  return std::move(*found);
}

Result<Run> must_find_active(store::Tx& tx, const Ctx& ctx, std::string_view run_id) {
  Run run = TRY(must_find(tx, ctx, run_id));
  if (run.lifecycle == Lifecycle::kActive) return run;
  return invalid(
      "run.not_active",
      concat({"The run ", run_id, " must be in the 'active' state. Current state is deleted."}));
}

ledger::Draft event(std::string_view verb, const Run& run) {
  ledger::Draft draft;
  draft.verb = std::string(verb);
  draft.subject = {.kind = "run", .uid = run.id, .name = run.name, .version = {}, .digest = {}};
  draft.body = codec::Json::object({{"experiment_id", std::to_string(run.experiment_id)}});
  return draft;
}

bool ended(RunStatus status) {
  return status != RunStatus::kRunning && status != RunStatus::kScheduled;
}

// The name that a new run gets; it is also its tag mlflow.runName.
Result<std::string> name_of(const NewRun& wanted, Rng& rng) {
  const Tag* tag = nullptr;
  for (const Tag& t : wanted.tags)
    if (t.key == kRunNameTag) tag = &t;
  if (tag && !wanted.name.empty() && tag->value != wanted.name)
    return invalid("run.name_conflict",
                   concat({"Both 'run_name' argument and 'mlflow.runName' tag are specified, but "
                           "with different values (run_name='",
                           wanted.name, "', mlflow.runName='", tag->value, "')."}));
  if (!wanted.name.empty()) return wanted.name;
  if (tag && !tag->value.empty()) return tag->value;
  return random_run_name(rng.u64());
}

// Keeps the name column and the tag one thing.
void set_tag(std::vector<Tag>* tags, std::string_view key, std::string value) {
  for (Tag& tag : *tags)
    if (tag.key == key) {
      tag.value = std::move(value);
      return;
    }
  tags->push_back({std::string(key), std::move(value)});
}

std::string join_path(std::string_view base, std::string_view rest) {
  while (base.ends_with('/') && !base.ends_with(":/")) base.remove_suffix(1);
  return concat({base, base.ends_with(":/") ? "" : "/", rest});
}

Error changed_param(const std::string& run_id, const Tag& param, const std::string& old, bool one) {
  if (one)
    return invalid("run.param_changed",
                   concat({"Changing param values is not allowed. Param with key='", param.key,
                           "' was already logged with value='", old, "' for run ID='", run_id,
                           "'. Attempted logging new value '", param.value, "'."}));
  return invalid("run.param_changed",
                 concat({"Changing param values is not allowed. Params were already logged='[{",
                         "'key': '", param.key, "', 'old_value': '", old, "', 'new_value': '",
                         param.value, "'}]' for run ID='", run_id, "'."}));
}

}  // namespace

Result<Run> Runs::create(const Ctx& ctx, const NewRun& wanted) {
  for (size_t i = 0; i < wanted.tags.size(); ++i)
    TRY(check_key(concat({"tags[", std::to_string(i), "].key"}), wanted.tags[i].key));
  TRY(check_length("run_name", wanted.name, kTagValueMax));
  if (wanted.experiment_id == 0) TRY(experiments_.ready(ctx));
  const std::string name = TRY(name_of(wanted, deps_.rng));
  // Random bits alone: these ids are public and say nothing about when.
  const std::string id = make_uuid4(deps_.rng.u64(), deps_.rng.u64()).hex();

  Run out;
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    const auto experiment = TRY(sql::find_experiment(tx, ctx.project.text, wanted.experiment_id));
    if (!experiment)
      return not_found("experiment.not_found",
                       "No Experiment with id=" + std::to_string(wanted.experiment_id) + " exists");
    if (experiment->lifecycle == Lifecycle::kDeleted)
      return invalid("experiment.not_active",
                     concat({"The experiment ", std::to_string(wanted.experiment_id),
                             " must be in the 'active' state. Current state is deleted."}));
    out = Run();
    out.id = id;
    out.experiment_id = wanted.experiment_id;
    out.name = name;
    out.user_id = wanted.user_id;
    out.start_ms = wanted.start_ms;
    out.artifact_uri = join_path(experiment->artifact_location, id + "/artifacts");
    out.author = ctx.actor_uid;
    for (const Tag& tag : wanted.tags) set_tag(&out.tags, tag.key, cut(tag.value, kTagValueMax));
    set_tag(&out.tags, kRunNameTag, name);
    TRY(sql::insert_run(tx, ctx.project.text, out, deps_.clock.now_ms()));
    return deps_.ledger.append(tx, ctx, event("run.created", out));
  }));
  return out;
}

Result<Run> Runs::get(const Ctx& ctx, const std::string& run_id) {
  Run out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out = TRY(must_find(tx, ctx, run_id));
    return sql::load_run_data(tx, ctx.project.text, &out);
  }));
  return out;
}

Result<Run> Runs::update(const Ctx& ctx, const std::string& run_id, const RunUpdate& update) {
  if (update.name) TRY(check_length("run_name", *update.name, kTagValueMax));
  Run out;
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    out = TRY(must_find_active(tx, ctx, run_id));
    const bool was_ended = ended(out.status);
    if (update.status) out.status = *update.status;
    if (update.end_ms) out.end_ms = *update.end_ms;
    if (update.name && !update.name->empty()) {
      out.name = *update.name;
      TRY(sql::put_run_tag(tx, ctx.project.text, run_id, {std::string(kRunNameTag), out.name}));
    }
    TRY(sql::update_run(tx, ctx.project.text, out));
    if (was_ended || !ended(out.status)) return {};
    return deps_.ledger.append(tx, ctx, event("run.ended", out));
  }));
  return out;
}

Status Runs::move(const Ctx& ctx, const std::string& run_id, Lifecycle to) {
  return deps_.db.write([&](store::Tx& tx) -> Status {
    Run run = TRY(must_find(tx, ctx, run_id));
    if (run.lifecycle == to) return {};
    run.lifecycle = to;
    TRY(sql::move_run(tx, ctx.project.text, run, deps_.clock.now_ms()));
    return deps_.ledger.append(
        tx, ctx, event(to == Lifecycle::kDeleted ? "run.deleted" : "run.restored", run));
  });
}

Status Runs::remove(const Ctx& ctx, const std::string& run_id) {
  return move(ctx, run_id, Lifecycle::kDeleted);
}

Status Runs::restore(const Ctx& ctx, const std::string& run_id) {
  return move(ctx, run_id, Lifecycle::kActive);
}

Status Runs::log(const Ctx& ctx, const std::string& run_id, Batch batch) {
  TRY(check_run_id(run_id));
  TRY(check_batch(batch.metrics, batch.params, batch.tags));
  for (Tag& param : batch.params) param.value = cut(param.value, kParamValueMax);
  for (Tag& tag : batch.tags) tag.value = cut(tag.value, kTagValueMax);
  return deps_.db.write([&](store::Tx& tx) -> Status {
    Run run = TRY(must_find_active(tx, ctx, run_id));
    const std::string& project = ctx.project.text;
    for (const Tag& param : batch.params) {
      std::string old;
      if (TRY(sql::add_param(tx, project, run_id, param, &old)) || old == param.value) continue;
      return changed_param(run_id, param, old, batch.one_param);
    }
    for (const Tag& tag : batch.tags) {
      TRY(sql::put_run_tag(tx, project, run_id, tag));
      if (tag.key != kRunNameTag) continue;
      run.name = tag.value;
      TRY(sql::update_run(tx, project, run));
    }
    return sql::add_metrics(tx, project, run_id, batch.metrics);
  });
}

Status Runs::delete_tag(const Ctx& ctx, const std::string& run_id, const std::string& key) {
  return deps_.db.write([&](store::Tx& tx) -> Status {
    TRY(must_find_active(tx, ctx, run_id));
    if (TRY(sql::drop_run_tag(tx, ctx.project.text, run_id, key))) return {};
    return not_found("run.no_tag", concat({"No tag with name: ", key, " in run with id ", run_id}));
  });
}

Status Runs::log_inputs(const Ctx& ctx, const std::string& run_id, const Inputs& inputs) {
  TRY(check_inputs(inputs.datasets));
  if (inputs.model_ids.size() > kInputsMax)
    return invalid("tracking.batch_size",
                   "At most " + std::to_string(kInputsMax) + " models per request");
  return deps_.db.write([&](store::Tx& tx) -> Status {
    const Run run = TRY(must_find_active(tx, ctx, run_id));
    codec::Json seen = codec::Json::array();
    for (const DatasetInput& input : inputs.datasets) {
      TRY(sql::add_dataset_input(tx, ctx.project.text, run, input));
      if (seen.items().size() == kDatasetsToldMax) continue;
      seen.push(
          codec::Json::object({{"name", input.dataset.name}, {"digest", input.dataset.digest}}));
    }
    for (const std::string& model : inputs.model_ids)
      TRY(sql::add_model_input(tx, ctx.project.text, run_id, model));
    ledger::Draft draft = event("run.inputs_logged", run);
    draft.body.set("datasets", std::move(seen));
    return deps_.ledger.append(tx, ctx, draft);
  });
}

Status Runs::log_outputs(const Ctx& ctx, const std::string& run_id,
                         const std::vector<ModelOutput>& outputs) {
  if (outputs.size() > kInputsMax)
    return invalid("tracking.batch_size",
                   "At most " + std::to_string(kInputsMax) + " models per request");
  return deps_.db.write([&](store::Tx& tx) -> Status {
    TRY(must_find_active(tx, ctx, run_id));
    for (const ModelOutput& output : outputs)
      TRY(sql::add_model_output(tx, ctx.project.text, run_id, output));
    return {};
  });
}

Result<Page<Metric>> Runs::history(const Ctx& ctx, const HistoryQuery& query) {
  if (query.max_results < 1)
    return invalid("page.limit", concat({"Invalid value ", std::to_string(query.max_results),
                                         " for parameter 'max_results' supplied. It must be a "
                                         "positive integer."}));
  const std::string identity = concat({"history\n", query.run_id, "\n", query.key});
  sql::HistoryRange range{.run_id = query.run_id, .key = query.key, .after = {}, .limit = 0};
  range.limit = std::min(query.max_results, kHistoryPageMax);
  range.after = TRY(search::parse_page_token(query.page_token, identity, sql::history_keys()));

  Page<Metric> out;
  std::vector<search::Bound> last;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    TRY(must_find(tx, ctx, query.run_id));
    out.items = TRY(sql::history(tx, ctx.project.text, range, &last));
    return {};
  }));
  if (static_cast<int64_t>(out.items.size()) > range.limit) {
    out.items.pop_back();
    out.next_page_token = search::make_page_token(identity, last);
  }
  return out;
}

Result<std::optional<double>> Runs::latest(const Ctx& ctx, const std::string& run_id,
                                           const std::string& key) {
  std::optional<double> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    TRY(must_find(tx, ctx, run_id));
    out = TRY(sql::latest_metric(tx, ctx.project.text, run_id, key));
    return {};
  }));
  return out;
}

Result<Page<Run>> Runs::search(const Ctx& ctx, const RunQuery& query) {
  if (query.max_results < 1 || query.max_results > kSearchRunsMax)
    return invalid("page.limit",
                   concat({"Invalid value for request parameter max_results. It must be at most ",
                           std::to_string(kSearchRunsMax), ", but got value ",
                           std::to_string(query.max_results)}));
  Page<Run> out;
  sql::RunSearch search;
  search.limit = query.max_results;
  search.keys = TRY(run_sort_keys(query.order_by));
  TRY(add_run_conditions(&search.where, query));
  std::string identity = concat({"runs\n", query.filter, "\n", join(query.order_by, "\n"), "\n",
                                 std::to_string(static_cast<int>(query.view))});
  for (const int64_t id : query.experiment_ids) identity += "," + std::to_string(id);
  search.after = TRY(search::parse_page_token(query.page_token, identity, search.keys));
  if (query.experiment_ids.empty()) return out;

  std::vector<search::Bound> last;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out.items = TRY(sql::search_runs(tx, ctx.project.text, search, &last));
    return {};
  }));
  if (static_cast<int64_t>(out.items.size()) > query.max_results) {
    out.items.pop_back();
    out.next_page_token = search::make_page_token(identity, last);
  }
  return out;
}

}  // namespace slip::tracking
