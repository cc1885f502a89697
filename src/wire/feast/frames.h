#pragma once

#include <string>
#include <string_view>

#include "codec/json.h"
#include "features/features.h"

// Data frames and answers in Feast's JSON. Pure; any thread.
namespace slip::wire::feast {

// {column: [values]} as rows of the source, whose columns are `source`'s. Columns that it lacks
// are left out, as Feast does; a key that comes twice as long (its client's stream views) counts
// once. `event_timestamp` and `created` are taken for the times whatever the source calls them.
// kInvalid `feature.ragged|feature.value|feature.time`.
Result<features::Batch> batch_of_frame(const codec::Json& frame, const features::Source& source);

// {"entities": {key: [values]}, …} as columns for the plan; names that it doesn't want are left
// out. kInvalid `feature.value|feature.request`.
Result<features::RequestColumns> request_of(const codec::Json& entities,
                                            const features::ReadPlan& plan);

// The whole answer; keys first in the request's order, then the features.
std::string reply_text(const codec::Json& entities, const features::ReadPlan& plan,
                       const features::RequestColumns& request, const features::OnlineReply& reply);

}  // namespace slip::wire::feast
