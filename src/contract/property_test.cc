#include <cmath>

#include <gtest/gtest.h>

#include "codec/yaml.h"
#include "contract/checker.h"
#include "contract/infer.h"
#include "contract/record.h"
#include "contract/test_frame.h"
#include "test/gen/dice.h"

// Over random contracts and rows: batches, records and inference agree.
namespace slip::contract {
namespace {

using namespace testing;

struct World {
  std::string schema = "- name: t\n  properties:\n";
  std::vector<Given> given;
};

void add_ints(gen::Dice& dice, World* w, const std::string& name) {
  std::string limits = "minimum: " + std::to_string(dice.between(-50, 0));
  if (dice.one_in(2)) limits += ", maximum: " + std::to_string(dice.between(1, 50));
  if (dice.one_in(3)) limits += ", multipleOf: " + std::to_string(dice.between(1, 12));
  if (dice.one_in(3)) limits += ", format: i8";
  w->schema += "    - {name: " + name + ", logicalType: integer, logicalTypeOptions: {" + limits +
               "}, quality: [" +
               "{metric: invalidValues, arguments: {validValues: [1, 2, 3, -7]}, mustBe: 0}]";
}
void add_reals(gen::Dice& dice, World* w, const std::string& name) {
  std::string limits = "exclusiveMinimum: " + std::to_string(dice.unit() - 1);
  if (dice.one_in(2)) limits += ", exclusiveMaximum: " + std::to_string(dice.unit());
  w->schema +=
      "    - {name: " + name + ", logicalType: number, logicalTypeOptions: {" + limits + "}";
}
void add_texts(gen::Dice& dice, World* w, const std::string& name) {
  w->schema += "    - {name: " + name + ", logicalType: string, logicalTypeOptions: {minLength: " +
               std::to_string(dice.between(0, 2)) +
               ", maxLength: " + std::to_string(dice.between(2, 5)) +
               ", pattern: '^[ab]*$'}, quality: [{metric: missingValues, arguments: "
               "{missingValues: [null, a]}, mustBe: 0}]";
}

Json value(gen::Dice& dice, Type type) {
  if (dice.one_in(6)) return {};
  if (type == Type::kInt64)
    return dice.one_in(20) ? Json(INT64_MIN) : Json(dice.between(-200, 200));
  if (type == Type::kDouble)
    return dice.one_in(10) ? Json(std::nan("")) : Json(dice.unit() * 2 - 1);
  return Json(dice.text(6, "abc"));
}

World make(gen::Dice& dice, int64_t rows) {
  World w;
  const int64_t columns = dice.between(1, 5);
  for (int64_t i = 0; i < columns; ++i) {
    const std::string name = "c" + std::to_string(i);
    const Type type = std::array{Type::kInt64, Type::kDouble, Type::kText}[dice.below(3)];
    if (type == Type::kInt64) add_ints(dice, &w, name);
    if (type == Type::kDouble) add_reals(dice, &w, name);
    if (type == Type::kText) add_texts(dice, &w, name);
    w.schema += dice.one_in(2) ? ", required: true}\n" : ", unique: true}\n";
    Json values = Json::array();
    for (int64_t r = 0; r < rows; ++r) values.push(value(dice, type));
    w.given.push_back({name, type, std::move(values), ""});
  }
  return w;
}

TEST(ContractProperties, BatchesRecordsAndSplitsAgree) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    gen::Dice dice = gen::Dice::seeded(seed);
    const int64_t rows = seed % 10 == 0 ? 9000 : dice.between(0, 300);
    World w = make(dice, rows);
    const Contract contract = contract_of(w.schema);
    const Frame whole(w.given);
    const Report one = check(contract, whole);

    // Split anywhere: the same report.
    Checker checker(contract, contract.objects[0], whole.fields, {});
    for (int64_t from = 0; from < rows;) {
      const int64_t n = std::min(rows - from, dice.between(1, 5000));
      std::vector<Given> part = w.given;
      for (Given& g : part) {
        Json values = Json::array();
        for (int64_t r = from; r < from + n; ++r)
          values.push(g.values.items()[static_cast<size_t>(r)]);
        g.values = std::move(values);
      }
      const Frame frame(part);
      ASSERT_TRUE(checker.add(frame.columns, n).ok());
      from += n;
    }
    ASSERT_EQ(codec::to_json(to_json(*checker.finish())), codec::to_json(to_json(one)));

    // Record by record: as many violations of each rule of single values.
    const RecordChecker records = RecordChecker::make(contract.objects[0]).value();
    std::map<std::string, int64_t> counts;
    RecordVerdict verdict;
    for (int64_t r = 0; r < rows; ++r) {
      std::vector<Cell> cells;
      codec::Json scratch;
      for (const engine::Column& c : whole.columns) cells.push_back(cell_at(c, r, &scratch));
      records.check(cells, &verdict);
      for (const Violation& v : verdict.violations)
        ++counts[records.properties()[v.property] + " " + std::string(v.check)];
    }
    for (const CheckResult& r : one.results) {
      if (!r.check.structural || r.verdict == Verdict::kNotEvaluated) continue;
      ASSERT_EQ(counts[r.check.property + " " + r.check.name], r.count)
          << r.check.property << " " << r.check.name;
    }
  }
}

TEST(ContractProperties, WhatIsInferredHolds) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    gen::Dice dice = gen::Dice::seeded(seed);
    const int64_t rows = dice.between(0, 400);
    World w = make(dice, rows);
    Json times = Json::array();
    Json ids = Json::array();
    for (int64_t r = 0; r < rows; ++r) {
      times.push("2020-01-0" + std::to_string(dice.between(1, 9)));
      ids.push(r * 3);
    }
    w.given.push_back({"day", Type::kText, times, ""});
    w.given.push_back({"id", Type::kInt64, ids, ""});
    const Frame frame(w.given);
    InferOptions options;
    options.loose = true;
    options.ranges = dice.one_in(2);
    Inference inference(frame.fields, options);
    ASSERT_TRUE(rows == 0 || inference.add(frame.columns, rows).ok());
    const std::string yaml = codec::to_yaml(inference.finish());
    const Result<Contract> contract = parse_contract(yaml);
    ASSERT_TRUE(contract.ok()) << contract.error().text << yaml;
    CheckOptions check_options;
    check_options.loose = true;
    const Report report = check(*contract, frame, check_options);
    ASSERT_EQ(report.count(Verdict::kFailed), 0) << to_text(report) << yaml;
    if (rows < 2) continue;
    EXPECT_TRUE(contract->objects[0].find("id")->unique);
    EXPECT_EQ(contract->objects[0].find("day")->logical, Logical::kDate);
  }
}

}  // namespace
}  // namespace slip::contract
