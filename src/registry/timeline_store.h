#pragma once

#include <cstdint>
#include <string_view>

#include "core/search/page.h"
#include "registry/request_store.h"
#include "registry/types.h"
#include "store/db.h"

// SQL of who held which alias when and which policies were in force: written by whoever writes the
// alias or the policy itself (model_store.cc, request_store.cc), so no caller can forget it.
//
// Invariant: of an alias or a policy's target at most one row is open; the open ones tell exactly
// what model_alias and stage_policy tell, and the default policy of protected models besides.
// Private to registry/.
namespace slip::registry::sql {

// A version takes the alias; whoever had it loses it now.
Status begin_alias(store::Tx& tx, Of of, const Alias& alias, const Turn& turn);
Status end_alias(store::Tx& tx, Of of, std::string_view alias, int64_t now_ms);
Status end_aliases_of(store::Tx& tx, Of of, int64_t version, int64_t now_ms);
// `body` as it is kept; "": the default policy.
Status begin_policy(store::Tx& tx, Of of, const PolicyRow& row, const Turn& turn);
Status end_policy(store::Tx& tx, Of of, std::string_view target, int64_t now_ms);
// The model goes, with all of them.
Status end_timeline(store::Tx& tx, Of of, int64_t now_ms);

// Stages, aliases and policies together, conditions on alias t: kind, n, from_ms, to_ms, model_uid.
Result<Page<Span>> search_spans(store::Tx& tx, std::string_view project,
                                const search::PageQuery& query);

}  // namespace slip::registry::sql
