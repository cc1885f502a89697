#include "engine/words/words.h"

#include <numeric>

#include <gtest/gtest.h>

namespace slip::words {
namespace {

std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> found;
  each_word(text, [&](std::string_view word) { found.emplace_back(word); });
  return found;
}

TEST(Words, AreRunsOfLettersDigitsAndWhatIsBeyondAscii) {
  struct Row {
    std::string_view text;
    std::vector<std::string> want;
  };
  const std::vector<Row> rows = {
      {"", {}},
      {" .,-\n", {}},
      {"One two", {"one", "two"}},
      {"snake_case C++20", {"snake_case", "c", "20"}},
      {"für Überblick", {"für", "Überblick"}},  // Only ASCII is lower-cased.
      {"a", {"a"}},
      {"-a-", {"a"}},
      {"\xff\xfe x", {"\xff\xfe", "x"}},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.text);
    EXPECT_EQ(split_words(row.text), row.want);
  }
}

TEST(Words, ALongRunIsOneWordByItsStart) {
  const std::string run(kWordBytesMax * 3, 'A');
  EXPECT_EQ(split_words(run + " b"),
            (std::vector<std::string>{std::string(kWordBytesMax, 'a'), "b"}));
}

TEST(Words, HashesNeverChange) {
  // They are kept in files: another value here means that kept vocabularies stop matching.
  EXPECT_EQ(word_hash(""), word_hash(std::string_view{}));
  EXPECT_EQ(word_hash("drift"), 4002530275586712230U);
  EXPECT_NE(word_hash("drift"), word_hash("Drift"));
}

TEST(Words, DescribeCountsAgainstTheVocabulary) {
  const std::vector<std::string> training = {"The model sees text", "the text drifts"};
  const Vocabulary vocabulary = Vocabulary::of(training);
  EXPECT_EQ(vocabulary.size(), 5U);
  struct Row {
    std::string_view text;
    TextProfile want;
  };
  const std::vector<Row> rows = {
      {"", {0, 0, 0}},
      {"--", {2, 0, 0}},
      {"The text", {8, 2, 0}},
      {"der Text für", {12, 3, 2.0 / 3}},
      {"THE new model drifts", {20, 4, 0.25}},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.text);
    std::vector<double> bins(16, 0);
    const TextProfile got = describe(row.text, vocabulary, bins);
    EXPECT_EQ(got.length, row.want.length);
    EXPECT_EQ(got.words, row.want.words);
    EXPECT_DOUBLE_EQ(got.oov_share, row.want.oov_share);
    EXPECT_EQ(std::accumulate(bins.begin(), bins.end(), 0.0), row.want.words);
  }
  EXPECT_EQ(describe("no bins", vocabulary, {}).words, 2);
}

TEST(Words, AVocabularySurvivesItsHashes) {
  const std::vector<std::string> training = {"a b c a"};
  const Vocabulary first = Vocabulary::of(training);
  const Vocabulary again = Vocabulary::from_hashes(first.hashes());
  EXPECT_EQ(again.hashes(), first.hashes());
  EXPECT_TRUE(again.has("b"));
  EXPECT_FALSE(again.has("d"));
}

}  // namespace
}  // namespace slip::words
