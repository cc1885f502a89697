#include "ui/routes.h"

#include <algorithm>

#include "app/exports.h"
#include "app/holdings.h"
#include "app/manual.h"
#include "app/world.h"
#include "base/text.h"
#include "base/version.h"
#include "sys/clock.h"
#include "sys/process.h"
#include "wire/databricks/databricks.h"
#include "wire/feast/feast.h"
#include "wire/mlflow/app.h"
#include "wire/native/access.h"
#include "wire/native/archive.h"
#include "wire/native/datasets.h"
#include "wire/native/deployments.h"
#include "wire/native/exports.h"
#include "wire/native/feature_streams.h"
#include "wire/native/features.h"
#include "wire/native/gc.h"
#include "wire/native/imports.h"
#include "wire/native/ledger.h"
#include "wire/native/live.h"
#include "wire/native/models.h"
#include "wire/native/monitor.h"
#include "wire/native/requests.h"
#include "wire/native/run_pages.h"
#include "wire/native/runs.h"
#include "wire/native/score_streams.h"
#include "wire/native/signing.h"
#include "wire/native/status.h"
#include "wire/native/webhooks.h"
#include "wire/otlp/otlp.h"

namespace slip::app {
namespace {

int64_t models_loaded(const serving::Serving& serving) {
  const auto table = serving.table().load();
  return std::count_if(table->routes.begin(), table->routes.end(),
                       [](const auto& entry) { return entry.second->error.empty(); });
}

wire::native::StatusApp status_app(World& w) {
  return {.clock = w.sys.clock,
          .process = w.sys.process,
          .budget = w.budget,
          .version = kVersion,
          .git = std::string(git_revision()),
          .data_dir = w.data_dir,
          .db = std::string(w.db->kind()),
          .auth = w.auth_required(),
          .started_ns = w.started_ns,
          .models_loaded = [&w] { return models_loaded(*w.serving); },
          .metrics = [&w] { return w.metrics.text(); },
          .redis = w.redis ? [&w] { return w.redis->facts(); } : std::function<codec::Json()>()};
}

http::Route openapi_route(World& w) {
  http::Route row;
  row.method = http::Method::kGet;
  row.path = "/openapi.json";
  row.permission = {http::Right::kPublic, "server"};
  row.audit = http::Audit::kNone;
  row.summary = "This API as an OpenAPI document.";
  row.blocking = [&w](const Ctx&, http::Request&) -> Result<http::Reply> {
    http::Reply reply;
    reply.body = w.openapi;
    return reply;
  };
  return row;
}

// Names only: a list that can't be read is an empty column, not a page that fails.
std::vector<std::string> deployments_of(World& w, const Ctx& ctx, const std::string& model) {
  std::vector<std::string> out;
  const auto all = w.serving->list(ctx, "", 1000);
  if (!all.ok()) return out;
  for (const serving::Deployment& d : *all)
    if (d.model == model) out.push_back(d.name);
  return out;
}

// A deployment that follows an alias or a stage is there with the next look; one that was told a
// number goes to the version that came back, and a canary of the model is taken back. One that
// cannot load it keeps what it has: the reply doesn't name it.
std::vector<std::string> roll_back_deployments(World& w, const Ctx& ctx,
                                               const registry::Version& back,
                                               const std::string& reason) {
  ignore(w.serving->refresh(ctx), "the follower tries again");
  std::vector<std::string> out;
  for (const std::string& name : deployments_of(w, ctx, back.model)) {
    Result<serving::Deployment> d = w.serving->find(ctx, name);
    if (!d.ok()) continue;
    if (d->canary && d->canary->state == "running" && d->canary->version != back.number)
      d = w.serving->roll_back(ctx, name, reason);
    if (d.ok() && d->stable_version != back.number && parse_int(d->target))
      d = w.serving->deploy(ctx, {.name = name,
                                  .model = back.model,
                                  .target = std::to_string(back.number),
                                  .log_ack = d->log_ack,
                                  .cache_ttl_ms = d->cache_ttl_ms});
    if (d.ok() && d->stable_version == back.number) out.push_back(name);
  }
  return out;
}

wire::native::FeaturesApp features_app(const World& w) {
  return {*w.features, *w.feature_files, *w.staging, *w.streams, *w.directory};
}

wire::native::GcApp gc_app(World& w) {
  return {.purge = w.tracking->purge,
          .holds = *w.holds,
          .objects = w.held_objects,
          .auth = *w.auth,
          .start = [&w](const Ctx& ctx,
                        const tracking::PurgeSpec& spec) { return start_purge(w, ctx, spec); },
          .blobs = [&w]() -> Result<codec::Json> {
            const BlobUse use = TRY(blob_use(w));
            return codec::Json::object({{"blobs", use.blobs},
                                        {"bytes", use.bytes},
                                        {"needed_blobs", use.live_blobs},
                                        {"needed_bytes", use.live_bytes},
                                        {"free_blobs", use.blobs - use.live_blobs},
                                        {"free_bytes", use.bytes - use.live_bytes},
                                        {"stored_bytes", use.stored_bytes}});
          }};
}

void bound_bodies(int64_t max_bytes, std::vector<http::Route>* rows) {
  for (http::Route& row : *rows)
    if (row.body.kind == http::BodyKind::kMemory)
      row.body.limit_bytes = std::min(row.body.limit_bytes, max_bytes);
}

wire::native::DeploymentsApp deployments_app(World& w) {
  return {*w.serving,
          [&w](const Ctx& ctx, const serving::Deployment& d) -> Result<codec::Json> {
            codec::Json known;
            TRY(w.db->read([&](store::Tx& tx) -> Status {
              known = TRY(w.guard->evidence(tx, ctx, d.uid, *d.canary));
              return {};
            }));
            return known;
          },
          [&w](const Ctx& ctx, const std::string& model) -> Result<std::string> {
            return TRY(w.registry->get_model(ctx, model)).uid;
          }};
}

}  // namespace

std::vector<http::Route> all_routes(World& w) {
  std::vector<http::Route> out;
  const auto add = [&](std::vector<http::Route> rows) {
    std::move(rows.begin(), rows.end(), std::back_inserter(out));
  };
  add(wire::native::status_routes(status_app(w)));
  add(wire::native::access_routes({*w.auth}));
  add(wire::native::ledger_routes({*w.ledger, *w.auth}));
  add(wire::native::live_routes({*w.live, [&w] { w.jobs->poke("events.live"); }}));
  add(wire::native::models_routes(
      {*w.registry, *w.governance, *w.auth,
       [&w](const Ctx& ctx, const std::string& m) { return deployments_of(w, ctx, m); },
       [&w](const Ctx& ctx, const registry::Version& back, const std::string& reason) {
         return roll_back_deployments(w, ctx, back, reason);
       }}));
  add(wire::native::exports_routes(
      {*w.registry, [&w](const Ctx& ctx, const wire::native::ExportAsk& ask) {
         return make_bundle(w, ctx, ask);
       }}));
  const wire::native::RequestsApp requests{*w.registry, *w.governance, *w.auth,
                                           [&w] { return sign::public_keys(*w.db); }};
  add(wire::native::requests_routes(requests));
  add(wire::native::reviews_routes(requests));
  add(wire::native::timeline_routes(requests));
  add(wire::native::runs_routes({*w.tracking, *w.auth}));
  add(wire::native::run_page_routes({*w.tracking, *w.auth}));
  add(wire::native::import_routes({*w.tracking, *w.registry}));
  add(wire::native::signing_routes({[&w] { return sign::public_keys(*w.db); }}));
  add(wire::native::webhook_routes({*w.webhooks}));
  add(wire::databricks::routes({*w.registry, *w.governance, *w.auth, *w.webhooks}));
  add(wire::mlflow::routes({*w.tracking, *w.registry, *w.directory, *w.webhooks, w.sys.clock,
                            w.sys.rng, w.links,
                            [&w](const Ctx& ctx) { return something_in(w, ctx); },
                            [&w](const Ctx& ctx) { return empty_project(w, ctx); }}));
  add(wire::otlp::routes({*w.tracking}));
  add(wire::oip::routes(*w.oip));
  add(wire::kserve1::routes(*w.kserve1));
  add(wire::native::deployment_routes(deployments_app(w)));
  add(wire::native::monitor_routes(
      {*w.monitor,
       [&w](const Ctx& ctx, const std::string& deployment) -> Result<std::string> {
         return TRY(w.serving->find(ctx, deployment)).uid;
       },
       [&w](const Ctx& ctx, const std::string& dataset) -> Result<std::string> {
         return TRY(w.data->find(ctx, dataset)).uid;
       }}));
  add(wire::native::archive_routes({*w.serving, *w.archive}));
  add(wire::invocations::routes(*w.invocations));
  add(w.async->routes());
  add(wire::native::dataset_routes({*w.data}));
  add(wire::native::feature_routes(features_app(w)));
  add(wire::native::feature_stream_routes({*w.streams}));
  add(wire::native::score_stream_routes({*w.score_streams}));
  add(wire::feast::routes({*w.features, *w.feature_files, *w.function_pool, *w.redis_pool}));
  add(wire::native::gc_routes(gc_app(w)));
  add(ui::routes(w.console));
  add(manual_routes());
  out.push_back(openapi_route(w));
  bound_bodies(w.config.number("max_body"), &out);
  return out;
}

}  // namespace slip::app
