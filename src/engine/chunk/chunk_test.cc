#include "engine/chunk/chunk.h"

#include <string>

#include <gtest/gtest.h>

#include "test/gen/bytes.h"
#include "test/gen/dice.h"

namespace slip::chunk {
namespace {

using gen::noise;

// Lengths of the chunks when `text` comes in slices of at most `slice` bytes.
std::vector<size_t> cut(std::string_view text, const std::function<size_t()>& slice) {
  Cutter cutter;
  std::vector<size_t> out;
  size_t length = 0;
  while (!text.empty()) {
    std::string_view part = text.substr(0, std::max<size_t>(1, slice()));
    text.remove_prefix(part.size());
    while (!part.empty()) {
      const std::optional<size_t> end = cutter.next(part);
      length += end.value_or(part.size());
      part.remove_prefix(end.value_or(part.size()));
      if (!end) continue;
      out.push_back(length);
      length = 0;
    }
  }
  if (length > 0) out.push_back(length);
  return out;
}

std::vector<size_t> cut_whole(std::string_view text) {
  return cut(text, [&] { return text.size(); });
}

// The definition, word by word: the sum of the last 64 gears, each shifted by its age.
std::vector<size_t> cut_slowly(std::string_view text) {
  std::vector<size_t> out;
  for (size_t start = 0; start < text.size();) {
    size_t length = kMinBytes;
    const std::string_view rest = text.substr(start, kMaxBytes);
    for (; length < rest.size(); ++length) {
      if (length == kMinBytes) continue;  // The first byte tested is the one after the minimum.
      uint64_t hash = 0;
      for (size_t age = 0; age < kWindowBytes; ++age)
        hash += kGear[static_cast<unsigned char>(rest[length - 1 - age])] << age;
      if (hash >> (length <= kAvgBytes ? 46 : 50) == 0) break;
    }
    out.push_back(std::min(length, rest.size()));
    start += out.back();
  }
  return out;
}

std::string mixed(uint64_t seed, size_t size) {
  gen::Dice dice = gen::Dice::seeded(seed);
  std::string out;
  while (out.size() < size) {
    switch (dice.below(4)) {
      case 0:
        out += std::string(dice.below(90'000), static_cast<char>(dice.below(4)));
        break;
      case 1:
        out += noise(dice.below(5), dice.below(200'000));
        break;
      case 2:
        for (uint64_t i = dice.below(2000); i > 0; --i) out += std::to_string(dice.below(50)) + ",";
        break;
      default:
        out += noise(seed, dice.below(20'000));
    }
  }
  return out;
}

TEST(Chunk, AgreesWithTheDefinition) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const std::string text = mixed(seed, 600'000);
    EXPECT_EQ(cut_whole(text), cut_slowly(text));
  }
}

TEST(Chunk, SlicesDoNotMatter) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    gen::Dice dice = gen::Dice::seeded(seed);
    const std::string text = mixed(seed, 1'000'000);
    const std::vector<size_t> want = cut_whole(text);
    EXPECT_EQ(cut(text, [&] { return dice.below(dice.one_in(3) ? 70'000 : 100); }), want);
  }
}

TEST(Chunk, LengthsKeepTheirBoundsAndAverage) {
  const std::vector<size_t> lengths = cut_whole(noise(9, 32 << 20));
  size_t sum = 0;
  for (size_t i = 0; i + 1 < lengths.size(); ++i) {
    ASSERT_GE(lengths[i], kMinBytes);
    ASSERT_LE(lengths[i], kMaxBytes);
    sum += lengths[i];
  }
  const size_t mean = sum / (lengths.size() - 1);
  EXPECT_GT(mean, kAvgBytes * 3 / 4);
  EXPECT_LT(mean, kAvgBytes * 5 / 4);
  EXPECT_EQ(cut_whole(std::string(1 << 20, '\0')), std::vector<size_t>(8, kMaxBytes));
  EXPECT_TRUE(cut_whole("").empty());
}

// An insertion changes the chunks it touches; all but a few others are found again.
TEST(Chunk, EditsStayLocal) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    gen::Dice dice = gen::Dice::seeded(seed);
    const std::string text = noise(seed, 8 << 20);
    std::string edited = text;
    edited.insert(dice.below(text.size()), noise(seed + 100, 1 + dice.below(5000)));
    const auto chunks = [](const std::string& s) {
      std::vector<std::string_view> out;
      size_t at = 0;
      for (const size_t n : cut_whole(s)) {
        out.push_back(std::string_view(s).substr(at, n));
        at += n;
      }
      std::sort(out.begin(), out.end());
      return out;
    };
    const std::vector<std::string_view> before = chunks(text);
    size_t fresh = 0;
    for (const std::string_view c : chunks(edited))
      fresh += std::binary_search(before.begin(), before.end(), c) ? 0 : 1;
    EXPECT_GE(fresh, 1u);
    EXPECT_LE(fresh, 8u);
  }
}

// The table is part of every stored file's shape.
TEST(Chunk, TheCutsOfAKnownTextNeverChange) {
  const std::vector<size_t> got = cut_whole(noise(1, 600'000));
  EXPECT_EQ(got, (std::vector<size_t>{70073, 86806, 19803, 67348, 82475, 22533, 73315, 14557, 90027,
                                      66440, 6623}));
}

}  // namespace
}  // namespace slip::chunk
