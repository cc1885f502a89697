#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// Declared descriptors of a text, the numbers that drift of text is measured on: length, words, the
// share of words that the training texts don't have, and a histogram of hashed words. No language,
// no locale: a word is a longest run of ASCII letters (lower-cased), digits, '_' and bytes beyond
// ASCII, so that UTF-8 words stay whole. Any bytes are a text. Pure; a Vocabulary is immutable.
namespace slip::words {

inline constexpr size_t kWordBytesMax = 64;  // Longer runs count as one word, by their start.

// Calls `on_word` with each word; the view is good during the call only.
void each_word(std::string_view text, const std::function<void(std::string_view)>& on_word);

// FNV-1a with a finishing mix: stable across machines and versions (it is kept in files).
uint64_t word_hash(std::string_view word);

class Vocabulary {
 public:
  Vocabulary() = default;
  // Every word of `texts`, counted once.
  static Vocabulary of(std::span<const std::string> texts);
  static Vocabulary from_hashes(std::vector<uint64_t> hashes);  // Any order, repeats allowed.
  bool has(std::string_view word) const { return has_hash(word_hash(word)); }
  bool has_hash(uint64_t hash) const;
  size_t size() const { return hashes_.size(); }
  const std::vector<uint64_t>& hashes() const { return hashes_; }  // Sorted, distinct.

 private:
  std::vector<uint64_t> hashes_;
};

struct TextProfile {
  double length = 0;  // Code points (bytes that don't continue one).
  double words = 0;
  double oov_share = 0;  // In [0, 1]; 0 for a text without words.
};

// Describes one text; adds 1 to token_bins[hash mod size] per word when token_bins isn't empty.
TextProfile describe(std::string_view text, const Vocabulary& vocabulary,
                     std::span<double> token_bins);

}  // namespace slip::words
