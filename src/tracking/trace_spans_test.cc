#include "tracking/trace_spans.h"

#include <cmath>

#include <gtest/gtest.h>

#include "base/text.h"

namespace slip::tracking {
namespace {

std::string with(const std::vector<std::pair<std::string, std::string>>& texts) {
  AttributeWriter out;
  for (const auto& [key, value] : texts) out.text(key, value);
  return out.take();
}

TEST(SpanAttributes, EveryTextReadsBack) {
  const std::string texts[] = {"",
                               "plain",
                               "\x1f",
                               "a\x1e"
                               "b",
                               "\x1d\x1f",
                               "\"q\"",
                               "ü ✓",
                               std::string("\0x", 2),
                               "\\u001f",
                               "\n\t"};
  AttributeWriter writer;
  for (const std::string& text : texts) writer.text("k" + text, text);
  size_t i = 0;
  const std::string all = writer.take();
  each_attribute(all, [&](const Attribute& a) { EXPECT_EQ(a.text(), texts[i++]) << i; });
  EXPECT_EQ(i, std::size(texts));
  EXPECT_EQ(writer.take(), "");
}

TEST(SpanAttributes, GarbageEndsTheWalk) {
  const std::string good = with({{"a", "1"}, {"b", "2"}});
  for (size_t n = 0; n < good.size(); ++n) {
    int seen = 0;
    each_attribute(std::string_view(good).substr(0, n), [&](const Attribute&) { ++seen; });
    EXPECT_LE(seen, 1) << n;
  }
  each_attribute("no marks at all", [](const Attribute&) { FAIL(); });
}

TEST(SpanAttributes, NumbersAreWrittenAsPythonDoes) {
  struct Case {
    double value;
    const char* text;
  };
  const Case cases[] = {
      {1, "1.0"},   {0.1, "0.1"},           {1e16, "1e+16"}, {-2.5, "-2.5"},
      {NAN, "NaN"}, {INFINITY, "Infinity"}, {0, "0.0"},      {-INFINITY, "-Infinity"}};
  for (const Case& c : cases) {
    std::string out;
    append_number(&out, c.value);
    EXPECT_EQ(out, c.text);
  }
}

TEST(SpanFacts, MlflowsOwnAttributesComeFirst) {
  AttributeWriter writer;
  writer.text("gen_ai.operation.name", "chat");
  writer.text("gen_ai.request.model", "gpt-4");
  writer.text("gen_ai.provider.name", "openai");
  writer.integer("gen_ai.usage.input_tokens", 3);
  writer.integer("gen_ai.usage.output_tokens", 4);
  writer.text("session.id", "s1");
  SpanFacts facts = facts_of(writer.take());
  EXPECT_EQ(facts.type, "CHAT_MODEL");
  EXPECT_EQ(facts.model_name, "gpt-4");
  EXPECT_EQ(facts.model_provider, "openai");
  EXPECT_EQ(facts.session_id, "s1");
  std::string translated;
  const std::string all = with_translated("", facts);
  each_attribute(all,
                 [&](const Attribute& a) { translated += concat({a.key, "=", a.value, " "}); });
  EXPECT_EQ(translated,
            "mlflow.spanType=CHAT_MODEL mlflow.llm.model=gpt-4 mlflow.llm.provider=openai "
            "mlflow.chat.tokenUsage={\"input_tokens\": 3, \"output_tokens\": 4, "
            "\"total_tokens\": 7} ");
  EXPECT_EQ(usage_json(*facts.usage),
            R"({"input_tokens": 3, "output_tokens": 4, "total_tokens": 7})");

  writer.text("gen_ai.operation.name", "chat");
  writer.text("mlflow.spanType", "\"LLM\"");  // A text that is itself JSON of a text.
  writer.text("mlflow.llm.model", "mine");
  writer.text("gen_ai.request.model", "gpt-4");
  writer.json("mlflow.chat.tokenUsage", R"({"input_tokens": 5, "total_tokens": 6, "x": 1})");
  writer.json("mlflow.llm.cost", R"({"input_cost": 0.5, "total_cost": null})");
  writer.text("mlflow.traceTag.team", "a");
  facts = facts_of(writer.take());
  EXPECT_EQ(facts.type, "LLM");
  EXPECT_EQ(facts.model_name, "mine");
  EXPECT_EQ(usage_json(*facts.usage), R"({"input_tokens": 5, "total_tokens": 6})");
  EXPECT_EQ(cost_json(*facts.cost), R"({"input_cost": 0.5})");
  EXPECT_EQ(facts.trace_tags, (std::vector<std::pair<std::string, std::string>>{{"team", "a"}}));
}

TEST(SpanFacts, WhatIsNoCountIsNoUsage) {
  for (const char* text :
       {"", "3", "[]", "{}", R"({"input_tokens": 1.5})", R"({"input_tokens": "3"})",
        R"({"input_tokens": 1e300})", R"({"input_tokens": true})", "{\"input_tokens\": NaN}"})
    EXPECT_FALSE(parse_usage(text)) << text;
  for (const char* text : {"", "{}", R"({"total_cost": "1"})", R"({"total_cost": NaN})"})
    EXPECT_FALSE(parse_cost(text)) << text;
}

UsageNode node(std::string id, std::string parent, std::optional<int64_t> tokens) {
  UsageNode out{std::move(id), std::move(parent), {}, {}};
  if (tokens) out.usage = TokenUsage{{{"input_tokens", *tokens}}};
  return out;
}

TEST(TokenUsage, AParentsCountIncludesItsChildren) {
  const auto total = [](const std::vector<UsageNode>& nodes) {
    const auto usage = total_usage(nodes);
    return usage ? usage->counts.at("input_tokens") : -1;
  };
  EXPECT_EQ(total({}), -1);
  EXPECT_EQ(total({node("a", "", {})}), -1);
  EXPECT_EQ(total({node("a", "", {}), node("b", "a", 2), node("c", "a", 3)}), 5);
  EXPECT_EQ(total({node("a", "", 10), node("b", "a", 2), node("c", "b", 3)}), 10);
  EXPECT_EQ(total({node("a", "", {}), node("b", "a", 4), node("c", "b", 3)}), 4);
  EXPECT_EQ(total({node("b", "gone", 2), node("c", "b", 3)}), 2);
  EXPECT_EQ(total({node("a", "b", 1), node("b", "a", 2)}), -1);  // A ring counts nothing.
}

TEST(Preview, ShowsWhatWasSaid) {
  EXPECT_EQ(preview_of(R"({"x": 3})", "user"), R"({"x": 3})");
  EXPECT_EQ(preview_of(R"({"messages":[{"role":"user","content":"hi"},
      {"role":"assistant","content":"ho"}]})",
                       "user"),
            "hi");
  EXPECT_EQ(
      preview_of(R"({"choices":[{"message":{"role":"assistant","content":"ho"}}]})", "assistant"),
      "ho");
  EXPECT_EQ(preview_of(R"({"messages":[{"role":"user","content":[{"type":"text","text":"a"}]}]})",
                       "user"),
            "a");
  const std::string cut = preview_of("\"" + std::string(2000, 'x') + "\"", "user");
  EXPECT_EQ(cut.size(), kPreviewMax);
  EXPECT_TRUE(cut.ends_with("..."));
}

}  // namespace
}  // namespace slip::tracking
