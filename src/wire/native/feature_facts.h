#pragma once

#include "codec/json.h"
#include "features/features.h"
#include "http/route.h"

// What is known of features from what happened: how fresh a view is, what it answered, and whether
// training sees what serving saw.
namespace slip::wire::native {

// {"event_us", "received_us", "visible_us", "age_us", "sla_us", "within_sla", "lateness", "lag",
// "age_at_serve", "served": {status: n}}; times are 0 before the first row.
codec::Json freshness_json(const features::Features& features, const features::Shelf& shelf,
                           const features::CompiledView& view);

// {"since": "1h" or a time, "until", "limit"} → the report of features/verify.h.
Result<http::Reply> verify_service(features::Features& features, const Ctx& ctx,
                                   http::Request& request);

// {"keys": {name: value}, "reason", "dry_run"} → what was erased.
Result<http::Reply> erase_entity(features::Features& features, const Ctx& ctx,
                                 http::Request& request);

}  // namespace slip::wire::native
