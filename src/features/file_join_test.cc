#include "features/file_join.h"

#include "base/text.h"
#include "features/pull.h"
#include "features/spool.h"
#include "features/test_features.h"

namespace slip::features {
namespace {

constexpr codec::Format kJsonl = codec::Format::kJsonl;

class FileJoinTest : public FeaturesTest {
 protected:
  void SetUp() override {
    FeaturesTest::SetUp();
    define();
    push({{.user = 1, .ts_us = at(10), .amount = 1.5, .merchant = "a"},
          {.user = 1, .ts_us = at(20), .amount = 2.5, .merchant = "b"},
          {.user = 2, .ts_us = at(15), .amount = Cell(), .merchant = "c"},
          {.user = 3, .ts_us = at(5), .amount = 9.0, .merchant = "d"}});
    push({{.user = 3, .ts_us = at(25), .amount = 9.0, .merchant = "d", .deleted = true},
          {.user = 1, .ts_us = at(18), .amount = 7.0, .merchant = "late"}});
    push({{.user = 4, .ts_us = at(20), .amount = 4.0}}, To::kOnline);
  }
  static int64_t at(int64_t minutes) { return kStart - (60 - minutes) * kMinute; }

  // What is written, a line a row, with times as minutes.
  static std::string lines(const std::string& text) {
    std::string out = text;
    for (int64_t m = 0; m <= 60; ++m) {
      const std::string time = std::to_string(at(m));
      for (size_t p = out.find(time); p != std::string::npos; p = out.find(time, p))
        out.replace(p, time.size(), concat({"\"t", std::to_string(m), "\""}));
    }
    return out;
  }
  static Pull of(std::string column) {
    Pull pull;
    pull.keys = {"user_id"};
    pull.columns = {std::move(column)};
    return pull;
  }
  std::string pulled(Pull pull) {
    pull.project = "default";
    pull.source = pull.source.empty() ? "txn" : pull.source;
    std::string out;
    const auto sink = codec::text_sink(&out);
    const Status done = pull_file(*features, pull, kJsonl, *sink);
    return done.ok() ? lines(out) : done.error().reason;
  }
  std::string joined(const std::string& csv, std::vector<std::string> columns = {}) {
    const auto source = codec::text_source(csv);
    codec::ReadOptions options;
    options.columns = columns;
    const auto reader = codec::open_table(codec::Format::kCsv, *source, options).value();
    FileJoin join;
    join.project = "default";
    join.plan = std::make_shared<const ReadPlan>(
        plan_read(*features->catalog().shelf("default"),
                  items_of(std::vector<std::string>{"last_txn:merchant"}).value(), false)
            .value());
    join.columns = std::move(columns);
    std::string out;
    const auto sink = codec::text_sink(&out);
    const Status done = join_file(*features, join, *reader, codec::Format::kCsv, *sink);
    return done.ok() ? out : done.error().reason;
  }
};

SLIP_EVERY_DB(FileJoinTest);

TEST_P(FileJoinTest, PullsAllRowsOfASpan) {
  Pull pull = of("merchant");
  pull.event_as = "ts";
  pull.start_us = at(10);
  pull.end_us = at(18);
  EXPECT_EQ(pulled(pull),
            "{\"user_id\":1,\"merchant\":\"a\",\"ts\":\"t10\"}\n"
            "{\"user_id\":2,\"merchant\":\"c\",\"ts\":\"t15\"}\n"
            "{\"user_id\":1,\"merchant\":\"late\",\"ts\":\"t18\"}\n");
}

TEST_P(FileJoinTest, PullsTheLatestOfEachEntity) {
  Pull pull = of("amount");
  pull.latest = true;
  EXPECT_EQ(pulled(pull), "{\"user_id\":1,\"amount\":2.5}\n{\"user_id\":2,\"amount\":null}\n");
  pull = of("merchant");
  pull.latest = true;
  pull.end_us = at(18);
  EXPECT_EQ(pulled(pull),
            "{\"user_id\":2,\"merchant\":\"c\"}\n{\"user_id\":3,\"merchant\":\"d\"}\n"
            "{\"user_id\":1,\"merchant\":\"late\"}\n");
}

TEST_P(FileJoinTest, PullsOnlyWhatThereIs) {
  Pull none;
  none.keys = {"nobody"};
  EXPECT_EQ(pulled(none), "feature.column");
  none.keys = {};
  none.source = "nowhere";
  EXPECT_EQ(pulled(none), "feature_source.not_found");
  EXPECT_EQ(columns_of(*features, "default", "txn").value()[0].name, "ts");
}

TEST_P(FileJoinTest, JoinsTheColumnsThatAreRead) {
  const std::string csv = concat(
      {"user_id,event_timestamp,x\n1,", time_text(at(19)), ",7\n9,", time_text(at(19)), ",8\n"});
  EXPECT_EQ(joined(csv), concat({"user_id,event_timestamp,x,merchant\n1,", time_text(at(19)),
                                 ",7,late\n9,", time_text(at(19)), ",8,\n"}));
  EXPECT_EQ(joined(csv, {"user_id", "event_timestamp"}),
            concat({"user_id,event_timestamp,merchant\n1,", time_text(at(19)), ",late\n9,",
                    time_text(at(19)), ",\n"}));
  EXPECT_EQ(joined("user_id,x\n1,2\n"), "feature.time");
  EXPECT_EQ(joined(concat({"event_timestamp\n", time_text(at(1)), "\n"})), "feature.missing_key");
}

TEST_P(FileJoinTest, JoinsAllEntitiesOfASpan) {
  Snapshot what;
  what.project = "default";
  what.start_us = at(8);
  what.end_us = at(22);
  const auto shelf = features->catalog().shelf("default");
  const auto all = [&](const std::vector<std::string>& names) {
    what.plan =
        std::make_shared<const ReadPlan>(plan_read(*shelf, items_of(names).value(), false).value());
    std::string out;
    const auto sink = codec::text_sink(&out);
    const Status done = join_all(*features, what, kJsonl, *sink);
    return done.ok() ? lines(out) : done.error().reason;
  };
  EXPECT_EQ(all({"last_txn:merchant"}),
            "{\"event_timestamp\":\"t22\",\"user_id\":1,\"merchant\":\"b\"}\n"
            "{\"event_timestamp\":\"t22\",\"user_id\":2,\"merchant\":\"c\"}\n");
  EXPECT_EQ(all({"ratio:share"}), "feature.missing_key");  // Wants the request's amount.
}

TEST_P(FileJoinTest, SpoolsAreReadOnceWritten) {
  const auto spool = make_spool(blobs).value();
  ASSERT_TRUE(spool->write("some ").ok());
  ASSERT_TRUE(spool->write("bytes").ok());
  const auto source = spool->bytes().value();
  std::string got(20, ' ');
  got.resize(source->read_at(2, got).value());
  EXPECT_EQ(got, "me bytes");
  EXPECT_EQ(source->size(), 10);
}

}  // namespace
}  // namespace slip::features
