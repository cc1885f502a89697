#include "engine/column/column.h"

#include <cmath>

#include <gtest/gtest.h>

namespace slip::engine {
namespace {

TEST(Column, HoldsWhatWasAdded) {
  Values ints(Type::kInt64);
  for (int64_t i = 0; i < 20; ++i) i == 9 ? ints.add_null() : ints.add_i64(i * i);
  const Column c = ints.view();
  EXPECT_EQ(c.n, 20);
  EXPECT_EQ(ints.nulls(), 1);
  for (int64_t i = 0; i < 20; ++i) {
    EXPECT_EQ(c.is_null(i), i == 9);
    if (i != 9) {
      EXPECT_EQ(c.i64(i), i * i);
    }
  }

  Values bools(Type::kBool);
  for (int i = 0; i < 17; ++i) bools.add_bool(i % 3 == 0);
  EXPECT_EQ(bools.view().validity, nullptr);
  for (int i = 0; i < 17; ++i) EXPECT_EQ(bools.view().boolean(i), i % 3 == 0);

  Values texts(Type::kText);
  texts.add_text("a");
  texts.add_null();
  texts.add_text("");
  texts.add_text("bc");
  EXPECT_EQ(texts.view().text(3), "bc");
  EXPECT_EQ(texts.view().text(2), "");
  EXPECT_TRUE(texts.view().is_null(1));
}

TEST(Column, ListsAndCopies) {
  Values lists(Type::kList, Type::kDouble);
  lists.items().add_f64(1);
  lists.items().add_f64(NAN);
  lists.end_list();
  lists.add_null();
  lists.end_list();
  const Column c = lists.view();
  EXPECT_EQ(c.offsets[1], 2);
  EXPECT_EQ(c.offsets[3], 2);
  EXPECT_TRUE(c.is_null(1));
  EXPECT_FALSE(c.is_null(2));

  Values copy(Type::kList, Type::kDouble);
  for (int64_t i = c.n - 1; i >= 0; --i) copy.add_from(c, i);
  EXPECT_EQ(copy.nulls(), 1);
  EXPECT_TRUE(std::isnan(copy.view().child->f64(1)));
  copy.clear();
  EXPECT_EQ(copy.size(), 0);
  EXPECT_EQ(copy.view().offsets[0], 0);
}

}  // namespace
}  // namespace slip::engine
