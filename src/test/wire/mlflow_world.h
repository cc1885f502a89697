#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "app/model_origins.h"
#include "base/text.h"
#include "codec/json.h"
#include "core/ledger/ledger.h"
#include "http/router.h"
#include "http/target.h"
#include "registry/registry.h"
#include "sys/executor.h"
#include "sys/log.h"
#include "sys/rng.h"
#include "sys/sim/sim_fs.h"
#include "test/fake/clock.h"
#include "test/store/dbs.h"
#include "tracking/tracking.h"
#include "wire/mlflow/app.h"

// MLflow's wire over real tracking and registry, called without a socket.
namespace slip::test {

struct Answer {
  int status = 0;
  std::string body;
  codec::Json json;

  std::string at(std::initializer_list<std::string_view> path) const {
    const codec::Json* v = &json;
    for (const std::string_view key : path) {
      const auto index = parse_int(key);
      if (v->is_array() && index && *index < static_cast<int64_t>(v->items().size()))
        v = &v->items()[static_cast<size_t>(*index)];
      else
        v = v->find(key);
      if (!v) return "absent";
    }
    return v->is_string() ? v->as_string() : codec::to_json(*v);
  }
};

class MlflowWire : public testing::Test {
 protected:
  MlflowWire() {
    std::vector<store::Migration> steps;
    for (const auto& all : {ledger::migrations(), tracking::migrations(), registry::migrations()})
      steps.insert(steps.end(), all.begin(), all.end());
    store::migrate(*db, steps).value();
    router = std::make_unique<http::Router>(
        http::Router::make(wire::mlflow::routes({tracking, registry, clock, real_rng()})).value());
  }

  Answer call(std::string_view line, std::string_view body = "",
              std::string_view content_type = "application/json") {
    const size_t blank = line.find(' ');
    const std::string_view name = line.substr(0, blank);
    http::Request request;
    for (const auto m : {http::Method::kGet, http::Method::kPost, http::Method::kPut,
                         http::Method::kPatch, http::Method::kDelete})
      if (http::method_name(m) == name) request.method = m;
    const auto target = http::split_target(line.substr(blank + 1)).value();
    http::parse_query(target.query, &request.query).value();
    request.path = target.path;
    if (!content_type.empty()) request.headers.emplace_back("content-type", content_type);
    const auto match = router->find(request.method, target.path, &request.params);
    Answer out;
    if (!match.ok() || !match->route) return out;
    if (match->route->body.kind == http::BodyKind::kSpool) {
      request.draft = blobs->create().value();
      request.draft->write(body).value();
    } else {
      request.body = std::string(body);
    }
    Result<http::Reply> got = match->route->blocking(ctx, request);
    http::Reply reply =
        got.ok() ? std::move(got).value() : match->route->render_error(got.error(), ctx);
    out.status = reply.status;
    out.body = reply.body;
    if (reply.blob) {
      out.body.resize(static_cast<size_t>(reply.blob->size()));
      EXPECT_EQ(reply.blob->read_at(0, out.body).value(), out.body.size());
    } else if (auto parsed = codec::parse_json(reply.body); parsed.ok()) {
      out.json = std::move(parsed).value();
    }
    return out;
  }
  Answer post(std::string_view path, std::string_view body) {
    return call(concat({"POST /api/2.0/mlflow/", path}), body);
  }
  Answer get(std::string_view path) { return call(concat({"GET /api/2.0/mlflow/", path})); }
  std::string new_run() {
    return post("runs/create", R"({"experiment_id":"0","run_name":"r"})")
        .at({"run", "info", "run_id"});
  }

  Ctx ctx;
  TempDb db;
  sim::SimFs fs{1};
  FakeClock clock;
  std::unique_ptr<store::Blobs> blobs =
      store::open_blobs({fs, clock, real_executor(), null_log()}, "/b").value();
  ledger::Ledger events{{*db, clock, real_rng()}};
  tracking::Tracking tracking{{*db, *blobs, events, clock, real_rng()}};
  app::TrackingOrigins origins{tracking};
  registry::Registry registry{{*db, *blobs, events, clock, real_rng(), origins}};
  std::unique_ptr<http::Router> router;
};

}  // namespace slip::test
