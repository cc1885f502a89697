#include "cli/feature_join.h"

#include <gtest/gtest.h>

#include "codec/table.h"
#include "sys/sim/sim_fs.h"

namespace slip::cli {
namespace {

using codec::ColumnType;
using codec::Table;

constexpr int64_t kDay = 86'400'000'000;

Table table(std::vector<std::pair<const char*, ColumnType>> columns) {
  std::vector<codec::Field> schema;
  for (const auto& [name, type] : columns) {
    codec::Field f;
    f.name = name;
    f.type = type;
    schema.push_back(f);
  }
  return codec::make_table(std::move(schema));
}

class FeatureJoinTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(disk_.make_dirs("/w").ok());
    Table e = table({{"id", ColumnType::kInt64},
                     {"part", ColumnType::kText},
                     {"event_timestamp", ColumnType::kTimestampUs},
                     {"label", ColumnType::kText}});
    const auto entity = [&](std::optional<int64_t> id, const char* part, int64_t day) {
      id ? e.columns[0].add_i64(*id) : e.columns[0].add_null();
      e.columns[1].add_text(part);
      e.columns[2].add_i64(day * kDay);
      e.columns[3].add_text("row " + std::to_string(e.rows++));
    };
    entity(1, "a", 20);
    entity(1, "a", 10);
    entity(1, "b", 20);
    entity({}, "a", 20);
    entity(1, "a", 20);
    put("/w/e.parquet", e);

    Table s = table({{"id", ColumnType::kInt64},
                     {"part", ColumnType::kText},
                     {"event_timestamp", ColumnType::kTimestampUs},
                     {"created", ColumnType::kTimestampUs},
                     {"amount", ColumnType::kDouble},
                     {"word", ColumnType::kText}});
    const auto row = [&](int64_t day, int64_t created, double amount, const char* word) {
      s.columns[0].add_i64(1);
      s.columns[1].add_text("a");
      s.columns[2].add_i64(day * kDay);
      s.columns[3].add_i64(created * kDay);
      s.columns[4].add_f64(amount);
      s.columns[5].add_text(word);
      ++s.rows;
    };
    row(19, 25, 19, "late");
    row(8, 8, 8, "eighth");
    row(12, 12, 12, "twelfth");
    put("/w/s.parquet", s);
  }

  void put(const std::string& path, const Table& rows) {
    std::string bytes;
    const auto sink = codec::text_sink(&bytes);
    auto writer = codec::make_table_writer(codec::Format::kParquet, rows.schema, *sink);
    ASSERT_TRUE(writer.ok() && (*writer)->write(rows).ok() && (*writer)->finish().ok());
    ASSERT_TRUE(write_file_atomic(disk_, path, bytes).ok());
  }

  Table get(const std::string& path) {
    const auto source = codec::text_source(read_file(disk_, path, 1 << 24).value());
    codec::ReadOptions options;
    options.batch_rows = 1 << 20;
    const auto reader = codec::open_table(codec::Format::kParquet, *source, options).value();
    return reader->next().value().value();
  }

  FeatureJoin wanted() {
    FeatureJoin out;
    out.entities = "/w/e.parquet";
    out.source = "/w/s.parquet";
    out.out = "/w/out.parquet";
    out.keys = {"id", "part"};
    out.features = {"word", "amount"};
    out.event_time = out.entity_time = "event_timestamp";
    return out;
  }
  Result<FeatureJoined> join(const FeatureJoin& what) {
    return join_features(disk_, real_executor(), what);
  }
  std::vector<std::string> words(const FeatureJoin& what) {
    const Result<FeatureJoined> done = join(what);
    EXPECT_TRUE(done.ok()) << done.error().text;
    const Table out = get(what.out);
    std::vector<std::string> got;
    for (int64_t i = 0; i < out.rows; ++i)
      got.emplace_back(out.find("word")->is_null(i) ? "-" : out.find("word")->text(i));
    return got;
  }

  sim::SimFs disk_{1};
};

using Words = std::vector<std::string>;

TEST_F(FeatureJoinTest, EveryRowOnceWithItsColumns) {
  EXPECT_EQ(words(wanted()), (Words{"late", "eighth", "-", "-", "late"}));
  const Table out = get("/w/out.parquet");
  std::vector<std::string> names;
  for (const codec::Field& f : out.schema) names.push_back(f.name);
  EXPECT_EQ(names, (Words{"id", "part", "event_timestamp", "label", "word", "amount"}));
  for (int64_t i = 0; i < out.rows; ++i)
    EXPECT_EQ(out.find("label")->text(i), "row " + std::to_string(i));
  EXPECT_EQ(out.find("amount")->f64(0), 19);
  EXPECT_FALSE(disk_.stat("/w/out.parquet.part").ok());
}

TEST_F(FeatureJoinTest, ModesTtlThreadsAndPasses) {
  FeatureJoin known = wanted();
  known.as_known = true;
  known.created_time = "created";
  EXPECT_EQ(words(known), (Words{"twelfth", "eighth", "-", "-", "twelfth"}));
  known.ttl_us = 8 * kDay;
  EXPECT_EQ(words(known), (Words{"twelfth", "eighth", "-", "-", "twelfth"}));
  known.ttl_us = 8 * kDay - 1;
  EXPECT_EQ(words(known), (Words{"-", "eighth", "-", "-", "-"}));
  known.ttl_us = 0;
  EXPECT_EQ(words(known), (Words{"-", "-", "-", "-", "-"}));
  FeatureJoin two = wanted();
  two.threads = 2;
  EXPECT_EQ(words(two), (Words{"late", "eighth", "-", "-", "late"}));
}

TEST_F(FeatureJoinTest, SequenceAndTombstone) {
  Table e = table({{"part", ColumnType::kText}, {"event_timestamp", ColumnType::kTimestampUs}});
  Table s = table({{"part", ColumnType::kText},
                   {"event_timestamp", ColumnType::kTimestampUs},
                   {"seq", ColumnType::kInt64},
                   {"gone", ColumnType::kBool},
                   {"word", ColumnType::kText}});
  const auto row = [&](int64_t day, std::optional<int64_t> seq, std::optional<bool> gone,
                       const char* word) {
    s.columns[0].add_text("a");
    s.columns[1].add_i64(day * kDay);
    seq ? s.columns[2].add_i64(*seq) : s.columns[2].add_null();
    gone ? s.columns[3].add_bool(*gone) : s.columns[3].add_null();
    s.columns[4].add_text(word);
    ++s.rows;
  };
  row(1, 9, false, "nine");
  row(1, 3, {}, "three");
  row(1, {}, false, "none");
  row(3, 1, true, "taken back");
  row(3, 0, false, "before that");
  for (const int64_t day : {2, 4}) {
    e.columns[0].add_text("a");
    e.columns[1].add_i64(day * kDay);
    ++e.rows;
  }
  put("/w/e.parquet", e);
  put("/w/s.parquet", s);
  FeatureJoin what = wanted();
  what.keys = {"part"};
  what.features = {"word"};
  EXPECT_EQ(words(what), (Words{"none", "before that"}));
  what.sequence = "seq";
  EXPECT_EQ(words(what), (Words{"nine", "taken back"}));
  what.tombstone = "gone";
  for (const size_t threads : {1, 3}) {
    what.threads = threads;
    EXPECT_EQ(words(what), (Words{"nine", "-"}));
  }
  what.sequence = "word";
  EXPECT_EQ(join(what).error().reason, "feature.column_type");
  what.sequence = "seq";
  what.tombstone = "seq";
  EXPECT_EQ(join(what).error().reason, "feature.column_type");
}

// Row groups that the footer rules out change nothing: the source is in order of time and key.
TEST_F(FeatureJoinTest, GroupsOutsideOfTimesAndKeysAreLeftOut) {
  Table e = table({{"id", ColumnType::kInt64}, {"event_timestamp", ColumnType::kTimestampUs}});
  Table s = table({{"id", ColumnType::kInt64},
                   {"event_timestamp", ColumnType::kTimestampUs},
                   {"amount", ColumnType::kDouble},
                   {"word", ColumnType::kText}});
  const int64_t rows = codec::kTableBatchRows * 64;
  for (int64_t i = 0; i < rows; ++i) {
    s.columns[0].add_i64(i * 100 / rows);
    s.columns[1].add_i64(i);
    i % 3 ? s.columns[2].add_f64(static_cast<double>(i)) : s.columns[2].add_null();
    s.columns[3].add_text("row " + std::to_string(i));
  }
  s.rows = rows;
  for (const int64_t id : {50, 60, 99}) {
    e.columns[0].add_i64(id);
    e.columns[1].add_i64(rows * 61 / 100);
    ++e.rows;
  }
  put("/w/e.parquet", e);
  put("/w/s.parquet", s);
  FeatureJoin what = wanted();
  what.keys = {"id"};
  const auto last = [&](int64_t id) {
    return "row " + std::to_string((rows * (id + 1) + 99) / 100 - 1);
  };
  for (const size_t threads : {1, 2}) {
    what.threads = threads;
    EXPECT_EQ(words(what), (Words{last(50), last(60), "-"}));
    what.ttl_us = rows / 50;
    EXPECT_EQ(words(what)[0], "-");
    what.ttl_us.reset();
  }
}

TEST_F(FeatureJoinTest, BeyondTheMemoryTheSourceIsReadAgain) {
  Table e = table({{"part", ColumnType::kText}, {"event_timestamp", ColumnType::kTimestampUs}});
  Table s = table({{"part", ColumnType::kText},
                   {"event_timestamp", ColumnType::kTimestampUs},
                   {"word", ColumnType::kText}});
  for (int64_t i = 0; i < 30'000; ++i) {
    e.columns[0].add_text("k" + std::to_string(i * 7 % 5000));
    e.columns[1].add_i64(i * 31 % 1000);
    s.columns[0].add_text("k" + std::to_string(i % 6000));
    s.columns[1].add_i64(i * 17 % 1000);
    s.columns[2].add_text("row " + std::to_string(i));
  }
  e.rows = s.rows = 30'000;
  put("/w/e.parquet", e);
  put("/w/s.parquet", s);
  FeatureJoin what = wanted();
  what.keys = {"part"};
  what.features = {"word"};
  const Words whole = words(what);
  EXPECT_EQ(join(what)->passes, 1);
  what.memory_bytes = 1 << 20;
  what.threads = 2;
  EXPECT_GT(join(what)->passes, 2);
  EXPECT_EQ(words(what), whole);
}

TEST_F(FeatureJoinTest, IntegersAreTimesOfAUnit) {
  Table e = table({{"part", ColumnType::kText}, {"at", ColumnType::kInt64}});
  Table s = table({{"part", ColumnType::kText},
                   {"at", ColumnType::kInt64},
                   {"created", ColumnType::kInt64},
                   {"word", ColumnType::kText}});
  for (const int64_t at : {1499, 1500, 1501, -1}) {
    e.columns[0].add_text("a");
    e.columns[1].add_i64(at);
    ++e.rows;
  }
  for (const int64_t at : {1500, -1, 1499}) {
    s.columns[0].add_text("a");
    s.columns[1].add_i64(at);
    s.columns[2].add_null();
    s.columns[3].add_text("at " + std::to_string(at));
    ++s.rows;
  }
  put("/w/e.parquet", e);
  put("/w/s.parquet", s);
  FeatureJoin what = wanted();
  what.keys = {"part"};
  what.features = {"word"};
  what.event_time = what.entity_time = "at";
  what.created_time = "created";
  EXPECT_EQ(join(what).error().reason, "feature.time_type");
  EXPECT_NE(join(what).error().hint.find("--time-unit"), std::string::npos);
  for (const int64_t unit_ns : {1, 1000, 1'000'000'000}) {
    what.time_unit_ns = unit_ns;
    EXPECT_EQ(words(what), (Words{"at 1499", "at 1500", "at 1500", "at -1"})) << unit_ns;
  }
  what.ttl_us = 0;
  what.time_unit_ns = 1;
  EXPECT_EQ(words(what), (Words{"at 1499", "at 1500", "-", "at -1"}));
  s.columns[1] = {};
  s.columns[1].type = ColumnType::kInt64;
  for (int i = 0; i < 3; ++i) s.columns[1].add_i64(INT64_MAX / 2);
  put("/w/s.parquet", s);
  what.time_unit_ns = 1'000'000'000;
  EXPECT_EQ(join(what).error().reason, "feature.time_range");
}

TEST_F(FeatureJoinTest, RefusesAndLeavesNothing) {
  const auto why = [&](const std::function<void(FeatureJoin*)>& change) {
    FeatureJoin what = wanted();
    change(&what);
    const Result<FeatureJoined> done = join(what);
    return done.ok() ? "" : done.error().reason;
  };
  EXPECT_EQ(why([](FeatureJoin* j) { j->keys = {"nobody"}; }), "feature.column");
  EXPECT_EQ(why([](FeatureJoin* j) { j->features = {"nothing"}; }), "feature.column");
  EXPECT_EQ(why([](FeatureJoin* j) { j->features = {"part"}; }), "feature.collision");
  EXPECT_EQ(why([](FeatureJoin* j) { j->features = {"word", "word"}; }), "feature.collision");
  EXPECT_EQ(why([](FeatureJoin* j) { j->event_time = "amount"; }), "feature.time_type");
  EXPECT_EQ(why([](FeatureJoin* j) { j->entity_time = "label"; }), "feature.time_type");
  EXPECT_EQ(why([](FeatureJoin* j) { j->as_known = true; }), "feature.created");
  EXPECT_EQ(why([](FeatureJoin* j) { j->source = "/w/none.parquet"; }), "fs.not_found");
  ASSERT_TRUE(write_file_atomic(disk_, "/w/bad.parquet", "PAR1 is not enough").ok());
  EXPECT_EQ(why([](FeatureJoin* j) { j->source = "/w/bad.parquet"; }), "table.syntax");
  EXPECT_EQ(disk_.list("/w")->size(), 3U);
}

TEST(FeatureJoinDuration, Units) {
  EXPECT_EQ(*parse_duration_us("7d"), 7 * kDay);
  EXPECT_EQ(*parse_duration_us("1w"), 7 * kDay);
  EXPECT_EQ(*parse_duration_us("500ms"), 500'000);
  for (const char* bad : {"", "7", "d", "-1d", "7 d", "99999999999w", "1y"})
    EXPECT_EQ(parse_duration_us(bad).error().reason, "usage.duration") << bad;
}

}  // namespace
}  // namespace slip::cli
