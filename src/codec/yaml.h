#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/json.h"

// YAML in, as JSON values (the core schema of YAML 1.2 for plain scalars: null, true, false,
// integers, floats; what is quoted is text), and JSON values out as YAML. Anchors and aliases work;
// what they expand to is bounded. Pure; any thread.
//
// Errors, with line and column: kInvalid `yaml.syntax|yaml.depth|yaml.duplicate_key|yaml.key|
// yaml.number`, kExhausted `yaml.too_large`.
namespace slip::codec {

// limits
inline constexpr size_t kYamlBytesMax = 8 << 20;
inline constexpr int64_t kYamlNodesMax = 500'000;  // After aliases have been expanded.

// One document; an empty text is null.
Result<Json> parse_yaml(std::string_view text);
// Where values stand in a text that parse_yaml took, by JSON Pointers ("/schema/0/name"): of a
// member its key. What a pointer leads to that isn't there: where it leaves the document.
struct YamlPlace {
  int line = 0;  // From 1; 0 for a text that is no YAML.
  int column = 0;
};
std::vector<YamlPlace> yaml_places(std::string_view text, std::span<const std::string> pointers);
std::string to_yaml(const Json& value);  // Block style, two blanks of indent.

}  // namespace slip::codec
