#include "contract/distinct.h"

#include <map>
#include <set>

#include <gtest/gtest.h>

#include "contract/test_frame.h"
#include "test/gen/dice.h"

namespace slip::contract {
namespace {

using namespace testing;

class MemorySpill final : public Spill {
 public:
  Status append(const std::string& name, std::string_view bytes) override {
    streams[name] += bytes;
    ++appends;
    return {};
  }
  Result<std::unique_ptr<codec::ByteSource>> open(const std::string& name) override {
    return codec::text_source(streams[name]);
  }
  Status remove(const std::string& name) override {
    streams.erase(name);
    return {};
  }
  std::map<std::string, std::string> streams;
  int appends = 0;
};

struct Got {
  int64_t repeats = 0;
  std::vector<int64_t> rows;
  bool complete = true;
};

Got count(const engine::Values& values, int64_t batch, DistinctOptions options) {
  std::unique_ptr<DistinctCounter> counter;
  for (int64_t from = 0; from < values.size(); from += batch) {
    engine::Values part(values.type());
    for (int64_t i = from; i < std::min(from + batch, values.size()); ++i)
      part.add_from(values.view(), i);
    const engine::Column view = part.view();
    if (!counter) counter = std::make_unique<DistinctCounter>(std::span(&view, 1), options);
    CHECK(counter->add(std::span(&view, 1), part.size(), from).ok());
  }
  CHECK(counter->finish().ok());
  return {counter->repeats(), counter->rows(), counter->complete()};
}

TEST(ContractDistinct, EqualsASetInEveryRegime) {
  struct Regime {
    Type type;
    int64_t range;
    int64_t stride;
    int64_t memory;
  };
  const Regime regimes[] = {
      {Type::kInt64, 3000, 1, 64 << 20},              // A bitmap.
      {Type::kInt64, 3000, -1, 64 << 20},             // One that grows downwards.
      {Type::kInt64, 3000, 1'000'000'007, 64 << 20},  // A table.
      {Type::kInt64, 9000, 1'000'000'007, 40'000},    // Spilled.
      {Type::kText, 9000, 1, 40'000},
      {Type::kDouble, 9000, 3, 40'000},
      {Type::kTimestampUs, 9000, 1'000'003, 1},
      {Type::kBool, 2, 1, 1},
  };
  for (const Regime& r : regimes) {
    for (const uint64_t seed : {1, 2, 3}) {
      SCOPED_TRACE("range " + std::to_string(r.range) + " stride " + std::to_string(r.stride) +
                   " seed " + std::to_string(seed));
      gen::Dice dice = gen::Dice::seeded(seed);
      engine::Values values(r.type);
      std::set<int64_t> seen;
      Got wanted;
      for (int64_t i = 0; i < 6000; ++i) {
        if (dice.one_in(20)) {
          values.add_null();
          continue;
        }
        const int64_t v = dice.between(0, r.range - 1) * r.stride;
        if (r.type == Type::kText) values.add_text("key " + std::to_string(v));
        if (r.type == Type::kDouble) values.add_f64(static_cast<double>(v) / 7);
        if (r.type == Type::kBool) values.add_bool(v != 0);
        if (r.type == Type::kInt64 || r.type == Type::kTimestampUs) values.add_i64(v);
        if (seen.insert(v).second) continue;
        ++wanted.repeats;
        if (wanted.rows.size() < 10) wanted.rows.push_back(i);
      }
      MemorySpill spill;
      DistinctOptions options;
      options.memory_bytes = r.memory;
      options.spill = &spill;
      const Got got = count(values, 777, options);
      EXPECT_EQ(got.repeats, wanted.repeats);
      EXPECT_EQ(got.rows, wanted.rows);
      EXPECT_TRUE(got.complete);
      EXPECT_TRUE(spill.streams.empty());
      EXPECT_TRUE(r.memory != 40'000 || r.type != Type::kText || spill.appends > 60);
    }
  }
}

TEST(ContractDistinct, AStreamThatDoesNotFitIsSplitAgain) {
  engine::Values values(Type::kInt64);
  constexpr int64_t kKeys = 80'000;
  for (int64_t i = 0; i < kKeys + 5; ++i) values.add_i64(i % kKeys * 1'000'000'007);
  MemorySpill spill;
  DistinctOptions options;
  options.memory_bytes = 40'000;
  options.spill = &spill;
  const Got got = count(values, 16'384, options);
  EXPECT_EQ(got.repeats, 5);
  EXPECT_EQ(got.rows.front(), kKeys);
  EXPECT_GT(spill.appends, 1000);
  EXPECT_TRUE(spill.streams.empty());
}

TEST(ContractDistinct, TheEndsOfTheRange) {
  engine::Values values(Type::kInt64);
  for (const int64_t v : {INT64_MIN, INT64_MAX, int64_t{0}, INT64_MIN, int64_t{0}})
    values.add_i64(v);
  EXPECT_EQ(count(values, 2, {}).repeats, 2);
}

TEST(ContractDistinct, WithoutASpillItSaysThatItStopped) {
  engine::Values values(Type::kText);
  for (int i = 0; i < 5000; ++i) values.add_text("key " + std::to_string(i));
  DistinctOptions options;
  options.memory_bytes = 40'000;
  EXPECT_FALSE(count(values, 1000, options).complete);
}

}  // namespace
}  // namespace slip::contract
