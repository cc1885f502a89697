#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "codec/table.h"
#include "serving/model.h"

// Features in the call: a model that names a feature service is asked with the keys of entities,
// and what it learned from is found for them and laid into its inputs, in this process. app/ joins
// this to the feature store.
//
// A model names the service by parameters of its config.pbtxt, or by tags of its version in the
// registry (`slipway.` before the same names):
//   feature_service  NAME or NAME@VERSION of the service. Without a version it is the latest one
//                    when the model is loaded, which the model's own names of columns must fit.
//   feature_missing  What an unknown entity or a null becomes: `null` (the default: the model's
//                    missing value, NaN; refused for an input that has none, of whole numbers or
//                    text), a number, or `refuse`.
//   feature_stale    What a value past its view's ttl becomes: `null` (the default; then as
//                    feature_missing says), `use`, or `refuse`.
//
// Errors: kInvalid `lookup.rule` (of loading), `lookup.refused` (of a request; it names the row and
// the feature), kUnsupported `lookup.unavailable` where there is no feature store.
namespace slip::serving {

class ModelConfig;

enum class FeatureState : uint8_t { kPresent, kNull, kNotFound, kStale };
std::string_view feature_state_name(FeatureState state);  // "PRESENT", "NULL_VALUE", …

struct LookupRules {
  enum class Missing : uint8_t { kNull, kNumber, kRefuse };
  enum class Stale : uint8_t { kNull, kUse, kRefuse };
  std::string service = {};
  int64_t version = 0;  // 0: none was named.
  Missing missing = Missing::kNull;
  double number = 0;  // Missing::kNumber.
  Stale stale = Stale::kNull;
};
// Nothing where the model names no service.
Result<std::optional<LookupRules>> lookup_rules(const ModelConfig& config);

inline constexpr std::string_view kLookupParameters[] = {"feature_service", "feature_missing",
                                                         "feature_stale"};

// Of one version of one service; any thread.
class FeatureLookup {
 public:
  struct Found {
    codec::Table rows;                              // Of gives(); what isn't present is null.
    std::vector<std::vector<FeatureState>> states;  // [feature][row]
  };
  virtual ~FeatureLookup() = default;
  // What it is asked with: keys, and what is computed from; each [n].
  virtual const std::vector<TensorSpec>& asks() const = 0;
  virtual const std::vector<codec::Field>& gives() const = 0;
  virtual bool waits() const = 0;  // For another process.
  // `asked`: one for each of asks(), of its type and so many rows. `old`: stale values come all the
  // same, as kStale. Errors of the feature store.
  virtual Result<Found> find(std::span<const Tensor* const> asked, int64_t rows,
                             bool old) const = 0;
};

class FeatureLookups {
 public:
  virtual ~FeatureLookups() = default;
  // `version` 0: the latest. kNotFound `feature_service.not_found`.
  virtual Result<std::shared_ptr<const FeatureLookup>> open(const std::string& project,
                                                            const std::string& service,
                                                            int64_t version) = 0;
};

inline constexpr std::string_view kFeatureStatus = "feature_status";

// The model as its callers see it. Its inputs are what the lookup asks, and what of the model's own
// inputs (or named columns) it doesn't give; its outputs the model's and `feature_status`, a text a
// row: "" where all is present, else "spend_7d=NOT_FOUND,…" of the features that the model reads.
// What was laid into the model's inputs is Signature::looked_up.
Result<std::unique_ptr<Model>> with_features(std::unique_ptr<Model> model,
                                             std::shared_ptr<const FeatureLookup> lookup,
                                             LookupRules rules);

}  // namespace slip::serving
