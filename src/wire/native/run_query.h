#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/json.h"
#include "tracking/runs.h"

// Bodies that ask for runs. Pure; any thread. Errors: kInvalid `request.wrong_type|request.limit`.
namespace slip::wire::native {

// A list of strings; none when the key is missing.
Result<std::vector<std::string>> texts(const codec::Json& body, std::string_view key);
// experiment_ids, filter, order_by, limit, page_token, group, parent_id, nested.
Result<tracking::RunQuery> run_query(const codec::Json& body);

}  // namespace slip::wire::native
