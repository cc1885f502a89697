#include "tracking/validate.h"

#include <array>
#include <set>
#include <vector>

#include "base/key_name.h"
#include "base/text.h"

namespace slip::tracking {
namespace {

bool is_alnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
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

Status check_key(std::string_view where, std::string_view name, std::string_view label) {
  if (name.empty())
    return invalid("tracking.missing",
                   concat({"Missing value for required parameter '", where,
                           "'. See the API docs for more information about request parameters."}));
  TRY(check_key_name(where, name));
  return check_length(label.empty() ? where : label, name, kKeyMax);
}

Status check_run_id(std::string_view id) {
  bool good = !id.empty() && id.size() <= 256 && is_alnum(id.front());
  for (const char c : id) good = good && (is_alnum(c) || c == '_' || c == '-');
  if (good) return {};
  return invalid("tracking.id",
                 concat({"Invalid value \"", id, "\" for parameter 'run_id' supplied."}));
}

Result<int64_t> parse_experiment_id(std::string_view text) {
  if (const auto id = parse_int(trim(text))) return *id;
  return invalid("experiment.id", concat({"Invalid experiment ID '", text,
                                          "'. Experiment ID must be a valid integer."}));
}

Status check_experiment_name(std::string_view name) {
  if (name.empty()) return invalid("tracking.missing", "Invalid experiment name: ''");
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

Status check_max_results(int64_t max_results, int64_t max) {
  if (max_results >= 1 && max_results <= max) return {};
  return invalid("page.limit", concat({"Invalid value ", std::to_string(max_results),
                                       " for parameter 'max_results' supplied.", " It must be ",
                                       max_results < 1 ? "a positive integer"
                                                       : "at most " + std::to_string(max)}));
}

std::string cut(std::string_view value, size_t max) {
  if (value.size() <= max || !is_utf8(value)) return std::string(value);
  return std::string(utf8_prefix(value, max));
}

namespace {

Status check_metric(const std::string& path, const Metric& m) {
  TRY(check_key(path + "name", m.key, "Metric name"));
  if (m.timestamp_ms >= 0) return {};
  return invalid(
      "tracking.timestamp",
      concat({"Invalid value ", std::to_string(m.timestamp_ms), " for parameter '", path,
              "timestamp' supplied: metric '", m.key, "' (value=", format_double(m.value),
              "). Timestamp must be a nonnegative long (64-bit integer) "}));
}

Status check_limit(std::string_view what, size_t got, size_t max) {
  if (got <= max) return {};
  return invalid("tracking.batch_size",
                 concat({"A batch logging request can contain at most ", std::to_string(max), " ",
                         what, ". Got ", std::to_string(got), " ", what, ". Please split up ", what,
                         " across multiple requests and try again."}));
}

Status check_unique(std::span<const Tag> params) {
  std::set<std::string_view> seen;
  std::string twice;
  for (const Tag& p : params)
    if (!seen.insert(p.key).second) twice += concat({twice.empty() ? "'" : ", '", p.key, "'"});
  if (twice.empty()) return {};
  return invalid("tracking.duplicate_param",
                 concat({"Duplicate parameter keys have been submitted: [", twice,
                         "]. Please ensure the request contains only one param value per "
                         "param key."}));
}

}  // namespace

Status check_batch(std::span<const Metric> metrics, std::span<const Tag> params,
                   std::span<const Tag> tags, bool single) {
  TRY(check_limit("metrics", metrics.size(), kBatchMetricsMax));
  TRY(check_limit("params", params.size(), kBatchParamsMax));
  TRY(check_limit("tags", tags.size(), kBatchTagsMax));
  TRY(check_limit("metrics, params, and tags", metrics.size() + params.size() + tags.size(),
                  kBatchEntitiesMax));
  const auto path = [&](std::string_view list, size_t i) {
    return single ? std::string() : concat({list, "[", std::to_string(i), "]."});
  };
  for (size_t i = 0; i < metrics.size(); ++i) TRY(check_metric(path("metrics", i), metrics[i]));
  for (size_t i = 0; i < params.size(); ++i)
    TRY(check_key(path("params", i) + "key", params[i].key, "Param key"));
  for (size_t i = 0; i < tags.size(); ++i) TRY(check_key(path("tags", i) + "key", tags[i].key));
  return check_unique(params);
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
