#include "data/data.h"

#include "core/ledger/ledger.h"
#include "store/tree/tree.h"
#include "sys/sim/sim_rng.h"
#include "test/store/dbs.h"
#include "test/store/mem_blobs.h"

namespace slip::data {
namespace {

struct FakeClock final : Clock {
  int64_t t = 1'700'000'000'000'000;
  int64_t now_us() override { return t += 1000; }
  int64_t steady_ns() override { return t * 1000; }
};

class DataTest : public test::DbTest {
 public:
  void SetUp() override {
    std::vector<store::Migration> steps;
    for (const store::Migration& m : ledger::migrations()) steps.push_back(m);
    for (const store::Migration& m : migrations()) steps.push_back(m);
    store::Db& at = migrated(steps);
    ledger = std::make_unique<ledger::Ledger>(ledger::Ledger::Deps{at, clock, rng});
    data = std::make_unique<Data>(Data::Deps{at, *ledger, blobs, clock, rng});
    ctx.actor_uid = "ann";
  }

  Result<Version> commit(const std::string& name, const std::string& bytes,
                         codec::Format format = codec::Format::kCsv,
                         const std::string& message = "") {
    auto draft = blobs.create().value();
    EXPECT_TRUE(draft->write(bytes).ok());
    return data->commit(ctx, {.name = name, .format = format, .message = message},
                        std::move(draft));
  }
  size_t events() {
    ignore(ledger->number_pending(), "numbers them on PostgreSQL");
    return ledger->list({}).value().size();
  }

  FakeClock clock;
  sim::SimRng rng{7};
  test::MemBlobs blobs;
  std::unique_ptr<ledger::Ledger> ledger;
  std::unique_ptr<Data> data;
  Ctx ctx;
};
SLIP_EVERY_DB(DataTest);

TEST_P(DataTest, CommitsVersions) {
  const std::string bytes = "id,name\n1,x\n2,\n";
  const Version v1 = commit("docs", bytes, codec::Format::kCsv, "first").value();
  EXPECT_EQ(v1.number, 1);
  EXPECT_EQ(v1.parent_number, 0);
  EXPECT_EQ(v1.rows, 2);
  EXPECT_EQ(v1.bytes, static_cast<int64_t>(bytes.size()));
  EXPECT_EQ(v1.digest, codec::sha256(bytes).text());
  EXPECT_EQ(v1.created_by, "ann");
  ASSERT_EQ(v1.columns.size(), 2u);
  EXPECT_EQ(v1.columns[0].type, codec::ColumnType::kInt64);
  EXPECT_TRUE(v1.columns[1].nullable);
  const Version v2 = commit("docs", bytes + "3,z\n").value();
  EXPECT_EQ(v2.number, 2);
  EXPECT_EQ(v2.parent_number, 1);
  EXPECT_NE(v2.uid, v1.uid);

  const Version read = data->version(ctx, "docs", 1).value();
  EXPECT_EQ(read.uid, v1.uid);
  EXPECT_EQ(read.root, v1.root);
  EXPECT_EQ(read.columns, v1.columns);
  EXPECT_EQ(read.message, "first");
  EXPECT_EQ(data->open(read).value()->size(), v1.bytes);
  const auto rows = data->rows(read, {.columns = {"name"}}).value();
  const std::optional<codec::Table> batch = rows->next().value();
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->find("name")->text(0), "x");
  EXPECT_TRUE(batch->find("name")->is_null(1));

  std::string seen;
  ASSERT_TRUE(data->each_row(read, {"name", "id"}, 2,
                             [&](const codec::Json& row) -> Status {
                               seen += codec::to_json(row);
                               return {};
                             })
                  .ok());
  EXPECT_EQ(seen, R"({"name":"x","id":1}{"id":2})");
  EXPECT_EQ(data->each_row(read, {"zz"}, 2, {}).error().reason, "table.column");

  ignore(ledger->number_pending(), "numbers them on PostgreSQL");
  const std::vector<ledger::Event> all = ledger->list({}).value();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[1].verb, "dataset_version.committed");
  EXPECT_EQ(all[1].subject.uid, v2.uid);
  EXPECT_EQ(all[1].before_digest, v1.root);
  EXPECT_EQ(all[1].after_digest, v2.root);
}

TEST_P(DataTest, TheSameContentIsTheSameVersion) {
  const Version v1 = commit("d", "a\n1\n").value();
  ASSERT_EQ(commit("d", "a\n2\n").value().number, 2);
  const Version again = commit("d", "a\n1\n", codec::Format::kCsv, "other words").value();
  EXPECT_EQ(again.number, 1);
  EXPECT_EQ(again.uid, v1.uid);
  EXPECT_EQ(events(), 2u);
  EXPECT_EQ(commit("e", "a\n1\n").value().number, 1);
  Ctx other = ctx;
  other.project = {"other"};
  EXPECT_EQ(data->find(other, "d").error().reason, "dataset.not_found");
}

TEST_P(DataTest, RefusesAndChangesNothing) {
  struct Case {
    const char* name;
    std::string bytes;
    codec::Format format;
    const char* reason;
  };
  const Case cases[] = {
      {"d", "a,b\n1\n", codec::Format::kCsv, "table.syntax"},
      {"d", "{\"a\":1}\n{\"a\":\n", codec::Format::kJsonl, "table.syntax"},
      {"d", "not parquet", codec::Format::kParquet, "table.syntax"},
      {"d", "", codec::Format::kCsv, "dataset.empty"},
      {"", "a\n1\n", codec::Format::kCsv, "dataset.name"},
      {"../d", "a\n1\n", codec::Format::kCsv, "dataset.name"},
      {".d", "a\n1\n", codec::Format::kCsv, "dataset.name"},
      {"d e", "a\n1\n", codec::Format::kCsv, "dataset.name"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name + (" " + c.bytes));
    EXPECT_EQ(commit(c.name, c.bytes, c.format).error().reason, c.reason);
  }
  EXPECT_EQ(commit(std::string(129, 'n'), "a\n1\n").error().reason, "dataset.name");
  EXPECT_EQ(commit("d", "a\n1\n", codec::Format::kCsv, std::string(4097, 'm')).error().reason,
            "dataset.message");
  EXPECT_TRUE(data->list(ctx, "", 10).value().empty());
  EXPECT_EQ(events(), 0u);
  EXPECT_EQ(data->version(ctx, "d", 1).error().reason, "dataset.not_found");
  ASSERT_TRUE(commit("d", "a\n1\n").ok());
  EXPECT_EQ(data->version(ctx, "d", 2).error().reason, "dataset_version.not_found");
}

TEST_P(DataTest, ListsByName) {
  for (const char* name : {"c", "a", "b"}) ASSERT_TRUE(commit(name, "x\n1\n").ok());
  ASSERT_TRUE(commit("b", "x\n2\n").ok());
  const std::vector<Dataset> page = data->list(ctx, "a", 1).value();
  ASSERT_EQ(page.size(), 1u);
  EXPECT_EQ(page[0].name, "b");
  EXPECT_EQ(page[0].versions_count, 2);
  EXPECT_EQ(page[0].latest_version, 2);
  ASSERT_TRUE(page[0].latest);
  EXPECT_EQ(page[0].latest->number, 2);
  EXPECT_GT(page[0].updated_ms, page[0].created_ms);
  EXPECT_EQ(data->list(ctx, "", 10).value().size(), 3u);
  const std::vector<Version> oldest = data->versions(ctx, "b", 0, 1).value();
  ASSERT_EQ(oldest.size(), 1u);
  EXPECT_EQ(oldest[0].number, 1);
  EXPECT_EQ(data->versions(ctx, "b", 1, 5).value()[0].number, 2);
}

TEST_P(DataTest, MarksWhatVersionsNeed) {
  ASSERT_TRUE(commit("a", "x\n1\n").ok());
  ASSERT_TRUE(commit("a", "x\n2\n").ok());
  ASSERT_FALSE(commit("a", "x,y\n2\n").ok());
  std::vector<store::Digest> kept;
  ASSERT_TRUE(data->mark([&](const store::Digest& d) { kept.push_back(d); }).ok());
  std::sort(kept.begin(), kept.end());
  kept.erase(std::unique(kept.begin(), kept.end()), kept.end());
  EXPECT_EQ(kept.size(), 4u);  // Two files, two roots.
  EXPECT_EQ(blobs.count(), 5);
}

class DataMigrationTest : public test::DbTest {};
SLIP_EVERY_DB(DataMigrationTest);

TEST_P(DataMigrationTest, FromEveryVersion) {
  test::expect_migrates_from_every_version(*this, migrations());
}

}  // namespace
}  // namespace slip::data
