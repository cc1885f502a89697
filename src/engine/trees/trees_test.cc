#include <bit>

#include <gtest/gtest.h>

#include "engine/trees/columns.h"
#include "engine/trees/executor.h"
#include "engine/trees/kernel.h"
#include "engine/trees/link.h"
#include "engine/trees/scalar.h"
#include "engine/trees/test_forests.h"

namespace slip::trees {
namespace {

using gen::Dice;

std::vector<Kernel> kernels() {
  std::vector<Kernel> out = {Kernel::kWalk};
  if (has_avx2()) out.push_back(Kernel::kAvx2);
  if (has_avx512()) out.push_back(Kernel::kAvx512);
  return out;
}

template <class T>
std::vector<double> answers(const Executor& e, const std::vector<T>& rows, size_t count) {
  Scratch scratch;
  std::vector<double> out(count * e.answers());
  e.predict(std::span<const T>(rows), out, scratch);
  return out;
}

// Bits, but for what a NaN is made of.
testing::AssertionResult same(const std::vector<double>& a, const std::vector<double>& b) {
  for (size_t i = 0; i < a.size(); ++i)
    if (std::bit_cast<uint64_t>(a[i]) != std::bit_cast<uint64_t>(b[i]) &&
        !(std::isnan(a[i]) && std::isnan(b[i])))
      return testing::AssertionFailure() << "at " << i << ": " << a[i] << " and " << b[i];
  return testing::AssertionSuccess();
}

void compare(Dice& dice, const Forest& f, size_t count) {
  const std::vector<double> rows = test::random_rows(dice, f, count);
  const std::vector<float> floats(rows.begin(), rows.end());
  const Executor oracle = Executor::make(f, Kernel::kScalar).value();
  const std::vector<double> of_doubles = answers(oracle, rows, count);
  const std::vector<double> of_floats = answers(oracle, floats, count);
  for (const Kernel kernel : kernels()) {
    const Executor e = Executor::make(f, kernel).value();
    EXPECT_TRUE(same(of_doubles, answers(e, rows, count))) << kernel_name(kernel);
    EXPECT_TRUE(same(of_floats, answers(e, floats, count))) << kernel_name(kernel);
  }
}

TEST(Trees, EveryKernelHasTheBitsOfTheOracle) {
  for (uint64_t seed = 0; seed < 160; ++seed) {
    SCOPED_TRACE(seed);
    Dice dice = Dice::seeded(seed);
    test::Shape shape;
    shape.features = static_cast<uint32_t>(1 + dice.below(seed % 7 == 0 ? 70 : 9));
    shape.outputs = seed % 3 == 0 ? 3 : 1;
    shape.trees = 1 + dice.below(24);
    shape.leaves = seed % 5 == 0 ? 300 : 1 + dice.below(70);
    shape.sets = seed % 2 == 0;
    shape.coarse = seed % 4 == 1;
    const Forest f = test::random_forest(dice, shape);
    ASSERT_TRUE(check(f).ok()) << check(f).error().text;
    compare(dice, f, 1 + dice.below(150));
  }
}

TEST(Trees, LinearLeavesMinimaAndWeights) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(seed);
    Dice dice = Dice::seeded(seed);
    Forest f = test::random_forest(dice, {4, seed % 2 == 0 ? 1U : 2U, 6, 40, true, false});
    if (seed % 2 == 0) {
      for (size_t i = 0; i < f.leaves.size(); ++i)
        f.linear_leaves.push_back({dice.unit(), {{i % 4, dice.unit()}, {(i + 1) % 4, -1}}});
    } else if (f.vector_leaves) {
      f.aggregate = seed % 4 == 1 ? Aggregate::kMin : Aggregate::kMax;
      for (double& x : f.leaves)
        if (dice.one_in(4)) x = std::nan("");
    }
    compare(dice, f, 80);
  }
}

// ---- codes: exact between floats, too

TEST(Trees, CodesCompareAsDoublesDo) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    Dice dice = Dice::seeded(seed);
    const Forest f = test::random_forest(dice, {1, 1, 3, 20, seed % 3 == 0, seed % 2 == 0});
    const Columns columns = Columns::make(f);
    std::vector<float> codes(columns.size());
    for (int i = 0; i < 50; ++i) {
      const std::vector<double> x = {test::value_for(dice, f, 0)};
      columns.encode(std::span<const double>(x), 1, codes.data(), 1);
      for (size_t n = 0; n < f.nodes.size(); ++n) {
        const float code = codes[columns.column_of(n)];
        const bool left =
            std::isnan(code) ? f.nodes[n].default_left : code <= columns.threshold_of(n);
        EXPECT_EQ(left, goes_left(f, f.nodes[n], x)) << seed << " node " << n << " x " << x[0];
      }
    }
  }
}

TEST(Trees, FloatsAroundDoubles) {
  EXPECT_EQ(float_not_above(0.1), std::nextafter(0.1F, 0.0F));
  EXPECT_EQ(float_not_below(0.1), 0.1F);
  EXPECT_EQ(float_not_above(1e300), std::numeric_limits<float>::max());
  EXPECT_EQ(float_not_below(1e300), std::numeric_limits<float>::infinity());
  EXPECT_EQ(float_not_above(0.5), 0.5F);
}

// ---- sets

TEST(Trees, Sets) {
  Set set;
  set.bits = {0b101, 1U << 31};
  struct Row {
    double x;
    bool truncated, non_negative;
  };
  const Row rows[] = {{0, true, true},       {-0.0, true, true},          {-0.5, true, false},
                      {-1, false, false},    {1, false, false},           {2.9, true, true},
                      {63, true, true},      {64, false, false},          {1e18, false, false},
                      {-1e18, false, false}, {std::nan(""), false, false}};
  for (const Row& row : rows) {
    set.rule = SetRule::kTruncate;
    EXPECT_EQ(set.has(row.x), row.truncated) << row.x;
    set.rule = SetRule::kNonNegative;
    EXPECT_EQ(set.has(row.x), row.non_negative) << row.x;
  }
  const Set exact{SetRule::kExact, {}, {-2, 0.5}};
  EXPECT_TRUE(exact.has(0.5) && exact.has(-2));
  EXPECT_FALSE(exact.has(0.4) || exact.has(std::nan("")));
}

// ---- what is no model

Forest small() {
  Forest f;
  f.features = 2;
  std::vector<RawNode> raw(5);
  raw[0].left = 1, raw[0].right = 2;
  raw[1].left = 3, raw[1].right = 4;
  raw[2].leaf = raw[3].leaf = raw[4].leaf = true;
  EXPECT_TRUE(append_tree(f, raw, 0).ok());
  f.leaves = {1, 2, 3};
  return f;
}

TEST(Trees, WhatIsNoModel) {
  EXPECT_TRUE(check(small()).ok());
  struct Row {
    const char* text;
    void (*spoil)(Forest&);
  };
  const Row rows[] = {
      {"feature", [](Forest& f) { f.nodes[1].feature = 2; }},
      {"feature", [](Forest& f) { f.nodes[1].feature = -1; }},
      {"out of order", [](Forest& f) { f.nodes[1].left = 0; }},
      {"out of order", [](Forest& f) { f.nodes[0].left = 5; }},
      {"out of order", [](Forest& f) { f.nodes[0].right = ~5; }},
      {"out of order", [](Forest& f) { f.nodes[0].right = 1; }},
      {"set", [](Forest& f) { f.nodes[0].test = trees::Test::kInSet; }},
      {"not a number", [](Forest& f) { f.nodes[0].threshold = std::nan(""); }},
      {"leaf more", [](Forest& f) { f.trees[0].leaves = 2; }},
      {"aren't there", [](Forest& f) { f.leaves.pop_back(); }},
      {"no tree", [](Forest& f) { f.leaves.push_back(0); }},
      {"output", [](Forest& f) { f.trees[0].output = 1; }},
      {"base", [](Forest& f) { f.base = {1, 2}; }},
      {"outputs", [](Forest& f) { f.outputs = 0; }},
      {"names", [](Forest& f) { f.feature_names = {"a"}; }},
      {"link",
       [](Forest& f) {
         f.outputs = 2, f.vector_leaves = true, f.leaves.resize(6), f.link = Link::kOneSigmoid;
       }},
      {"weights", [](Forest& f) { f.weights = {1, 2}; }},
      {"too many features", [](Forest& f) { f.features = kFeaturesMax + 1; }},
  };
  for (const Row& row : rows) {
    Forest f = small();
    row.spoil(f);
    const Status status = check(f);
    ASSERT_FALSE(status.ok()) << row.text;
    EXPECT_NE(status.error().text.find(row.text), std::string::npos) << status.error().text;
    EXPECT_FALSE(Executor::make(f).ok());
  }
}

TEST(Trees, RawTrees) {
  const auto reason = [](std::vector<RawNode> raw) {
    Forest f;
    f.features = 1;
    const Result<std::vector<uint32_t>> r = append_tree(f, raw, 0);
    return r.ok() ? std::string("ok") : r.error().text;
  };
  std::vector<RawNode> raw(3);
  raw[0].left = 1, raw[0].right = 2;
  raw[1].leaf = raw[2].leaf = true;
  EXPECT_EQ(reason(raw), "ok");
  raw[0].right = 1;
  EXPECT_EQ(reason(raw), "tree 0: node 1: two ways lead to it");
  raw[0].right = 0;
  EXPECT_EQ(reason(raw), "tree 0: node 0: two ways lead to it");
  raw[0].right = 3;
  EXPECT_EQ(reason(raw), "tree 0: a child isn't there");
  raw[0].right = -1;
  EXPECT_EQ(reason(raw), "tree 0: node 0: a child isn't there");
  EXPECT_EQ(reason({}), "tree 0: a child isn't there");
  std::vector<RawNode> deep(2 * kDepthMax + 5);
  for (size_t i = 0; i + 2 < deep.size(); i += 2) {
    deep[i].left = static_cast<int32_t>(i + 1), deep[i].right = static_cast<int32_t>(i + 2);
    deep[i + 1].leaf = true;
  }
  deep.back().leaf = true;
  EXPECT_EQ(reason(deep), "tree 0: it is too deep");
}

// ---- answers

TEST(Trees, Links) {
  struct Row {
    Link link;
    bool floats;
    std::vector<double> raw, want;
  };
  const double e = std::exp(1.0);
  const Row rows[] = {
      {Link::kIdentity, false, {-2}, {-2}},
      {Link::kSigmoid, false, {0}, {0.5}},
      {Link::kSigmoid, true, {-200}, {0}},
      {Link::kSoftmax, false, {0, 0}, {0.5, 0.5}},
      {Link::kSoftmaxZero, true, {0, 1}, {0, 1}},
      {Link::kExp, false, {1}, {e}},
      {Link::kHinge, true, {0.1, -0.1, 0}, {1, 0, 0}},
      {Link::kSquare, false, {-3}, {-9}},
      {Link::kLog1pExp, false, {0}, {std::log(2.0)}},
      {Link::kArgmax, true, {1, 3, 3}, {1}},
      {Link::kOneSigmoid, true, {0}, {0.5, 0.5}},
      {Link::kOneComplement, true, {0.25}, {0.75, 0.25}},
      {Link::kOneNegated, true, {2}, {-2, 2}},
      {Link::kProbit, true, {0.5}, {0}},
  };
  for (const Row& row : rows) {
    Forest f;
    f.outputs = static_cast<uint32_t>(row.raw.size());
    f.link = row.link;
    f.float_sum = row.floats;
    std::vector<double> out(f.answers());
    ASSERT_EQ(out.size(), row.want.size()) << link_name(row.link);
    apply_link(f, row.raw, out);
    for (size_t i = 0; i < out.size(); ++i)
      EXPECT_NEAR(out[i], row.want[i], 1e-6) << link_name(row.link);
  }
}

TEST(Trees, WeightsOfALinearModel) {
  Forest f;
  f.features = 2;
  f.outputs = 2;
  f.weights = {1, 2, 3, 4};
  f.base = {0.5, -0.5};
  f.missing_skips = true;
  const Executor e = Executor::make(f).value();
  EXPECT_EQ(e.kernel(), Kernel::kScalar);
  EXPECT_EQ(answers(e, std::vector<double>{1, 10, std::nan(""), 1}, 2),
            (std::vector<double>{21.5, 42.5, 2.5, 3.5}));
}

TEST(Trees, KernelsByName) {
  for (const Kernel k :
       {Kernel::kAuto, Kernel::kScalar, Kernel::kWalk, Kernel::kAvx2, Kernel::kAvx512})
    EXPECT_EQ(parse_kernel(kernel_name(k)).value(), k);
  EXPECT_EQ(parse_kernel("gpu").error().reason, "trees.kernel");
}

TEST(Trees, NoRowsAndNoTrees) {
  Forest f;
  f.features = 3;
  f.base = {7};
  const Executor e = Executor::make(f).value();
  EXPECT_TRUE(answers(e, std::vector<double>{}, 0).empty());
  EXPECT_EQ(answers(e, std::vector<double>{1, 2, 3}, 1), std::vector<double>{7});
}

}  // namespace
}  // namespace slip::trees
