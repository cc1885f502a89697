#include "serving/batch_slots.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "test/gen/dice.h"

namespace slip::serving {
namespace {

// Inputs of every kind of storage, their rows told apart by `seed`.
std::vector<Tensor> inputs_of(int64_t rows, uint64_t seed) {
  auto dice = gen::Dice::seeded(seed);
  std::vector<Tensor> all(3);
  const DataType types[] = {DataType::kFp32, DataType::kBytes, DataType::kInt8};
  const std::vector<int64_t> others[] = {{3}, {2}, {}};
  for (size_t i = 0; i < 3; ++i) {
    Tensor& t = all[i];
    t.name = std::string(1, static_cast<char>('a' + i));
    t.type = types[i];
    t.shape = others[i];
    t.shape.insert(t.shape.begin(), rows);
    const auto n = static_cast<size_t>(t.elements());
    if (t.type == DataType::kBytes)
      for (size_t s = 0; s < n; ++s) t.strings.push_back(dice.text(40));
    else
      for (size_t s = 0; s < n * data_type_bytes(t.type); ++s)
        t.data += static_cast<char>(dice.below(256));
  }
  return all;
}

void expect_equal(std::span<const Tensor> a, std::span<const Tensor> b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].name, b[i].name);
    EXPECT_EQ(a[i].type, b[i].type);
    EXPECT_EQ(a[i].shape, b[i].shape);
    EXPECT_EQ(a[i].data, b[i].data);
    EXPECT_EQ(a[i].strings, b[i].strings);
  }
}

TEST(BatchSlots, SlicesAndJoins) {
  const std::vector<Tensor> all = inputs_of(10, 1);
  expect_equal(
      join_rows({slice_rows(all, 0, 3), slice_rows(all, 3, 1), slice_rows(all, 4, 6)}).value(),
      all);
}

// Requests with gaps between them, moved together, are the requests one after the other.
TEST(BatchSlots, WritesMovesAndCloses) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    auto dice = gen::Dice::seeded(seed);
    BatchSlots slots(inputs_of(1, 0), 40);
    for (int turn = 0; turn < 2; ++turn) {  // The second time in used tensors.
      slots.reset();
      std::vector<std::vector<Tensor>> kept;
      std::vector<std::pair<int64_t, int64_t>> places;
      for (uint64_t i = 0;; ++i) {
        const int64_t rows = dice.between(1, 9);
        const std::optional<int64_t> at = slots.reserve(rows);
        if (!at) break;
        const std::vector<Tensor> whole = inputs_of(rows + 2, 100 * seed + i);
        slots.write(*at, whole, 1, rows);
        if (i > 0 && dice.one_in(3)) continue;
        kept.push_back(slice_rows(whole, 1, rows));
        places.emplace_back(*at, rows);
      }
      int64_t to = 0;
      for (const auto& [at, rows] : places) {
        if (at != to) slots.move(to, at, rows);
        to += rows;
      }
      expect_equal(slots.close(to), join_rows(kept).value());
    }
  }
}

TEST(BatchSlots, RowsAreTheFirstDimensionOfAll) {
  const std::vector<Tensor> good = inputs_of(4, 1);
  EXPECT_EQ(batch_rows(good).value(), 4);
  std::vector<Tensor> bad = good;
  bad[1].shape[0] = 5;
  EXPECT_EQ(batch_rows(bad).error().reason, "batch.rows");
  bad[1].shape = {};
  EXPECT_EQ(batch_rows(bad).error().reason, "batch.rows");
  EXPECT_EQ(batch_rows(inputs_of(0, 1)).error().reason, "batch.rows");
  EXPECT_EQ(batch_rows({}).error().reason, "batch.rows");
}

TEST(BatchSlots, OnlyLikeRequestsShareABatch) {
  const std::vector<Tensor> one = inputs_of(1, 1);
  const std::string key = batch_shape_key(one);
  EXPECT_EQ(batch_shape_key(inputs_of(7, 2)), key);
  for (int change = 0; change < 4; ++change) {
    std::vector<Tensor> other = one;
    if (change == 0) other[0].shape[1] = 4;
    if (change == 1) other[0].type = DataType::kInt32;
    if (change == 2) other[2].name = "d";
    if (change == 3) other.pop_back();
    EXPECT_NE(batch_shape_key(other), key) << change;
  }
}

TEST(BatchSlots, OutputsAreChecked) {
  std::vector<Tensor> outputs = inputs_of(4, 1);
  EXPECT_TRUE(check_outputs(outputs, 4).ok());
  EXPECT_EQ(check_outputs(outputs, 3).error().reason, "batch.output");
  outputs[0].data.pop_back();
  EXPECT_EQ(check_outputs(outputs, 4).error().reason, "batch.output");
}

TEST(BatchSlots, CountsWhatFitsIntoBytes) {
  EXPECT_EQ(BatchSlots::rows_within(inputs_of(1, 0), 10 * (12 + 2 * sizeof(std::string) + 1)), 10);
}

}  // namespace
}  // namespace slip::serving
