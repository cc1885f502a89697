#pragma once

#include "registry/registry.h"
#include "serving/serving.h"
#include "store/blobs.h"

// The models that serving loads: the registry's versions and the one file among theirs that is a
// model serving knows.
namespace slip::app {

// ONNX, XGBoost or LightGBM, by the names that MLflow's flavours and the libraries themselves give
// their files; model.onnx wins over others beside it. kUnsupported `model_version.not_servable`
// when there is none, or several.
Result<store::tree::Entry> servable_file(const registry::Bundle& bundle);

class RegistrySource final : public serving::ModelSource {
 public:
  RegistrySource(registry::Registry& registry, store::Blobs& blobs)
      : registry_(registry), blobs_(blobs) {}

  Result<int64_t> resolve(const Ctx& ctx, const std::string& model,
                          const std::string& target) override;
  Result<Files> fetch(const Ctx& ctx, const std::string& model, int64_t version) override;
  // The version's tags `slipway.NAME`.
  Result<std::map<std::string, std::string>> parameters(const Ctx& ctx, const std::string& model,
                                                        int64_t version) override;

 private:
  registry::Registry& registry_;
  store::Blobs& blobs_;
};

}  // namespace slip::app
