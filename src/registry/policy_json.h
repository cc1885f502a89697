#pragma once

#include "base/result.h"
#include "codec/json.h"
#include "registry/governance_types.h"

// Checks and policies as JSON: how they are written in requests, kept in the database and bound by
// approvals. Reading fills in every default, so that equal meanings are equal records. Pure.
//
// A check is one of
//   {"kind":"floor","metric":"accuracy","min":0.75}
//   {"kind":"champion","metric":"accuracy","max_regression":0.01}
//   {"kind":"holdout","metric":"auc|accuracy|log_loss|brier|mae|rmse","max_regression":0,
//    "dataset":"h","version":3,"label":"y","test":"delong|mcnemar|bootstrap","alpha":0.05}
//   {"kind":"slices","metric":…,"min":0.7,"dataset":…,"version":…,"label":…,"slice":"region",
//    "min_rows":30,"max_regression":null|0.05,"alpha":0.05}
//   {"kind":"latency","quantile":"p50|p90|p95|p99","max_ms":5}
//   {"kind":"size","max_bytes":100000000}
//   {"kind":"signature"}     {"kind":"scan","allow_unknown":false}
//   {"kind":"behaviour","tests":[…]}   as behaviour.h has them
// and may carry a "name". For `log_loss`, `brier`, `mae` and `rmse` less is better: `min` is then
// the most that is allowed, `max_regression` the most that it may grow.
//
// kInvalid `gate.kind|gate.metric|gate.bound|gate.option|gate.name|policy.*`, and want_*'s.
namespace slip::registry {

codec::Json check_json(const Check& check);
Result<Check> read_check(const codec::Json& json);
// A list; kInvalid `gate.limit` for more than kGateChecksMax, `gate.name` for two of one name.
Result<std::vector<Check>> read_checks(const codec::Json& json);

// Without `is_default`; principals as uids.
codec::Json policy_json(const Policy& policy);
Result<Policy> read_policy(const codec::Json& json, const std::string& target);

// What else a check takes, with defaults; an empty object when nothing.
codec::Json options_of(const Check& check);

}  // namespace slip::registry
