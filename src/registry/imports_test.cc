#include "registry/imports.h"

#include <gtest/gtest.h>

#include "core/hold/hold.h"
#include "core/ledger/ledger.h"
#include "registry/governance.h"
#include "registry/registry.h"
#include "sys/executor.h"
#include "sys/log.h"
#include "sys/rng.h"
#include "sys/sim/sim_fs.h"
#include "test/fake/clock.h"
#include "test/store/dbs.h"

namespace slip::registry {
namespace {

class NoOrigins final : public Origins {
 public:
  Result<Located> locate(const Ctx&, const NewVersion& wanted) override {
    return Located{.location = wanted.source, .run_id = wanted.run_id};
  }
  Result<std::string> digest(const Ctx&, const std::string&) override { return std::string(); }
  Result<std::optional<double>> metric(const Ctx&, const Version&, const std::string&) override {
    return std::optional<double>();
  }
  Result<std::vector<std::string>> authors(const Ctx&, const Version&) override {
    return std::vector<std::string>();
  }
};

class RegistryImportsTest : public test::DbTest {
 protected:
  void SetUp() override {
    std::vector<store::Migration> steps;
    for (const auto& all : {ledger::migrations(), hold::migrations(), migrations()})
      steps.insert(steps.end(), all.begin(), all.end());
    migrated(steps);
    events = std::make_unique<ledger::Ledger>(ledger::Ledger::Deps{db(), clock, real_rng()});
    blobs = store::open_blobs({fs, clock, real_executor(), null_log()}, "/blobs").value();
    registry = std::make_unique<Registry>(
        Registry::Deps{db(), *blobs, *events, clock, real_rng(), origins});
    imports = std::make_unique<Imports>(*registry);
    ctx.actor_uid = "ann";
  }
  static Model some_model() {
    Model m;
    m.name = "fraud";
    m.description = "said";
    m.created_ms = 11;
    m.updated_ms = 12;
    m.last_version = 5;
    m.tags = {{"team", "x"}};
    return m;
  }
  static Version some_version(int64_t number) {
    Version v;
    v.model = "fraud";
    v.number = number;
    v.source = "s3://b/m";
    v.location = "s3://b/m";
    v.run_id = "r1";
    v.user_id = "alice";
    v.created_ms = 21;
    v.updated_ms = 22;
    v.tags = {{"k", "v"}};
    return v;
  }
  void both(int64_t number) {
    ASSERT_TRUE(imports->model(ctx, some_model(), false).ok());
    ASSERT_TRUE(imports->version(ctx, some_version(number), false).ok());
  }

  sim::SimFs fs{1};
  test::FakeClock clock;
  Ctx ctx;
  NoOrigins origins;
  std::unique_ptr<ledger::Ledger> events;
  std::unique_ptr<store::Blobs> blobs;
  std::unique_ptr<Registry> registry;
  std::unique_ptr<Imports> imports;
};
SLIP_EVERY_DB(RegistryImportsTest);

TEST_P(RegistryImportsTest, KeepNumbersTimesAndUsers) {
  EXPECT_EQ(imports->model(ctx, some_model(), false).value().state, Imported::kNew);
  Version v = some_version(3);
  v.stage = Stage::kProduction;
  v.aliases = {"best"};
  EXPECT_EQ(imports->version(ctx, v, false).value().state, Imported::kNew);
  const Version got = registry->get_version(ctx, "fraud", 3).value();
  EXPECT_EQ(got.created_ms, 21);
  EXPECT_EQ(got.updated_ms, 22);
  EXPECT_EQ(got.user_id, "alice");
  EXPECT_EQ(got.author, "ann");
  EXPECT_EQ(got.stage, Stage::kProduction);
  EXPECT_EQ(registry->find_alias(ctx, "fraud", "best").value().number, 3);
  EXPECT_EQ(registry->get_model(ctx, "fraud").value().updated_ms, 12);
  const std::vector<Tenure> history = registry->history(ctx, "fraud").value();
  ASSERT_EQ(history.size(), 1U);
  EXPECT_EQ(history[0].from_ms, 22);
  // A number that the other registry gave is not given again.
  EXPECT_EQ(registry
                ->create_version(ctx, {.model = "fraud",
                                       .source = "s3://b/n",
                                       .run_id = "",
                                       .run_link = {},
                                       .description = {},
                                       .logged_model_id = "",
                                       .tags = {}})
                .value()
                .number,
            6);
}

TEST_P(RegistryImportsTest, TheSameAgainChangesNothing) {
  both(1);
  EXPECT_EQ(imports->model(ctx, some_model(), false).value().state, Imported::kSame);
  EXPECT_EQ(imports->version(ctx, some_version(1), false).value().state, Imported::kSame);
}

TEST_P(RegistryImportsTest, WhatDiffersStaysUnlessToldOtherwise) {
  both(1);
  struct Case {
    const char* what;
    void (*change)(Version*);
  };
  const Case cases[] = {
      {"source", [](Version* v) { v->source = "s3://other"; }},
      {"location", [](Version* v) { v->location = "s3://other"; }},
      {"run_id", [](Version* v) { v->run_id = "r2"; }},
      {"user", [](Version* v) { v->user_id = "bob"; }},
      {"creation_time", [](Version* v) { v->created_ms = 1; }},
      {"description", [](Version* v) { v->description = "new"; }},
      {"stage", [](Version* v) { v->stage = Stage::kStaging; }},
      {"aliases.live", [](Version* v) { v->aliases = {"live"}; }},
      {"tags.k", [](Version* v) { v->tags[0].value = "w"; }},
  };
  Version wanted = some_version(1);
  for (const Case& c : cases) {
    SCOPED_TRACE(c.what);
    c.change(&wanted);
    const ImportOutcome kept = imports->version(ctx, wanted, false).value();
    EXPECT_EQ(kept.state, Imported::kDiffers);
    EXPECT_EQ(kept.differing, c.what);
    EXPECT_EQ(imports->version(ctx, wanted, true).value().state, Imported::kUpdated);
    EXPECT_EQ(imports->version(ctx, wanted, false).value().state, Imported::kSame);
  }
  Model model = some_model();
  model.tags[0].value = "y";
  EXPECT_EQ(imports->model(ctx, model, false).value().differing, "tags.team");
  EXPECT_EQ(imports->model(ctx, model, true).value().state, Imported::kUpdated);
  EXPECT_EQ(imports->model(ctx, model, false).value().state, Imported::kSame);
}

TEST_P(RegistryImportsTest, AProtectedStageTakesARequest) {
  both(1);
  ASSERT_TRUE(registry
                  ->evaluate_gate(ctx, "fraud", 1,
                                  {{.kind = Check::Kind::kFloor, .metric = "acc", .bound = 0.5}})
                  .ok());
  Version second = some_version(2);
  second.stage = Stage::kProduction;
  const ImportOutcome made = imports->version(ctx, second, true).value();
  EXPECT_EQ(made.state, Imported::kDiffers);
  EXPECT_EQ(made.differing, "stage");
  EXPECT_EQ(registry->get_version(ctx, "fraud", 2).value().stage, Stage::kNone);
  Version first = some_version(1);
  first.stage = Stage::kProduction;
  EXPECT_EQ(imports->version(ctx, first, true).value().state, Imported::kDiffers);
  EXPECT_EQ(registry->get_version(ctx, "fraud", 1).value().stage, Stage::kNone);
}

TEST_P(RegistryImportsTest, WhatWasDeletedHereStaysAway) {
  both(1);
  ASSERT_TRUE(registry->delete_version(ctx, "fraud", 1).ok());
  EXPECT_EQ(imports->version(ctx, some_version(1), true).value().differing, "deleted");
  EXPECT_FALSE(registry->get_version(ctx, "fraud", 1).ok());
}

TEST_P(RegistryImportsTest, APromptDoesNotBecomeAModel) {
  Model prompt = some_model();
  prompt.tags = {{"mlflow.prompt.is_prompt", "true"}};
  ASSERT_TRUE(imports->model(ctx, prompt, false).ok());
  EXPECT_EQ(imports->model(ctx, some_model(), true).value().differing, "kind");
}

TEST_P(RegistryImportsTest, BadRowsAreRefused) {
  EXPECT_EQ(imports->version(ctx, some_version(1), false).error().reason, "model.not_found");
  both(1);
  Version bad = some_version(2);
  bad.stage = Stage{"Nowhere"};
  EXPECT_EQ(imports->version(ctx, bad, false).error().reason, "stage.unknown");
  EXPECT_EQ(imports->version(ctx, some_version(0), false).error().code, Code::kInvalid);
  bad = some_version(2);
  bad.aliases = {"latest"};
  EXPECT_EQ(imports->version(ctx, bad, false).error().code, Code::kInvalid);
  Model model = some_model();
  model.name = "a/b";
  EXPECT_EQ(imports->model(ctx, model, false).error().code, Code::kInvalid);
  EXPECT_FALSE(registry->get_version(ctx, "fraud", 2).ok());
}

}  // namespace
}  // namespace slip::registry
