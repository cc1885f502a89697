#include "test/fuzz/fuzz.h"

#include <algorithm>
#include <string>

#include <gtest/gtest.h>

#include "test/gen/corpus.h"
#include "test/gen/dice.h"

namespace slip::fuzz {
namespace {

constexpr int kDrawnInputs = 100;
constexpr uint64_t kDrawnBytesMax = 64;

std::vector<std::vector<uint8_t>> corpus_of(std::string_view name) {
  std::vector<std::vector<uint8_t>> files;
  for (const auto& [file, bytes] : gen::corpus(name))
    files.emplace_back(bytes.begin(), bytes.end());
  return files;
}

// One byte changed, cut or doubled: near misses of what the corpus holds.
std::vector<uint8_t> bent(std::vector<uint8_t> bytes, gen::Dice& dice) {
  if (bytes.empty()) return bytes;
  auto at = bytes.begin() + static_cast<ptrdiff_t>(dice.below(bytes.size()));
  switch (dice.below(3)) {
    case 0:
      *at = static_cast<uint8_t>(dice.below(256));
      break;
    case 1:
      bytes.erase(at, bytes.end());
      break;
    default:
      bytes.insert(at, *at);
      break;
  }
  return bytes;
}

// Run from the root of the repository, as ./dev test does.
TEST(Fuzz, EveryTargetTakesItsCorpusAndDrawnBytes) {
  for (const Target& target : targets()) {
    SCOPED_TRACE(target.name);
    target.run({});
    gen::Dice dice = gen::Dice::seeded(1);
    for (const auto& file : corpus_of(target.name)) {
      target.run(file);
      for (int i = 0; i < kDrawnInputs; ++i) target.run(bent(file, dice));
    }
    for (int i = 0; i < kDrawnInputs; ++i) {
      std::vector<uint8_t> bytes(dice.below(kDrawnBytesMax));
      std::ranges::generate(bytes, [&] { return static_cast<uint8_t>(dice.below(256)); });
      target.run(bytes);
    }
  }
}

TEST(Fuzz, NamesAreUnique) {
  for (const Target& target : targets()) EXPECT_EQ(find_target(target.name), &target);
  EXPECT_EQ(find_target("no such target"), nullptr);
}

}  // namespace
}  // namespace slip::fuzz
