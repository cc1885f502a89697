#include "tracking/trace_spans.h"

#include <array>
#include <charconv>
#include <cmath>
#include <unordered_map>
#include <utility>

#include "base/text.h"
#include "codec/json.h"

namespace slip::tracking {
namespace {

using codec::Json;

constexpr char kUnit = 0x1f;
constexpr char kRecord = 0x1e;
constexpr char kGroup = 0x1d;
constexpr std::string_view kMarks("\0\x1d\x1e\x1f", 4);
constexpr std::string_view kTagPrefix = "mlflow.traceTag.";

// A text of MLflow's own attributes may itself be JSON of a text.
std::string plain(std::string text) {
  if (!text.starts_with('"')) return text;
  const Result<Json> parsed = codec::parse_json(text);
  return parsed.ok() && parsed->is_string() ? parsed->as_string() : text;
}

std::optional<Json> object_of(std::string_view text) {
  Result<Json> parsed = codec::parse_json(text, codec::NonFinite::kToken);
  if (parsed.ok() && parsed->is_string()) {
    const std::string inner = parsed->as_string();
    parsed = codec::parse_json(inner, codec::NonFinite::kToken);
  }
  if (!parsed.ok() || !parsed->is_object()) return std::nullopt;
  return std::move(parsed).value();
}

std::optional<double> finite(const Json* value) {
  if (!value || !value->is_number() || !std::isfinite(value->as_double())) return std::nullopt;
  return value->as_double();
}

enum class Fact : uint8_t {
  kType,
  kOtherType,
  kModel,
  kOtherModel,
  kProvider,
  kOtherProvider,
  kSession,
  kUser,
  kInputs,
  kOtherInputs,
  kOutputs,
  kOtherOutputs,
  kUsage,
  kCost,
  kInputTokens,
  kOutputTokens,
  kTotalTokens,
  kCacheReadTokens,
  kCacheWriteTokens,
};
struct FactKey {
  std::string_view key;
  Fact fact;
};
constexpr std::array<FactKey, 46> kFactKeys = {{
    {"mlflow.spanType", Fact::kType},
    {"openinference.span.kind", Fact::kOtherType},
    {"traceloop.span.kind", Fact::kOtherType},
    {"gen_ai.operation.name", Fact::kOtherType},
    {"mlflow.llm.model", Fact::kModel},
    {"gen_ai.response.model", Fact::kOtherModel},
    {"gen_ai.request.model", Fact::kOtherModel},
    {"llm.model_name", Fact::kOtherModel},
    {"mlflow.llm.provider", Fact::kProvider},
    {"gen_ai.provider.name", Fact::kOtherProvider},
    {"gen_ai.system", Fact::kOtherProvider},
    {"llm.provider", Fact::kOtherProvider},
    {"session.id", Fact::kSession},
    {"gen_ai.conversation.id", Fact::kSession},
    {"user.id", Fact::kUser},
    {"mlflow.spanInputs", Fact::kInputs},
    {"input.value", Fact::kOtherInputs},
    {"gen_ai.input.messages", Fact::kOtherInputs},
    {"traceloop.entity.input", Fact::kOtherInputs},
    {"mlflow.spanOutputs", Fact::kOutputs},
    {"output.value", Fact::kOtherOutputs},
    {"gen_ai.output.messages", Fact::kOtherOutputs},
    {"traceloop.entity.output", Fact::kOtherOutputs},
    {"mlflow.chat.tokenUsage", Fact::kUsage},
    {"mlflow.llm.cost", Fact::kCost},
    {"gen_ai.usage.input_tokens", Fact::kInputTokens},
    {"gen_ai.usage.prompt_tokens", Fact::kInputTokens},
    {"llm.token_count.prompt", Fact::kInputTokens},
    {"gen_ai.usage.output_tokens", Fact::kOutputTokens},
    {"gen_ai.usage.completion_tokens", Fact::kOutputTokens},
    {"llm.token_count.completion", Fact::kOutputTokens},
    {"gen_ai.usage.total_tokens", Fact::kTotalTokens},
    {"llm.usage.total_tokens", Fact::kTotalTokens},
    {"llm.token_count.total", Fact::kTotalTokens},
    {"gen_ai.usage.cache_read.input_tokens", Fact::kCacheReadTokens},
    {"llm.token_count.prompt_details.cache_read", Fact::kCacheReadTokens},
    {"gen_ai.usage.cache_write.input_tokens", Fact::kCacheWriteTokens},
    {"gen_ai.usage.cache_creation.input_tokens", Fact::kCacheWriteTokens},
    {"llm.token_count.prompt_details.cache_write", Fact::kCacheWriteTokens},
    {"llm.response.model_name", Fact::kOtherModel},
    {"embedding.model_name", Fact::kOtherModel},
    {"gen_ai.tool.call.arguments", Fact::kOtherInputs},
    {"gen_ai.tool.call.result", Fact::kOtherOutputs},
    {"ai.prompt", Fact::kOtherInputs},
    {"ai.usage.promptTokens", Fact::kInputTokens},
    {"ai.usage.completionTokens", Fact::kOutputTokens},
}};

std::optional<Fact> fact_of(std::string_view key) {
  static const auto table = [] {
    std::unordered_map<std::string_view, Fact> map;
    for (const FactKey& row : kFactKeys) map.emplace(row.key, row.fact);
    return map;
  }();
  const auto found = table.find(key);
  if (found == table.end()) return std::nullopt;
  return found->second;
}

struct TypeName {
  std::string_view theirs;
  std::string_view ours;
};
constexpr std::array<TypeName, 19> kTypes = {{
    {"chat", "CHAT_MODEL"},
    {"response", "LLM"},
    {"workflow", "WORKFLOW"},
    {"task", "TASK"},
    {"guardrail", "GUARDRAIL"},
    {"evaluator", "EVALUATOR"},
    {"text_completion", "LLM"},
    {"generate_content", "LLM"},
    {"llm", "LLM"},
    {"embeddings", "EMBEDDING"},
    {"embedding", "EMBEDDING"},
    {"execute_tool", "TOOL"},
    {"tool", "TOOL"},
    {"create_agent", "AGENT"},
    {"invoke_agent", "AGENT"},
    {"agent", "AGENT"},
    {"chain", "CHAIN"},
    {"retriever", "RETRIEVER"},
    {"reranker", "RERANKER"},
}};

std::string type_named(std::string_view theirs) {
  for (const TypeName& row : kTypes)
    if (iequals(row.theirs, theirs)) return std::string(row.ours);
  return {};
}

// What other conventions say.
struct Others {
  SpanFacts facts;
  std::optional<Attribute> inputs;
  std::optional<Attribute> outputs;
  std::array<std::optional<int64_t>, 5> counts;  // As kCountKeys.
};
constexpr std::array<std::string_view, 5> kCountKeys = {"input_tokens", "output_tokens",
                                                        "total_tokens", "cache_read_input_tokens",
                                                        "cache_creation_input_tokens"};

void fill(std::string* out, std::string value) {
  if (out->empty()) *out = std::move(value);
}

// A value as JSON, whatever it was.
std::string as_json(const Attribute& a) {
  if (a.type == 's') {
    std::string out;
    codec::append_json_string(&out, a.value);
    return out;
  }
  return std::string(a.value);
}

void take_count(const Attribute& a, std::optional<int64_t>* count) {
  if (!*count) *count = parse_int(plain(a.text()));
}

void take_fact(Fact fact, const Attribute& a, SpanFacts* out, Others* others) {
  switch (fact) {
    case Fact::kType:
      return fill(&out->type, plain(a.text()));
    case Fact::kOtherType:
      return fill(&others->facts.type, type_named(plain(a.text())));
    case Fact::kModel:
      return fill(&out->model_name, plain(a.text()));
    case Fact::kOtherModel:
      return fill(&others->facts.model_name, plain(a.text()));
    case Fact::kProvider:
      return fill(&out->model_provider, plain(a.text()));
    case Fact::kOtherProvider:
      return fill(&others->facts.model_provider, plain(a.text()));
    case Fact::kSession:
      return fill(&out->session_id, plain(a.text()));
    case Fact::kUser:
      return fill(&out->user_id, plain(a.text()));
    case Fact::kInputs:
      return fill(&out->inputs, as_json(a));
    case Fact::kOtherInputs:
      if (!others->inputs) others->inputs = a;
      return;
    case Fact::kOutputs:
      return fill(&out->outputs, as_json(a));
    case Fact::kOtherOutputs:
      if (!others->outputs) others->outputs = a;
      return;
    case Fact::kUsage:
      out->usage = parse_usage(a.text());
      return;
    case Fact::kCost:
      out->cost = parse_cost(a.text());
      return;
    case Fact::kInputTokens:
      return take_count(a, &others->counts[0]);
    case Fact::kOutputTokens:
      return take_count(a, &others->counts[1]);
    case Fact::kTotalTokens:
      return take_count(a, &others->counts[2]);
    case Fact::kCacheReadTokens:
      return take_count(a, &others->counts[3]);
    case Fact::kCacheWriteTokens:
      return take_count(a, &others->counts[4]);
  }
}

std::optional<TokenUsage> usage_of(const Others& others) {
  if (!others.counts[0] && !others.counts[1] && !others.counts[2]) return std::nullopt;
  TokenUsage out;
  for (size_t i = 0; i < kCountKeys.size(); ++i)
    if (others.counts[i]) out.counts.emplace(kCountKeys[i], *others.counts[i]);
  if (!others.counts[2] && others.counts[0] && others.counts[1])
    out.counts.emplace(kCountKeys[2], *others.counts[0] + *others.counts[1]);
  return out;
}

void copy(std::string_view key, const Attribute& from, AttributeWriter* out) {
  switch (from.type) {
    case 's':
    case 'q':
      return out->text(key, from.text());
    case 'j':
      return out->json(key, from.value);
    default:
      return;  // Inputs and outputs are texts or structures.
  }
}

// The spans of a trace as a tree: visits those whose ancestors have nothing to say.
template <class Says, class Visit>
void visit_uppermost(const std::vector<UsageNode>& nodes, const Says& says, const Visit& visit) {
  std::unordered_map<std::string_view, const UsageNode*> by_id;
  for (const UsageNode& n : nodes) by_id.emplace(n.span_id, &n);
  for (const UsageNode& n : nodes) {
    if (!says(n)) continue;
    bool counted = false;
    size_t steps = 0;  // Parents that form a ring end somewhere too.
    for (auto at = by_id.find(n.parent_id); at != by_id.end() && !counted && steps < nodes.size();
         at = by_id.find(at->second->parent_id), ++steps)
      counted = says(*at->second);
    if (!counted) visit(n);
  }
}

bool is_message(const Json& value) {
  const Json* role = value.find("role");
  return role && role->is_string() && value.find("content");
}

std::string text_of_message(const Json& message) {
  const Json& content = *message.find("content");
  if (content.is_string()) return content.as_string();
  std::string out;
  if (content.is_array())
    for (const Json& part : content.items())
      if (const Json* text = part.find("text"); text && text->is_string()) out += text->as_string();
  return out;
}

// The messages of the chat forms that people trace.
std::vector<Json> messages_of(const Json& value) {
  std::vector<Json> out;
  const auto take_list = [&](const Json* list) {
    if (!list || !list->is_array()) return false;
    for (const Json& item : list->items())
      if (is_message(item)) out.push_back(item);
    return true;
  };
  if (take_list(value.find("messages"))) return out;
  if (const Json* choices = value.find("choices");
      choices && choices->is_array() && !choices->items().empty())
    if (const Json* message = choices->items().front().find("message");
        message && is_message(*message)) {
      out.push_back(*message);
      return out;
    }
  if (take_list(value.find("input")) || take_list(value.find("output"))) return out;
  if (const Json* request = value.find("request"); request && request->is_object())
    return messages_of(*request);
  return out;
}

}  // namespace

void AttributeWriter::put(std::string_view key, std::string_view value, char type) {
  if (out_.empty()) out_ += kUnit;
  for (const char c : key) out_ += kMarks.find(c) == kMarks.npos ? c : '_';
  out_ += kRecord;
  out_ += value;
  out_ += kGroup;
  out_ += type;
  out_ += kUnit;
}

void AttributeWriter::text(std::string_view key, std::string_view value) {
  if (value.find_first_of(kMarks) == value.npos) return put(key, value, 's');
  std::string quoted;
  codec::append_json_string(&quoted, value);
  put(key, quoted, 'q');
}

void AttributeWriter::integer(std::string_view key, int64_t value) {
  put(key, std::to_string(value), 'i');
}

void AttributeWriter::number(std::string_view key, double value) {
  std::string text;
  append_number(&text, value);
  put(key, text, 'd');
}

void AttributeWriter::flag(std::string_view key, bool value) {
  put(key, value ? "true" : "false", 'b');
}

void AttributeWriter::bytes(std::string_view key, std::string_view raw) {
  put(key, to_base64(raw), 'x');
}

void AttributeWriter::json(std::string_view key, std::string_view value) { put(key, value, 'j'); }
void AttributeWriter::otlp(std::string_view key, std::string_view value) { put(key, value, 'J'); }
void AttributeWriter::none(std::string_view key) { put(key, "", 'n'); }
std::string AttributeWriter::take() { return std::exchange(out_, {}); }

std::string Attribute::text() const {
  if (type != 'q') return std::string(value);
  const Result<Json> parsed = codec::parse_json(value);
  return parsed.ok() && parsed->is_string() ? parsed->as_string() : std::string(value);
}

void each_attribute(std::string_view attributes, const std::function<void(const Attribute&)>& on) {
  if (attributes.empty() || attributes.front() != kUnit) return;
  attributes.remove_prefix(1);
  while (!attributes.empty()) {
    const size_t record = attributes.find(kRecord);
    if (record == attributes.npos) return;
    const size_t group = attributes.find(kGroup, record);
    if (group == attributes.npos || group + 2 >= attributes.size() ||
        attributes[group + 2] != kUnit)
      return;
    on({.key = attributes.substr(0, record),
        .value = attributes.substr(record + 1, group - record - 1),
        .type = attributes[group + 1]});
    attributes.remove_prefix(group + 3);
  }
}

void append_number(std::string* out, double value) {
  if (std::isnan(value)) {
    out->append("NaN");
    return;
  }
  if (std::isinf(value)) {
    out->append(value < 0 ? "-Infinity" : "Infinity");
    return;
  }
  std::array<char, 32> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
  const std::string_view text(buffer.data(), static_cast<size_t>(end - buffer.data()));
  out->append(text);
  if (text.find_first_of(".e") == text.npos) out->append(".0");
}

SpanFacts facts_of(std::string_view attributes) {
  SpanFacts out;
  Others others;
  each_attribute(attributes, [&](const Attribute& a) {
    if (a.key.starts_with(kTagPrefix) && a.key.size() > kTagPrefix.size())
      out.trace_tags.emplace_back(a.key.substr(kTagPrefix.size()), plain(a.text()));
    else if (const auto fact = fact_of(a.key))
      take_fact(*fact, a, &out, &others);
  });
  AttributeWriter translated;
  if ((out.type.empty() || out.type == "UNKNOWN") && !others.facts.type.empty()) {
    out.type = others.facts.type;
    translated.text("mlflow.spanType", out.type);
  }
  if (out.model_name.empty() && !others.facts.model_name.empty()) {
    out.model_name = others.facts.model_name;
    translated.text("mlflow.llm.model", out.model_name);
  }
  if (out.model_provider.empty() && !others.facts.model_provider.empty()) {
    out.model_provider = others.facts.model_provider;
    translated.text("mlflow.llm.provider", out.model_provider);
  }
  if (out.inputs.empty() && others.inputs) {
    out.inputs = as_json(*others.inputs);
    copy("mlflow.spanInputs", *others.inputs, &translated);
  }
  if (out.outputs.empty() && others.outputs) {
    out.outputs = as_json(*others.outputs);
    copy("mlflow.spanOutputs", *others.outputs, &translated);
  }
  if (!out.usage)
    if (out.usage = usage_of(others); out.usage)
      translated.json("mlflow.chat.tokenUsage", usage_json(*out.usage));
  out.translated = translated.take();
  return out;
}

std::string with_translated(std::string_view attributes, const SpanFacts& facts) {
  // Both end with the mark that the next begins with.
  std::string_view more = facts.translated;
  if (!attributes.empty() && !more.empty()) more.remove_prefix(1);
  return concat({attributes, more});
}

std::optional<TokenUsage> parse_usage(std::string_view json) {
  const auto object = object_of(json);
  if (!object) return std::nullopt;
  TokenUsage out;
  for (const auto& [key, value] : object->members()) {
    if (!key.ends_with("_tokens") && !key.ends_with("_above_1hr")) continue;
    const auto number = finite(&value);
    // Counts beyond 2^53 are nobody's.
    if (number && *number == std::floor(*number) && std::abs(*number) < 9e15)
      out.counts[key] = static_cast<int64_t>(*number);
  }
  if (out.counts.empty()) return std::nullopt;
  return out;
}

std::optional<Cost> parse_cost(std::string_view json) {
  const auto object = object_of(json);
  if (!object) return std::nullopt;
  const Cost out{.input = finite(object->find("input_cost")),
                 .output = finite(object->find("output_cost")),
                 .total = finite(object->find("total_cost"))};
  if (!out.input && !out.output && !out.total) return std::nullopt;
  return out;
}

std::string usage_json(const TokenUsage& usage) {
  std::string out = "{";
  // The three that every reader wants come first, as senders write them.
  constexpr std::array<std::string_view, 3> kFirst = {"input_tokens", "output_tokens",
                                                      "total_tokens"};
  const auto add = [&](std::string_view key, int64_t value) {
    out += concat({out.size() > 1 ? ", \"" : "\"", key, "\": ", std::to_string(value)});
  };
  for (const std::string_view key : kFirst)
    if (const auto found = usage.counts.find(key); found != usage.counts.end())
      add(key, found->second);
  for (const auto& [key, value] : usage.counts)
    if (key != kFirst[0] && key != kFirst[1] && key != kFirst[2]) add(key, value);
  return out + "}";
}

std::string cost_json(const Cost& cost) {
  std::string out = "{";
  const auto add = [&](std::string_view key, const std::optional<double>& value) {
    if (!value) return;
    out += concat({out.size() > 1 ? ", \"" : "\"", key, "\": "});
    append_number(&out, *value);
  };
  add("input_cost", cost.input);
  add("output_cost", cost.output);
  add("total_cost", cost.total);
  return out + "}";
}

std::optional<TokenUsage> total_usage(const std::vector<UsageNode>& nodes) {
  std::optional<TokenUsage> out;
  visit_uppermost(
      nodes, [](const UsageNode& n) { return n.usage.has_value(); },
      [&](const UsageNode& n) {
        if (!out)
          out = TokenUsage{{{"input_tokens", 0}, {"output_tokens", 0}, {"total_tokens", 0}}};
        for (const auto& [key, value] : n.usage->counts) out->counts[key] += value;
      });
  return out;
}

std::optional<Cost> total_cost(const std::vector<UsageNode>& nodes) {
  std::optional<Cost> out;
  visit_uppermost(
      nodes, [](const UsageNode& n) { return n.cost.has_value(); },
      [&](const UsageNode& n) {
        if (!out) out = Cost{.input = 0.0, .output = 0.0, .total = 0.0};
        *out->input += n.cost->input.value_or(0);
        *out->output += n.cost->output.value_or(0);
        *out->total += n.cost->total.value_or(0);
      });
  return out;
}

std::string preview_of(std::string_view json, std::string_view role) {
  std::string text(json);
  if (const auto object = object_of(json)) {
    const std::vector<Json> messages = messages_of(*object);
    const Json* chosen = messages.empty() ? nullptr : &messages.back();
    for (const Json& m : messages)
      if (m.find("role")->as_string() == role) chosen = &m;
    if (chosen)
      if (std::string said = text_of_message(*chosen); !said.empty()) text = std::move(said);
  }
  if (utf8_length(text) <= kPreviewMax) return text;
  return std::string(utf8_prefix(text, kPreviewMax - 3)) + "...";
}

}  // namespace slip::tracking
