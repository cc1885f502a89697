#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "codec/json.h"
#include "contract/rule.h"

// What a check of data against a contract found: a line for each check, in the contract's order.
// A check that could not be evaluated says why, and is never counted as passed. Pure values.
namespace slip::contract {

enum class Verdict : uint8_t { kPassed, kFailed, kNotEvaluated };
std::string_view verdict_name(Verdict verdict);

struct Sample {
  int64_t row = 0;  // From 1, of the data.
  std::string value;
  std::string reason;
};

struct CheckResult {
  Check check;
  Verdict verdict = Verdict::kPassed;
  double measured = 0;    // What the bound is put to: rows, percent, seconds, the query's answer.
  std::string threshold;  // "= 0", "< 5 percent"
  int64_t count = 0;      // Rows that break it.
  std::vector<Sample> samples;
  std::string why;  // Not evaluated, or failed for another reason than rows.
};

struct Report {
  std::string contract;  // Its id.
  std::string version;
  std::string object;
  int64_t rows = 0;
  std::vector<CheckResult> results;

  // No check of severity error failed.
  bool ok() const;
  int64_t count(Verdict verdict) const;
};
codec::Json to_json(const Report& report);
std::string to_text(const Report& report);  // For people: what failed and wasn't evaluated, a sum.

}  // namespace slip::contract
