#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

// JSON on the control plane: a value tree with insertion-ordered objects. (The data plane parses
// with simdjson directly, inside its own .cc.) Integers keep 64 bits; doubles are written in the
// shortest form that reads back. NaN and infinities: see NonFinite. Depth and size are bounded.
//
// Errors of parse, with line and column: kInvalid `json.syntax|json.depth|json.utf8|
// json.duplicate_key|json.number` (a number that no int64 or double holds), kExhausted
// `json.too_large`.
namespace slip::codec {

// limits
inline constexpr int kJsonDepthMax = 100;
inline constexpr size_t kJsonBytesMax = 256 << 20;

class Json;
using JsonMember = std::pair<std::string, Json>;

class Json {
 public:
  enum class Kind : uint8_t { kNull, kBool, kInt, kDouble, kString, kArray, kObject };

  Json();
  Json(const Json&);
  Json(Json&&) noexcept;
  Json& operator=(const Json&);
  Json& operator=(Json&&) noexcept;
  ~Json();
  Json(std::nullptr_t) : Json() {}
  Json(bool v);
  Json(int v) : Json(static_cast<int64_t>(v)) {}
  Json(int64_t v);
  Json(double v);
  Json(const char* v) : Json(std::string(v)) {}
  Json(std::string v);
  Json(std::string_view v) : Json(std::string(v)) {}
  static Json array(std::vector<Json> items = {});
  static Json object(std::vector<JsonMember> members = {});

  Kind kind() const;
  bool is_null() const { return kind() == Kind::kNull; }
  bool is_bool() const { return kind() == Kind::kBool; }
  bool is_int() const { return kind() == Kind::kInt; }
  bool is_number() const { return kind() == Kind::kInt || kind() == Kind::kDouble; }
  bool is_string() const { return kind() == Kind::kString; }
  bool is_array() const { return kind() == Kind::kArray; }
  bool is_object() const { return kind() == Kind::kObject; }

  // CHECK the kind first (as_double accepts kInt too).
  bool as_bool() const;
  int64_t as_int() const;
  double as_double() const;
  const std::string& as_string() const;
  const std::vector<Json>& items() const;
  const std::vector<JsonMember>& members() const;

  // Objects. find: null pointer when absent (or when this is no object). set: replaces or appends.
  const Json* find(std::string_view key) const;
  Json& set(std::string_view key, Json value);
  bool erase(std::string_view key);
  // Arrays.
  Json& push(Json value);

  bool operator==(const Json& other) const;

 private:
  struct Rep;
  std::unique_ptr<Rep> rep_;  // Null for kNull.
};

enum class NonFinite : uint8_t {
  kReject,  // Writing one is our bug (CHECK); reading NaN, Infinity tokens is kInvalid.
  kString,  // "NaN", "Infinity", "-Infinity" as strings: MLflow, protobuf JSON.
  kToken,   // Bare NaN, Infinity, -Infinity: Triton and Python's json.
};

Result<Json> parse_json(std::string_view text, NonFinite non_finite = NonFinite::kReject);
// `indent` 0: no blanks; kSpaced: one line with a blank behind ',' and ':', as Python writes it.
inline constexpr int kSpaced = -1;
std::string to_json(const Json& value, int indent = 0, NonFinite non_finite = NonFinite::kString);
// RFC 8785 (JCS). kInvalid when a number has no exact form there (integers beyond 2^53).
Result<std::string> to_canonical_json(const Json& value);

// Typed reading with errors that name the path: kInvalid
// `request.missing_field|request.wrong_type`.
Result<std::string> want_string(const Json& object, std::string_view key);
Result<int64_t> want_int(const Json& object, std::string_view key);
// kString: also takes "NaN", "Infinity", "-Infinity".
Result<double> want_double(const Json& object, std::string_view key,
                           NonFinite non_finite = NonFinite::kReject);
Result<bool> want_bool(const Json& object, std::string_view key);
Result<std::string> string_or(const Json& object, std::string_view key, std::string_view fallback);
Result<int64_t> int_or(const Json& object, std::string_view key, int64_t fallback);
Result<double> double_or(const Json& object, std::string_view key, double fallback);
Result<bool> bool_or(const Json& object, std::string_view key, bool fallback);

// Appends `text` as a JSON string, quotes included; for writers that build JSON by hand.
void append_json_string(std::string* out, std::string_view text);
void append_json_int(std::string* out, int64_t value);
// As to_json: the shortest form that reads back as a double.
void append_json_double(std::string* out, double value, NonFinite non_finite);

}  // namespace slip::codec
