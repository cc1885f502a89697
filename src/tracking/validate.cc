#include "tracking/validate.h"

#include <array>
#include <map>
#include <vector>

#include "base/text.h"

namespace slip::tracking {
namespace {

bool is_alnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// Letters of any script pass; of ASCII the listed punctuation does.
bool key_char(char c) {
  return is_alnum(c) || static_cast<unsigned char>(c) >= 0x80 ||
         std::string_view("_-. :/").find(c) != std::string_view::npos;
}

// What a path library would make of the name: "a//b" → "a/b", "./a" → "a", "a/../b" → "b".
std::string normal_path(std::string_view name) {
  std::vector<std::string> parts;
  for (const std::string_view part : split(name, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == ".." && !parts.empty() && parts.back() != "..")
      parts.pop_back();
    else
      parts.emplace_back(part);
  }
  const std::string body = join(parts, "/");
  return name.starts_with('/') ? "/" + body : body.empty() ? "." : body;
}

Error bad_name(std::string_view where, std::string_view name, std::string_view why) {
  return invalid("tracking.name", concat({"Invalid value \"", name, "\" for parameter '", where,
                                          "' supplied: ", why}));
}

constexpr std::array<const char*, 24> kAdjectives = {
    "able",   "bold",  "calm",  "clean", "crisp", "eager", "fair", "fine",
    "gentle", "grand", "kind",  "keen",  "light", "merry", "neat", "noble",
    "plain",  "quick", "quiet", "sharp", "solid", "sunny", "warm", "wise"};
constexpr std::array<const char*, 24> kNouns = {
    "ash",   "barge", "birch", "brook", "canal", "crane", "dock",  "ferry",
    "heron", "keel",  "larch", "lock",  "mast",  "moor",  "otter", "pier",
    "quay",  "raft",  "reef",  "sail",  "seal",  "shoal", "tide",  "wharf"};

}  // namespace

Status check_length(std::string_view where, std::string_view value, size_t max) {
  if (!is_utf8(value))
    return invalid("tracking.name", concat({"'", where, "' is not valid UTF-8"}));
  if (value.size() <= max || utf8_length(value) <= max) return {};
  return invalid("tracking.too_long", concat({"'", where, "' exceeds the maximum length of ",
                                              std::to_string(max), " characters"}));
}

Status check_key(std::string_view where, std::string_view name) {
  if (name.empty())
    return invalid("tracking.missing",
                   concat({"Missing value for required parameter '", where,
                           "'. See the API docs for more information about request parameters."}));
  TRY(check_length(where, name, kKeyMax));
  for (const char c : name)
    if (!key_char(c))
      return bad_name(where, name,
                      "Names may only contain alphanumerics, underscores (_), dashes (-), periods "
                      "(.), spaces ( ), colon(:) and slashes (/).");
  const std::string resolved = normal_path(name);
  if (resolved == name && resolved != "." && !resolved.starts_with("..") &&
      !resolved.starts_with('/'))
    return {};
  return bad_name(where, name,
                  concat({"Names may be treated as files in certain cases, and must not resolve "
                          "to other names when treated as such. This name would resolve to '",
                          resolved, "'"}));
}

Status check_run_id(std::string_view id) {
  bool good = !id.empty() && id.size() <= 256 && is_alnum(id.front());
  for (const char c : id) good = good && (is_alnum(c) || c == '_' || c == '-');
  if (good) return {};
  return invalid("tracking.id", concat({"Invalid run ID: '", id, "'"}));
}

Result<int64_t> parse_experiment_id(std::string_view text) {
  const auto id = parse_int(text);
  if (id && *id >= 0 && text.front() != '+') return *id;
  return invalid("experiment.id",
                 concat({"Invalid experiment ID: '", text, "'. It must be a decimal number."}));
}

Status check_experiment_name(std::string_view name) {
  if (trim(name).empty())
    return invalid("tracking.missing",
                   "Invalid experiment name: ''. An experiment name must not be empty.");
  return check_length("name", name, kExperimentNameMax);
}

Status check_logged_model_name(std::string_view name) {
  if (name.empty() || name.find_first_of("/:.%\"'") != name.npos)
    return invalid("logged_model.name",
                   concat({"Invalid model name ('", name,
                           "') provided. Model name must be a non-empty string and cannot "
                           "contain the following characters: ('/', ':', '.', '%', '\"', \"'\")"}));
  return check_length("name", name, kDatasetNameMax);
}

std::string cut(std::string_view value, size_t max) {
  if (value.size() <= max || !is_utf8(value)) return std::string(value);
  return std::string(utf8_prefix(value, max));
}

Status check_batch(std::span<const Metric> metrics, std::span<const Tag> params,
                   std::span<const Tag> tags) {
  const auto limit = [](std::string_view what, size_t got, size_t max) -> Status {
    if (got <= max) return {};
    return invalid("tracking.batch_size",
                   concat({"A batch logging request can contain at most ", std::to_string(max), " ",
                           what, ". Got ", std::to_string(got), " ", what, ". Please split up ",
                           what, " across multiple requests and try again."}));
  };
  TRY(limit("metrics", metrics.size(), kBatchMetricsMax));
  TRY(limit("params", params.size(), kBatchParamsMax));
  TRY(limit("tags", tags.size(), kBatchTagsMax));
  TRY(limit("metrics, params, and tags", metrics.size() + params.size() + tags.size(),
            kBatchEntitiesMax));

  for (size_t i = 0; i < metrics.size(); ++i)
    TRY(check_key(concat({"metrics[", std::to_string(i), "].name"}), metrics[i].key));
  std::map<std::string_view, std::string_view> seen;
  for (size_t i = 0; i < params.size(); ++i) {
    TRY(check_key(concat({"params[", std::to_string(i), "].key"}), params[i].key));
    const auto [it, fresh] = seen.emplace(params[i].key, params[i].value);
    if (!fresh && it->second != params[i].value)
      return invalid("tracking.duplicate_param",
                     concat({"Duplicate parameter keys have been submitted: ['", params[i].key,
                             "']. Please ensure the request contains only one param value per "
                             "param key."}));
  }
  for (size_t i = 0; i < tags.size(); ++i)
    TRY(check_key(concat({"tags[", std::to_string(i), "].key"}), tags[i].key));
  return {};
}

Status check_inputs(std::span<const DatasetInput> inputs) {
  if (inputs.size() > kInputsMax)
    return invalid("tracking.batch_size",
                   "At most " + std::to_string(kInputsMax) + " datasets per request");
  for (const DatasetInput& input : inputs) {
    const Dataset& d = input.dataset;
    for (const auto& [what, value] : {std::pair<std::string_view, std::string_view>{"name", d.name},
                                      {"digest", d.digest},
                                      {"source_type", d.source_type},
                                      {"source", d.source}})
      if (value.empty())
        return invalid("tracking.missing", concat({"Dataset ", what, " cannot be None or empty"}));
    TRY(check_length("name", d.name, kDatasetNameMax));
    TRY(check_length("digest", d.digest, kDatasetDigestMax));
    TRY(check_length("source", d.source, kDatasetSourceMax));
    if (d.schema) TRY(check_length("schema", *d.schema, kDatasetSchemaMax));
    if (d.profile) TRY(check_length("profile", *d.profile, kDatasetProfileMax));
    for (const Tag& tag : input.tags) {
      TRY(check_length("key", tag.key, kInputTagKeyMax));
      TRY(check_length("value", tag.value, kInputTagValueMax));
    }
  }
  return {};
}

std::string random_run_name(uint64_t random) {
  return concat({kAdjectives[random % kAdjectives.size()], "-",
                 kNouns[(random / 64) % kNouns.size()], "-",
                 std::to_string(100 + (random / 4096) % 900)});
}

}  // namespace slip::tracking
