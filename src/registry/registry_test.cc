#include <map>
#include <set>

#include <gtest/gtest.h>

#include "core/hold/hold.h"
#include "core/ledger/ledger.h"
#include "registry/governance.h"
#include "registry/registry_store.h"
#include "sys/executor.h"
#include "sys/log.h"
#include "sys/rng.h"
#include "sys/sim/sim_fs.h"
#include "test/fake/clock.h"
#include "test/sim/faulty_db.h"
#include "test/store/dbs.h"

namespace slip::registry {
namespace {

// Runs and files as the registry sees them: "models:/m-N" lies at "files:/N", whose digest is a
// tree of one file.
class FakeOrigins final : public Origins {
 public:
  explicit FakeOrigins(store::Blobs& blobs) : blobs_(blobs) {}

  std::map<std::string, double> metrics;  // Of run ids.
  std::map<std::string, std::string> owners;

  Result<Located> locate(const Ctx&, const NewVersion& wanted) override {
    const std::string& source = wanted.source;
    if (source == "models:/m-none") return not_found("logged_model.not_found", "no such model");
    if (source == "/etc") return invalid("model_version.source", "not below a run");
    return Located{.location = "files:/" + source, .run_id = "run-" + source};
  }
  Result<std::string> digest(const Ctx&, const std::string& location) override {
    const store::Digest file = TRY(blobs_.put("weights of " + location));
    const store::Digest card = TRY(blobs_.put("flavors: {}"));
    return TRY(store::tree::build(blobs_, {{"MLmodel", card, 11, ""}, {"w.bin", file, 1, ""}}))
        .text();
  }
  Result<std::optional<double>> metric(const Ctx&, const Version& v,
                                       const std::string& key) override {
    const auto found = metrics.find(v.run_id);
    if (found == metrics.end() || key != "acc") return std::optional<double>();
    return std::optional(found->second);
  }
  Result<std::vector<std::string>> authors(const Ctx&, const Version& v) override {
    const auto found = owners.find(v.run_id);
    if (found == owners.end()) return std::vector<std::string>();
    return std::vector{found->second};
  }

 private:
  store::Blobs& blobs_;
};

Ctx acting(const std::string& who) {
  Ctx ctx;
  ctx.actor_uid = who;
  return ctx;
}

// On PostgreSQL events are read once they are numbered.
void number(ledger::Ledger& events) {
  while (events.number_pending().value() == ledger::kNumberedAtOnce) {}
}

class RegistryTest : public test::DbTest {
 protected:
  void SetUp() override {
    std::vector<store::Migration> steps;
    for (const auto& all : {ledger::migrations(), hold::migrations(), migrations()})
      steps.insert(steps.end(), all.begin(), all.end());
    migrated(steps);
    events = std::make_unique<ledger::Ledger>(ledger::Ledger::Deps{db(), clock, real_rng()});
    blobs = store::open_blobs({fs, clock, real_executor(), null_log()}, "/blobs").value();
    origins = std::make_unique<FakeOrigins>(*blobs);
    use(db());
  }
  void use(store::Db& chosen) {
    registry = std::make_unique<Registry>(
        Registry::Deps{chosen, *blobs, *events, clock, real_rng(), *origins});
    governance = std::make_unique<Governance>(*registry);
  }
  // One word on Production, whether or not somebody asked.
  Result<Governance::Outcome> judge(const Ctx& who, int64_t number, bool approve,
                                    const std::string& comment) {
    const Governance::Word word{.comment = comment, .ask_if_missing = true};
    return approve ? governance->approve(who, "fraud", number, word)
                   : governance->reject(who, "fraud", number, word);
  }
  int64_t add(const std::string& source = "models:/m-1", const Ctx& who = acting("ann")) {
    NewVersion wanted;
    wanted.model = "fraud";
    wanted.source = source;
    return registry->create_version(who, wanted).value().number;
  }
  void make_model() { ASSERT_TRUE(registry->create_model(ann, "fraud", {}, {}).ok()); }
  void approve_all(int64_t number) {
    ASSERT_TRUE(registry->evaluate_gate(ann, "fraud", number, {floor}).ok());
    ASSERT_TRUE(judge(bob, number, true, "read").ok());
  }
  // In no order: time stands still here, and PostgreSQL numbers events by their time.
  std::multiset<std::string> verbs() {
    std::multiset<std::string> out;
    number(*events);
    for (const ledger::Event& e : events->list({.limit = 1000}).value()) out.insert(e.verb);
    return out;
  }
  std::string reason(const Status& s) { return s.ok() ? "" : s.error().reason; }
  template <class T>
  std::string reason(const Result<T>& r) {
    return r.ok() ? "" : r.error().reason;
  }

  sim::SimFs fs{1};
  test::FakeClock clock;
  Ctx ann = acting("ann");
  Ctx bob = acting("bob");
  const Check floor{.kind = Check::Kind::kFloor, .metric = "acc", .bound = 0.5};
  std::unique_ptr<ledger::Ledger> events;
  std::unique_ptr<store::Blobs> blobs;
  std::unique_ptr<FakeOrigins> origins;
  std::unique_ptr<Registry> registry;
  std::unique_ptr<Governance> governance;
};
SLIP_EVERY_DB(RegistryTest);

TEST_P(RegistryTest, NumbersAreNeverUsedAgain) {
  make_model();
  EXPECT_EQ(add(), 1);
  EXPECT_EQ(add(), 2);
  ASSERT_TRUE(registry->delete_version(ann, "fraud", 2).ok());
  EXPECT_EQ(add(), 3);
  EXPECT_EQ(reason(registry->get_version(ann, "fraud", 2)), "model_version.not_found");
  ASSERT_TRUE(registry->rename_model(ann, "fraud", "scam").ok());
  EXPECT_EQ(registry->list_versions(ann, "scam")->size(), 2U);
  EXPECT_EQ(reason(registry->get_model(ann, "fraud")), "model.not_found");
  ASSERT_TRUE(registry->delete_model(ann, "scam").ok());
  ASSERT_TRUE(registry->create_model(ann, "scam", {}, {}).ok());
  EXPECT_TRUE(registry->list_versions(ann, "scam")->empty());
}

TEST_P(RegistryTest, SourcesAreResolvedOrRefused) {
  make_model();
  add("models:/m-7");
  const Version v = registry->get_version(ann, "fraud", 1).value();
  EXPECT_EQ(v.location, "files:/models:/m-7");
  EXPECT_EQ(v.run_id, "run-models:/m-7");
  EXPECT_TRUE(v.digest.starts_with("sha256:"));
  add("models:/fraud/1");  // A copy shares bytes and run.
  const Version copy = registry->get_version(ann, "fraud", 2).value();
  EXPECT_EQ(copy.digest, v.digest);
  EXPECT_EQ(copy.location, v.location);
  const Bundle bundle = registry->open_bundle(ann, "fraud", 2).value();
  EXPECT_EQ(bundle.mlmodel, "flavors: {}");
  EXPECT_EQ(bundle.entries.size(), 2U);
  struct Case {
    const char* source;
    const char* reason;
  };
  for (const Case& c :
       {Case{"/etc", "model_version.source"}, Case{"", "registry.missing"},
        Case{"models:/m-none", "logged_model.not_found"},
        Case{"models:/fraud@none", "model_alias.not_found"},
        Case{"models:/fraud/Production", "model_version.not_found"},
        Case{"models:/fraud/Live", "stage.unknown"}, Case{"models:/none/1", "model.not_found"},
        Case{"models:/fraud/99", "model_version.not_found"}}) {
    SCOPED_TRACE(c.source);
    NewVersion wanted;
    wanted.model = "fraud";
    wanted.source = c.source;
    EXPECT_EQ(reason(registry->create_version(ann, wanted)), c.reason);
  }
  EXPECT_EQ(add(), 3);  // What was refused took no number.
  ASSERT_TRUE(registry->set_alias(ann, "fraud", "best", 2).ok());
  add("models:/fraud@best");
  EXPECT_EQ(registry->get_version(ann, "fraud", 4)->source, "models:/fraud/2");
  NewVersion other;
  other.model = "fraud";
  other.source = "models:/fraud/1";
  other.run_id = "another";
  EXPECT_EQ(reason(registry->create_version(ann, other)), "model_version.source");
}

TEST_P(RegistryTest, TheWayToProduction) {
  make_model();
  const int64_t one = add("models:/m-1");
  const int64_t two = add("models:/m-2");
  origins->metrics = {{"run-models:/m-1", 0.8}, {"run-models:/m-2", 0.9}};
  origins->owners["run-models:/m-2"] = "eve";
  EXPECT_EQ(reason(registry->promote(bob, "fraud", one)), "model_version.gate_missing");
  EXPECT_TRUE(registry->evaluate_gate(ann, "fraud", one, {floor})->passed);
  EXPECT_EQ(reason(registry->promote(bob, "fraud", one)), "model_version.not_approved");
  EXPECT_EQ(reason(judge(ann, one, true, "")), "model_version.own_work");
  EXPECT_EQ(reason(judge(acting("eve"), two, true, "")),
            "model_version.own_work");  // She made the run.
  ASSERT_TRUE(judge(bob, one, true, "read").ok());
  EXPECT_EQ(registry->promote(bob, "fraud", one)->stage, Stage::kProduction);
  EXPECT_EQ(registry->find_alias(ann, "fraud", "champion")->number, one);

  const Check champion{.kind = Check::Kind::kChampion, .metric = "acc", .bound = 0};
  const Gate gate = registry->evaluate_gate(ann, "fraud", two, {floor, champion}).value();
  EXPECT_TRUE(gate.passed);
  EXPECT_EQ(gate.checks[1].champion_version, one);
  ASSERT_TRUE(judge(bob, two, true, "read").ok());
  ASSERT_TRUE(registry->promote(bob, "fraud", two).ok());
  EXPECT_EQ(registry->get_version(ann, "fraud", one)->stage, Stage::kArchived);

  clock.advance_ms(5);
  EXPECT_EQ(registry->rollback(bob, "fraud", "complaints", two)->number, one);
  EXPECT_EQ(registry->rollback(bob, "fraud", "complaints", two)->number, one);  // Asked again.
  EXPECT_EQ(reason(registry->rollback(bob, "fraud", "more")), "model_version.no_previous");
  EXPECT_EQ(registry->find_alias(ann, "fraud", "champion")->number, one);
  const auto history = registry->history(ann, "fraud").value();
  EXPECT_EQ(history.back().reason, "complaints");
  EXPECT_EQ(verbs(), (std::multiset<std::string>{
                         "registered_model.created", "model_version.created",
                         "model_version.created", "model_version.gated", "approval.requested",
                         "approval.granted", "stage.transitioned", "model_version.promoted",
                         "approval.applied", "model_version.gated", "approval.requested",
                         "approval.granted", "stage.transitioned", "stage.transitioned",
                         "model_version.promoted", "approval.applied", "stage.transitioned",
                         "stage.transitioned", "model_version.rolled_back"}));
}

TEST_P(RegistryTest, AProtectedModelMovesByPromotionOnly) {
  make_model();
  const int64_t one = add();
  const int64_t two = add("models:/m-2");
  origins->metrics = {{"run-models:/m-1", 0.8}, {"run-models:/m-2", 0.9}};
  // Unprotected: as MLflow has it, two versions may hold Production.
  ASSERT_TRUE(registry->set_stage(ann, "fraud", one, Stage::kProduction, false).ok());
  ASSERT_TRUE(registry->set_stage(ann, "fraud", two, Stage::kProduction, false).ok());
  ASSERT_TRUE(registry->set_alias(ann, "fraud", "champion", one).ok());
  ASSERT_TRUE(registry->set_stage(ann, "fraud", two, Stage::kStaging, false).ok());
  ASSERT_TRUE(registry->evaluate_gate(ann, "fraud", two, {floor}).ok());  // Now it is.

  const auto production = [&](int64_t n) {
    return reason(registry->set_stage(bob, "fraud", n, Stage::kProduction, true));
  };
  EXPECT_EQ(production(two), "model.protected");
  EXPECT_EQ(reason(registry->set_stage(bob, "fraud", one, Stage::kNone, false)), "model.protected");
  EXPECT_EQ(reason(registry->set_alias(bob, "fraud", "champion", two)), "model.protected");
  EXPECT_EQ(reason(registry->delete_alias(bob, "fraud", "champion")), "model.protected");
  EXPECT_EQ(reason(registry->delete_version(bob, "fraud", one)), "model.protected");
  EXPECT_EQ(reason(registry->delete_model(bob, "fraud")), "model.protected");
  EXPECT_EQ(reason(registry->set_alias(bob, "fraud", "shadow", two)), "");
  EXPECT_EQ(reason(registry->set_stage(bob, "fraud", two, Stage::kArchived, false)), "");
  ASSERT_TRUE(judge(bob, two, true, "").ok());
  EXPECT_EQ(production(two), "");  // MLflow's call takes the same road.
  EXPECT_EQ(registry->get_version(ann, "fraud", one)->stage, Stage::kArchived);
  EXPECT_EQ(registry->find_alias(ann, "fraud", "champion")->number, two);
}

TEST_P(RegistryTest, ARejectionStandsUntilTakenBack) {
  make_model();
  const int64_t one = add();
  origins->metrics = {{"run-models:/m-1", 0.8}};
  approve_all(one);
  ASSERT_TRUE(judge(acting("eve"), one, false, "no").ok());
  EXPECT_EQ(reason(registry->promote(bob, "fraud", one)), "model_version.not_approved");
  ASSERT_TRUE(judge(acting("eve"), one, true, "after all").ok());
  EXPECT_EQ(reason(registry->promote(bob, "fraud", one)), "");
}

TEST_P(RegistryTest, GatesRefuseNonsense) {
  make_model();
  const int64_t one = add();
  EXPECT_EQ(reason(registry->evaluate_gate(ann, "fraud", 9, {floor})), "model_version.not_found");
  EXPECT_EQ(reason(registry->evaluate_gate(ann, "fraud", one, {})), "gate.empty");
  EXPECT_EQ(reason(registry->evaluate_gate(ann, "fraud", one,
                                           std::vector<Check>(kGateChecksMax + 1, floor))),
            "gate.limit");
  Check bad = floor;
  bad.bound = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(reason(registry->evaluate_gate(ann, "fraud", one, {bad})), "gate.bound");
  bad = floor;
  bad.metric.clear();
  EXPECT_EQ(reason(registry->evaluate_gate(ann, "fraud", one, {bad})), "gate.metric");
  EXPECT_FALSE(registry->get_model(ann, "fraud")->is_protected);
}

TEST_P(RegistryTest, NamesAliasesTags) {
  for (const char* bad : {"", " ", "a/b", "a:b"})
    EXPECT_EQ(reason(registry->create_model(ann, bad, {}, {})), "model.name") << bad;
  make_model();
  EXPECT_EQ(reason(registry->create_model(ann, "fraud", {}, {})), "model.exists");
  const int64_t one = add();
  for (const char* bad : {"", "latest", "Latest", "v1", "V22", "a b", "a.b"})
    EXPECT_EQ(reason(registry->set_alias(ann, "fraud", bad, one)), "model_alias.name") << bad;
  EXPECT_EQ(reason(registry->set_alias(ann, "fraud", std::string(kAliasMax + 1, 'a'), one)),
            "registry.too_long");
  EXPECT_EQ(registry->find_alias(ann, "fraud", "LATEST")->number, one);
  EXPECT_EQ(reason(registry->find_alias(ann, "fraud", "none")), "model_alias.not_found");
  EXPECT_EQ(
      reason(registry->set_model_tag(ann, "fraud", {"k", std::string(kTagValueMax + 1, 'v')})),
      "registry.too_long");
  EXPECT_EQ(reason(registry->set_stage(ann, "fraud", one, Stage::kArchived, true)),
            "stage.not_active");
}

TEST_P(RegistryTest, SearchLeavesPromptsOut) {
  const std::vector<Tag> prompt = {{"mlflow.prompt.is_prompt", "true"}};
  ASSERT_TRUE(registry->create_model(ann, "greeting", {}, prompt).ok());
  NewVersion text;
  text.model = "greeting";
  text.source = "prompt-template";
  text.tags = prompt;
  ASSERT_TRUE(registry->create_version(ann, text).ok());
  make_model();
  add();
  ASSERT_TRUE(registry->create_model(ann, "Fresh", {}, {{"team", "x"}}).ok());
  struct Case {
    const char* filter;
    const char* names;
  };
  const Case cases[] = {{"", "Fresh fraud "},
                        {"name LIKE 'fr%'", "fraud "},
                        {"name ILIKE 'fr%'", "Fresh fraud "},
                        {"tags.team = 'x'", "Fresh "},
                        {"name IN ('fraud', 'greeting')", "fraud "},
                        {"tags.`mlflow.prompt.is_prompt` = 'true'", "greeting "},
                        {"tag.`mlflow.prompt.is_prompt` != 'true'", "Fresh fraud "}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.filter);
    Query query;
    query.filter = c.filter;
    query.max_results = 1;
    std::string names;
    do {
      const auto page = registry->search_models(ann, query).value();
      for (const Model& m : page.items) names += m.name + " ";
      query.page_token = page.next_page_token;
    } while (!query.page_token.empty());
    EXPECT_EQ(names, c.names);
  }
  Query query;
  EXPECT_EQ(registry->search_versions(ann, query)->items.size(), 1U);
  query.filter = "name = 'fraud' AND version_number >= 1 AND run_id LIKE 'run%'";
  query.order_by = {"creation_timestamp DESC"};
  EXPECT_EQ(registry->search_versions(ann, query)->items.size(), 1U);
  query.filter = "stage = 'x'";
  EXPECT_EQ(reason(registry->search_versions(ann, query)), "filter.key");
}

// What the invariants of registry.h say, seen from outside; "" when they hold. `seq`: of the ledger
// before the model was made.
std::string broken(Registry& registry, ledger::Ledger& events, int64_t seq) {
  const Ctx ctx = acting("eve");
  std::map<int64_t, Stage> held;
  size_t began = 0;
  for (const Tenure& t : registry.history(ctx, "fraud").value()) {
    began += t.stage == Stage::kProduction;
    if (!t.to_ms && !held.emplace(t.version, t.stage).second) return "two open tenures";
  }
  size_t live = 0;
  std::set<int64_t> numbers;
  for (const Version& v : registry.list_versions(ctx, "fraud").value()) {
    if (!numbers.insert(v.number).second) return "a number twice";
    if ((held.contains(v.number) ? held[v.number] : Stage::kNone) != v.stage)
      return "history and stage differ";
    if (v.stage != Stage::kProduction) continue;
    ++live;
    const auto champion = registry.find_alias(ctx, "fraud", "champion");
    if (!champion.ok() || champion->number != v.number) return "the champion is another";
  }
  if (live > 1) return "two hold Production";
  number(events);
  size_t told = 0;
  for (const ledger::Event& e : events.list({.after_seq = seq, .limit = 1000}).value())
    told += e.verb == "model_version.promoted" || e.verb == "model_version.rolled_back";
  return began == told ? "" : "an event too many or too few";
}

// Whatever people do, in whatever order, on a database that fails one write in five and loses
// replies: the invariants hold after every step, and asking again settles it.
TEST_P(RegistryTest, SurvivesAnyHistoryOnABadDatabase) {
  make_model();
  for (uint64_t seed = 1; seed <= 25; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    test::FaultyDb faulty(db(), gen::Dice::seeded(seed + 1000), 5);
    use(db());
    ASSERT_TRUE(registry->rename_model(ann, "fraud", "old-" + std::to_string(seed)).ok());
    make_model();
    number(*events);
    const int64_t before = events->last_seq().value();
    use(faulty);
    gen::Dice dice = gen::Dice::seeded(seed);
    const auto insist = [](auto ask) {  // A client that retries what it may.
      for (int i = 0; i < 60; ++i) {
        auto r = ask();
        if (r.ok() || r.error().code != Code::kUnavailable) return r;
      }
      return ask();
    };
    for (int step = 0; step < 30; ++step) {
      const Ctx who = acting(dice.below(2) ? "ann" : "bob");
      const auto n = static_cast<int64_t>(dice.below(5));
      clock.advance_ms(1);
      origins->metrics["run-models:/m-" + std::to_string(n)] = dice.below(2) ? 0.9 : 0.1;
      switch (dice.below(7)) {
        case 0: {
          NewVersion wanted;
          wanted.model = "fraud";
          wanted.source = "models:/m-" + std::to_string(n);
          ignore(registry->create_version(who, wanted), "any outcome is fine");
          break;
        }
        case 1:
          ignore(insist([&] { return registry->evaluate_gate(who, "fraud", n, {floor}); }), "any");
          break;
        case 2:
          ignore(insist([&] { return judge(who, n, true, ""); }), "any");
          break;
        case 3:
        case 4: {
          const auto r = insist([&] { return registry->promote(who, "fraud", n); });
          ASSERT_TRUE(r.ok() ? r->stage == Stage::kProduction
                             : r.error().code != Code::kUnavailable);
          break;
        }
        case 5: {
          const auto live = registry->latest_versions(who, "fraud", {Stage::kProduction});
          if (live->empty()) break;
          const int64_t from = live->front().number;
          const auto r = insist([&] { return registry->rollback(who, "fraud", "bad", from); });
          ASSERT_TRUE(!r.ok() || r->number != from);
          break;
        }
        case 6:
          ignore(insist([&] { return registry->delete_version(who, "fraud", n); }), "any");
          break;
      }
      ASSERT_EQ(broken(*registry, *events, before), "") << "step " << step;
    }
    use(db());
    ASSERT_EQ(broken(*registry, *events, before), "");
  }
}

}  // namespace
}  // namespace slip::registry
