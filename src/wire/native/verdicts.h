#pragma once

#include <map>
#include <string>

#include "wire/native/requests.h"

// What a verdict rests on and what can be done next, as JSON: checks with their numbers, files and
// signatures; actions with their reasons.
namespace slip::wire::native {

// A check with what it found: value, threshold, champion_value; difference, lower, upper, p, n of
// its test; slices; files with digests; whether it is signed.
codec::Json check_json(const registry::CheckResult& result);

// Each check of the version's gate, with its waiver and what its signature is worth.
Result<codec::Json> checks_json(const RequestsApp& app, const Ctx& ctx,
                                const registry::Governance::Explanation& told);

// What the caller may do with the version and the target, and who could instead.
Result<codec::Json> actions_json(const RequestsApp& app, const Ctx& ctx,
                                 const registry::Governance::Explanation& told);

}  // namespace slip::wire::native
