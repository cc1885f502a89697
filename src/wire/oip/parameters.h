#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "wire/oip/infer.h"

// The parameters of requests and outputs, whichever form they came in: reserved names are checked
// and put where they act, the rest is kept. Pure.
//
// Errors: kInvalid `infer.parameter`.
namespace slip::wire::oip {

class Regions;

// One of a request's. `triton_…` is Triton's own; of those only what is known is taken.
Status take_request_parameter(std::string name, Parameter value, InferRequest* request);
// All of an output's. `regions` may be null: none can be named.
Status take_output_parameters(const Parameters& parameters, const Regions* regions,
                              WantedOutput* out);
// Where an input lies, when it names shared memory.
Result<std::optional<Place>> place_of(const Parameters& parameters, const Regions* regions);

const Parameter* find_parameter(const Parameters& parameters, std::string_view name);
std::optional<uint64_t> as_count(const Parameter& value);  // A whole number, not negative.

// "input 'x' already exists in request"; `what`: "input", "output". kInvalid `tensor.duplicate`.
Status refuse_twins(std::vector<std::string_view> names, std::string_view what);
template <class Named>
Status check_no_twins(const std::vector<Named>& all, std::string_view what) {
  if (all.size() < 2) return {};
  std::vector<std::string_view> names;
  names.reserve(all.size());
  for (const Named& one : all) names.push_back(one.name);
  return refuse_twins(std::move(names), what);
}

}  // namespace slip::wire::oip
