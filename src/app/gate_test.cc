#include "app/gate.h"

#include <gtest/gtest.h>

#include "app/world.h"
#include "sys/sim/sim_rng.h"
#include "test/fake/clock.h"
#include "test/store/dbs.h"

namespace slip::app {
namespace {

class GateTest : public testing::Test {
 protected:
  GateTest()
      : ledger_({*db_, clock_, rng_}),
        auth_({*db_, ledger_, clock_, rng_}, {.required = true}),
        gate_(auth_, [](const Ctx&, std::string_view resource, const http::Request& request) {
          // Only models have a name in the path here.
          if (resource != "model" || request.params.empty()) return std::optional<std::string>();
          return std::optional<std::string>("uid-of-" + request.params[0].second);
        }) {
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
  std::string ask(const Ctx& ctx, http::Right right, std::string_view resource,
                  const std::string& name = "") {
    http::Request request;
    if (!name.empty()) request.params.emplace_back("name", name);
    const Status s = gate_.authorize(ctx, {right, resource}, request);
    return s.ok() ? "" : s.error().reason;
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
  EXPECT_EQ(ask(ann, http::Right::kPublic, "server"), "");
  EXPECT_EQ(ask(ann, http::Right::kRead, "model"), "");
  EXPECT_EQ(ask(ann, http::Right::kUse, "deployment"), "");
  EXPECT_EQ(ask(ann, http::Right::kEdit, "model"), "auth.forbidden");
  EXPECT_EQ(ask(ann, http::Right::kManage, "token"), "auth.forbidden");
  EXPECT_EQ(gate_.authenticate({"", "", ""}).error().reason, "auth.required");
}

TEST_F(GateTest, WhoHasGrantsOnObjectsIsLetThroughOnlyWhereTheObjectIsKnown) {
  const Ctx ann = ctx_of("ann", auth::Role::kEdit);
  auth::Grant deny;
  deny.project = "default";
  deny.kind = "model";
  deny.object = "uid-of-secret";
  deny.deny = true;
  ASSERT_TRUE(auth_.set_grant(Ctx(), "ann", deny).ok());
  EXPECT_EQ(ask(ann, http::Right::kRead, "model", "secret"), "model.not_found");
  EXPECT_EQ(ask(ann, http::Right::kRead, "model", "open"), "");
  EXPECT_EQ(ask(ann, http::Right::kManage, "model", "open"), "auth.forbidden");
  EXPECT_EQ(ask(ann, http::Right::kRead, "model"), "auth.object_unknown");  // A list.
  EXPECT_EQ(ask(ann, http::Right::kRead, "run"), "");                       // Another kind.
}

}  // namespace
}  // namespace slip::app
