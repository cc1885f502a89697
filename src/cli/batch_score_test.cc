#include "cli/batch_score.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "cli/rest.h"
#include "codec/json.h"
#include "model/test_models.h"
#include "sys/process.h"
#include "sys/sim/sim_fs.h"

namespace slip::cli {
namespace {

// Rows i of the model of two features: age below or above a half, one of three cities.
std::string rows_csv(int first, int count) {
  std::string out = "id,age,city\n";
  for (int i = first; i < first + count; ++i)
    out += concat({std::to_string(i),
                   i % 7 == 0   ? ","
                   : i % 2 == 0 ? ",0.25,"
                                : ",0.75,",
                   i % 7 == 0 ? "," : "", std::to_string(i % 3), "\n"});
  return out;
}

class BatchScore : public testing::Test {
 protected:
  void SetUp() override { prepare(disk_); }
  static void prepare(sim::SimFs& disk) {
    disk.make_dirs("/w/in").value();
    disk.make_dirs("/w/tmp").value();
    write_file_atomic(disk, "/w/m.txt", model::test::lightgbm_text()).value();
    write_file_atomic(disk, "/w/in/a.csv", rows_csv(0, 10)).value();
    write_file_atomic(disk, "/w/in/b.csv", rows_csv(10, 7)).value();
    write_file_atomic(disk, "/w/in/_ignored.csv", "x\n1\n").value();
  }
  static BatchOptions options() {
    BatchOptions o;
    o.model = "/w/m.txt";
    o.in = "/w/in";
    o.out = "/w/out";
    o.keep = {"id"};
    o.format = codec::Format::kCsv;
    o.part_rows = 4;
    return o;
  }
  static Result<BatchScored> score(sim::SimFs& disk, const BatchOptions& o) {
    return batch_score(disk, real_executor(), o, {});
  }
  static std::string get(sim::SimFs& disk, const std::string& path) {
    const Result<std::string> text = read_file(disk, path, 1 << 20);
    return text.ok() ? text.value() : text.error().reason;
  }
  // All parts that the manifest names, one after the other; each as it says.
  static std::string whole(sim::SimFs& disk) {
    const codec::Json manifest = codec::parse_json(get(disk, "/w/out/_manifest.json")).value();
    std::string out;
    for (const codec::Json& part : manifest.find("parts")->items()) {
      const std::string text = get(disk, "/w/out/" + part.find("file")->as_string());
      EXPECT_EQ(codec::sha256(text).hex(), part.find("sha256")->as_string());
      EXPECT_EQ(static_cast<int64_t>(text.size()), part.find("bytes")->as_int());
      out += text.substr(text.find('\n') + 1);
    }
    return out;
  }
  sim::SimFs disk_{1};
};

TEST_F(BatchScore, PartsAreTheRowsInTheirOrder) {
  const BatchScored done = score(disk_, options()).value();
  EXPECT_EQ(done.rows, 17);
  EXPECT_EQ(done.parts, 5);  // 4 + 4 + 2, 4 + 3.
  const std::string all = whole(disk_);
  EXPECT_EQ(get(disk_, "/w/out/part-00000.csv").substr(0, 10), "id,output\n");
  std::vector<std::string_view> lines = split(all, '\n');
  ASSERT_EQ(lines.size(), 18U);
  for (size_t i = 0; i < 17; ++i)
    EXPECT_EQ(lines[i].substr(0, lines[i].find(',')), std::to_string(i));
  // x0 <= 0.5 ? 1 : (city in {1, 3} ? 2 : 4), then city missing or <= 1.5 ? 10 : 20.
  EXPECT_EQ(lines[2], "2,21.0");
  EXPECT_EQ(lines[1], "1,12.0");
  EXPECT_EQ(lines[5], "5,24.0");
}

TEST_F(BatchScore, ThreadsChangeNothing) {
  score(disk_, options()).value();
  const std::string one = whole(disk_);
  BatchOptions o = options();
  o.threads = 4;
  o.restart = true;
  EXPECT_EQ(score(disk_, o).value().resumed, 0);
  EXPECT_EQ(whole(disk_), one);
}

TEST_F(BatchScore, DoneStaysDone) {
  score(disk_, options()).value();
  const std::string manifest = get(disk_, "/w/out/_manifest.json");
  const BatchScored again = score(disk_, options()).value();
  EXPECT_EQ(again.resumed, 5);
  EXPECT_EQ(again.rows, 17);
  EXPECT_EQ(get(disk_, "/w/out/_manifest.json"), manifest);
  disk_.remove("/w/out/part-00002.csv").value();  // To have it made again.
  EXPECT_EQ(score(disk_, options()).value().resumed, 4);
  EXPECT_EQ(get(disk_, "/w/out/_manifest.json"), manifest);
}

TEST_F(BatchScore, AnotherPlanIsRefusedUntilRestart) {
  score(disk_, options()).value();
  BatchOptions o = options();
  o.part_rows = 5;
  EXPECT_EQ(score(disk_, o).error().reason, "batch.other_plan");
  write_file_atomic(disk_, "/w/out/mine.txt", "mine").value();
  o.restart = true;
  EXPECT_EQ(score(disk_, o).value().parts, 4);
  EXPECT_EQ(get(disk_, "/w/out/mine.txt"), "mine");
  EXPECT_EQ(get(disk_, "/w/out/part-00004.csv"), "fs.not_found");
  o.out = "/w/in";
  EXPECT_EQ(score(disk_, o).error().reason, "batch.out");
  write_file_atomic(disk_, "/w/tmp/part-00000.csv", "a stranger's").value();
  o.restart = false;
  o.out = "/w/tmp";
  EXPECT_EQ(score(disk_, o).error().reason, "batch.other_plan");
  EXPECT_EQ(get(disk_, "/w/tmp/part-00000.csv"), "a stranger's");
  o.restart = true;
  EXPECT_EQ(score(disk_, o).error().reason, "batch.other_plan");
  EXPECT_EQ(get(disk_, "/w/tmp/part-00000.csv"), "a stranger's");
}

TEST_F(BatchScore, BadInputIsRefusedBeforeTheFirstRow) {
  BatchOptions o = options();
  o.keep = {"nobody"};
  EXPECT_EQ(score(disk_, o).error().reason, "batch.keep");
  o = options();
  o.columns = {"age"};
  EXPECT_EQ(score(disk_, o).error().reason, "rows.columns");
  o.columns = {"age", "town"};
  EXPECT_EQ(score(disk_, o).error().reason, "rows.columns");
  o = options();
  write_file_atomic(disk_, "/w/in/c.csv", "id,age,city\n1,0.5,Rome\n").value();
  const Error text = score(disk_, o).error();
  EXPECT_EQ(text.reason, "rows.column_type");
  EXPECT_NE(text.text.find("/w/in/c.csv"), std::string::npos) << text.text;
  EXPECT_EQ(get(disk_, "/w/out/part-00000.csv"), "fs.not_found");
  o.in = "/w/tmp";
  EXPECT_EQ(score(disk_, o).error().reason, "batch.inputs");
  o.in = "/w/none";
  EXPECT_EQ(score(disk_, o).error().reason, "fs.not_found");
}

// Every change of the disk fails once, the power goes, and the same command is given again.
TEST_F(BatchScore, EveryFaultIsOutlived) {
  score(disk_, options()).value();
  const std::string wanted = whole(disk_);
  int64_t faults = 0;
  for (int64_t n = 1;; ++n) {
    sim::SimFs disk(static_cast<uint64_t>(n));
    prepare(disk);
    disk.fail_nth_change(n, n % 2 == 0 ? sim::SimFs::Fault::kIo : sim::SimFs::Fault::kFull);
    const auto first = score(disk, options());
    if (!disk.fault_happened()) {
      EXPECT_TRUE(first.ok());
      break;
    }
    ++faults;
    EXPECT_FALSE(first.ok()) << n;
    disk.fail_nth_change(0);
    disk.power_cut();
    const auto second = score(disk, options());
    ASSERT_TRUE(second.ok()) << n << ": " << second.error().text;
    EXPECT_EQ(whole(disk), wanted) << n;
  }
  EXPECT_GT(faults, 30);
}

TEST_F(BatchScore, TheCommandSaysWhatItDid) {
  Commands commands{{{"json", "", "Print JSON."}}};
  add_batch_command(commands, {disk_, real_clock(), real_process(), real_executor()});
  std::string said;
  Terminal terminal{[&](std::string_view t) { said += t; }, [&](std::string_view t) { said += t; }};
  EXPECT_EQ(
      commands.run({"batch", "score", "/w/m.txt", "/w/in", "/w/out", "--part-rows", "9"}, terminal),
      0)
      << said;
  EXPECT_EQ(said.find("17 rows in 3 parts, "), 0U) << said;
  said.clear();
  EXPECT_EQ(commands.run({"batch", "score", "/w/m.txt", "/w/in", "/w/out.csv"}, terminal), 2);
  EXPECT_NE(said.find("slipway predict"), std::string::npos) << said;
}

}  // namespace
}  // namespace slip::cli
