#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "codec/json.h"

// Behavioural tests of a model, as rows (Ribeiro et al. 2020, "Beyond accuracy: behavioral testing
// of NLP models with CheckList"): what must not change the answer, what must move it which way,
// which cases it must get right. Run against the model as it is served. Pure.
//
//   - {name: currency spelling, kind: invariance, input: {amount: 10, currency: eur},
//      change: {currency: EUR}, output: score, tolerance: 1.0e-6}
//   - {name: more is riskier, kind: direction, input: {amount: 10}, change: {amount: 1000},
//      output: score, expect: not_lower}      higher | lower | not_higher | not_lower
//   - {name: obvious fraud, kind: minimum, input: {amount: 99999}, output: label, equals: 1}
//      or at_least / at_most with a number
// `output` names a column of the answer (default: its only one); `index` an element of a list in it
// (probability of a class).
//
// kInvalid `behaviour.tests|behaviour.kind|behaviour.input|behaviour.expect|behaviour.limit`.
namespace slip::registry {

inline constexpr size_t kBehaviourTestsMax = 500;

struct BehaviourTest {
  enum class Kind : uint8_t { kInvariance, kDirection, kMinimum };
  enum class Expect : uint8_t {
    kSame,
    kHigher,
    kLower,
    kNotHigher,
    kNotLower,
    kEquals,
    kAtLeast,
    kAtMost,
  };
  std::string name;
  Kind kind = Kind::kInvariance;
  Expect expect = Expect::kSame;
  codec::Json input;    // Object: column to value.
  codec::Json changed;  // `input` with `change` applied; null for minimum.
  std::string output;
  int64_t index = -1;  // -1: a single value is wanted.
  double tolerance = 0;
  codec::Json wanted;  // kEquals, kAtLeast, kAtMost.
};

struct BehaviourResult {
  std::string name;
  std::string kind;
  bool passed = false;
  std::string detail;
};

// A list of at least one test.
Result<std::vector<BehaviourTest>> read_behaviour(const codec::Json& tests);

// The rows that the tests ask the model about, in order: one for minimum, two for the others.
std::vector<codec::Json> behaviour_rows(const std::vector<BehaviourTest>& tests);

// `answers`: one record (object, or bare value) for each of those rows.
std::vector<BehaviourResult> judge_behaviour(const std::vector<BehaviourTest>& tests,
                                             const std::vector<codec::Json>& answers);

}  // namespace slip::registry
