#include "app/gate.h"

#include <gtest/gtest.h>

#include "app/world.h"
#include "sys/sim/sim_rng.h"
#include "test/fake/clock.h"
#include "test/store/dbs.h"

namespace slip::app {
namespace {

using http::On;
using http::Right;

class GateTest : public testing::Test {
 protected:
  GateTest()
      : ledger_({*db_, clock_, rng_}),
        auth_({*db_, ledger_, clock_, rng_}, {.required = true}),
        gate_(auth_) {
    const std::vector<store::Migration> steps = all_migrations();
    EXPECT_TRUE(store::migrate(*db_, steps).ok());
    EXPECT_TRUE(auth_.load().ok());
  }

  Ctx ctx_of(const std::string& principal, auth::Role role) {
    auth::NewToken wanted;
    wanted.principal = principal;
    wanted.role = role;
    const std::string header = "Bearer " + auth_.create_token(Ctx(), wanted).value().text;
    return gate_.authenticate({header, "", "127.0.0.1:1"}).value();
  }
  void deny(const std::string& principal, const std::string& uid) {
    auth::Grant grant;
    grant.project = "default";
    grant.kind = "model";
    grant.object = uid;
    grant.deny = true;
    EXPECT_TRUE(auth_.set_grant(Ctx(), principal, grant).ok());
  }
  std::string ask(const Ctx& ctx, http::Permission permission) {
    const Status s = gate_.authorize(ctx, permission);
    return s.ok() ? "" : s.error().reason;
  }
  // A row on models whose object is ?name=, as it is served.
  http::Route guarded(http::Permission permission) {
    std::vector<http::Route> rows(1);
    rows[0].permission = permission;
    rows[0].blocking = [](const Ctx&, http::Request&) -> Result<http::Reply> {
      return http::Reply();
    };
    rows[0].needs = [permission](const Ctx&,
                                 const http::Request& request) -> Result<std::vector<http::Need>> {
      const std::string* name = request.query_value("name");
      if (name == nullptr) return invalid("test.name", "which one?");
      if (*name == "missing") return not_found("model.not_found", "none");
      std::vector<http::Need> out;
      out.push_back({.right = permission.right, .kind = "model", .uid = "uid-of-" + *name});
      return out;
    };
    EXPECT_TRUE(guard_rows(auth_, nullptr, &rows).ok());
    return rows[0];
  }
  std::string call(const http::Route& row, const Ctx& ctx, const std::string& name) {
    http::Request request;
    if (!name.empty()) request.query.emplace_back("name", name);
    const Result<http::Reply> got = row.blocking(ctx, request);
    return got.ok() ? "" : got.error().reason;
  }

  test::TempDb db_;
  test::FakeClock clock_;
  sim::SimRng rng_{2};
  ledger::Ledger ledger_;
  auth::Auth auth_;
  AuthGate gate_;
};

TEST_F(GateTest, RolesOfTheProject) {
  const Ctx ann = ctx_of("ann", auth::Role::kUse);
  EXPECT_EQ(ask(ann, {Right::kPublic, "server"}), "");
  EXPECT_EQ(ask(ann, {Right::kRead, "server", On::kProject}), "");
  EXPECT_EQ(ask(ann, {Right::kUse, "deployment"}), "");
  EXPECT_EQ(ask(ann, {Right::kManage, "token", On::kProject}), "auth.forbidden");
  EXPECT_EQ(ask(ann, {Right::kEdit, "experiment", On::kNew}), "auth.forbidden");
  // Above what her token lets through, no object could help.
  EXPECT_EQ(ask(ann, {Right::kEdit, "model"}), "auth.forbidden");
  EXPECT_EQ(ask(ann, {Right::kRead, "model", On::kList}), "");
  EXPECT_EQ(gate_.authenticate({"", "", ""}).error().reason, "auth.required");
}

TEST_F(GateTest, TheObjectDecidesWhereItMust) {
  const Ctx ann = ctx_of("ann", auth::Role::kEdit);
  const http::Route read = guarded({Right::kRead, "model"});
  // She may do it to everything: nobody asks which one it is.
  EXPECT_EQ(call(read, ann, ""), "");
  deny("ann", "uid-of-secret");
  EXPECT_EQ(ask(ann, {Right::kRead, "model"}), "");
  EXPECT_EQ(call(read, ann, "open"), "");
  EXPECT_EQ(call(read, ann, "secret"), "model.not_found");
  EXPECT_EQ(call(read, ann, "missing"), "model.not_found");
  EXPECT_EQ(call(read, ann, ""), "test.name");
  EXPECT_EQ(call(guarded({Right::kEdit, "model"}), ann, "open"), "");
  EXPECT_EQ(call(guarded({Right::kManage, "model"}), ann, "open"), "auth.forbidden");
  EXPECT_EQ(call(guarded({Right::kRead, "run"}), ann, ""), "");  // Another kind.
}

TEST_F(GateTest, ARowThatHidesNothingSaysForbidden) {
  const Ctx ann = ctx_of("ann", auth::Role::kEdit);
  deny("ann", "uid-of-secret");
  std::vector<http::Route> rows(1, guarded({Right::kRead, "model"}));
  rows[0].hides_as_missing = false;
  ASSERT_TRUE(guard_rows(auth_, nullptr, &rows).ok());
  EXPECT_EQ(call(rows[0], ann, "secret"), "auth.forbidden");
  EXPECT_EQ(call(rows[0], ann, "missing"), "auth.forbidden");
}

TEST_F(GateTest, ARowThatDoesNotSayHowItsObjectIsFoundIsRefused) {
  std::vector<http::Route> rows(3);
  rows[0].path = "/forgotten";
  rows[0].permission = {Right::kRead, "model"};
  rows[1].path = "/list";
  rows[1].permission = {Right::kRead, "model", On::kList};
  rows[2].path = "/open";
  rows[2].permission = {Right::kPublic, ""};
  const Status s = guard_rows(auth_, nullptr, &rows);
  ASSERT_FALSE(s.ok());
  EXPECT_EQ(s.error().reason, "routes.unguarded");
  EXPECT_NE(s.error().text.find("/forgotten"), std::string::npos);
  EXPECT_EQ(s.error().text.find("/list"), std::string::npos);
}

TEST_F(GateTest, MethodsOfGrpcAskTheSame) {
  std::vector<grpc::Method> rows(1);
  rows[0].name = "a.B/C";
  rows[0].permission = {Right::kRead, "model"};
  rows[0].blocking = [](const Ctx&, grpc::Request&) -> Result<grpc::Reply> {
    return grpc::Reply();
  };
  EXPECT_EQ(guard_methods(auth_, nullptr, &rows).error().reason, "methods.unguarded");
  rows[0].needs = [](const Ctx&, const grpc::Request& request) -> Result<std::vector<http::Need>> {
    return http::one_need(Right::kRead, "model", std::string(request.message));
  };
  ASSERT_TRUE(guard_methods(auth_, nullptr, &rows).ok());
  const Ctx ann = ctx_of("ann", auth::Role::kEdit);
  deny("ann", "secret");
  const auto call = [&](std::string_view message) {
    grpc::Request request;
    request.message = message;
    const Result<grpc::Reply> got = rows[0].blocking(ann, request);
    return got.ok() ? "" : got.error().reason;
  };
  EXPECT_EQ(call("open"), "");
  EXPECT_EQ(call("secret"), "model.not_found");
}

}  // namespace
}  // namespace slip::app
