#include "engine/words/words.h"

#include <algorithm>
#include <array>

namespace slip::words {
namespace {

constexpr bool ascii_letter(unsigned char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
constexpr bool of_word(unsigned char c) {
  return ascii_letter(c) || (c >= '0' && c <= '9') || c == '_' || c >= 0x80;
}

// The walk of each_word without the cost of a std::function per word.
template <class OnWord>
void walk(std::string_view text, OnWord&& on_word) {
  std::array<char, kWordBytesMax> word{};
  size_t at = 0;
  while (at < text.size()) {
    size_t bytes = 0;
    for (; at < text.size() && of_word(static_cast<unsigned char>(text[at])); ++at) {
      if (bytes == word.size()) continue;
      const char c = text[at];
      word[bytes++] = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    if (bytes > 0) on_word(std::string_view(word.data(), bytes));
    ++at;  // The separator, or one beyond the end.
  }
}

}  // namespace

void each_word(std::string_view text, const std::function<void(std::string_view)>& on_word) {
  walk(text, on_word);
}

uint64_t word_hash(std::string_view word) {
  uint64_t h = 0xcbf29ce484222325;
  for (const char c : word) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  // FNV's low bits alone are a poor `mod`: finish with the mixer of MurmurHash3.
  h = (h ^ (h >> 33)) * 0xff51afd7ed558ccd;
  h = (h ^ (h >> 33)) * 0xc4ceb9fe1a85ec53;
  return h ^ (h >> 33);
}

Vocabulary Vocabulary::of(std::span<const std::string> texts) {
  std::vector<uint64_t> hashes;
  for (const std::string& text : texts) {
    walk(text, [&](std::string_view word) { hashes.push_back(word_hash(word)); });
    if (hashes.size() > (1U << 22)) hashes = from_hashes(std::move(hashes)).hashes_;
  }
  return from_hashes(std::move(hashes));
}

Vocabulary Vocabulary::from_hashes(std::vector<uint64_t> hashes) {
  std::sort(hashes.begin(), hashes.end());
  hashes.erase(std::unique(hashes.begin(), hashes.end()), hashes.end());
  hashes.shrink_to_fit();
  Vocabulary vocabulary;
  vocabulary.hashes_ = std::move(hashes);
  return vocabulary;
}

bool Vocabulary::has_hash(uint64_t hash) const {
  return std::binary_search(hashes_.begin(), hashes_.end(), hash);
}

TextProfile describe(std::string_view text, const Vocabulary& vocabulary,
                     std::span<double> token_bins) {
  TextProfile profile;
  profile.length = static_cast<double>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
  double unknown = 0;
  walk(text, [&](std::string_view word) {
    const uint64_t hash = word_hash(word);
    profile.words += 1;
    if (!vocabulary.has_hash(hash)) unknown += 1;
    if (!token_bins.empty()) token_bins[hash % token_bins.size()] += 1;
  });
  if (profile.words > 0) profile.oov_share = unknown / profile.words;
  return profile;
}

}  // namespace slip::words
