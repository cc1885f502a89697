#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "features/catalog.h"

// A list of features resolved against a shelf: which views are read under which keys, what is
// computed on demand from them, and in which order it is answered. The same plan reads online and
// joins history. Immutable; any thread.
//
// Errors: kNotFound `feature_view.not_found|feature.not_found|feature_service.not_found`, kInvalid
// `feature.name_collision|feature.join_key`.
namespace slip::features {

struct ReadPlan {
  struct Read {
    ViewPtr view;
    std::vector<std::string> request_keys;  // Names in the request, in the order of join_keys.
    std::vector<size_t> features;           // Of the view.
    std::vector<std::pair<size_t, size_t>>
        outs;  // What it answers: place in `outs`, in `features`.
  };
  struct Computed {
    std::shared_ptr<const CompiledOnDemand> what;
    std::vector<std::pair<size_t, size_t>> inputs;  // Read, and place in its features.
  };
  struct Out {
    std::string name;
    std::string view;
    std::string feature;
    FeatureType type;
    bool computed = false;  // `from` is one of `computed`, else of `reads`.
    size_t from = 0;
    size_t at = 0;  // Place in its features.
  };
  std::vector<Read> reads;
  std::vector<Computed> computed;
  std::vector<Out> outs;
  std::string out_names;              // Of `outs`, as a JSON array's items.
  std::vector<FeatureField> keys;     // What a request must name, each once.
  std::vector<FeatureField> request;  // And what on-demand views want besides.

  std::string service;  // Whose features these are; "": a list of them.
  int64_t service_version = 0;
  double log_sample = 0;  // Of the service: part of the keys whose served vectors are logged.
  uint64_t shape = 0;     // Of the meanings of all that is read: other ones, other values.

  bool waits() const;  // For functions, which another process computes.
};

// `full_names`: "view__feature".
Result<ReadPlan> plan_read(const Shelf& shelf, std::span<const Service::Item> items,
                           bool full_names);
// A service's features. `version` 0: the latest one.
Result<ReadPlan> plan_service(const Shelf& shelf, const std::string& name, int64_t version,
                              bool full_names);
Result<std::vector<Service::Item>> items_of(std::span<const std::string> references);

}  // namespace slip::features
