#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/expr/type.h"

// Text of an expression to tokens and to a tree of untyped calls; private to this folder. Operators
// are calls by their sign ("+", "and", "is null"), so that one table types them all. Positions are
// byte offsets into the text. Trees are no deeper than kDepthMax + 2 kChainMax, so whoever walks
// them may recurse. Values; any thread.
namespace slip::engine::expr {

inline constexpr size_t kTextBytesMax = 65536;  // Of an expression.
inline constexpr int kDepthMax = 64;            // Of parentheses, calls, signs.
inline constexpr int kChainMax = 256;  // Of operators that hang on each other: a + b + c + …
inline constexpr size_t kSyntaxNodesMax = 8192;

struct Token {
  enum class Kind : uint8_t { kEnd, kName, kQuoted, kInt, kFloat, kText, kInterval, kSign };
  Kind kind = Kind::kEnd;
  size_t at = 0;
  std::string text;      // kName in lower case is `word`; as written here. kSign: the sign.
  std::string word;      // kName: lower case.
  uint64_t integer = 0;  // kInt (up to 2^63), kInterval (µs).
  double number = 0;     // kFloat.
};

Result<std::vector<Token>> tokenize(std::string_view text);
// "1h", "7d", "1h30m", "2 days": µs.
Result<int64_t> parse_interval(std::string_view text);

struct Syntax {
  enum class Kind : uint8_t {
    kNull,
    kBool,
    kInt,
    kFloat,
    kText,
    kInterval,
    kTimestamp,
    kName,
    kCall,
    kCast
  };
  Kind kind = Kind::kNull;
  size_t at = 0;
  std::string text;  // kText, kName, kCall: its name, kCast: the type, kTimestamp as written.
  int64_t integer = 0;
  bool too_big = false;  // kInt 2^63: only below a minus.
  double number = 0;
  std::vector<Syntax> args;
};

Result<Syntax> parse(std::string_view text);
size_t size_of(const Syntax& tree);  // Its nodes.

// kInvalid `reason`, with line, column and the line of the text with a caret below.
Error error_at(std::string_view text, size_t at, std::string_view reason, std::string_view message);

}  // namespace slip::engine::expr
