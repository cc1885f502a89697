#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

// A span's attributes as one text, kept so that SQL finds a value by its key without a row for each
// (trace_search.cc) and that nothing is lost:
//
//   US key RS value GS type US key RS value GS type US        (US 0x1f, RS 0x1e, GS 0x1d)
//
// Types: s text; q text as a JSON string, because it holds one of the marks or U+0000; i integer,
// d double, b boolean; x bytes in base64; j array or object as JSON; J an OTLP AnyValue as JSON,
// where plain JSON would lose something (bytes inside); n no value. Pure.
namespace slip::tracking {

class AttributeWriter {
 public:
  void text(std::string_view key, std::string_view value);
  void integer(std::string_view key, int64_t value);
  void number(std::string_view key, double value);
  void flag(std::string_view key, bool value);
  void bytes(std::string_view key, std::string_view raw);
  void json(std::string_view key, std::string_view value);  // Of an array or object.
  void otlp(std::string_view key, std::string_view value);  // An AnyValue.
  void none(std::string_view key);
  // Starts anew.
  std::string take();

 private:
  void put(std::string_view key, std::string_view value, char type);
  std::string out_;
};

struct Attribute {
  std::string_view key;
  std::string_view value;  // Of type q still a JSON string.
  char type = 's';
  std::string text() const;  // Without the quotes of type q.
};
// In order; what does not read as attributes ends the walk.
void each_attribute(std::string_view attributes, const std::function<void(const Attribute&)>& on);

// As Python's json.dumps writes a number: "1.0", "1e+16", "NaN".
void append_number(std::string* out, double value);

// What a server derives from a span's attributes; those of OpenTelemetry's conventions for
// generative models and of OpenInference count where MLflow's own are absent.
struct TokenUsage {
  std::map<std::string, int64_t, std::less<>> counts;  // "input_tokens" → 3
};
struct Cost {
  std::optional<double> input;
  std::optional<double> output;
  std::optional<double> total;
};
struct SpanFacts {
  std::string type;  // "LLM"; "" when nobody says.
  std::string model_name;
  std::string model_provider;
  std::string session_id;
  std::string user_id;
  std::string inputs;  // As JSON; "" when absent.
  std::string outputs;
  std::optional<TokenUsage> usage;
  std::optional<Cost> cost;
  std::vector<std::pair<std::string, std::string>> trace_tags;  // Of attributes mlflow.traceTag.*.
  std::string translated;  // Attributes under MLflow's names for what others' names say.
};
SpanFacts facts_of(std::string_view attributes);
std::string with_translated(std::string_view attributes, const SpanFacts& facts);

// {"input_tokens": 3, …}; empty when it is no object of counts.
std::optional<TokenUsage> parse_usage(std::string_view json);
std::optional<Cost> parse_cost(std::string_view json);
std::string usage_json(const TokenUsage& usage);
std::string cost_json(const Cost& cost);

// A node of a trace's tree for sums that count no tokens twice: what a span says includes what the
// spans below it say.
struct UsageNode {
  std::string span_id;
  std::string parent_id;
  std::optional<TokenUsage> usage;
  std::optional<Cost> cost;
};
std::optional<TokenUsage> total_usage(const std::vector<UsageNode>& nodes);
std::optional<Cost> total_cost(const std::vector<UsageNode>& nodes);

// What a list of traces shows of a request or response: the last message of `role` when it is a
// conversation, else the JSON itself; cut to kPreviewMax characters.
inline constexpr size_t kPreviewMax = 1000;
std::string preview_of(std::string_view json, std::string_view role);

}  // namespace slip::tracking
