#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

#include <gtest/gtest.h>

#include "serving/feature_lookup.h"
#include "serving/model_config.h"

namespace slip::serving {
namespace {

Tensor floats(std::string name, std::vector<float> values, std::vector<int64_t> shape = {}) {
  Tensor t;
  t.name = std::move(name);
  t.shape = std::move(shape);
  if (t.shape.empty()) t.shape = {static_cast<int64_t>(values.size())};
  t.data.assign(values.size() * sizeof(float), '\0');
  std::memcpy(t.data.data(), values.data(), t.data.size());
  return t;
}

Tensor wholes(std::string name, std::vector<int64_t> values) {
  Tensor t;
  t.name = std::move(name);
  t.type = DataType::kInt64;
  t.shape = {static_cast<int64_t>(values.size())};
  t.data.assign(values.size() * sizeof(int64_t), '\0');
  std::memcpy(t.data.data(), values.data(), t.data.size());
  return t;
}

std::vector<double> numbers(const Tensor& t) {
  std::vector<double> out;
  for (int64_t i = 0; i < t.elements(); ++i) out.push_back(t.number(i));
  return out;
}

// Sums the numbers of each row over all its inputs.
class Sums final : public Model {
 public:
  explicit Sums(std::vector<TensorSpec> inputs) {
    signature_.platform = "sums";
    signature_.inputs = std::move(inputs);
    signature_.outputs = {{.name = "sum", .type = DataType::kFp32, .shape = {-1}},
                          {.name = "first", .type = DataType::kFp32, .shape = {-1}}};
    signature_.max_batch = 64;
  }
  const Signature& signature() const override { return signature_; }
  Result<std::vector<Tensor>> run(std::span<const Tensor> inputs,
                                  std::span<const std::string> outputs) const override {
    TRY(check_inputs(signature_, inputs));
    const auto rows = static_cast<size_t>(inputs.front().rows());
    std::vector<float> sum(rows);
    std::vector<float> first(rows);
    for (const Tensor& t : inputs) {
      const auto width = static_cast<size_t>(t.elements()) / rows;
      for (size_t i = 0; i < rows * width; ++i) {
        sum[i / width] += static_cast<float>(t.number(static_cast<int64_t>(i)));
        if (&t == &inputs.front() && i % width == 0)
          first[i / width] = static_cast<float>(t.number(static_cast<int64_t>(i)));
      }
    }
    std::vector<Tensor> out;
    for (const TensorSpec& spec : signature_.outputs)
      if (outputs.empty() || std::ranges::find(outputs, spec.name) != outputs.end())
        out.push_back(floats(spec.name, spec.name == "sum" ? sum : first));
    return out;
  }

 private:
  Signature signature_;
};

// Of user_id: spend 10 × id and n = id. User 0 isn't known, spend of 13 is null, 20's are stale.
class Shelf final : public FeatureLookup {
 public:
  const std::vector<TensorSpec>& asks() const override { return asks_; }
  const std::vector<codec::Field>& gives() const override { return gives_; }
  bool waits() const override { return false; }
  Result<Found> find(std::span<const Tensor* const> asked, int64_t rows, bool old) const override {
    Found out{.rows = codec::make_table(gives_), .states = {}};
    out.rows.rows = rows;
    out.states.resize(2);
    for (int64_t i = 0; i < rows; ++i) {
      const int64_t user = asked[0]->integer(i);
      const FeatureState state = user == 0    ? FeatureState::kNotFound
                                 : user == 20 ? FeatureState::kStale
                                              : FeatureState::kPresent;
      const bool there = state == FeatureState::kPresent || (old && state == FeatureState::kStale);
      const bool null = user == 13;
      out.states[0].push_back(null ? FeatureState::kNull : state);
      out.states[1].push_back(state);
      if (there && !null)
        out.rows.columns[0].add_f64(10.0 * static_cast<double>(user));
      else
        out.rows.columns[0].add_null();
      if (there)
        out.rows.columns[1].add_i64(user);
      else
        out.rows.columns[1].add_null();
    }
    return out;
  }

 private:
  std::vector<TensorSpec> asks_ = {{.name = "user_id", .type = DataType::kInt64, .shape = {-1}}};
  std::vector<codec::Field> gives_ = {codec::make_field("spend", codec::ColumnType::kDouble),
                                      codec::make_field("n", codec::ColumnType::kInt64)};
};

TensorSpec wide(int64_t width, std::vector<std::string> columns = {}) {
  return {.name = "input",
          .type = DataType::kFp32,
          .shape = {-1, width},
          .columns = std::move(columns)};
}
TensorSpec narrow(std::string name) {
  return {.name = std::move(name), .type = DataType::kFp32, .shape = {-1, 1}};
}

Result<std::unique_ptr<Model>> joined(std::vector<TensorSpec> inputs, LookupRules rules = {}) {
  rules.service = "risk";
  return with_features(std::make_unique<Sums>(std::move(inputs)), std::make_shared<Shelf>(),
                       std::move(rules));
}

std::vector<std::string> names(const std::vector<TensorSpec>& specs) {
  std::vector<std::string> out;
  for (const TensorSpec& s : specs) out.push_back(s.name);
  return out;
}
using Names = std::vector<std::string>;
using Numbers = std::vector<double>;

TEST(JoinedModel, NamedColumnsComeFromTheServiceTheKeysAndTheRequest) {
  const auto model = joined({wide(3, {"amount", "spend", "user_id"})}).value();
  EXPECT_EQ(names(model->signature().inputs), (Names{"user_id", "amount"}));
  EXPECT_EQ(names(model->signature().outputs), (Names{"sum", "first", "feature_status"}));
  EXPECT_EQ(model->signature().max_batch, 64);
  const std::vector<Tensor> in = {floats("amount", {0.5F, 0.25F}), wholes("user_id", {7, 2})};
  const auto out = model->run(in, {}).value();
  ASSERT_EQ(out.size(), 4U);
  EXPECT_EQ(numbers(out[0]), (Numbers{77.5, 22.25}));
  EXPECT_EQ(out[2].strings, (Names{"", ""}));
  EXPECT_EQ(model->signature().looked_up, (Names{"input"}));
  EXPECT_EQ(numbers(out[3]), (Numbers{0.5, 70, 7, 0.25, 20, 2}));
}

TEST(JoinedModel, WithoutNamesTheVersionOfTheServiceOrdersThem) {
  EXPECT_EQ(joined({wide(2)}).error().reason, "lookup.rule");
  const auto model = joined({wide(2)}, {.version = 3}).value();
  const auto out = model->run(std::vector{wholes("user_id", {4})}, {}).value();
  EXPECT_EQ(numbers(out.back()), (Numbers{40, 4}));
  EXPECT_EQ(joined({wide(5)}, {.version = 3}).error().reason, "rows.columns");
}

TEST(JoinedModel, InputsThatTheServiceDoesNotGiveAreTheCallers) {
  const auto model = joined({narrow("n"), narrow("other")}).value();
  EXPECT_EQ(names(model->signature().inputs), (Names{"user_id", "other"}));
  const std::vector<Tensor> in = {wholes("user_id", {4}), floats("other", {0.5F}, {1, 1})};
  const auto out = model->run(in, std::vector<std::string>{"sum"}).value();
  ASSERT_EQ(out.size(), 2U);
  EXPECT_EQ(numbers(out[0]), (Numbers{4.5}));
  EXPECT_EQ(out[1].name, "n");
  EXPECT_EQ(joined({narrow("other")}).error().reason, "lookup.rule");
}

TEST(JoinedModel, OutputsComeInTheOrderAsked) {
  const auto model = joined({narrow("n")}).value();
  const std::vector<Tensor> in = {wholes("user_id", {0, 5})};
  const auto both = model->run(in, std::vector<std::string>{"feature_status", "sum"}).value();
  EXPECT_EQ(both[0].strings, (Names{"n=NOT_FOUND", ""}));
  EXPECT_EQ(both[1].name, "sum");
  const auto marks = model->run(in, std::vector<std::string>{"feature_status"}).value();
  ASSERT_EQ(marks.size(), 2U);
  EXPECT_EQ(marks[1].name, "n");
}

TEST(JoinedModel, RulesDecideWhatIsAbsent) {
  using M = LookupRules::Missing;
  using S = LookupRules::Stale;
  struct Case {
    int64_t user;
    LookupRules rules;
    std::string status;  // "!": refused.
    Numbers laid;        // spend, n; NaN as -1.
  };
  const std::vector<Case> cases = {
      {7, {}, "", {70, 7}},
      {0, {}, "spend=NOT_FOUND,n=NOT_FOUND", {-1, -1}},
      {0, {.missing = M::kNumber, .number = 3}, "spend=NOT_FOUND,n=NOT_FOUND", {3, 3}},
      {0, {.missing = M::kRefuse}, "!", {}},
      {13, {}, "spend=NULL_VALUE", {-1, 13}},
      {13, {.missing = M::kNumber, .number = 0}, "spend=NULL_VALUE", {0, 13}},
      {13, {.missing = M::kRefuse}, "!", {}},
      {20, {}, "spend=OUTSIDE_MAX_AGE,n=OUTSIDE_MAX_AGE", {-1, -1}},
      {20, {.stale = S::kUse}, "spend=OUTSIDE_MAX_AGE,n=OUTSIDE_MAX_AGE", {200, 20}},
      {20, {.stale = S::kRefuse}, "!", {}},
      {20, {.missing = M::kRefuse}, "!", {}},
      {20,
       {.missing = M::kRefuse, .stale = S::kUse},
       "spend=OUTSIDE_MAX_AGE,n=OUTSIDE_MAX_AGE",
       {200, 20}},
      {20, {.missing = M::kNumber, .number = 1}, "spend=OUTSIDE_MAX_AGE,n=OUTSIDE_MAX_AGE", {1, 1}},
  };
  for (const Case& c : cases) {
    const auto model = joined({wide(2, {"spend", "n"})}, c.rules).value();
    const auto out = model->run(std::vector{wholes("user_id", {c.user})}, {});
    if (c.status == "!") {
      ASSERT_FALSE(out.ok());
      EXPECT_EQ(out.error().reason, "lookup.refused");
      continue;
    }
    EXPECT_EQ((*out)[2].strings.front(), c.status);
    Numbers laid = numbers(out->back());
    for (double& d : laid) d = std::isnan(d) ? -1 : d;
    EXPECT_EQ(laid, c.laid) << c.user;
  }
}

// An input of whole numbers has no missing value: nothing is made up for it.
TEST(JoinedModel, WhatHasNoMissingValueRefusesNulls) {
  const TensorSpec whole = {.name = "n", .type = DataType::kInt64, .shape = {-1}};
  const auto model = joined({whole}).value();
  EXPECT_TRUE(model->run(std::vector{wholes("user_id", {4})}, {}).ok());
  const Error error = model->run(std::vector{wholes("user_id", {4, 0})}, {}).error();
  EXPECT_EQ(error.reason, "lookup.refused");
  EXPECT_NE(error.text.find("row 2"), std::string::npos);
  const auto filled = joined({whole}, {.missing = LookupRules::Missing::kNumber, .number = 9});
  EXPECT_EQ((*filled)->run(std::vector{wholes("user_id", {0})}, {}).value().back().integer(0), 9);
}

TEST(JoinedModel, BadRequestsAreNamed) {
  const auto model = joined({wide(2, {"amount", "n"})}).value();
  EXPECT_EQ(model->run(std::vector{wholes("user_id", {1})}, {}).error().reason,
            "tensor.missing_input");
  const std::vector<Tensor> uneven = {wholes("user_id", {1, 2}), floats("amount", {1})};
  EXPECT_EQ(model->run(uneven, {}).error().reason, "tensor.shape");
  const std::vector<Tensor> more = {wholes("user_id", {1}), floats("amount", {1}),
                                    floats("n", {1})};
  EXPECT_EQ(model->run(more, {}).error().reason, "tensor.unknown_input");
}

TEST(LookupRules, AreReadFromParameters) {
  struct Case {
    std::map<std::string, std::string> given;
    std::string what;  // SERVICE@VERSION/missing/stale, "-", or "!".
  };
  const std::vector<Case> cases = {
      {{}, "-"},
      {{{"feature_service", "risk"}}, "risk@0/0/0"},
      {{{"feature_service", "risk@3"}, {"feature_missing", "null"}}, "risk@3/0/0"},
      {{{"feature_service", "risk@3"}, {"feature_missing", "-1.5"}}, "risk@3/1/0"},
      {{{"feature_service", "r"}, {"feature_missing", "refuse"}, {"feature_stale", "use"}},
       "r@0/2/1"},
      {{{"feature_service", "r"}, {"feature_stale", "refuse"}}, "r@0/0/2"},
      {{{"feature_service", "risk@0"}}, "!"},
      {{{"feature_service", "risk@x"}}, "!"},
      {{{"feature_service", "@3"}}, "!"},
      {{{"feature_service", "r"}, {"feature_missing", "nan"}}, "!"},
      {{{"feature_service", "r"}, {"feature_missing", "zero"}}, "!"},
      {{{"feature_service", "r"}, {"feature_stale", "1"}}, "!"},
      {{{"feature_missing", "refuse"}}, "!"},
  };
  for (const Case& c : cases) {
    ModelConfig config;
    for (const auto& [name, value] : c.given) config.set_parameter(name, value);
    const auto rules = lookup_rules(config);
    std::string what = "!";
    if (rules.ok())
      what = *rules ? (*rules)->service + "@" + std::to_string((*rules)->version) + "/" +
                          std::to_string(static_cast<int>((*rules)->missing)) + "/" +
                          std::to_string(static_cast<int>((*rules)->stale))
                    : "-";
    EXPECT_EQ(what, c.what);
  }
}

}  // namespace
}  // namespace slip::serving
