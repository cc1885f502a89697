#include "registry/check.h"

#include <algorithm>
#include <string>

#include "base/key_name.h"
#include "base/text.h"

namespace slip::registry {
namespace {

constexpr std::string_view kPromptTextTag = "mlflow.prompt.text";

Error missing(std::string_view parameter) {
  return invalid("registry.missing",
                 concat({"Missing value for required parameter '", parameter,
                         "'. See the API docs for more information about request parameters."}));
}

bool all_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == text.npos;
}

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || static_cast<unsigned char>(c) >= 0x80;
}

}  // namespace

Status check_length(std::string_view what, std::string_view value, size_t max) {
  if (!is_utf8(value)) return invalid("registry.utf8", concat({"'", what, "' is not valid UTF-8"}));
  if (value.size() <= max || utf8_length(value) <= max) return {};
  return invalid("registry.too_long", concat({"'", what, "' exceeds the maximum length of ",
                                              std::to_string(max), " characters"}));
}

Status check_tag(const Tag& tag) {
  if (tag.key.empty()) return missing("key");
  TRY(check_key_name("key", tag.key));
  TRY(check_length("key", tag.key, kTagKeyMax));
  if (tag.key == kPromptTextTag && utf8_length(tag.value) > kTagValueMax)
    return invalid("registry.too_long", concat({"Prompt text exceeds max length of ",
                                                std::to_string(kTagValueMax), " characters."}));
  return check_length("value", tag.value, kTagValueMax);
}

Status check_tags(const std::vector<Tag>& tags) {
  for (const Tag& tag : tags) TRY(check_tag(tag));
  return {};
}

Status check_model_name(std::string_view name) {
  if (trim(name).empty())
    return invalid("model.name", "Missing value for required parameter 'name'.");
  if (name.find_first_of("/:") != name.npos)
    return invalid("model.name",
                   concat({"Invalid model name '", name, "'. Names cannot contain '/' or ':'."}));
  if (name == "." || name.starts_with(".."))
    return invalid("model.name",
                   concat({"Invalid value \"", name,
                           "\" for parameter 'name' supplied: Names may be treated as files in "
                           "certain cases, and must not resolve to other names when treated as "
                           "such. This name would resolve to '",
                           name, "'"}));
  return check_length("name", name, kModelNameMax);
}

Status check_alias(std::string_view alias) {
  if (alias.empty())
    return invalid("model_alias.name", "Registered model alias name cannot be empty.");
  if (!std::ranges::all_of(alias, is_word))
    return invalid("model_alias.name",
                   concat({"Invalid alias name: '", alias,
                           "'. Names may only contain alphanumerics, underscores (_), and dashes "
                           "(-)."}));
  TRY(check_length("Registered model alias name", alias, kAliasMax));
  if (iequals(alias, "latest"))
    return invalid("model_alias.name", "'latest' alias name (case insensitive) is reserved.");
  if ((alias.front() == 'v' || alias.front() == 'V') && all_digits(alias.substr(1)))
    return invalid("model_alias.name", concat({"Version alias name '", alias, "' is reserved."}));
  return {};
}

bool is_prompt(const std::vector<Tag>& tags) {
  const auto last =
      std::find_if(tags.rbegin(), tags.rend(), [](const Tag& t) { return t.key == kPromptTag; });
  return last != tags.rend() && iequals(last->value, "true");
}

std::vector<Tag> last_of_each_key(const std::vector<Tag>& tags) {
  std::vector<Tag> out;
  for (const Tag& tag : tags) {
    const auto same = std::ranges::find(out, tag.key, &Tag::key);
    if (same == out.end())
      out.push_back(tag);
    else
      same->value = tag.value;
  }
  return out;
}

Status check_source(std::string_view source, bool of_prompt) {
  if (source.empty()) return missing("source");
  TRY(check_length("source", source, kSourceMax));
  if (!of_prompt || source == "dummy-source" || source == "prompt-template") return {};
  return invalid("model_version.source",
                 concat({"Invalid prompt source: '", source,
                         "'. Prompt sources must use an MLflow placeholder."}));
}

}  // namespace slip::registry
