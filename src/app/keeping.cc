#include "app/keeping.h"

#include <unordered_set>

#include "app/holdings.h"
#include "app/world.h"
#include "base/text.h"
#include "base/uuid.h"
#include "registry/claims.h"
#include "sys/clock.h"

namespace slip::app {
namespace {

using codec::Json;

constexpr std::string_view kPurgeJob = "tracking.purge";
constexpr int64_t kRetentionMs = int64_t{3'600'000};
constexpr int64_t kStepsAtOnce = 20;
constexpr int64_t kStepsBudgetMs = 10'000;
constexpr int64_t kEmptiedAtOnce = 100;

Json json_of(const tracking::PurgeSpec& spec, const Ctx& ctx) {
  Json experiments = Json::array();
  for (const int64_t id : spec.experiment_ids) experiments.push(id);
  Json runs = Json::array();
  for (const std::string& id : spec.run_ids) runs.push(id);
  Json out = Json::object({{"by_rules", spec.by_rules},
                           {"reason", spec.reason},
                           {"actor_uid", ctx.actor_uid},
                           {"actor_kind", ctx.actor_kind}});
  out.set("experiments", std::move(experiments));
  out.set("runs", std::move(runs));
  if (spec.older_than_ms) out.set("older_than_ms", *spec.older_than_ms);
  return out;
}

Result<tracking::PurgeSpec> spec_of(const Json& payload) {
  tracking::PurgeSpec spec;
  spec.by_rules = TRY(codec::want_bool(payload, "by_rules"));
  spec.reason = TRY(codec::want_string(payload, "reason"));
  if (payload.find("older_than_ms"))
    spec.older_than_ms = TRY(codec::want_int(payload, "older_than_ms"));
  for (const Json& id : payload.find("experiments")->items())
    spec.experiment_ids.push_back(id.as_int());
  for (const Json& id : payload.find("runs")->items()) spec.run_ids.push_back(id.as_string());
  return spec;
}

// Several short steps, each a transaction of its own, under one lease.
Result<jobs::Next> purge_step(World& w, const Ctx& system, const jobs::Work& work) {
  const tracking::PurgeSpec spec = TRY(spec_of(work.payload));
  Ctx ctx = system;
  ctx.actor_uid = TRY(codec::want_string(work.payload, "actor_uid"));
  ctx.actor_kind = TRY(codec::want_string(work.payload, "actor_kind"));
  const std::string uid = TRY(codec::want_string(work.payload, "uid"));
  const int64_t begun_ns = w.sys.clock.steady_ns();
  std::string cursor = work.cursor;
  for (int64_t i = 0; i < kStepsAtOnce; ++i) {
    cursor = TRY(w.tracking->purge.step(ctx, uid, spec, cursor));
    if (cursor.empty()) return jobs::done();
    if (w.sys.clock.steady_ns() - begun_ns > kStepsBudgetMs * 1'000'000) break;
  }
  return jobs::again(std::move(cursor));
}

Status start_retention(World& w) {
  for (const std::string& project : TRY(w.tracking->purge.projects_with_rules())) {
    Ctx ctx;
    ctx.actor_uid = "system";
    ctx.actor_kind = "system";
    ctx.project.text = project;
    tracking::PurgeSpec spec;
    spec.by_rules = true;
    spec.reason = "retention";
    TRY(start_purge(w, ctx, spec, "retention"));
  }
  return {};
}

}  // namespace

Result<std::string> RegistryClaims::claimant(store::Tx& tx, const std::string& project,
                                             const Thing& thing) {
  return registry::claimant(
      tx, project, {.run_id = thing.run_id, .logged_model_id = thing.model_id, .uri = thing.uri});
}

Result<hold::Object> HeldObjects::find(store::Tx& tx, const std::string& project,
                                       const hold::Reference& ref) {
  std::optional<hold::Object> found;
  if (ref.kind == "model" || ref.kind == "model_version")
    found = TRY(registry::find_object(tx, project, ref));
  else if (ref.kind == "experiment" || ref.kind == "run" || ref.kind == "logged_model" ||
           ref.kind == "trace")
    found = TRY(tracking::Purge::find_object(tx, project, ref));
  else if (ref.kind == "feature_source")  // Of rows that are still to come, too.
    found = hold::Object{.kind = ref.kind, .uid = ref.name, .name = ref.name};
  else
    return invalid("hold.kind", concat({"'", ref.kind, "' can't be held"}))
        .with_hint(
            "project, experiment, run, logged_model, trace, model or feature_source; datasets and "
            "events are never deleted");
  if (found) return std::move(*found);
  return not_found("hold.no_object", concat({"No ", ref.kind, " '", ref.name, "'"}));
}

Result<std::string> start_purge(World& w, const Ctx& ctx, const tracking::PurgeSpec& spec,
                                std::string_view key) {
  TRY(w.tracking->purge.check(ctx, spec));
  const std::string uid = new_uuid7(w.sys.clock, w.sys.rng).text();
  Json payload = json_of(spec, ctx);
  payload.set("uid", uid);
  TRY(w.db->write([&](store::Tx& tx) -> Status {
    TRY(w.jobs->enqueue(tx, ctx, kPurgeJob, payload, key));
    return key.empty() ? w.tracking->purge.begin(tx, ctx, uid, spec) : Status();
  }));
  w.jobs->poke();
  return uid;
}

void add_purging(World& w) {
  w.jobs->add_kind(
      {.name = std::string(kPurgeJob),
       .step = [&w](const Ctx& ctx, const jobs::Work& work) { return purge_step(w, ctx, work); },
       .attempts_max = 10,
       .lease_ms = 60'000});
  w.jobs->every("tracking.retention", kRetentionMs,
                [&w](const Ctx&) { return start_retention(w); });
}

Status mark_blobs(World& w, const std::function<void(const store::Digest&)>& keep) {
  TRY(w.data->mark(keep));
  TRY(w.features->mark(keep));
  TRY(w.tracking->artifacts.mark(keep));
  TRY(w.tracking->uploads.mark(keep));
  TRY(w.registry->mark(keep));
  TRY(w.later->each_blob(keep));
  return w.archive->mark(keep);
}

Result<BlobUse> blob_use(World& w) {
  std::unordered_set<std::string> live;
  TRY(mark_blobs(w, [&](const store::Digest& digest) { live.insert(digest.hex()); }));
  const store::BlobStats stats = TRY(w.blobs->stats());
  BlobUse out{
      .blobs = stats.blobs, .bytes = stats.logical_bytes, .stored_bytes = stats.stored_bytes};
  for (const std::string& hex : live) {
    const Result<int64_t> size = w.blobs->size(TRY(codec::parse_sha256(hex)));
    if (!size.ok() && size.error().code == Code::kNotFound) continue;
    out.live_bytes += TRY(size);
    ++out.live_blobs;
  }
  return out;
}

Status empty_project(World& w, const Ctx& ctx) {
  for (const auto& dataset : TRY(w.data->list(ctx, "", 1)))
    return conflict("project.not_empty", concat({"it still contains dataset ", dataset.name}));
  for (const auto& deployment : TRY(w.serving->list(ctx, "", 1)))
    return conflict("project.not_empty",
                    concat({"it still contains deployment ", deployment.name}));
  for (const hold::Hold& h : TRY(w.holds->list(ctx, "", 1, false)))
    return hold::held(concat({h.object.kind, " ", h.object.name}), h.uid);
  for (const char* filter : {"", "tags.`mlflow.prompt.is_prompt` = 'true'"}) {
    registry::Query models;
    models.filter = filter;
    models.max_results = kEmptiedAtOnce;
    for (bool more = true; more;) {
      const auto found = TRY(w.registry->search_models(ctx, models));
      for (const auto& model : found.items) TRY(w.registry->delete_model(ctx, model.name));
      more = !found.items.empty();
    }
  }
  tracking::TraceDeletion traces;
  traces.max_time_ms = w.sys.clock.now_ms() + int64_t{366} * 24 * 3'600'000;
  TRY(w.tracking->traces.remove(ctx, traces));
  TRY(w.tracking->purge.discard_all(ctx));
  tracking::PurgeSpec spec;
  spec.older_than_ms = 0;
  spec.reason = "the project is deleted";
  std::string cursor;
  const std::string uid = new_uuid7(w.sys.clock, w.sys.rng).text();
  TRY(w.db->write([&](store::Tx& tx) { return w.tracking->purge.begin(tx, ctx, uid, spec); }));
  do cursor = TRY(w.tracking->purge.step(ctx, uid, spec, cursor));
  while (!cursor.empty());
  return {};
}

}  // namespace slip::app
