#pragma once

#include "registry/registry.h"
#include "serving/serving.h"
#include "store/blobs.h"

// The models that serving loads: the registry's versions and the ONNX file among their files.
namespace slip::app {

// MLflow's own name for the file of its onnx flavour wins over others beside it. kUnsupported
// `model_version.no_onnx` when there is none, or several.
Result<store::tree::Entry> onnx_file(const registry::Bundle& bundle);

class RegistrySource final : public serving::ModelSource {
 public:
  RegistrySource(registry::Registry& registry, store::Blobs& blobs)
      : registry_(registry), blobs_(blobs) {}

  Result<int64_t> resolve(const Ctx& ctx, const std::string& model,
                          const std::string& target) override;
  Result<Files> fetch(const Ctx& ctx, const std::string& model, int64_t version) override;

 private:
  registry::Registry& registry_;
  store::Blobs& blobs_;
};

}  // namespace slip::app
