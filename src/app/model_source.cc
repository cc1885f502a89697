#include "app/model_source.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "serving/feature_lookup.h"

namespace slip::app {
namespace {

constexpr std::string_view kStagePrefix = "stage:";
constexpr std::string_view kOnnx = "model.onnx";

bool is_servable(std::string_view path) {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  constexpr std::array<std::string_view, 7> kNames = {"model.ubj",    "model.xgb",   "model.json",
                                                      "xgboost.json", "xgboost.ubj", "model.lgb",
                                                      "model.txt"};
  return name.ends_with(".onnx") || std::ranges::find(kNames, name) != kNames.end();
}

}  // namespace

Result<store::tree::Entry> servable_file(const registry::Bundle& bundle) {
  const store::tree::Entry* found = nullptr;
  int count = 0;
  for (const store::tree::Entry& e : bundle.entries) {
    if (!is_servable(e.path)) continue;
    ++count;
    if (found == nullptr || e.path == kOnnx) found = &e;
  }
  if (found != nullptr && (count == 1 || found->path == kOnnx)) return *found;
  return unsupported(
      "model_version.not_servable",
      concat({"version ", std::to_string(bundle.version.number), " of ", bundle.version.model,
              count == 0 ? " has no file of ONNX, XGBoost (JSON, UBJSON) or LightGBM (text)"
                         : " has several files of models"}));
}

Result<int64_t> RegistrySource::resolve(const Ctx& ctx, const std::string& model,
                                        const std::string& target) {
  if (target.starts_with('@'))
    return TRY(registry_.find_alias(ctx, model, target.substr(1))).number;
  if (target.starts_with(kStagePrefix)) {
    const registry::Stage stage{target.substr(kStagePrefix.size())};
    const std::vector<registry::Version> found =
        TRY(registry_.latest_versions(ctx, model, {stage}));
    if (found.empty())
      return not_found("model_version.not_found",
                       concat({"no version of ", model, " is in ", stage.name}));
    return found.front().number;
  }
  const std::optional<int64_t> number = parse_int(target);
  if (!number)
    return invalid("deployment.target", concat({"'", target, "' is no version, @alias or stage:"}));
  return TRY(registry_.get_version(ctx, model, *number)).number;
}

Result<serving::ModelSource::Files> RegistrySource::fetch(const Ctx& ctx, const std::string& model,
                                                          int64_t version) {
  const registry::Bundle bundle = TRY(registry_.open_bundle(ctx, model, version));
  const store::tree::Entry file = TRY(servable_file(bundle));
  Files out;
  out.bytes = TRY(blobs_.get(file.digest, serving::kModelBytesMax));
  out.digest = bundle.version.digest;
  return out;
}

Result<std::map<std::string, std::string>> RegistrySource::parameters(const Ctx& ctx,
                                                                      const std::string& model,
                                                                      int64_t version) {
  const registry::Version found = TRY(registry_.get_version(ctx, model, version));
  std::map<std::string, std::string> out;
  for (const std::string_view name : serving::kLookupParameters)
    for (const registry::Tag& tag : found.tags)
      if (tag.key == concat({"slipway.", name})) out[std::string(name)] = tag.value;
  return out;
}

}  // namespace slip::app
