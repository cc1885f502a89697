#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

// The tree of values in which XGBoost writes a model, out of JSON or UBJSON (the draft of
// ubjson.org, with typed arrays). Lists of numbers are kept as doubles side by side, since a model
// is little else. Size and depth are bounded, and no length is believed before its bytes are there.
// Pure.
//
// Errors: kInvalid `model.syntax` with the byte at fault, kExhausted `model.too_large`.
namespace slip::model {

inline constexpr size_t kModelBytesMax = size_t{1} << 30;
inline constexpr int kDocumentDepthMax = 64;

struct Document {
  enum class Kind : uint8_t { kNull, kBool, kNumber, kText, kNumbers, kList, kObject };

  Kind kind = Kind::kNull;
  bool boolean = false;
  double number = 0;
  std::string text;
  std::vector<double> numbers;  // A list of nothing but numbers and booleans; also the empty one.
  std::vector<Document> items;
  struct Member;
  std::vector<Member> members;

  const Document* find(std::string_view key) const;  // Null when absent.
};
struct Document::Member {
  std::string name;
  Document value;
};

Result<Document> parse_json_document(std::string_view bytes);
Result<Document> parse_ubjson(std::string_view bytes);

}  // namespace slip::model
