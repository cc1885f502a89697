#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"
#include "registry/types.h"

// What names, tags and sources of the registry may look like. Texts are those that MLflow's clients
// know. Pure. kInvalid `registry.utf8|registry.too_long|registry.missing|key_name.form|model.name|
// model_alias.name|model_version.source`.
namespace slip::registry {

Status check_length(std::string_view what, std::string_view value, size_t max);
Status check_tag(const Tag& tag);
Status check_tags(const std::vector<Tag>& tags);
Status check_model_name(std::string_view name);
Status check_alias(std::string_view alias);

// A prompt is a model with this tag, whatever the case of its "true"; of equal keys the last one
// counts.
inline constexpr std::string_view kPromptTag = "mlflow.prompt.is_prompt";
bool is_prompt(const std::vector<Tag>& tags);
// Of equal keys only the last is left.
std::vector<Tag> last_of_each_key(const std::vector<Tag>& tags);
// A prompt has no files: its source is one of two placeholders.
Status check_source(std::string_view source, bool of_prompt);

}  // namespace slip::registry
