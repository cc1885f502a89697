#include "ui/routes.h"

#include <algorithm>

#include "app/manual.h"
#include "app/world.h"
#include "base/version.h"
#include "sys/clock.h"
#include "sys/process.h"
#include "wire/mlflow/app.h"
#include "wire/native/access.h"
#include "wire/native/datasets.h"
#include "wire/native/deployments.h"
#include "wire/native/ledger.h"
#include "wire/native/live.h"
#include "wire/native/models.h"
#include "wire/native/monitor.h"
#include "wire/native/status.h"
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
          .metrics = [&w] { return w.metrics.text(); }};
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
      {*w.registry, *w.auth,
       [&w](const Ctx& ctx, const std::string& m) { return deployments_of(w, ctx, m); }}));
  add(wire::mlflow::routes({*w.tracking, *w.registry, w.sys.clock, w.sys.rng}));
  add(wire::otlp::routes({*w.tracking}));
  add(wire::oip::routes(*w.oip));
  add(wire::native::deployment_routes(
      {*w.serving, [&w](const Ctx& ctx, const serving::Deployment& d) -> Result<codec::Json> {
         codec::Json known;
         TRY(w.db->read([&](store::Tx& tx) -> Status {
           known = TRY(w.guard->evidence(tx, ctx, d.uid, *d.canary));
           return {};
         }));
         return known;
       }}));
  add(wire::native::monitor_routes({*w.monitor}));
  add(wire::invocations::routes(*w.invocations));
  add(wire::native::dataset_routes({*w.data}));
  add(ui::routes(w.console));
  add(manual_routes());
  out.push_back(openapi_route(w));
  const int64_t max_body = w.config.number("max_body");
  for (http::Route& row : out)
    if (row.body.kind == http::BodyKind::kMemory)
      row.body.limit_bytes = std::min(row.body.limit_bytes, max_body);
  return out;
}

}  // namespace slip::app
