#include "tracking/runs.h"

#include <span>
#include <utility>

#include "base/text.h"
#include "core/ledger/ledger.h"
#include "sys/clock.h"
#include "sys/rng.h"
#include "tracking/counted.h"
#include "tracking/experiment_store.h"
#include "tracking/location.h"
#include "tracking/run_finder.h"
#include "tracking/run_rules.h"
#include "tracking/run_store.h"
#include "tracking/validate.h"

namespace slip::tracking {
namespace {

constexpr size_t kDatasetsToldMax = 20;  // In one event.

constexpr int64_t kRunNumbersTaken = 256;  // At once.

Result<Run> must_find(store::Tx& tx, const Ctx& ctx, std::string_view run_id) {
  auto found = TRY(sql::find_run(tx, ctx.project.text, run_id));
  if (!found) return no_run(run_id);
  return std::move(*found);
}

Result<Run> must_find_active(store::Tx& tx, const Ctx& ctx, std::string_view run_id) {
  Run run = TRY(must_find(tx, ctx, run_id));
  TRY(check_active(run_id, run.lifecycle));
  return run;
}

ledger::Draft event(std::string_view verb, const Run& run) {
  return run_event(verb, run.id, run.experiment_id);
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

}  // namespace

// Numbers are taken many at once, so that runs that are made side by side don't meet at the
// counter.
Result<int64_t> Runs::next_run_number() {
  const auto take = [](Numbers& n) { return n.next < n.end ? n.next++ : 0; };
  if (const int64_t n = numbers_.with(take); n != 0) return n;
  int64_t first = 0;
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    first = TRY(sql::take_run_numbers(tx, kRunNumbersTaken));
    return {};
  }));
  return numbers_.with([&](Numbers& n) {
    if (n.next < n.end) return n.next++;  // Somebody else was faster; ours stay unused.
    n = {.next = first, .end = first + kRunNumbersTaken};
    return n.next++;
  });
}

Result<Run> Runs::create(const Ctx& ctx, const NewRun& wanted) {
  // The names of these tags are free, as in MLflow: only set-tag and log-batch look at them.
  for (size_t i = 0; i < wanted.tags.size(); ++i)
    TRY(check_length(concat({"tags[", std::to_string(i), "].key"}), wanted.tags[i].key, kKeyMax));
  TRY(check_length("run_name", wanted.name, kTagValueMax));
  if (wanted.experiment_id == 0) TRY(experiments_.ready(ctx));
  const std::string name = TRY(name_of(wanted, deps_.rng));
  // Random bits alone: these ids are public and say nothing about when.
  const std::string id = make_uuid4(deps_.rng.u64(), deps_.rng.u64()).hex();
  const int64_t run_n = TRY(next_run_number());

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
    out.run_n = run_n;
    out.id = id;
    out.experiment_id = wanted.experiment_id;
    out.name = name;
    out.user_id = wanted.user_id;
    out.start_ms = wanted.start_ms;
    out.artifact_uri = below_uri(experiment->artifact_location, id + "/artifacts");
    out.author = ctx.actor_uid;
    for (const Tag& tag : wanted.tags) set_tag(&out.tags, tag.key, cut(tag.value, kTagValueMax));
    set_tag(&out.tags, kRunNameTag, name);
    TRY(sql::insert_run(tx, ctx.project.text, out, deps_.clock.now_ms()));
    return deps_.ledger.append(tx, ctx, event("run.created", out));
  }));
  return out;
}

Result<Run> Runs::get(const Ctx& ctx, const std::string& run_id) {
  TRY(pending_.settle_run(ctx.project.text, run_id));
  Run out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out = TRY(must_find(tx, ctx, run_id));
    return sql::load_run_data(tx, std::span(&out, 1));
  }));
  return out;
}

Result<int64_t> Runs::experiment_of(const Ctx& ctx, const std::string& run_id) {
  int64_t out = 0;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out = TRY(must_find(tx, ctx, run_id)).experiment_id;
    return {};
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
      TRY(sql::put_run_tag(tx, out.run_n, {std::string(kRunNameTag), out.name}));
    }
    TRY(sql::update_run(tx, out));
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
    TRY(sql::move_run(tx, run, deps_.clock.now_ms()));
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

Status Runs::delete_tag(const Ctx& ctx, const std::string& run_id, const std::string& key) {
  return deps_.db.write([&](store::Tx& tx) -> Status {
    const Run run = TRY(must_find_active(tx, ctx, run_id));
    if (TRY(sql::drop_run_tag(tx, run.run_n, key)))
      return deps_.ledger.count(tx, ctx, event("run.tags_changed", run), counted_deletion(key));
    return not_found("run.no_tag", concat({"No tag with name: ", key, " in run with id ", run_id}));
  });
}

Status Runs::edit_tag(const Ctx& ctx, const std::string& run_id, const std::string& key,
                      const TagEdit& edit) {
  TRY(check_key("key", key));
  return deps_.db.write([&](store::Tx& tx) -> Status {
    const Run run = TRY(must_find_active(tx, ctx, run_id));
    const auto before = TRY(sql::find_run_tag(tx, run.run_n, key));
    const Tag after{key, cut(edit(before), kTagValueMax)};
    TRY(sql::put_run_tag(tx, run.run_n, after));
    return deps_.ledger.count(tx, ctx, event("run.tags_changed", run),
                              counted_tags(std::span(&after, 1)));
  });
}

Status Runs::log_inputs(const Ctx& ctx, const std::string& run_id, const Inputs& inputs) {
  TRY(check_run_id(run_id));
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
      TRY(sql::add_model_input(tx, run.run_n, model));
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
    const Run run = TRY(must_find_active(tx, ctx, run_id));
    for (const ModelOutput& output : outputs) TRY(sql::add_model_output(tx, run.run_n, output));
    return {};
  });
}

Result<Page<Run>> Runs::search(const Ctx& ctx, const RunQuery& query) {
  TRY(check_max_results(query.max_results, kSearchRunsMax));
  const RunSearch search = TRY(search_of(ctx, query, "runs"));
  Page<Run> out;
  if (query.experiment_ids.empty()) return out;

  TRY(pending_.settle_experiments(ctx.project.text, query.experiment_ids));
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    Page<int64_t> found = TRY(find_runs(tx, search));
    out.items = TRY(sql::load_runs(tx, found.items));
    out.next_page_token = std::move(found.next_page_token);
    return {};
  }));
  return out;
}

}  // namespace slip::tracking
