#pragma once

#include "core/search/page.h"
#include "registry/registry.h"

// From a Query to SQL conditions and sort keys: which keys exist, which operators each takes.
// Prompts, which are models with the tag mlflow.prompt.is_prompt, stay out unless the filter names
// that tag. Pure.
namespace slip::registry {

Result<search::PageQuery> compile_model_search(const Ctx& ctx, const Query& query);  // Alias m.
Result<search::PageQuery> compile_version_search(const Ctx& ctx,
                                                 const Query& query);  // Aliases v and m.

// " AND …" of alias m: models and prompts that the caller may read.
search::Sql readable_models(const Ctx& ctx);

}  // namespace slip::registry
