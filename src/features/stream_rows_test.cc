#include "features/stream_rows.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace slip::features {
namespace {

Source source_of(int64_t unit_ns) {
  Source out;
  out.columns = {{"user_id", parse_feature_type("int64").value()},
                 {"amount", parse_feature_type("float64").value()},
                 {"seen", parse_feature_type("timestamp").value()}};
  out.event_time = "ts";
  out.created_time = "made";
  out.renamed = {{"payload.user", "user_id"}, {"when", "ts"}};
  out.kafka.emplace();
  out.kafka->topic = "t";
  out.kafka->time_unit_ns = unit_ns;
  out.kafka->record_bytes_max = 500;
  return out;
}

kafka::Record record_of(std::string value) {
  kafka::Record out;
  out.partition = 3;
  out.offset = 7;
  out.timestamp_ms = 1'700'000'000'000;
  out.value = std::move(value);
  return out;
}

TEST(StreamRows, MembersTimesAndUnits) {
  struct Row {
    int64_t unit_ns;
    const char* when;
    int64_t us;
  };
  const Row rows[] = {{1, "1700000000123456789", 1'700'000'000'123'456},
                      {1, "-1", -1},
                      {1000, "1700000000123456", 1'700'000'000'123'456},
                      {1'000'000, "1700000000123", 1'700'000'000'123'000},
                      {1'000'000'000, "1700000000.25", 1'700'000'000'250'000},
                      {1'000'000'000, "1700000000", 1'700'000'000'000'000},
                      {1'000'000, "\"2023-11-14T22:13:20.5+01:00\"", 1'699'996'400'500'000}};
  for (const Row& row : rows) {
    const std::vector<kafka::Record> records = {
        record_of(concat({R"({"payload": {"user": 5}, "more": [1], "when": )", row.when, "}"}))};
    const StreamRows got = rows_of_records(records, source_of(row.unit_ns), {"user_id"});
    ASSERT_EQ(got.batch.rows(), 1) << row.when << ": " << got.strays[0].reason;
    EXPECT_EQ(got.batch.event.view().i64(0), row.us) << row.when;
    EXPECT_EQ(got.batch.columns[0].view().i64(0), 5);
    EXPECT_TRUE(got.batch.columns[1].view().is_null(0));
    EXPECT_TRUE(got.batch.created.view().is_null(0));
  }
}

TEST(StreamRows, WhatIsNoRow) {
  struct Row {
    std::string value;
    const char* reason;
  };
  const Row rows[] = {{"", "no JSON"},
                      {"{", "no JSON"},
                      {"[1]", "no JSON object"},
                      {"12", "no JSON object"},
                      {"\xc3\x28", "no UTF-8"},
                      {R"({"payload": {"user": 1}})", "when is missing"},
                      {R"({"when": 1})", "payload.user is missing"},
                      {R"({"payload": {"user": null}, "when": 1})", "payload.user is null"},
                      {R"({"payload": {"user": "x"}, "when": 1})", "payload.user"},
                      {R"({"payload": {"user": 1.5}, "when": 1})", "payload.user"},
                      {R"({"payload": {"user": 1}, "when": true})", "when"},
                      {R"({"payload": {"user": 1}, "when": "noon"})", "when"},
                      {R"({"payload": {"user": 1}, "when": 9223372036854775807})", "out of range"},
                      {R"({"payload": {"user": 1}, "when": 1, "amount": "1"})", "amount"},
                      {R"({"payload": {"user": 1}, "when": 1, "_deleted": 1})", "_deleted"},
                      {R"({"payload": {"user": 1}, "payload": {"user": 2}, "when": 1})", "no JSON"},
                      {std::string(501, ' '), "larger than"}};
  std::vector<kafka::Record> records;
  for (const Row& row : rows) records.push_back(record_of(row.value));
  records.push_back(record_of(R"({"payload": {"user": 1}, "when": 1})"));
  const StreamRows got = rows_of_records(records, source_of(1'000'000), {"user_id"});
  for (const size_t i : got.records) EXPECT_EQ(i, std::size(rows));
  ASSERT_EQ(got.strays.size(), std::size(rows));
  EXPECT_EQ(got.batch.rows(), 1);
  EXPECT_EQ(got.records, std::vector<size_t>{std::size(rows)});
  for (size_t i = 0; i < got.strays.size(); ++i) {
    EXPECT_NE(got.strays[i].reason.find(rows[i].reason), std::string::npos)
        << i << ": " << got.strays[i].reason;
    EXPECT_NE(got.strays[i].kept.find(kOriginMember), nullptr);
  }
}

TEST(StreamRows, AStraysUidIsItsMessages) {
  const kafka::Record a = record_of("x");
  kafka::Record b = a;
  EXPECT_EQ(stray_uid("t", a), stray_uid("t", b));
  EXPECT_EQ(stray_uid("t", a).size(), 36u);
  b.offset = 8;
  EXPECT_NE(stray_uid("t", a), stray_uid("t", b));
  b = a;
  b.value = "y";
  EXPECT_NE(stray_uid("t", a), stray_uid("t", b));
  b.timestamp_ms += 1;
  EXPECT_LT(stray_uid("t", a), stray_uid("t", b));
}

}  // namespace
}  // namespace slip::features
