#include "http/body.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace slip::http {
namespace {

// Payload and what is left, or the reason of a refusal, or "more"; fed in pieces of `piece` bytes.
std::string decoded(std::string_view in, size_t piece) {
  BodyDecoder body;
  body.start_chunked();
  std::string out;
  size_t at = 0;
  while (!body.done() && at < in.size()) {
    const auto used = body.feed(in.substr(at, piece), &out);
    if (!used) return used.error().reason;
    at += *used;
  }
  if (!body.done()) return "more";
  return concat({out, "|", in.substr(at)});
}

TEST(Body, ChunksEndInTheSamePlaceHoweverTheyArrive) {
  const std::pair<std::string, std::string_view> cases[] = {
      {"0\r\n\r\n", "|"},
      {"3\r\nabc\r\n0\r\n\r\nGET /", "abc|GET /"},
      {"A;x=\"y\"\r\n0123456789\r\n0;z\r\nT: 1\r\nU: 2\r\n\r\n", "0123456789|"},
      {"0003 \r\nabc\r\n000\r\n\r\n", "abc|"},
      {"0\r\n", "more"},
      {"3\r\nab", "more"},
      {"", "more"},
      {"3\nabc\r\n0\r\n\r\n", "http.chunk"},
      {"3\r\nabc\n0\r\n\r\n", "http.chunk"},
      {"3\r\nabcd\r\n0\r\n\r\n", "http.chunk"},
      {"3\rx", "http.chunk"},
      {"-3\r\n", "http.chunk"},
      {"0x3\r\n", "http.chunk"},
      {"\r\n", "http.chunk"},
      {";x\r\n", "http.chunk"},
      {"1234567890abcdef\r\n", "http.chunk"},
      {"3;a\x01\r\n", "http.chunk"},
      {"0\r\nT: a\nb\r\n\r\n", "http.chunk"},
      {"0\r\n\rx", "http.chunk"},
      {"1;" + std::string(BodyDecoder::kChunkLineBytesMax, 'x') + "\r\n", "http.chunk"},
      {"0\r\n" + std::string(BodyDecoder::kTrailerBytesMax + 1, 'x') + "\r\n", "http.chunk"},
  };
  for (const auto& [in, want] : cases)
    for (const size_t piece : {1, 2, 3, 1000, 100'000}) {
      SCOPED_TRACE(::testing::Message() << in.substr(0, 40) << " by " << piece);
      EXPECT_EQ(decoded(in, piece), want);
    }
}

TEST(Body, LengthsAndEnds) {
  BodyDecoder body;
  std::string out;
  EXPECT_TRUE(body.done());
  body.start_length(5);
  EXPECT_EQ(body.feed("abc", &out).value(), 3U);
  EXPECT_EQ(body.finish().error().reason, "http.truncated");
  EXPECT_EQ(body.feed("defg", &out).value(), 2U);
  EXPECT_TRUE(body.done());
  EXPECT_EQ(out, "abcde");
  body.start_length(0);
  EXPECT_TRUE(body.done());
  body.start_until_end();
  EXPECT_EQ(body.feed("xyz", &out).value(), 3U);
  EXPECT_FALSE(body.done());
  EXPECT_TRUE(body.finish().ok());
  EXPECT_TRUE(body.done());
}

}  // namespace
}  // namespace slip::http
