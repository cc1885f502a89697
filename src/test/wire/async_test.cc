#include "wire/async/async.h"

#include <gtest/gtest.h>

#include "base/budget.h"
#include "codec/json.h"
#include "core/ledger/ledger.h"
#include "http/reply.h"
#include "sys/clock.h"
#include "sys/executor.h"
#include "sys/log.h"
#include "sys/rng.h"
#include "test/store/dbs.h"
#include "test/store/mem_blobs.h"
#include "wire/async/prefer.h"

namespace slip::wire::async {
namespace {

using http::Header;
using http::Reply;

TEST(Prefer, IsReadAsTheRfcSays) {
  struct Case {
    std::vector<std::string_view> headers;
    bool async;
    int64_t wait_s;
  };
  const std::vector<Case> cases = {
      {{"respond-async"}, true, 0},
      {{"Respond-Async , wait=10"}, true, 10},
      {{"respond-async; foo=\"a,b\", wait = \"7\""}, true, 7},
      {{"wait=3", "respond-async"}, true, 3},
      {{"wait=3, wait=9, respond-async"}, true, 3},
      {{"respond-async, wait=100000"}, true, kWaitSecondsMax},
      {{"respond-async, wait=-1"}, true, 0},
      {{"respond-async, wait=x"}, true, 0},
      {{"respond-async=1"}, false, 0},
      {{"respond-asynchronously"}, false, 0},
      {{"foo=\"respond-async, wait=4\""}, false, 0},
      {{"foo=\"a\\\", respond-async"}, false, 0},
      {{""}, false, 0},
      {{",,;;==\""}, false, 0},
      {{"return=minimal"}, false, 0},
  };
  for (const Case& c : cases) {
    Received headers = {{"accept", "respond-async"}};
    for (const std::string_view h : c.headers) headers.emplace_back("prefer", h);
    const Preferences got = preferences_of(headers);
    EXPECT_EQ(got.respond_async, c.async) << c.headers[0];
    EXPECT_EQ(got.wait_s, c.wait_s) << c.headers[0];
  }
}

Reply render_own(const Error& error, const Ctx&) {
  Reply reply;
  reply.status = error.code == Code::kInvalid ? 400 : 503;
  reply.body = "own: " + error.reason;
  return reply;
}

class AsyncTest : public testing::Test {
 protected:
  AsyncTest() {
    std::vector<store::Migration> steps;
    for (const auto& all : {ledger::migrations(), later::migrations()})
      steps.insert(steps.end(), all.begin(), all.end());
    store::migrate(*db, steps).value();
    std::vector<http::Route> rows = {row("/v2/models/{model}/infer", true),
                                     row("/v1/models/{model}:predict", false)};
    http::Route plain = row("/other", false);
    rows.push_back(std::move(plain));
    async.wrap(&rows);
    async.serve(rows).value();
    for (http::Route& r : async.routes()) rows.push_back(std::move(r));
    outside = http::Inside::make(std::move(rows)).value();
  }
  ~AsyncTest() override { later.stop(); }

  void start() { later.start(2, async.runner()); }
  // Answers what it was asked; a body "bad" is refused, "busy" is no use now.
  static Result<Reply> handle(const Ctx& ctx, const http::Request& request) {
    if (request.body == "bad") return invalid("test.bad", "bad");
    if (request.body == "busy") return unavailable("test.busy", "busy");
    Reply reply;
    reply.status = 201;
    reply.content_type = "text/odd";
    reply.headers.emplace_back("x-actor", ctx.actor_uid);
    reply.body = std::string(request.path) + "|" + std::string(request.header("content-type")) +
                 "|" + std::string(request.header("authorization")) + "|" + request.body;
    if (const std::string* q = request.query_value("q")) reply.body += "|" + *q;
    return reply;
  }
  static http::Route row(std::string path, bool is_inline) {
    http::Route r;
    r.method = http::Method::kPost;
    r.path = std::move(path);
    r.permission = {http::Right::kUse, "deployment"};
    r.audit = http::Audit::kCounted;
    r.body = http::memory();
    r.summary = "Test.";
    r.render_error = render_own;
    if (!is_inline) {
      r.blocking = [](const Ctx& ctx, http::Request& q) { return handle(ctx, q); };
      return r;
    }
    r.inline_ = [](const Ctx& ctx, http::Request& q, http::Responder respond) {
      Result<Reply> made = handle(ctx, q);
      std::move(respond)(made.ok() ? std::move(*made) : render_own(made.error(), ctx));
    };
    return r;
  }
  Reply call(http::Method method, std::string_view target, std::vector<Header> headers = {},
             std::string body = "") {
    return outside->call(ctx, {method, target, headers, std::move(body)});
  }
  Reply post(std::string_view target, std::string body, const std::string& prefer = "",
             const std::string& key = "") {
    std::vector<Header> headers = {{"content-type", "a/b"}, {"authorization", "secret"}};
    if (!prefer.empty()) headers.emplace_back("prefer", prefer);
    if (!key.empty()) headers.emplace_back("idempotency-key", key);
    return call(http::Method::kPost, target, std::move(headers), std::move(body));
  }
  Reply get(const std::string& target) { return call(http::Method::kGet, target); }
  static std::string member(const Reply& reply, std::string_view name) {
    const codec::Json body = codec::parse_json(reply.body).value();
    const codec::Json* value = body.find(name);
    return value != nullptr && value->is_string() ? value->as_string() : "";
  }
  Reply wait_for(const std::string& place) {
    for (;;) {
      Reply reply = get(place + "/result");
      if (reply.status != 409) return reply;
    }
  }
  static std::string header(const Reply& reply, std::string_view name) {
    const std::string* found = http::find_header(reply.headers, name);
    return found == nullptr ? "" : *found;
  }

  Ctx ctx;
  test::TempDb db;
  test::MemBlobs blobs;
  Budget budget{1 << 30};
  ledger::Ledger events{{*db, real_clock(), real_rng()}};
  later::Later later{
      {*db, blobs, events, budget, real_clock(), real_rng(), real_executor(), null_log()}, {}};
  std::unique_ptr<Pool> pool = make_pool(real_executor(), real_clock(), {.threads_max = 4});
  Async async{{later, real_clock(), [this]() -> Pool& { return *pool; }}};
  std::unique_ptr<http::Inside> outside;
};

TEST_F(AsyncTest, GivesTheAnswerOfTheRow) {
  start();
  for (const std::string path : {"/v2/models/m/infer?q=1", "/v1/models/m:predict?q=1"}) {
    for (const std::string body : {"good", "bad"}) {
      const Reply now = post(path, body);
      const Reply accepted = post(path, body, "respond-async");
      EXPECT_EQ(accepted.status, 202) << path;
      EXPECT_EQ(header(accepted, "preference-applied"), "respond-async");
      const std::string place = header(accepted, "location");
      EXPECT_EQ(place, "/v2/async/" + member(accepted, "id"));
      EXPECT_EQ(member(accepted, "status"), "queued");
      const Reply later_one = wait_for(place);
      EXPECT_EQ(later_one.status, now.status);
      EXPECT_EQ(later_one.content_type, now.content_type);
      // Credentials aren't kept.
      std::string want = now.body;
      if (const size_t at = want.find("secret"); at != want.npos) want.erase(at, 6);
      EXPECT_EQ(later_one.body, want);
      EXPECT_EQ(later_one.headers, now.headers);
      EXPECT_EQ(member(get(place), "status"), body == "good" ? "done" : "failed");
    }
  }
}

TEST_F(AsyncTest, WaitsAsLongAsItIsAskedTo) {
  start();
  const Reply in_time = post("/v2/models/m/infer", "good", "respond-async, wait=30");
  EXPECT_EQ(in_time.status, 201);
  EXPECT_EQ(header(in_time, "preference-applied"), "wait=30");
  const Reply late = post("/v2/models/m/infer", "busy", "respond-async, wait=1");
  EXPECT_EQ(late.status, 202);
}

TEST_F(AsyncTest, OnlyWhereItIsAskedForAndOffered) {
  EXPECT_EQ(post("/v2/models/m/infer", "good", "respond-async").status, 201);  // Nobody runs it.
  start();
  EXPECT_EQ(post("/other", "good", "respond-async").status, 201);
  EXPECT_EQ(post("/v2/models/m/infer", "good", "return=minimal").status, 201);
  EXPECT_EQ(post("/v2/models/m/infer", "good", "wait=5").status, 201);
  EXPECT_TRUE(codec::parse_json(get("/v2/async").body).value().find("items")->items().empty());
}

TEST_F(AsyncTest, BadInputIsRefused) {
  start();
  struct Case {
    std::string target;
    int status;
  };
  const Reply accepted = post("/v2/models/m/infer", "busy", "respond-async");
  const std::string place = header(accepted, "location");
  for (const Case& c : std::vector<Case>{{"/v2/async/none", 404},
                                         {"/v2/async/none/result", 404},
                                         {place + "/result", 409},
                                         {"/v2/async?limit=0", 400},
                                         {"/v2/async?limit=x", 400},
                                         {"/v2/async?limit=1001", 400},
                                         {"/v2/async?status=odd", 400},
                                         {"/v2/async?page_token=%ff", 400}})
    EXPECT_EQ(get(c.target).status, c.status) << c.target;
  EXPECT_EQ(call(http::Method::kPost, place + "/retry").status, 409);
  EXPECT_EQ(call(http::Method::kDelete, place).status, 200);
  EXPECT_EQ(member(get(place), "status"), "cancelled");
  EXPECT_EQ(get(place + "/result").status, 410);
  const Reply first = post("/v2/models/m/infer", "good", "respond-async", "key");
  EXPECT_EQ(member(post("/v2/models/m/infer", "good", "respond-async", "key"), "id"),
            member(first, "id"));
  const Reply reused = post("/v2/models/m/infer", "else", "respond-async", "key");
  EXPECT_EQ(reused.body, "own: idempotency.key_reused");  // In the protocol's own form.
  EXPECT_EQ(post("/v2/models/m/infer", "good", "respond-async", "a b").status, 400);
}

TEST_F(AsyncTest, PlacesKeepTheProject) {
  start();
  ctx.project.text = "team";
  EXPECT_TRUE(header(post("/v2/models/m/infer", "good", "respond-async"), "location")
                  .starts_with("/~team/v2/async/"));
}

TEST_F(AsyncTest, Lists) {
  start();
  for (int i = 0; i < 3; ++i)
    wait_for(header(post("/v2/models/m/infer", "x", "respond-async"), "location"));
  const codec::Json page = codec::parse_json(get("/v2/async?limit=2").body).value();
  EXPECT_EQ(page.find("items")->items().size(), 2U);
  const std::string token = page.find("next_page_token")->as_string();
  const codec::Json rest =
      codec::parse_json(get("/v2/async?limit=2&page_token=" + token).body).value();
  EXPECT_EQ(rest.find("items")->items().size(), 1U);
  EXPECT_EQ(rest.find("next_page_token"), nullptr);
  EXPECT_EQ(
      codec::parse_json(get("/v2/async?status=failed").body).value().find("items")->items().size(),
      0U);
}

}  // namespace
}  // namespace slip::wire::async
