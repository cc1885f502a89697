#include "http/wheel.h"

#include <map>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "test/gen/dice.h"

namespace slip::http {
namespace {

TEST(Wheel, FiresNeverEarlyAndAtMostTwoTicksLate) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(seed);
    auto dice = gen::Dice::seeded(seed);
    int64_t now = 1000 + static_cast<int64_t>(dice.below(5000));
    Wheel wheel(now);
    std::vector<std::unique_ptr<Wheel::Node>> nodes;
    std::map<const Wheel::Node*, int64_t> due;  // What a plain list would know.
    for (int i = 0; i < 20; ++i) nodes.push_back(std::make_unique<Wheel::Node>());
    for (int i = 0; i < 400; ++i) {
      auto& node = nodes[dice.below(nodes.size())];
      const uint64_t what = dice.below(10);
      if (what < 6) {
        const int64_t at = now + static_cast<int64_t>(dice.below(dice.below(2) ? 400'000 : 2'000));
        wheel.arm(*node, at);
        due[node.get()] = at;
      } else if (what == 6) {
        wheel.arm(*node, Wheel::kNever);
        due.erase(node.get());
      } else if (what == 7) {
        due.erase(node.get());
        node = std::make_unique<Wheel::Node>();
      } else {
        now += static_cast<int64_t>(dice.below(dice.below(4) ? 1'000 : 300'000));
        wheel.advance(now, [&](Wheel::Node& fired) {
          ASSERT_TRUE(due.contains(&fired));
          EXPECT_LE(due[&fired], now);
          due.erase(&fired);
        });
        for (const auto& [left, at] : due) EXPECT_GT(at + 2 * Wheel::kTickMs, now);
      }
    }
  }
}

TEST(Wheel, ADeadlineMayMoveItselfOrDestroyOthers) {
  Wheel wheel(0);
  auto a = std::make_unique<Wheel::Node>();
  auto b = std::make_unique<Wheel::Node>();
  wheel.arm(*a, 100);
  wheel.arm(*b, 100);
  int fired = 0;
  wheel.advance(1000, [&](Wheel::Node& node) {
    ++fired;
    if (&node == a.get()) {
      b.reset();
      wheel.arm(*a, 2000);
    }
  });
  EXPECT_EQ(fired, 1);
  wheel.advance(3000, [&](Wheel::Node&) { ++fired; });
  EXPECT_EQ(fired, 2);
}

}  // namespace
}  // namespace slip::http
