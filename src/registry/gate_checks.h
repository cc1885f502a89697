#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "codec/json.h"
#include "codec/table.h"
#include "registry/types.h"

// The measuring part of a gate's checks that compare rows: pure, on tables that have been read.
// Both models answered the same rows in the same order, so every test is a paired one.
namespace slip::registry {

// What two models said of a holdout. `champion` is null when none held Production.
struct HoldoutRows {
  const codec::Table& holdout;    // Has the label column and, for slices, that of the slice.
  const codec::Table& candidate;  // `prediction` or `score`.
  const codec::Table* champion = nullptr;
};

// The column of predictions that a metric needs: "score" or "prediction".
std::string_view prediction_column(std::string_view metric);
bool less_is_better(std::string_view metric);

// Not worse than the champion. With max_regression 0: fails only when it is significantly worse, at
// level alpha, one-sided. With more: passes only when the confidence limit of the difference stays
// within it (non-inferiority). Rows without a label, a prediction that is missing or a label that
// is neither 0 nor 1 where a probability is judged fail the check and say so.
CheckResult judge_holdout(const Check& check, const HoldoutRows& rows, const codec::Json& pins);

// Each slice of at least min_rows rows: the metric reaches `min`; with max_regression also not
// worse than the champion there, at level alpha / number of slices (Bonferroni). Smaller slices are
// listed as insufficient data.
CheckResult judge_slices(const Check& check, const HoldoutRows& rows, const codec::Json& pins);

// Does a model with signature `candidate` fit where `champion` serves? Both as MLmodel texts. Each
// input that the candidate requires exists with the champion, of a type that fits; each output of
// the champion is among the candidate's. Types fit when equal, or integer to long, float to double.
struct SignatureFit {
  bool ok = false;
  std::string detail;
};
SignatureFit fit_signatures(const std::string& candidate_mlmodel,
                            const std::string& champion_mlmodel);

}  // namespace slip::registry
