#include "registry/gate_checks.h"

#include <cmath>

#include <gtest/gtest.h>

#include "registry/behaviour.h"
#include "registry/policy_json.h"
#include "test/gen/dice.h"

namespace slip::registry {
namespace {

using codec::Column;
using codec::ColumnType;
using codec::Json;
using codec::Table;

Table table_of(std::vector<std::pair<std::string, Column>> columns) {
  Table out;
  for (auto& [name, column] : columns) {
    out.schema.push_back({.name = name, .type = column.type, .type_name = ""});
    out.rows = column.n;
    out.columns.push_back(std::move(column));
  }
  return out;
}
Column doubles(const std::vector<double>& values) {
  Column out;
  out.type = ColumnType::kDouble;
  for (const double v : values) out.add_f64(v);
  return out;
}
Column texts(const std::vector<std::string>& values) {
  Column out;
  out.type = ColumnType::kText;
  for (const std::string& v : values) out.add_text(v);
  return out;
}

Check check_of(const std::string& text) {
  return read_check(codec::parse_json(text).value()).value();
}

const Json kPins = Json::object({{"holdout", Json::object({{"digest", "sha256:0"}})}});

// A holdout of 200 rows, a good model and one that errs `errors` times more.
struct World {
  Table holdout;
  Table good;
  Table bad;
};
World world(size_t errors, const std::string& column) {
  gen::Dice dice = gen::Dice::seeded(7);
  std::vector<double> y;
  std::vector<double> a;
  std::vector<double> b;
  std::vector<std::string> region;
  for (size_t i = 0; i < 200; ++i) {
    y.push_back(i % 2 == 0);
    const double noise = static_cast<double>(dice.below(1000)) / 5000;
    const bool wrong = i < errors;
    a.push_back(y[i] > 0 ? 0.9 - noise : 0.1 + noise);
    b.push_back(wrong ? 1 - a[i] : a[i]);
    if (column == "prediction") a[i] = a[i] > 0.5, b[i] = b[i] > 0.5;
    region.push_back(i < 150 ? "north" : i < 195 ? "south" : "east");
  }
  return {table_of({{"y", doubles(y)}, {"region", texts(region)}}),
          table_of({{column, doubles(a)}}), table_of({{column, doubles(b)}})};
}

TEST(Holdout, ClearlyWorseFailsAndEqualPasses) {
  for (const char* metric : {"auc", "accuracy", "log_loss", "brier", "mae", "rmse"}) {
    SCOPED_TRACE(metric);
    const World w = world(40, std::string(prediction_column(metric)));
    const Check check = check_of(std::string(R"({"kind":"holdout","dataset":"h","version":1,)") +
                                 R"("label":"y","metric":")" + metric + "\"}");
    const CheckResult worse = judge_holdout(check, {w.holdout, w.bad, &w.good}, kPins);
    EXPECT_FALSE(worse.passed) << worse.detail;
    const CheckResult better = judge_holdout(check, {w.holdout, w.good, &w.bad}, kPins);
    EXPECT_TRUE(better.passed) << better.detail;
    const CheckResult same = judge_holdout(check, {w.holdout, w.good, &w.good}, kPins);
    EXPECT_TRUE(same.passed) << same.detail;
    EXPECT_EQ(same.value, same.champion_value);
    EXPECT_TRUE(judge_holdout(check, {w.holdout, w.bad, nullptr}, kPins).passed);
    // The evidence says what it rests on.
    const Json evidence = codec::parse_json(worse.evidence).value();
    EXPECT_EQ(evidence.find("rows")->as_int(), 200);
    EXPECT_NE(evidence.find("test"), nullptr);
    EXPECT_NE(evidence.find("holdout"), nullptr);
    // Judged again: the same to the last digit.
    EXPECT_EQ(judge_holdout(check, {w.holdout, w.bad, &w.good}, kPins).evidence, worse.evidence);
  }
}

TEST(Holdout, AMarginMustBeShown) {
  const World w = world(2, "prediction");
  const auto verdict = [&](const char* margin) {
    const Check check = check_of(
        std::string(R"({"kind":"holdout","metric":"accuracy","test":"bootstrap","dataset":"h",)") +
        R"("version":1,"label":"y","max_regression":)" + margin + "}");
    return judge_holdout(check, {w.holdout, w.bad, &w.good}, kPins).passed;
  };
  EXPECT_TRUE(verdict("0.05"));    // One in a hundred lost: within five.
  EXPECT_FALSE(verdict("0.005"));  // It may have lost more than half a point.
}

TEST(Holdout, BadEvidenceFailsAndSaysWhy) {
  const Check check =
      check_of(R"({"kind":"holdout","metric":"log_loss","dataset":"h","version":1,"label":"y"})");
  const Table holdout = table_of({{"y", doubles({0, 1})}});
  const auto detail = [&](Table candidate, const Table& with) {
    const CheckResult r = judge_holdout(check, {with, candidate, nullptr}, kPins);
    EXPECT_FALSE(r.passed);
    return r.detail;
  };
  EXPECT_NE(detail(table_of({{"score", doubles({0.5})}}), holdout).find("not as many"),
            std::string::npos);
  EXPECT_NE(detail(table_of({{"prediction", doubles({0, 1})}}), holdout).find("no column 'score'"),
            std::string::npos);
  EXPECT_NE(detail(table_of({{"score", doubles({0.5, 2})}}), holdout).find("no probability"),
            std::string::npos);
  EXPECT_NE(detail(table_of({{"score", doubles({0.5, NAN})}}), holdout).find("finite"),
            std::string::npos);
  EXPECT_NE(detail(table_of({{"score", doubles({0.5, 1})}}), table_of({{"y", doubles({0, 3})}}))
                .find("neither 0 nor 1"),
            std::string::npos);
  EXPECT_NE(detail(table_of({{"score", doubles({0.5, 1})}}), table_of({{"z", doubles({0, 1})}}))
                .find("no label"),
            std::string::npos);
  Column hole = doubles({0.5});
  hole.add_null();
  EXPECT_NE(detail(table_of({{"score", std::move(hole)}}), holdout).find("missing"),
            std::string::npos);
  EXPECT_NE(
      detail(table_of({{"score", doubles({})}}), table_of({{"y", doubles({})}})).find("no rows"),
      std::string::npos);
}

TEST(Slices, TheWeakOneIsNamed) {
  const World w = world(40, "prediction");  // All errors lie in the north.
  const auto judged = [&](const std::string& more) {
    return judge_slices(
        check_of(R"({"kind":"slices","metric":"accuracy","dataset":"h","version":1,)"
                 R"("label":"y","slice":"region",)" +
                 more + "}"),
        {w.holdout, w.bad, &w.good}, kPins);
  };
  const CheckResult weak = judged(R"("min":0.9)");
  EXPECT_FALSE(weak.passed);
  EXPECT_NE(weak.detail.find("north"), std::string::npos);
  EXPECT_EQ(weak.detail.find("south"), std::string::npos);
  EXPECT_NE(weak.evidence.find("insufficient data"), std::string::npos);  // East: five rows.
  EXPECT_TRUE(judged(R"("min":0.7)").passed);
  EXPECT_EQ(weak.value, judged(R"("min":0.7)").value);  // That of the worst slice, either way.
  const CheckResult worse = judged(R"("min":0.7,"max_regression":0.01)");
  EXPECT_FALSE(worse.passed);  // Than the champion.
  const codec::Json evidence = codec::parse_json(worse.evidence).value();
  EXPECT_EQ(evidence.find("rows")->as_int(), w.holdout.rows);
  EXPECT_EQ(evidence.find("test")->as_string(), "bootstrap");
  for (const codec::Json& slice : evidence.find("slices")->items()) {
    if (!slice.find("difference")) continue;
    const double difference = slice.find("difference")->as_double();
    EXPECT_NEAR(slice.find("value")->as_double() - slice.find("champion_value")->as_double(),
                difference, 1e-12);
    EXPECT_LE(slice.find("lower")->as_double(), difference);
    EXPECT_GE(slice.find("upper")->as_double(), difference);
  }
  EXPECT_FALSE(judged(R"("min":0.1,"min_rows":1000)").passed);  // Nothing could be judged.
}

TEST(Signature, FitsOrSaysWhy) {
  const auto mlmodel = [](const std::string& inputs, const std::string& outputs) {
    return "signature:\n  inputs: '" + inputs + "'\n  outputs: '" + outputs + "'\n";
  };
  const std::string ab = R"([{"name":"a","type":"double"},{"name":"b","type":"integer"}])";
  const std::string y = R"([{"name":"y","type":"long"}])";
  struct Case {
    const char* name;
    std::string candidate;
    bool fits;
  };
  const Case cases[] = {
      {"the same", mlmodel(ab, y), true},
      {"takes less", mlmodel(R"([{"name":"a","type":"double"}])", y), true},
      {"takes wider", mlmodel(R"([{"name":"a","type":"double"},{"name":"b","type":"long"}])", y),
       true},
      {"needs more", mlmodel(R"([{"name":"c","type":"double"}])", y), false},
      {"may take more",
       mlmodel(R"([{"name":"a","type":"double"},{"name":"c","type":"double","required":false}])",
               y),
       true},
      {"another type", mlmodel(R"([{"name":"a","type":"string"}])", y), false},
      {"no longer gives y", mlmodel(ab, R"([{"name":"z","type":"long"}])"), false},
      {"no signature", "flavors: {}\n", false},
  };
  for (const Case& c : cases)
    EXPECT_EQ(fit_signatures(c.candidate, mlmodel(ab, y)).ok, c.fits) << c.name;
}

std::vector<BehaviourResult> judged(const std::string& tests, const std::string& answers) {
  const auto read = read_behaviour(codec::parse_json(tests).value()).value();
  return judge_behaviour(read, codec::parse_json(answers).value().items());
}

TEST(Behaviour, KindsAndExpectations) {
  struct Case {
    const char* test;
    const char* answers;
    bool passed;
  };
  const Case cases[] = {
      {R"({"name":"t","kind":"invariance","input":{"a":1},"change":{"a":2}})", "[0.5,0.5]", true},
      {R"({"name":"t","kind":"invariance","input":{"a":1},"change":{"a":2}})", "[0.5,0.6]", false},
      {R"({"name":"t","kind":"invariance","input":{"a":1},"change":{"a":2},"tolerance":0.2})",
       "[0.5,0.6]", true},
      {R"({"name":"t","kind":"invariance","input":{"a":1},"change":{"a":2}})", R"(["x","x"])",
       true},
      {R"({"name":"t","kind":"direction","input":{"a":1},"change":{"a":2},"expect":"higher"})",
       "[1,2]", true},
      {R"({"name":"t","kind":"direction","input":{"a":1},"change":{"a":2},"expect":"higher"})",
       "[1,1]", false},
      {R"({"name":"t","kind":"direction","input":{"a":1},"change":{"a":2},"expect":"not_lower"})",
       "[1,1]", true},
      {R"({"name":"t","kind":"direction","input":{"a":1},"change":{"a":2},"expect":"lower"})",
       R"(["a","b"])", false},
      {R"({"name":"t","kind":"minimum","input":{"a":1},"equals":"fraud"})", R"(["fraud"])", true},
      {R"({"name":"t","kind":"minimum","input":{"a":1},"at_least":0.9})", "[0.8]", false},
      {R"({"name":"t","kind":"minimum","input":{"a":1},"at_most":0.9,"output":"p","index":1})",
       R"([{"label":1,"p":[0.95,0.05]}])", true},
      {R"({"name":"t","kind":"minimum","input":{"a":1},"equals":1,"output":"q"})",
       R"([{"label":1}])", false},
      {R"({"name":"t","kind":"minimum","input":{"a":1},"equals":1,"index":5})", "[[1]]", false},
      {R"({"name":"t","kind":"minimum","input":{"a":1},"equals":1})", "[]", false},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(std::string(c.test) + c.answers);
    EXPECT_EQ(judged(std::string("[") + c.test + "]", c.answers).at(0).passed, c.passed);
  }
  const auto rows = behaviour_rows(
      read_behaviour(
          codec::parse_json(
              R"([{"name":"t","kind":"invariance","input":{"a":1,"b":2},"change":{"a":3}}])")
              .value())
          .value());
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(codec::to_json(rows[1]), R"({"a":3,"b":2})");
}

TEST(Behaviour, NonsenseIsRefused) {
  for (const char* bad :
       {"[]", "{}", R"([{"name":"t","kind":"guess"}])", R"([{"kind":"minimum"}])",
        R"([{"name":"t","kind":"minimum","input":{}}])",
        R"([{"name":"t","kind":"minimum","input":{"a":1}}])",
        R"([{"name":"t","kind":"minimum","input":{"a":1},"equals":1,"at_least":1}])",
        R"([{"name":"t","kind":"minimum","input":{"a":1},"at_least":"x"}])",
        R"([{"name":"t","kind":"direction","input":{"a":1},"change":{"a":2},"expect":"up"}])",
        R"([{"name":"t","kind":"invariance","input":{"a":1}}])",
        R"([{"name":"t","kind":"minimum","input":{"a":1},"equals":1,"tolerance":-1}])"})
    EXPECT_FALSE(read_behaviour(codec::parse_json(bad).value()).ok()) << bad;
}

}  // namespace
}  // namespace slip::registry
