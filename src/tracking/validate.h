#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "tracking/types.h"

// What names and values may look like. `where` is the path that an error names: "params[1].key".
// Texts are those that MLflow's clients know. Pure.
namespace slip::tracking {

// kInvalid `tracking.name|tracking.too_long|tracking.missing|tracking.id`, `key_name.form`. `label`
// is what an error about the length calls the key, when not `where`.
Status check_key(std::string_view where, std::string_view name, std::string_view label = {});
Status check_length(std::string_view where, std::string_view value, size_t max);
Status check_run_id(std::string_view run_id);
// Decimal, also negative (then nothing has it); kInvalid `experiment.id`.
Result<int64_t> parse_experiment_id(std::string_view text);
Status check_experiment_name(std::string_view name);
Status check_logged_model_name(std::string_view name);

// 1..max; kInvalid `page.limit`.
Status check_max_results(int64_t max_results, int64_t max);

// Parameters and tags longer than the limit are cut, as the client's own setting asks for.
std::string cut(std::string_view value, size_t max);

// `single`: of a call for one metric, parameter or tag, whose errors name "key" and not
// "params[0].key".
Status check_batch(std::span<const Metric> metrics, std::span<const Tag> params,
                   std::span<const Tag> tags, bool single = false);
Status check_inputs(std::span<const DatasetInput> inputs);

// "gentle-otter-512": for runs that nobody named. `random` picks.
std::string random_run_name(uint64_t random);

}  // namespace slip::tracking
