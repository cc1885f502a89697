#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/json.h"
#include "http/route.h"

// A request read as protobuf's JSON mapping reads it: field names in snake_case or camelCase (not
// both), int64 as number or string, enums by name or number, doubles also as "NaN", "Infinity",
// "-Infinity", null as absent, unknown fields ignored; a body may be JSON inside a JSON string.
// GET arguments read the same way, repeated ones as lists; flags there are words.
//
// Handlers read the fields of a call in the order in which MLflow checks them, so that of several
// mistakes both servers name the same one.
//
// Errors, in MLflow's words: kInvalid
// `mlflow.missing|mlflow.type|mlflow.both_spellings|mlflow.json`.
namespace slip::wire::mlflow {

class In {
 public:
  // The query of a GET, else the body; parameters of the path count as fields.
  static Result<In> of(const http::Request& request);
  explicit In(codec::Json object, std::string where = {})
      : object_(std::move(object)), where_(std::move(where)) {}
  static In of_query(codec::Json object);

  // Required; an empty string counts as missing.
  Result<std::string> text(std::string_view name) const;
  Result<int64_t> integer(std::string_view name) const;
  Result<double> number(std::string_view name) const;
  // Absent or null: empty.
  Result<std::optional<std::string>> maybe_text(std::string_view name) const;
  Result<std::optional<int64_t>> maybe_integer(std::string_view name) const;
  Result<std::string> text_or(std::string_view name, std::string_view fallback) const;
  Result<int64_t> integer_or(std::string_view name, int64_t fallback) const;
  // Also refuses what is greater than `max`, as a wrong value of its type.
  Result<int64_t> integer_up_to(std::string_view name, int64_t fallback, int64_t max) const;
  Result<bool> flag_or(std::string_view name, bool fallback) const;
  Result<std::vector<std::string>> texts(std::string_view name) const;
  // Sub-messages; errors inside name "params[1].key".
  Result<std::vector<In>> list(std::string_view name) const;
  Result<In> message(std::string_view name) const;  // Empty when absent.
  bool has(std::string_view name) const;
  // Any value as it came; null when absent.
  Result<const codec::Json*> find(std::string_view name) const;

  // By name or number of `names` (position 0 is number `first`). Absent: empty.
  struct EnumNames {
    int64_t first = 0;
    std::vector<std::string_view> names;
  };
  Result<std::optional<int64_t>> maybe_enum(std::string_view name, const EnumNames& names) const;

  // run_id, or its old name run_uuid.
  Result<std::string> run_id() const;

 private:
  std::string path_of(std::string_view name) const { return where_ + std::string(name); }
  Error missing(std::string_view name) const;
  Error wrong_type(std::string_view name, const codec::Json& value) const;

  codec::Json object_;
  std::string where_;  // "params[1]."
  bool query_ = false;
};

}  // namespace slip::wire::mlflow
