#include "wire/feast/redis_messages.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace slip::wire::feast {
namespace {

using engine::Type;
using features::Cell;
using features::FeatureType;

// Measured with feast 0.66.
TEST(RedisMessagesTest, BytesAreFeasts) {
  const RedisMessages messages;
  struct Case {
    FeatureType type;
    Cell cell;
    const char* hex;
  };
  const Case cases[] = {
      {{.type = Type::kDouble, .narrow = true}, 0.5, "350000003f"},
      {{.type = Type::kDouble}, 0.5, "29000000000000e03f"},
      {{}, int64_t{150}, "209601"},
      {{.narrow = true}, int64_t{-1}, "18ffffffffffffffffff01"},
      {{.type = Type::kText}, std::string("Köln"), "12054bc3b66c6e"},
      {{.type = Type::kText}, std::string(), "1200"},
      {{.type = Type::kBytes}, std::string("\x00\x01", 2), "0a020001"},
      {{.type = Type::kBool}, false, "3800"},
      {{.type = Type::kTimestampUs}, int64_t{1'700'000'000'999'999}, "4080e2cfaa06"},
      {{.type = Type::kList, .item = Type::kInt64}, std::vector<int64_t>{1, 2}, "72040a020102"},
      {{.type = Type::kList, .item = Type::kInt64}, std::vector<int64_t>{}, "7200"},
      {{.type = Type::kList, .item = Type::kText}, std::vector<std::string>{"a"}, "62030a0161"},
      {{}, Cell(), ""},
  };
  for (const Case& c : cases) EXPECT_EQ(to_hex(messages.value(c.cell, c.type)), c.hex);
}

TEST(RedisMessagesTest, WhatIsWrittenIsReadAgain) {
  const RedisMessages messages;
  const FeatureType times{.type = Type::kTimestampUs};
  EXPECT_EQ(messages.cell(messages.value(int64_t{1'700'000'000'999'999}, times), times).value(),
            Cell(int64_t{1'700'000'000'000'000}));  // Feast's times are whole seconds.
  const FeatureType bytes{.type = Type::kBytes};
  EXPECT_EQ(messages.cell(messages.value(std::string("\xff\0", 2), bytes), bytes).value(),
            Cell(std::string("\xff\0", 2)));
  const FeatureType flags{.type = Type::kList, .item = Type::kInt64, .flags = true};
  EXPECT_EQ(messages.cell(messages.value(std::vector<int64_t>{1, 0}, flags), flags).value(),
            Cell(std::vector<int64_t>{1, 0}));
  EXPECT_TRUE(features::is_null(messages.cell("", {}).value()));
  for (const int64_t us : {int64_t{0}, int64_t{-1}, int64_t{1'700'000'000'123'456}})
    EXPECT_EQ(messages.time_us(messages.time(us)).value(), us);
}

TEST(RedisMessagesTest, OtherBytesAreRefused) {
  const RedisMessages messages;
  EXPECT_EQ(messages.cell("\xff\xff", {}).error().reason, "feature.redis_value");
  const std::string text = messages.value(std::string("x"), {.type = Type::kText});
  EXPECT_EQ(messages.cell(text, {}).error().reason, "feature.redis_value");
  EXPECT_EQ(messages.time_us("\xff\xff").error().reason, "feature.redis_value");
}

}  // namespace
}  // namespace slip::wire::feast
