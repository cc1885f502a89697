#include "wire/otlp/otlp.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "codec/json.h"

namespace slip::wire::otlp {
namespace {

std::string varint(uint64_t v) {
  std::string out;
  for (; v >= 0x80; v >>= 7) out += static_cast<char>(v | 0x80);
  return out + static_cast<char>(v);
}
std::string bytes_field(uint64_t number, std::string_view bytes) {
  return varint(number << 3 | 2) + varint(bytes.size()) + std::string(bytes);
}
std::string fixed64(uint64_t number, uint64_t v) {
  std::string out = varint(number << 3 | 1);
  for (int i = 0; i < 8; ++i) out += static_cast<char>(v >> (8 * i));
  return out;
}
std::string request_with(std::string_view span) {
  return bytes_field(1, bytes_field(2, bytes_field(2, span)));
}

const std::string kTrace(16, '\x0a');
const std::string kSpan(8, '\x0b');

TEST(Otlp, ReadsASpan) {
  const std::string attribute =
      bytes_field(1, "k") + bytes_field(2, varint(3 << 3) + varint(static_cast<uint64_t>(-5)));
  const std::string span = bytes_field(1, kTrace) + bytes_field(2, kSpan) + bytes_field(5, "ask") +
                           fixed64(7, 1'000'000) + fixed64(8, 3'000'000) +
                           bytes_field(9, attribute) + bytes_field(15, varint(3 << 3) + varint(2));
  const auto got = read_protobuf(request_with(span)).value();
  ASSERT_EQ(got.size(), 1U);
  EXPECT_EQ(got[0].trace_id, "tr-" + to_hex(kTrace));
  EXPECT_EQ(got[0].span_id, to_hex(kSpan));
  EXPECT_EQ(got[0].name, "ask");
  EXPECT_TRUE(got[0].failed);
  EXPECT_EQ(got[0].end_ns - got[0].start_ns, 2'000'000);
  const codec::Json want = codec::Json::object(
      {{"trace_id", to_base64(kTrace)},
       {"span_id", to_base64(kSpan)},
       {"name", "ask"},
       {"start_time_unix_nano", "1000000"},
       {"end_time_unix_nano", "3000000"},
       {"status", codec::Json::object({{"code", "STATUS_CODE_ERROR"}})},
       {"attributes",
        codec::Json::array({codec::Json::object(
            {{"key", "k"}, {"value", codec::Json::object({{"int_value", "-5"}})}})})}});
  EXPECT_EQ(codec::parse_json(got[0].body).value(), want) << got[0].body;
}

TEST(Otlp, JsonHasHexIds) {
  const std::string text = concat({R"({"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":")",
                                   to_hex(kTrace), R"(","spanId":")", to_hex(kSpan),
                                   R"(","name":"ask","startTimeUnixNano":"5","endTimeUnixNano":9,)",
                                   R"("status":{"code":2}}]}]}]})"});
  const auto got = read_json(text).value();
  ASSERT_EQ(got.size(), 1U);
  EXPECT_EQ(got[0].trace_id, "tr-" + to_hex(kTrace));
  EXPECT_TRUE(got[0].failed);
  EXPECT_EQ(codec::parse_json(got[0].body)->find("trace_id")->as_string(), to_base64(kTrace));
}

TEST(Otlp, RefusesWhatIsBroken) {
  const std::string good = request_with(bytes_field(1, kTrace) + bytes_field(2, kSpan));
  for (size_t n = 1; n < good.size(); ++n) EXPECT_FALSE(read_protobuf(good.substr(0, n)).ok()) << n;
  EXPECT_EQ(read_protobuf(request_with(bytes_field(1, "short"))).error().reason, "otlp.ids");
  EXPECT_EQ(read_protobuf(request_with("")).error().reason, "otlp.ids");
  EXPECT_TRUE(read_protobuf("")->empty());
  std::string deep = varint(2 << 3) + varint(1);
  for (int i = 0; i < kDepthMax + 2; ++i) deep = bytes_field(5, bytes_field(1, deep));
  const std::string attribute = bytes_field(9, bytes_field(2, deep));
  EXPECT_EQ(read_protobuf(request_with(attribute)).error().reason, "otlp.syntax");
  for (const char* text : {"", "[]", "{", R"({"resourceSpans":3})",
                           R"({"resourceSpans":[{"scopeSpans":[{"spans":[{}]}]}]})",
                           R"({"resourceSpans":[{"scopeSpans":[{"spans":[3]}]}]})"})
    EXPECT_FALSE(read_json(text).ok()) << text;
}

}  // namespace
}  // namespace slip::wire::otlp
