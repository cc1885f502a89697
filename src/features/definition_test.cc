#include "features/definition.h"

#include <gtest/gtest.h>

#include "codec/json.h"

namespace slip::features {
namespace {

TEST(FeatureDefinition, WhatIsWrongIsNamed) {
  struct Case {
    const char* yaml;
    const char* reason;
    const char* words;
  };
  const Case cases[] = {
      {"a: [", "yaml.syntax", "line 1"},
      {"kind: Nope\nname: x\n", "feature.kind", "Nope"},
      {"kind: Entity\nname: 'a b'\n", "feature.name", "a b"},
      {"kind: Entity\nname: a\ntype: int7\n", "feature.type", "int7"},
      {"kind: Entity\nname: a\nextra: 1\n", "feature.field", "extra"},
      {"kind: Source\nname: a\n", "feature.field", "columns"},
      {"kind: Source\nname: a\ncolumns: {event_timestamp: timestamp}\n", "feature.field",
       "columns"},
      {"kind: FeatureView\nname: v\nfeatures: {x: int64}\n", "feature.field", "entity"},
      {"kind: FeatureView\nname: v\nentity: {k: int64}\n", "feature.field", "features"},
      {"kind: FeatureView\nname: v\nentity: {k: int64}\nfeatures: {x: int64}\nttl: 7y\n",
       "feature.duration", "7y"},
      {"kind: FeatureView\nname: v\nentity: {k: int64}\naggregate: [{op: nope, of: x}]\n",
       "feature.aggregate", "aggregate[0].op"},
      {"kind: FeatureView\nname: v\nentity: {k: int64}\naggregate: [{op: sum}]\n", "feature.field",
       "aggregate[0].of"},
      {"kind: OnDemand\nname: o\ninputs: {a: x}\nfeatures: {f: a}\n", "feature.reference", "x"},
      {"kind: FeatureService\nname: s\nfeatures: []\n", "feature.field", "features"},
      {"kind: FeatureService\nname: s\nfeatures: ['v:f']\nlog: {sample_by_key: 2}\n",
       "feature.field", "sample_by_key"},
      {"kind: Entity\nname: a\n---\nkind: Entity\n", "feature.name", "line 4"},
  };
  for (const Case& c : cases) {
    const auto made = parse_definitions(c.yaml);
    ASSERT_FALSE(made.ok()) << c.yaml;
    EXPECT_EQ(made.error().reason, c.reason) << c.yaml;
    EXPECT_NE(made.error().text.find(c.words), std::string::npos) << made.error().text;
  }
}

constexpr const char* kWhole = R"yaml(
kind: FeatureView
name: v
description: what it is
owner: ann
tags: {team: fraud}
entities: [user]
join_keys: {shop: string}
source: {columns: {x: float32, y: int64, user_id: int64}, event_time: ts, created_time: c}
row: {z: "x * 2"}
filter: "y > 0"
aggregate:
  - {op: sum, of: z, windows: [10m, 90s], as: total}
  - {op: quantile, of: x, q: 0.9, kind: exact, windows: [1h]}
  - {op: last_k, of: y, k: 3}
ttl: 1w
late: {allowed: 2h}
online: false
tests:
  - {at: "2026-01-01T00:00:00Z", events: [], expect: {total_10m: null}}
)yaml";

TEST(FeatureDefinition, ADocumentIsReadBackAsWhatItWas) {
  const std::vector<Definition> made = parse_definitions(kWhole).value();
  ASSERT_EQ(made.size(), 1u);
  const View& v = made[0].view;
  ASSERT_EQ(v.aggregates.size(), 4u);
  EXPECT_EQ(v.aggregates[0].name, "total_10m");
  EXPECT_EQ(v.aggregates[1].name, "total_1m30s");
  EXPECT_EQ(v.aggregates[2].name, "x_quantile_1h");
  EXPECT_EQ(v.aggregates[3].name, "y_last_k");
  EXPECT_EQ(*v.ttl_us, 7 * window::kDayUs);
  const codec::Json document = made[0].document();
  const Definition again = parse_definition(document).value();
  EXPECT_EQ(codec::to_json(again.document()), codec::to_json(document));
  EXPECT_EQ(again.digest(), made[0].digest());
}

TEST(FeatureDefinition, OnlyTheMeaningDecidesTheDigest) {
  const Definition d = parse_definitions(kWhole).value()[0];
  Definition other = d;
  other.about.owner = "bob";
  other.view.tests.clear();
  other.view.online = true;
  other.version = 7;
  EXPECT_EQ(other.digest(), d.digest());
  other.view.lateness_us += 1'000'000;
  EXPECT_NE(other.digest(), d.digest());
  other = d;
  other.view.aggregates[1].aggregate.windows[0].length_us += 1'000'000;
  EXPECT_NE(other.digest(), d.digest());
}

TEST(FeatureDefinition, References) {
  struct Case {
    const char* text;
    const char* view;
    int64_t version;
    const char* feature;
  };
  const Case cases[] = {{"v:f", "v", 0, "f"},         {"v@3:f", "v", 3, "f"},
                        {"v@v12:f", "v", 12, "f"},    {"v@latest:f", "v", 0, "f"},
                        {"v@odd:f", "v@odd", 0, "f"}, {"v:*", "v", 0, "*"}};
  for (const Case& c : cases) {
    const Reference r = parse_reference(c.text).value();
    EXPECT_EQ(r.view, c.view) << c.text;
    EXPECT_EQ(r.version, c.version) << c.text;
    EXPECT_EQ(r.feature, c.feature) << c.text;
  }
  for (const char* bad : {"", "v", ":f", "v:"}) EXPECT_FALSE(parse_reference(bad).ok()) << bad;
}

TEST(FeatureTimes, AreReadInEveryUsualForm) {
  struct Case {
    const char* text;
    int64_t us;
    const char* again;
  };
  const Case cases[] = {
      {"1970-01-01", 0, "1970-01-01T00:00:00Z"},
      {"1970-01-01T00:00:01.5Z", 1'500'000, "1970-01-01T00:00:01.500Z"},
      {"1970-01-01 00:00:00.000001", 1, "1970-01-01T00:00:00.000001Z"},
      {"1970-01-01T01:00:00+01:00", 0, "1970-01-01T00:00:00Z"},
      {"1969-12-31T23:59:59.999999Z", -1, "1969-12-31T23:59:59.999999Z"},
      {"2024-02-29T12:00:00-0530", 1'709'227'800'000'000, "2024-02-29T17:30:00Z"},
      {"0000-01-01T00:00:00Z", -62'167'219'200'000'000, "0000-01-01T00:00:00Z"},
      {"9999-12-31T23:59:59Z", 253'402'300'799'000'000, "9999-12-31T23:59:59Z"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(parse_time_us(c.text).value(), c.us) << c.text;
    EXPECT_EQ(time_text(c.us), c.again) << c.text;
  }
  for (const char* bad : {"", "now", "2023-02-29", "2024-13-01", "2024-01-01T25:00:00Z",
                          "2024-01-01T00:00:00+99:00", "2024-01-01T00:00:00Zx"})
    EXPECT_FALSE(parse_time_us(bad).ok()) << bad;
}

TEST(FeatureCells, FitTheirType) {
  const auto type = [](const char* text) { return parse_feature_type(text).value(); };
  EXPECT_EQ(fit(Cell(0.1), type("float32")).value(), Cell(static_cast<double>(0.1F)));
  EXPECT_EQ(fit(Cell(int64_t{3}), type("float64")).value(), Cell(3.0));
  EXPECT_EQ(fit(Cell(3.0), type("int64")).value(), Cell(int64_t{3}));
  EXPECT_EQ(fit(Cell(std::vector<int64_t>{1, 2}), type("list<float64>")).value(),
            Cell(std::vector<double>{1, 2}));
  EXPECT_FALSE(fit(Cell(3.5), type("int64")).ok());
  EXPECT_FALSE(fit(Cell(int64_t{1} << 31), type("int32")).ok());
  EXPECT_FALSE(fit(Cell(std::string("\xff")), type("string")).ok());
  EXPECT_FALSE(fit(Cell(std::string("x")), type("int64")).ok());
  for (const char* name :
       {"bool", "int32", "int64", "float32", "float64", "string", "bytes", "timestamp",
        "list<int32>", "list<float32>", "list<string>", "list<bool>"})
    EXPECT_EQ(type(name).text(), name);
  EXPECT_EQ(type("Array(Float32)").text(), "list<float32>");
}

}  // namespace
}  // namespace slip::features
