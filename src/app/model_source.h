#pragma once

#include "registry/registry.h"
#include "serving/serving.h"
#include "store/blobs.h"

// The models that serving loads: the registry's versions and the ONNX file among their files.
namespace slip::app {

class RegistrySource final : public serving::ModelSource {
 public:
  RegistrySource(registry::Registry& registry, store::Blobs& blobs)
      : registry_(registry), blobs_(blobs) {}

  Result<int64_t> resolve(const Ctx& ctx, const std::string& model,
                          const std::string& target) override;
  // kUnsupported `model_version.no_onnx` when its files hold no ONNX model, or several.
  Result<Files> fetch(const Ctx& ctx, const std::string& model, int64_t version) override;

 private:
  registry::Registry& registry_;
  store::Blobs& blobs_;
};

}  // namespace slip::app
