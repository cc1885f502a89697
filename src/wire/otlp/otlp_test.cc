#include "wire/otlp/otlp.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "codec/json.h"
#include "tracking/trace_spans.h"

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

std::string attribute(std::string_view key, std::string_view any) {
  return bytes_field(9, bytes_field(1, key) + bytes_field(2, any));
}
std::string text_value(std::string_view text) { return bytes_field(1, text); }
std::string int_value(uint64_t v) { return varint(3 << 3) + varint(v); }

struct Read {
  std::string key;
  std::string value;
  char type;
  bool operator==(const Read&) const = default;
};
std::vector<Read> attributes_of(const tracking::Span& span) {
  std::vector<Read> out;
  tracking::each_attribute(span.attributes, [&](const tracking::Attribute& a) {
    out.push_back({std::string(a.key), std::string(a.value), a.type});
  });
  return out;
}

TEST(Otlp, ReadsASpan) {
  const std::string span = bytes_field(1, kTrace) + bytes_field(2, kSpan) + bytes_field(5, "ask") +
                           fixed64(7, 1'000'000) + fixed64(8, 3'000'000) +
                           attribute("k", int_value(static_cast<uint64_t>(-5))) +
                           bytes_field(15, bytes_field(2, "no") + varint(3 << 3) + varint(2));
  const auto got = read_protobuf(request_with(span))->spans;
  ASSERT_EQ(got.size(), 1U);
  EXPECT_EQ(got[0].trace_id, "tr-" + to_hex(kTrace));
  EXPECT_EQ(got[0].span_id, to_hex(kSpan));
  EXPECT_EQ(got[0].name, "ask");
  EXPECT_EQ(got[0].status, tracking::SpanStatus::kError);
  EXPECT_EQ(got[0].end_ns - got[0].start_ns, 2'000'000);
  EXPECT_EQ(got[0].body, R"({"status_message":"no"})");
  EXPECT_EQ(attributes_of(got[0]), (std::vector<Read>{{"k", "-5", 'i'}}));
}

// Every kind of value, from either encoding, ends as the same attribute.
TEST(Otlp, ValuesKeepTheirTypes) {
  const auto list = [](std::string_view items) { return bytes_field(5, items); };
  const std::string pair = bytes_field(1, "x") + bytes_field(2, int_value(3));
  struct Case {
    std::string binary;
    const char* json;
    Read want;
  };
  const Case cases[] = {
      {text_value("a\"b"), R"({"stringValue":"a\"b"})", {"k", "a\"b", 's'}},
      {text_value("a\x1f"), R"({"stringValue":"a\u001f"})", {"k", R"("a\u001f")", 'q'}},
      {varint(2 << 3) + varint(1), R"({"boolValue":true})", {"k", "true", 'b'}},
      {int_value(7), R"({"intValue":"7"})", {"k", "7", 'i'}},
      {fixed64(4, 0x3ff0000000000000), R"({"doubleValue":1})", {"k", "1.0", 'd'}},
      {bytes_field(7, "abc"), R"({"bytesValue":"YWJj"})", {"k", "YWJj", 'x'}},
      {"", "{}", {"k", "", 'n'}},
      {list(bytes_field(1, int_value(1)) + bytes_field(1, text_value("ü"))),
       R"({"arrayValue":{"values":[{"intValue":1},{"stringValue":"ü"}]}})",
       {"k", R"([1, "ü"])", 'j'}},
      {bytes_field(6, bytes_field(1, pair)),
       R"({"kvlistValue":{"values":[{"key":"x","value":{"intValue":"3"}}]}})",
       {"k", R"({"x": 3})", 'j'}},
      {list(bytes_field(1, bytes_field(7, "abc"))),
       R"({"arrayValue":{"values":[{"bytesValue":"YWJj"}]}})",
       {"k", R"({"array_value":{"values":[{"bytes_value":"YWJj"}]}})", 'J'}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.json);
    const std::string span =
        bytes_field(1, kTrace) + bytes_field(2, kSpan) + attribute("k", c.binary);
    EXPECT_EQ(attributes_of(read_protobuf(request_with(span))->spans.at(0)),
              std::vector<Read>{c.want});
    const std::string json =
        concat({R"({"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":")", to_hex(kTrace),
                R"(","spanId":")", to_hex(kSpan), R"(","attributes":[{"key":"k","value":)", c.json,
                "}]}]}]}]}"});
    const auto got = read_json(json);
    ASSERT_TRUE(got.ok()) << got.error().text;
    EXPECT_EQ(attributes_of(got->spans.at(0)), std::vector<Read>{c.want});
  }
}

TEST(Otlp, AResourceIsKeptWithItsSpans) {
  const std::string span =
      bytes_field(2, bytes_field(2, bytes_field(1, kTrace) + bytes_field(2, kSpan)));
  const std::string resource = bytes_field(
      1, bytes_field(1, bytes_field(1, "service.name") + bytes_field(2, text_value("shop"))));
  const auto got = read_protobuf(bytes_field(1, span) + bytes_field(1, resource + span)).value();
  ASSERT_EQ(got.spans.size(), 2U);
  EXPECT_TRUE(got.resources.at(got.spans[0].resource).empty());
  EXPECT_EQ(got.resources.at(got.spans[1].resource),
            (std::vector<tracking::Tag>{{"service.name", "shop"}}));
}

TEST(Otlp, JsonHasHexIds) {
  const std::string text = concat({R"({"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":")",
                                   to_hex(kTrace), R"(","spanId":")", to_hex(kSpan),
                                   R"(","name":"ask","startTimeUnixNano":"5","endTimeUnixNano":9,)",
                                   R"("status":{"code":2}}]}]}]})"});
  const auto got = read_json(text)->spans;
  ASSERT_EQ(got.size(), 1U);
  EXPECT_EQ(got[0].trace_id, "tr-" + to_hex(kTrace));
  EXPECT_EQ(got[0].start_ns, 5);
  EXPECT_EQ(got[0].end_ns, 9);
  EXPECT_EQ(got[0].status, tracking::SpanStatus::kError);
}

TEST(Otlp, RefusesWhatIsBroken) {
  const std::string good = request_with(bytes_field(1, kTrace) + bytes_field(2, kSpan));
  for (size_t n = 1; n < good.size(); ++n) EXPECT_FALSE(read_protobuf(good.substr(0, n)).ok()) << n;
  EXPECT_EQ(read_protobuf(request_with(bytes_field(1, "short"))).error().reason, "otlp.ids");
  EXPECT_EQ(read_protobuf(request_with("")).error().reason, "otlp.ids");
  EXPECT_TRUE(read_protobuf("")->resources.empty());
  std::string deep = varint(2 << 3) + varint(1);
  for (int i = 0; i < kDepthMax + 2; ++i) deep = bytes_field(5, bytes_field(1, deep));
  EXPECT_EQ(read_protobuf(request_with(attribute("k", deep))).error().reason, "otlp.syntax");
  for (const char* text : {"", "[]", "{", R"({"resourceSpans":3})",
                           R"({"resourceSpans":[{"scopeSpans":[{"spans":[{}]}]}]})",
                           R"({"resourceSpans":[{"scopeSpans":[{"spans":[3]}]}]})"})
    EXPECT_FALSE(read_json(text).ok()) << text;
}

TEST(Otlp, KnownSendersAreNamedOnRootSpans) {
  struct Case {
    const char* service;
    const char* parent;
    const char* own;  // What the span says itself.
    std::vector<Read> want;
  };
  const Case cases[] = {
      {"gemini-cli", "", "", {{"service.name", "gemini-cli", 's'}}},
      {"gemini-cli", "1122334455667788", "", {}},
      {"my-app", "", "", {}},
      {"gemini-cli", "", "mine", {{"service.name", "mine", 's'}}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.service);
    tracking::SpanBatch batch;
    batch.resources = {{{"service.name", c.service}}};
    tracking::Span& span = batch.spans.emplace_back();
    span.parent_id = c.parent;
    tracking::AttributeWriter writer;
    if (*c.own) writer.text("service.name", c.own);
    span.attributes = writer.take();
    name_senders(&batch);
    EXPECT_EQ(attributes_of(span), c.want);
  }
  tracking::SpanBatch batch;
  batch.resources = {{{"service.name", "qwen-code"}}};
  tracking::AttributeWriter writer;
  writer.integer("n", 1);
  batch.spans.emplace_back().attributes = writer.take();
  name_senders(&batch);
  EXPECT_EQ(attributes_of(batch.spans[0]),
            (std::vector<Read>{{"n", "1", 'i'}, {"service.name", "qwen-code", 's'}}));
}

}  // namespace
}  // namespace slip::wire::otlp
