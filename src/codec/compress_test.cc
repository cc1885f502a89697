#include "codec/compress.h"

#include <gtest/gtest.h>

#include "test/gen/dice.h"

namespace slip::codec {
namespace {

std::string sample(uint64_t seed) {
  gen::Dice dice = gen::Dice::seeded(seed);
  std::string out;
  for (uint64_t i = dice.below(400); i > 0; --i)
    out += std::string(dice.below(dice.one_in(10) ? 5000 : 4), static_cast<char>(dice.below(256)));
  return out;
}

TEST(Compress, RoundTripsAndKeepsTheBound) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const std::string text = sample(seed);
    const std::string z = zstd_compress(text, 1);
    const std::string g = gzip_compress(text, 6);
    EXPECT_EQ(zstd_decompress(z, text.size()).value(), text);
    EXPECT_EQ(gzip_decompress(g, text.size()).value(), text);
    EXPECT_EQ(gzip_decompress(g + g, text.size() * 2).value(), text + text);
    // Between gzip's header and trailer stands bare deflate.
    EXPECT_EQ(gzip_decompress(g.substr(10, g.size() - 18), text.size()).value(), text);
    if (text.empty()) continue;
    EXPECT_EQ(zstd_decompress(z, text.size() - 1).error().reason, "compress.too_large");
    EXPECT_EQ(gzip_decompress(g, text.size() - 1).error().reason, "compress.too_large");
  }
}

TEST(Compress, ABombStaysSmall) {
  const std::string zeros(50 << 20, '\0');
  EXPECT_EQ(zstd_decompress(zstd_compress(zeros, 3), 1 << 20).error().reason, "compress.too_large");
  EXPECT_EQ(gzip_decompress(gzip_compress(zeros, 9), 1 << 20).error().reason, "compress.too_large");
}

TEST(Compress, DamageIsFoundOrHarmless) {
  const std::string text = sample(5);
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    gen::Dice dice = gen::Dice::seeded(seed);
    for (std::string bytes : {zstd_compress(text, 1), gzip_compress(text, 6)}) {
      const bool cut = dice.one_in(2);
      if (cut) bytes.resize(dice.below(bytes.size()));
      if (!cut) bytes[dice.below(bytes.size())] ^= static_cast<char>(1 + dice.below(255));
      const Result<std::string> z = zstd_decompress(bytes, 1 << 20);
      const Result<std::string> g = gzip_decompress(bytes, 1 << 20);
      EXPECT_TRUE(!cut || (!z.ok() && !g.ok()));
    }
  }
  EXPECT_EQ(gzip_decompress("", 10).error().reason, "compress.corrupt");
  EXPECT_EQ(zstd_decompress("", 10).error().reason, "compress.corrupt");
  EXPECT_EQ(zstd_decompress("plain text", 100).error().reason, "compress.corrupt");
}

TEST(Compress, AnEncoderServesManyBuffers) {
  ZstdEncoder encoder(1);
  std::string out;
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    encoder.compress(sample(seed), &out);
    EXPECT_EQ(zstd_decompress(out, 1 << 20).value(), sample(seed));
  }
}

}  // namespace
}  // namespace slip::codec
