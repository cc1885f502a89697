#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/text.h"
#include "core/hold/hold.h"
#include "core/ledger/ledger.h"
#include "core/sign/sign.h"
#include "registry/governance.h"
#include "store/tree/tree.h"
#include "sys/executor.h"
#include "sys/log.h"
#include "sys/rng.h"
#include "sys/sim/sim_fs.h"
#include "test/fake/clock.h"
#include "test/store/dbs.h"
#include "test/store/mem_blobs.h"

// A registry with its governance on a database of its own, for the tests of both.
namespace slip::registry {

class FakeOrigins final : public Origins {
 public:
  explicit FakeOrigins(store::Blobs& blobs) : blobs_(blobs) {}
  std::map<std::string, std::vector<std::string>> authors_of;  // Of sources.

  Result<Located> locate(const Ctx&, const NewVersion& wanted) override {
    return Located{.location = "files:/" + wanted.source, .run_id = wanted.source};
  }
  Result<std::string> digest(const Ctx&, const std::string& location) override {
    const store::Digest file = TRY(blobs_.put("weights of " + location));
    return TRY(store::tree::build(blobs_, {{"w.txt", file, 20, ""}})).text();
  }
  Result<std::optional<double>> metric(const Ctx&, const Version&, const std::string&) override {
    return std::optional(0.9);
  }
  Result<std::vector<std::string>> authors(const Ctx&, const Version& v) override {
    return authors_of[v.source];
  }

 private:
  store::Blobs& blobs_;
};

class FakeTrials final : public Trials {
 public:
  std::map<int64_t, std::string> broken;  // Versions that don't load, and why.
  Result<std::string> loads(const Ctx&, const Bundle& files) override {
    const auto found = broken.find(files.version.number);
    if (found != broken.end()) return invalid("onnx.load", found->second);
    return std::string("loads");
  }
  Result<std::vector<codec::Json>> answer(const Ctx&, const Bundle&,
                                          const std::vector<codec::Json>& rows) override {
    std::vector<codec::Json> out;
    for (const codec::Json& row : rows) out.push_back(row.members().front().second);
    return out;
  }
  Result<Latency> time(const Ctx&, const Bundle&) override {
    return Latency{.p50_ms = 1, .p90_ms = 2, .p95_ms = 3, .p99_ms = 4, .runs = 10};
  }
};

inline Ctx acting(const std::string& who, const std::string& kind = "user") {
  Ctx ctx;
  ctx.actor_uid = who;
  ctx.actor_kind = kind;
  return ctx;
}

class GovernanceTest : public test::DbTest {
 protected:
  void SetUp() override {
    std::vector<store::Migration> steps;
    for (const auto& all : {ledger::migrations(), hold::migrations(), migrations()})
      steps.insert(steps.end(), all.begin(), all.end());
    migrated(steps);
    events = std::make_unique<ledger::Ledger>(ledger::Ledger::Deps{db(), clock, real_rng()});
    blobs = store::open_blobs({fs, clock, real_executor(), null_log()}, "/blobs").value();
    origins = std::make_unique<FakeOrigins>(*blobs);
    registry = std::make_unique<Registry>(Registry::Deps{db(), *blobs, *events, clock, real_rng(),
                                                         *origins, &signer, nullptr, &trials});
    governance = std::make_unique<Governance>(*registry);
    ASSERT_TRUE(registry->create_model(ann, "fraud", {}, {}).ok());
  }
  int64_t add(const std::string& source = "models:/m-1") {
    NewVersion wanted;
    wanted.model = "fraud";
    wanted.source = source;
    return registry->create_version(ann, wanted).value().number;
  }
  void gate(int64_t n) {
    ASSERT_TRUE(registry
                    ->evaluate_gate(ann, "fraud", n,
                                    {{.kind = Check::Kind::kFloor, .metric = "acc", .bound = 0.5}})
                    .ok());
  }
  std::string ask(int64_t n, const Governance::Ask& wanted = {}, const Ctx& who = acting("ann")) {
    return reason(governance->ask(who, "fraud", n, wanted));
  }
  std::string approve(const Ctx& who, int64_t n, const Governance::Word& word = {}) {
    return reason(governance->approve(who, "fraud", n, word));
  }
  // In Production by the whole way.
  void release(int64_t n) {
    gate(n);
    ASSERT_EQ(ask(n), "");
    ASSERT_EQ(approve(bob, n, {.apply = true}), "");
    ASSERT_EQ(stage(n), "Production");
  }
  std::string stage(int64_t n) { return registry->get_version(ann, "fraud", n)->stage.name; }
  std::string missing(int64_t n, const std::string& target = "Production") {
    const Governance::Explanation told = governance->explain(ann, "fraud", n, target).value();
    for (const Condition& c : told.conditions)
      if (!c.ok) return c.reason;
    return "";
  }
  Policy policy(const char* json, const std::string& target = "Production") {
    return read_policy(codec::parse_json(json).value(), target).value();
  }
  std::string set_policy(const char* json, const std::string& target = "Production") {
    return reason(governance->set_policy(ann, "fraud", policy(json, target)));
  }
  int told(const std::string& verb) {
    while (events->number_pending().value() == ledger::kNumberedAtOnce) {}
    return static_cast<int>(events->list({.verb = verb, .limit = 1000})->size());
  }
  std::string reason(const Status& s) { return s.ok() ? "" : s.error().reason; }
  template <class T>
  std::string reason(const Result<T>& r) {
    return r.ok() ? "" : r.error().reason;
  }

  sim::SimFs fs{1};
  test::FakeClock clock;
  const sign::Signer signer{codec::Ed25519Key::generate()};
  FakeTrials trials;
  Ctx ann = acting("ann");
  Ctx bob = acting("bob");
  Ctx eve = acting("eve");
  std::unique_ptr<ledger::Ledger> events;
  std::unique_ptr<store::Blobs> blobs;
  std::unique_ptr<FakeOrigins> origins;
  std::unique_ptr<Registry> registry;
  std::unique_ptr<Governance> governance;
};

}  // namespace slip::registry
