#include <algorithm>
#include <atomic>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "store/db.h"
#include "sys/executor.h"
#include "test/store/dbs.h"

namespace slip::store {
namespace {

constexpr Migration kSteps[] = {
    {"shelf", 1,
     "CREATE TABLE item (project TEXT NOT NULL, name TEXT NOT NULL, PRIMARY KEY (project, name));"
     " CREATE INDEX item_name ON item (name)"},
    {"shelf", 2, "CREATE TABLE part (id BIGINT NOT NULL PRIMARY KEY, item TEXT NOT NULL)"},
    {"shelf_b", 1, "ALTER TABLE item ADD COLUMN note TEXT NOT NULL DEFAULT 'none'"},
};

class Migrate : public test::DbTest {};
SLIP_EVERY_DB(Migrate);

TEST_P(Migrate, FromEveryVersion) { test::expect_migrates_from_every_version(*this, kSteps); }

TEST_P(Migrate, AgainChangesNothing) {
  migrated(kSteps);
  const auto want = test::schema_of(db());
  reopen();
  migrated(kSteps);
  EXPECT_EQ(test::schema_of(db()), want);
}

TEST_P(Migrate, RefusesNewerAndEdited) {
  migrated(kSteps);
  const Status newer = migrate(db(), std::span(kSteps).first(2));
  ASSERT_FALSE(newer.ok());
  EXPECT_EQ(newer.error().code, Code::kConflict);
  EXPECT_EQ(newer.error().reason, "store.schema_newer");
  EXPECT_FALSE(newer.error().hint.empty());
  Migration edited[] = {kSteps[0], kSteps[1], kSteps[2]};
  edited[1].sql = "CREATE TABLE part (id BIGINT)";
  const Status changed = migrate(db(), edited);
  ASSERT_FALSE(changed.ok());
  EXPECT_EQ(changed.error().reason, "store.schema_edited");
}

TEST_P(Migrate, ManyAtOnce) {
  constexpr int kProcesses = 6;
  std::vector<Db*> dbs;
  for (int i = 0; i < kProcesses; ++i) dbs.push_back(i == 0 ? &db() : &beside());
  std::vector<Status> outcomes(kProcesses);
  std::vector<std::unique_ptr<Task>> tasks;
  for (size_t i = 0; i < dbs.size(); ++i)
    tasks.push_back(
        real_executor().spawn("migrates", [&, i] { outcomes[i] = migrate(*dbs[i], kSteps); }));
  tasks.clear();
  for (const Status& s : outcomes) EXPECT_TRUE(s.ok()) << s.error().text;
  Db& alone = another();
  ASSERT_TRUE(migrate(alone, kSteps).ok());
  EXPECT_EQ(test::schema_of(db()), test::schema_of(alone));
}

TEST_P(Migrate, OneIsInsideAtATime) {
  constexpr int kProcesses = 4;
  constexpr int kRounds = 5;
  std::vector<Db*> dbs;
  for (int i = 0; i < kProcesses; ++i) dbs.push_back(i == 0 ? &db() : &beside());
  std::atomic<int> inside = 0;
  std::atomic<int> most = 0;
  std::atomic<int> rounds = 0;
  std::vector<std::unique_ptr<Task>> tasks;
  for (Db* one : dbs)
    tasks.push_back(real_executor().spawn("turns", [&, one] {
      for (int i = 0; i < kRounds; ++i) {
        const Status s = one->exclusively([&]() -> Status {
          most = std::max(most.load(), ++inside);
          const Status read = one->read([](Tx&) -> Status { return {}; });
          --inside;
          ++rounds;
          return read;
        });
        EXPECT_TRUE(s.ok()) << s.error().text;
      }
    }));
  tasks.clear();
  EXPECT_EQ(most, 1);
  EXPECT_EQ(rounds, kProcesses * kRounds);
}

TEST_P(Migrate, GivesTheTurnBackWhenItFails) {
  const Status failed = db().exclusively([] { return unavailable("test.failed", "as told"); });
  EXPECT_EQ(failed.error().reason, "test.failed");
  EXPECT_TRUE(beside().exclusively([]() -> Status { return {}; }).ok());
}

TEST_P(Migrate, FailedStepLeavesNothingAndCanBeRetried) {
  const Migration bad[] = {kSteps[0],
                           {"shelf", 2, "CREATE TABLE half (id BIGINT); CREATE TABEL x"}};
  const Status s = migrate(db(), bad);
  ASSERT_FALSE(s.ok());
  EXPECT_NE(s.error().text.find("shelf/2"), std::string::npos) << s.error().text;
  for (const std::string& line : test::schema_of(db()))
    EXPECT_EQ(line.find("half"), std::string::npos) << line;
  migrated(kSteps);
}

}  // namespace
}  // namespace slip::store
