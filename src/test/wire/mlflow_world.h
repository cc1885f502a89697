#pragma once

#include <array>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "app/model_origins.h"
#include "base/text.h"
#include "codec/json.h"
#include "core/auth/directory.h"
#include "core/hold/hold.h"
#include "core/ledger/ledger.h"
#include "http/router.h"
#include "http/target.h"
#include "notify/webhooks.h"
#include "registry/registry.h"
#include "sys/executor.h"
#include "sys/log.h"
#include "sys/rng.h"
#include "sys/sim/sim_fs.h"
#include "sys/sync.h"
#include "test/fake/clock.h"
#include "test/store/dbs.h"
#include "tracking/tracking.h"
#include "wire/mlflow/app.h"
#include "wire/mlflow/signed_links.h"

// MLflow's wire over real tracking and registry, called without a socket.
namespace slip::test {

struct Answer {
  int status = 0;
  std::string body;
  codec::Json json;
  std::vector<http::Header> headers;

  std::string header(std::string_view name) const {
    for (const auto& [key, value] : headers)
      if (key == name) return value;
    return "absent";
  }
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

// The answer of an inline handler, whichever thread gives it.
class Waiting final : public http::Responder::Impl {
 public:
  void answer(http::Reply reply) override {
    const sys::Lock lock(mutex_);
    reply_ = std::move(reply);
    given_.notify_one();
  }
  bool cancelled() const override { return false; }
  void abandon() override {
    http::Reply reply;
    reply.status = 500;
    answer(std::move(reply));
  }
  http::Reply wait() {
    sys::Lock lock(mutex_);
    while (!reply_) given_.wait(lock);
    return std::move(*reply_);
  }

 private:
  sys::Mutex mutex_;
  sys::CondVar given_;
  std::optional<http::Reply> reply_;
};

// Remembers what webhooks sent and takes it.
class Receiver final : public notify::Sender {
 public:
  notify::Answer send(const notify::Outgoing& request) override {
    sent.push_back(request);
    return {.status = 200, .body = "thanks", .error = {}};
  }
  std::vector<notify::Outgoing> sent;
};

class MlflowWire : public testing::Test {
 protected:
  MlflowWire() {
    std::vector<store::Migration> steps;
    for (const auto& all : {ledger::migrations(), auth::migrations(), hold::migrations(),
                            tracking::migrations(), registry::migrations(), notify::migrations()})
      steps.insert(steps.end(), all.begin(), all.end());
    store::migrate(*db, steps).value();
    router = std::make_unique<http::Router>(
        http::Router::make(
            wire::mlflow::routes({tracking, registry, directory, webhooks, clock, real_rng(), links,
                                  [](const Ctx&) -> Result<std::string> { return std::string(); },
                                  [](const Ctx&) -> Status { return {}; }}))
            .value());
  }

  Answer call(std::string_view line, std::string_view body = "",
              std::string_view content_type = "application/json") {
    const size_t blank = line.find(' ');
    const std::string_view name = line.substr(0, blank);
    http::Request request;
    for (const auto m : {http::Method::kGet, http::Method::kPost, http::Method::kPut,
                         http::Method::kPatch, http::Method::kDelete})
      if (http::method_name(m) == name) request.method = m;
    Answer out;
    const auto split = http::split_target(line.substr(blank + 1));
    if (!split.ok()) return out;
    const http::Target target = *split;
    if (!http::parse_query(target.query, &request.query).ok()) return out;
    request.path = target.path;
    if (!content_type.empty()) request.headers.emplace_back("content-type", content_type);
    const auto match = router->find(request.method, target.path, &request.params);
    if (!match.ok() || !match->route) return out;
    if (match->route->body.kind == http::BodyKind::kSpool) {
      request.draft = blobs->create().value();
      request.draft->write(body).value();
    } else {
      request.body = std::string(body);
    }
    http::Reply reply = answer_of(*match->route, request);
    out.status = reply.status;
    out.body = reply.body;
    out.headers = reply.headers;
    if (reply.stream) {
      std::array<char, 4096> piece{};
      while (const size_t n = reply.stream->read(piece).value()) out.body.append(piece.data(), n);
      out.json = codec::parse_json(out.body).value();
    } else if (reply.blob) {
      out.body.resize(static_cast<size_t>(reply.blob->size()));
      EXPECT_EQ(reply.blob->read_at(0, out.body).value(), out.body.size());
    } else if (auto parsed = codec::parse_json(reply.body); parsed.ok()) {
      out.json = std::move(parsed).value();
    }
    return out;
  }
  http::Reply answer_of(const http::Route& route, http::Request& request) {
    Ctx caller = ctx;
    if (route.admit)
      if (Status admitted = route.admit(request, &caller); !admitted.ok())
        return route.render_error(admitted.error(), ctx);
    if (route.inline_) {
      const auto waiting = std::make_shared<Waiting>();
      route.inline_(caller, request, http::Responder(waiting));
      return waiting->wait();
    }
    Result<http::Reply> got = route.blocking(caller, request);
    return got.ok() ? std::move(got).value() : route.render_error(got.error(), ctx);
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
  auth::Auth auth{{*db, events, clock, real_rng()}, {}};
  auth::Directory directory{{*db, events, clock, real_rng(), auth}};
  tracking::Tracking tracking{{*db, *blobs, events, clock, real_rng()}};
  app::TrackingOrigins origins{tracking};
  registry::Registry registry{{*db, *blobs, events, clock, real_rng(), origins}};
  Receiver receiver;
  notify::Webhooks webhooks{{*db, events, receiver, clock, real_rng()}, {}};
  std::shared_ptr<const wire::mlflow::SignedLinks> links =
      std::make_shared<const wire::mlflow::SignedLinks>(std::string(32, 'k'), "", false);
  std::unique_ptr<http::Router> router;
};

}  // namespace slip::test
