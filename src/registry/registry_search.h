#pragma once

#include "registry/registry.h"
#include "registry/registry_store.h"

// From a Query to SQL conditions and sort keys: which keys exist, which operators each takes.
// Prompts, which are models with the tag mlflow.prompt.is_prompt, stay out unless the filter names
// that tag. Pure.
namespace slip::registry {

Result<sql::Search> compile_model_search(const Query& query);    // Alias m.
Result<sql::Search> compile_version_search(const Query& query);  // Aliases v and m.

}  // namespace slip::registry
