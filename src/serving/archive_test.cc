#include "serving/archive.h"

#include <gtest/gtest.h>

#include "base/uuid.h"
#include "codec/table.h"
#include "serving/prediction.h"
#include "serving/serving.h"
#include "store/tree/tree.h"
#include "sys/clock.h"
#include "sys/executor.h"
#include "sys/log.h"
#include "sys/sim/sim_fs.h"
#include "test/store/dbs.h"

namespace slip::serving {
namespace {

Tensor texts(const std::string& name, std::vector<std::string> values) {
  Tensor t;
  t.name = name;
  t.type = DataType::kBytes;
  t.shape = {static_cast<int64_t>(values.size()), 1};
  t.strings = std::move(values);
  return t;
}

Tensor floats(const std::string& name, std::vector<int64_t> shape, const std::vector<float>& v) {
  Tensor t;
  t.name = name;
  t.shape = std::move(shape);
  t.data.assign(reinterpret_cast<const char*>(v.data()), v.size() * sizeof(float));
  return t;
}

class ArchiveTest : public test::DbTest {
 protected:
  void SetUp() override {
    migrated(migrations());
    const store::World world{fs, real_clock(), real_executor(), null_log()};
    log = store::open_segment_log(world, "/log", {}).value();
    blobs = store::open_blobs(world, "/blobs").value();
    archive =
        std::make_unique<Archive>(Archive::Deps{db(), *blobs, *log, real_clock(), null_log()});
  }
  void log_two_rows(int64_t at, const std::string& uid) {
    PredictionRecord r;
    r.project = "default";
    r.deployment = "d";
    r.deployment_uid = uid;
    r.id = make_uuid7(at, 1, 2);
    r.ts_us = at;
    r.model_version = 4;
    r.client_ref = "ref";
    r.inputs = {texts("text", {"a", "b"}), floats("age", {2}, {1.5F, 2.5F})};
    r.outputs = {texts("label", {"x", "y"}), floats("p", {2, 2}, {0.25F, 0.75F, 1, 0})};
    const std::string bytes = encode_prediction(r);
    const std::string_view view = bytes;
    log->append(std::span(&view, 1), store::LogAck::kKernel).value();
  }

  Ctx ctx;
  sim::SimFs fs{1};
  std::unique_ptr<store::SegmentLog> log;
  std::unique_ptr<store::Blobs> blobs;
  std::unique_ptr<Archive> archive;
};
SLIP_EVERY_DB(ArchiveTest);

TEST_P(ArchiveTest, ClosedSegmentsBecomeParquetOnceAndGoAway) {
  for (int64_t i = 1; i <= 3; ++i) log_two_rows(i, i == 3 ? "uid-b" : "uid-a");
  EXPECT_EQ(archive->compact(100).value(), 0);  // Still open.
  log->rotate().value();
  log_two_rows(9, "uid-a");
  EXPECT_EQ(archive->compact(1).value(), 0);  // Others have not read it yet.
  EXPECT_EQ(archive->compact(100).value(), 1);
  EXPECT_EQ(archive->compact(100).value(), 0);
  ASSERT_EQ(log->segments().size(), 1U);

  const std::vector<ArchivedPart> parts = archive->parts(ctx, "uid-a", {}).value();
  ASSERT_EQ(parts.size(), 1U);
  EXPECT_EQ(parts[0].rows, 4);
  EXPECT_EQ(parts[0].start_us, 1);
  EXPECT_EQ(parts[0].end_us, 2);
  const store::Digest digest = codec::parse_sha256(parts[0].digest).value();
  const auto source = codec::text_source(blobs->get(digest, 1 << 20).value());
  const auto reader = codec::open_table(codec::Format::kParquet, *source).value();
  const codec::Table table = reader->next().value().value();
  EXPECT_EQ(table.rows, 4);
  EXPECT_EQ(table.find("in.text")->text(1), "b");
  EXPECT_EQ(table.find("in.age")->f64(0), 1.5);
  EXPECT_EQ(table.find("out.label")->text(3), "y");
  EXPECT_EQ(table.find("out.p")->text(0), "[0.25,0.75]");
  EXPECT_EQ(table.find("row")->i64(1), 1);
  EXPECT_EQ(table.find("model_version")->i64(0), 4);
  EXPECT_EQ(archive->parts(ctx, "uid-b", {}).value().front().rows, 2);

  // What the archive needs survives a sweep.
  blobs->sweep(INT64_MAX, [&](const auto& keep) { return archive->mark(keep); }).value();
  EXPECT_TRUE(blobs->contains(digest).value());
}

TEST_P(ArchiveTest, PartsAreListedByTimeAndPageAndRead) {
  for (int64_t i = 1; i <= 5; ++i) {
    log_two_rows(i * 100, "uid-a");
    log_two_rows(i * 100 + 50, "uid-a");
    log->rotate().value();
  }
  EXPECT_EQ(archive->compact(100).value(), 5);
  const auto starts = [&](const Archive::Query& query) {
    std::vector<int64_t> out;
    for (const ArchivedPart& p : archive->parts(ctx, "uid-a", query).value())
      out.push_back(p.start_us);
    return out;
  };
  using Starts = std::vector<int64_t>;
  EXPECT_EQ(starts({}), (Starts{100, 200, 300, 400, 500}));
  EXPECT_EQ(starts({.from_us = 250, .to_us = 400}), (Starts{200, 300, 400}));  // Both ends count.
  EXPECT_EQ(starts({.from_us = 251, .to_us = 399}), (Starts{300}));
  EXPECT_EQ(starts({.limit = 2}), (Starts{100, 200}));
  const int64_t second = archive->parts(ctx, "uid-a", {}).value()[1].segment;
  EXPECT_EQ(starts({.after_segment = second, .to_us = 450}), (Starts{300, 400}));

  const ArchivedPart part = archive->part(ctx, "uid-a", second).value();
  const auto reader = archive->open(part).value();
  EXPECT_EQ(reader->size(), part.bytes);
  std::string bytes(static_cast<size_t>(part.bytes), '\0');
  EXPECT_EQ(reader->read_at(0, std::span(bytes.data(), bytes.size())).value(), bytes.size());
  EXPECT_EQ(codec::sha256(bytes).text(), part.digest);
  EXPECT_EQ(archive->part(ctx, "uid-b", second).error().reason, "prediction_part.not_found");
  Ctx other;
  other.project.text = "elsewhere";
  EXPECT_EQ(archive->part(other, "uid-a", second).error().reason, "prediction_part.not_found");
  EXPECT_TRUE(archive->parts(other, "uid-a", {}).value().empty());
}

// The disk fails at the Nth change of the work, for every N: nothing is lost, nothing comes twice.
TEST_P(ArchiveTest, NthFaultSweep) {
  int64_t segment = 0;
  for (int64_t n = 1;; ++n) {
    SCOPED_TRACE(n);
    const std::string uid = "uid-" + std::to_string(n);
    log_two_rows(n, uid);
    log->rotate().value();
    segment = log->segments().back().number;
    fs.fail_nth_change(n);
    const bool failed = !archive->compact(segment + 1).ok();
    fs.fail_nth_change(0);
    ASSERT_TRUE(archive->compact(segment + 1).ok());
    int64_t rows = 0;
    for (const ArchivedPart& p : archive->parts(ctx, uid, {}).value()) rows += p.rows;
    ASSERT_EQ(rows, 2);
    ASSERT_TRUE(log->segments().empty());
    if (!failed) break;
  }
}

}  // namespace
}  // namespace slip::serving
