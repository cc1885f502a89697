#include "features/files.h"

#include <algorithm>
#include <map>

#include "base/text.h"
#include "features/test_features.h"
#include "sys/fs.h"
#include "sys/sim/sim_rng.h"

namespace slip::features {
namespace {

class FilesTest : public FeaturesTest {
 protected:
  void SetUp() override {
    FeaturesTest::SetUp();
    make({"/data"});
    define(kOf);
  }
  void make(std::vector<std::string> roots) {
    files = std::make_unique<SourceFiles>(
        SourceFiles::Deps{*features, db(), fs, null_log(), std::move(roots), {"/data/slipway"}});
  }
  void put(const std::string& path, const std::vector<std::string>& lines) {
    fs.make_dirs(parent_dir(path)).value();
    std::string text = "user_id,amount,ts\n";
    for (const std::string& line : lines) text += line + "\n";
    write_file_atomic(fs, path, text).value();
  }
  void forget() {
    db().write([](store::Tx& tx) -> Status {
          TRY(tx.exec("DELETE FROM feature_file", {}));
          return {};
        })
        .value();
  }
  Status refresh() { return files->refresh(ctx, {"txn"}); }
  // The history's rows as lines of such a file, sorted.
  std::vector<std::string> history() {
    std::vector<std::string> out;
    const History::View rows =
        features->history().read({.project = ctx.project.text, .source = "txn"}).value();
    rows.visit([&](const History::Chunk& chunk) -> Status {
          const auto columns =
              columns_as(chunk.batch, features->source_for(ctx, "txn", "").value().columns);
          for (int64_t i = 0; i < chunk.batch.rows(); ++i)
            out.push_back(concat({std::to_string(columns[0].view().i64(i)), ",",
                                  std::to_string(columns[1].view().i64(i)), ",",
                                  time_text(chunk.batch.event.view().i64(i))}));
          return {};
        })
        .value();
    std::ranges::sort(out);
    return out;
  }
  using Lines = std::vector<std::string>;

  static constexpr std::string_view kOf = R"yaml(
kind: Source
name: txn
columns: {user_id: int64, amount: int64}
event_time: ts
file: /data/txn.csv
)yaml";
  std::unique_ptr<SourceFiles> files;
};

SLIP_EVERY_DB(FilesTest);

TEST_P(FilesTest, WhatTheFileHasBeyondTheHistoryIsTakenIn) {
  put("/data/txn.csv", {"1,10,2026-01-01T00:00:00Z", "2,20,2026-01-01T00:00:00Z"});
  refresh().value();
  const Lines two = {"1,10,2026-01-01T00:00:00Z", "2,20,2026-01-01T00:00:00Z"};
  EXPECT_EQ(history(), two);
  refresh().value();  // Nothing has changed.
  EXPECT_EQ(history(), two);
  // In another order, with one more, and one that is there twice.
  put("/data/txn.csv", {"2,20,2026-01-01T00:00:00Z", "3,30,2026-01-02T00:00:00Z",
                        "1,10,2026-01-01T00:00:00Z", "1,10,2026-01-01T00:00:00Z"});
  refresh().value();
  EXPECT_EQ(history(), (Lines{"1,10,2026-01-01T00:00:00Z", "1,10,2026-01-01T00:00:00Z",
                              "2,20,2026-01-01T00:00:00Z", "3,30,2026-01-02T00:00:00Z"}));
  put("/data/txn.csv", {"3,30,2026-01-02T00:00:00Z"});  // Rows that leave stay.
  refresh().value();
  EXPECT_EQ(history().size(), 4u);
}

TEST_P(FilesTest, ACrashBeforeItIsNotedDoublesNothing) {
  put("/data/txn.csv", {"1,10,2026-01-01T00:00:00Z", "1,10,2026-01-01T00:00:00Z"});
  refresh().value();
  forget();
  refresh().value();
  EXPECT_EQ(history().size(), 2u);
}

TEST_P(FilesTest, RowsThatWerePushedAreKnown) {
  Batch b = make_batch(features->source_for(ctx, "txn", "").value().columns);
  b.source = "txn";
  b.columns[0].add_i64(1);
  b.columns[1].add_i64(10);
  b.event.add_i64(parse_time_us("2026-01-01T00:00:00Z").value());
  b.created.add_null();
  features->push(ctx, std::move(b)).value();
  put("/data/txn.csv", {"1,10,2026-01-01T00:00:00Z", "1,11,2026-01-01T00:00:00Z"});
  refresh().value();
  EXPECT_EQ(history().size(), 2u);
}

TEST_P(FilesTest, ADirectoryIsItsFiles) {
  define(std::string(kOf).replace(kOf.find("/data/txn.csv"), 13, "file:///data/txn"));
  put("/data/txn/a.csv", {"1,10,2026-01-01T00:00:00Z"});
  put("/data/txn/b.csv", {"2,20,2026-01-01T00:00:00Z"});
  put("/data/txn/notes.txt", {});
  refresh().value();
  put("/data/txn/c.csv", {"3,30,2026-01-01T00:00:00Z", "2,20,2026-01-01T00:00:00Z"});
  refresh().value();
  EXPECT_EQ(history().size(), 3u);  // A row that moved to another file is the same row.
}

TEST_P(FilesTest, NothingIsReadBesidesTheRoots) {
  put("/data/txn.csv", {"1,10,2026-01-01T00:00:00Z"});
  for (const auto& roots : std::vector<Lines>{{}, {"/other"}, {"/data/txn.csv/deeper"}}) {
    make(roots);
    refresh().value();
    EXPECT_TRUE(history().empty());
    EXPECT_EQ(files->open("/data/txn.csv").error().reason, "feature.file");
  }
  make({"/"});
  for (const char* place : {"data/txn.csv", "/data/../data/txn.csv", "/data//txn.csv", "",
                            "s3://data/txn.csv", "/data/slipway/blobs/x", "file://data/txn.csv"})
    EXPECT_FALSE(files->reads(place)) << place;
  refresh().value();
  EXPECT_EQ(history().size(), 1u);
}

TEST_P(FilesTest, WhatIsWrongWithAFileIsSaid) {
  EXPECT_EQ(refresh().error().reason, "feature.file");  // There is none.
  put("/data/txn.csv", {"1,ten,2026-01-01T00:00:00Z"});
  EXPECT_EQ(refresh().error().reason, "feature.value");
  EXPECT_TRUE(history().empty());
  put("/data/txn.csv", {"1,10,2026-01-01T00:00:00Z"});  // Mended.
  refresh().value();
  EXPECT_EQ(history().size(), 1u);
}

TEST_P(FilesTest, RowsThatRetentionTookStayAway) {
  define(std::string(kOf) + "retention: 1d\n");
  put("/data/txn.csv", {concat({"1,10,", time_text(kStart - 2 * 86'400'000'000)}),
                        concat({"2,20,", time_text(kStart - 60 * kMinute)})});
  refresh().value();
  EXPECT_EQ(history().size(), 1u);
}

TEST_P(FilesTest, AFileIsReplacedWhole) {
  const auto fill = [](codec::ByteSink& sink) { return sink.write("PAR1new"); };
  const auto fail = [](codec::ByteSink&) -> Status { return invalid("no", "no"); };
  const auto why = [&](const std::string& path, bool overwrite, const auto& with) {
    const Status done = files->write(path, overwrite, with);
    return done.ok() ? std::string() : done.error().reason;
  };
  fs.make_dirs("/data/all").value();
  EXPECT_EQ(why("/data/out/set.parquet", false, fill), "");
  EXPECT_EQ(why("/data/out/set.parquet", false, fill), "feature.file_exists");
  EXPECT_EQ(why("/data/out/set.parquet", true, fail), "no");
  EXPECT_EQ(read_file(fs, "/data/out/set.parquet", 10).value(), "PAR1new");
  EXPECT_EQ(why("/data/all", false, fill), "");  // A folder is its one file.
  EXPECT_EQ(read_file(fs, "/data/all/part-0.parquet", 10).value(), "PAR1new");
  EXPECT_EQ(why("/data/all", false, fill), "feature.file_exists");
  EXPECT_EQ(why("/data/all", true, fill), "");
  put("/data/mine.parquet", {});  // What isn't ours to replace.
  EXPECT_EQ(why("/data/mine.parquet", true, fill), "feature.file_exists");
  EXPECT_EQ(why("/data/authorized_keys", true, fill), "feature.file");
  EXPECT_EQ(why("/elsewhere.parquet", true, fill), "feature.file");
  EXPECT_EQ(why("/data/slipway", true, fill), "feature.file");
}

TEST_P(FilesTest, OtherNamesAreReadAnew) {
  put("/data/txn.csv", {"1,10,2026-01-01T00:00:00Z"});
  refresh().value();
  define(R"yaml(
kind: Source
name: txn
columns: {user_id: int64, amount: int64, paid: int64}
event_time: ts
file: /data/txn.csv
)yaml");
  refresh().value();
  EXPECT_EQ(history().size(), 1u);  // `paid` is null there, as it was.
  define(R"yaml(
kind: Source
name: txn
columns: {user_id: int64, amount: int64, paid: int64}
event_time: ts
file: /data/txn.csv
rename: {amount: paid}
)yaml");
  refresh().value();
  EXPECT_EQ(history().size(), 2u);
}

TEST_P(FilesTest, WhatAContractDoesToRowsItDoesOnce) {
  for (const char* action : {"null_out", "quarantine"}) {
    ctx.project.text = action;
    features
        ->apply(ctx, parse_definitions(concat({R"yaml(
kind: DataContract
apiVersion: v3.1.0
id: sane
version: 1.0.0
status: active
schema:
  - name: txn
    properties:
      - name: user_id
        logicalType: integer
      - name: ts
        logicalType: timestamp
      - name: amount
        logicalType: integer
        logicalTypeOptions: {maximum: 20}
        customProperties: [{property: slipway.onViolation, value: )yaml",
                                               action, R"yaml(}]
---
kind: Source
name: txn
columns: {user_id: int64, amount: int64}
event_time: ts
file: /data/txn.csv
contract: sane#txn
)yaml"}))
                         .value())
        .value();
    const auto apart = [&] {
      return features->quarantine().list(ctx, "txn", "", 100).value().size();
    };
    put("/data/txn.csv", {"1,10,2026-01-01T00:00:00Z", "2,99,2026-01-01T00:00:00Z"});
    refresh().value();
    const size_t rows = history().size();
    const size_t kept_apart = apart();
    EXPECT_EQ(rows + kept_apart, 2u) << action;
    put("/data/txn.csv",
        {"2,99,2026-01-01T00:00:00Z", "1,10,2026-01-01T00:00:00Z", "3,20,2026-01-01T00:00:00Z"});
    refresh().value();
    EXPECT_EQ(history().size(), rows + 1) << action;
    EXPECT_EQ(apart(), kept_apart) << action;
  }
}

// Whatever becomes of the files, a row is in the history as often as a file ever had it.
TEST_P(FilesTest, RandomFiles) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    ctx.project.text = concat({"p", std::to_string(seed)});
    define(kOf);
    sim::SimRng rng(seed);
    std::map<std::string, int64_t> most;
    Lines rows;
    for (int step = 0; step < 12; ++step) {
      const auto n = static_cast<int64_t>(rng.below(4));
      for (int64_t i = 0; i < n; ++i)
        rows.push_back(concat({std::to_string(rng.below(3)), ",", std::to_string(rng.below(3)),
                               ",2026-01-0", std::to_string(1 + rng.below(3)), "T00:00:00Z"}));
      if (!rows.empty() && rng.below(3) == 0)
        rows.erase(rows.begin() + static_cast<int64_t>(rng.below(rows.size())));
      for (size_t i = rows.size(); i > 1; --i) std::swap(rows[i - 1], rows[rng.below(i)]);
      put("/data/txn.csv", rows);
      forget();  // The simulated disk has no times of change.
      refresh().value();
      std::map<std::string, int64_t> now;
      for (const std::string& row : rows) ++now[row];
      for (const auto& [row, count] : now) most[row] = std::max(most[row], count);
      Lines want;
      for (const auto& [row, count] : most)
        want.insert(want.end(), static_cast<size_t>(count), row);
      ASSERT_EQ(history(), want) << "seed " << seed << ", step " << step;
    }
  }
}

}  // namespace
}  // namespace slip::features
