#include "core/worker/frames.h"

#include <gtest/gtest.h>

#include "sys/net.h"
#include "test/gen/dice.h"

namespace slip::worker {
namespace {

using codec::Json;

std::string raw(std::string_view magic, uint32_t head, uint32_t body, std::string_view rest) {
  std::string out(magic);
  for (const uint32_t n : {head, body})
    for (int shift = 0; shift < 32; shift += 8) out += static_cast<char>(n >> shift & 0xff);
  return out + std::string(rest);
}

// Frames survive any cut, and come out as they went in.
TEST(FramesTest, RoundTripInTornPieces) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    auto dice = gen::Dice::seeded(seed);
    std::vector<Frame> sent;
    std::string stream;
    for (uint64_t n = 1 + dice.below(5); n > 0; --n) {
      Frame frame;
      frame.head.set("id", dice.between(0, 1'000'000));
      frame.head.set("text", dice.text(30));
      frame.body = dice.text(300);
      stream += encode_frame(frame);
      sent.push_back(std::move(frame));
    }
    FrameReader reader(300);
    std::vector<Frame> got;
    for (std::string_view left = stream; !left.empty();) {
      const size_t piece = 1 + dice.below(dice.one_in(4) ? 400 : 9);
      ASSERT_TRUE(reader.feed(left.substr(0, piece)).ok()) << seed;
      left.remove_prefix(std::min(piece, left.size()));
      while (auto frame = reader.next().value()) got.push_back(std::move(*frame));
    }
    ASSERT_EQ(got.size(), sent.size()) << seed;
    for (size_t i = 0; i < got.size(); ++i) {
      EXPECT_EQ(got[i].head, sent[i].head) << seed;
      EXPECT_EQ(got[i].body, sent[i].body) << seed;
    }
    EXPECT_EQ(reader.buffered(), 0u);
  }
}

TEST(FramesTest, WhatIsNoFrameIsRefused) {
  const struct {
    const char* what;
    std::string bytes;
    const char* reason;
  } kRows[] = {
      {"other magic", "GET / HTTP/1.1", "worker.frame"},
      {"one wrong byte", "SLWX", "worker.frame"},
      {"long head", raw("SLWK", kFrameHeadMax + 1, 0, ""), "worker.frame"},
      {"long body", raw("SLWK", 2, 1001, ""), "worker.too_large"},
      {"longest body", raw("SLWK", 2, UINT32_MAX, ""), "worker.too_large"},
      {"no JSON", raw("SLWK", 2, 0, "{]"), "worker.frame"},
      {"no object", raw("SLWK", 2, 0, "[]"), "worker.frame"},
      {"no head", raw("SLWK", 0, 0, ""), "worker.frame"},
      {"broken text", raw("SLWK", 9, 0, "{\"a\":\"\xff\"}"), "worker.frame"},
  };
  for (const auto& row : kRows) {
    FrameReader reader(1000);
    Status fed = reader.feed(row.bytes);
    const Result<std::optional<Frame>> got = reader.next();
    ASSERT_FALSE(got.ok()) << row.what;
    EXPECT_EQ(got.error().reason, row.reason) << row.what;
    ignore(fed, "some are seen only as a whole");
  }
}

// A length is judged before anything is kept for it.
TEST(FramesTest, RefusesAtTheLimitAndNotBefore) {
  FrameReader reader(1000);
  EXPECT_TRUE(reader.feed(raw("SLWK", 2, 1000, "{}")).ok());
  EXPECT_FALSE(reader.next().value());
  EXPECT_TRUE(reader.feed(std::string(1000, 'x')).ok());
  EXPECT_EQ(reader.next().value()->body.size(), 1000u);
  EXPECT_FALSE(reader.feed(raw("SLWK", 2, 1001, "")).ok());
}

class ClosedConn final : public Conn {
 public:
  explicit ClosedConn(std::string bytes) : bytes_(std::move(bytes)) {}
  Result<size_t> read(std::span<char> out, int64_t) override {
    const size_t n = std::min(out.size(), bytes_.size());
    std::copy_n(bytes_.data(), n, out.data());
    bytes_.erase(0, n);
    return n;
  }
  Status write(std::string_view, int64_t) override { return {}; }

 private:
  std::string bytes_;
};

TEST(FramesTest, AStreamThatEndsInsideOfAFrame) {
  const std::string whole = encode_frame({Json::object({{"id", 1}}), "body"});
  for (size_t cut = 0; cut <= whole.size(); ++cut) {
    ClosedConn conn(whole.substr(0, cut));
    FrameReader reader(100);
    const Result<Frame> frame = read_frame(conn, reader, INT64_MAX);
    if (cut == whole.size())
      EXPECT_EQ(frame.value().body, "body");
    else
      EXPECT_EQ(frame.error().reason, "net.closed") << cut;
  }
}

}  // namespace
}  // namespace slip::worker
