#include <gtest/gtest.h>

#include "test/serving/goodput.h"

namespace slip::serving::goodput {
namespace {

// A coarse search on few requests; `./dev bench batch` searches closely.
TEST(BatchGoodput, NineTenthsOfTheBestFixedConfiguration) {
  const Search search{
      .sizes = {1, 8, 24, 64}, .delays = {0, 16, 4, 2}, .requests = 3'000, .seed = 1000};
  print_header();
  for (const Model& m : kModels) {
    for (const double load : kLoads) {
      const Comparison c = compare(m, load, search);
      print(m, load, c);
      EXPECT_EQ(c.tuned.broken, "");
      EXPECT_EQ(c.best.broken, "");
      EXPECT_GE(c.ratio(), 0.9) << m.name << " at " << load;
    }
  }
}

}  // namespace
}  // namespace slip::serving::goodput
