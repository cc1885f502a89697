#pragma once

#include <string>

#include "base/result.h"
#include "sys/ctx.h"
#include "wire/native/exports.h"

// Bundles for devices, put together from the registry (files, tags), the feature store (the
// expressions that the model's features are computed by) and the prediction log (golden inputs).
namespace slip::app {

struct World;

// Errors of bundle/bundle.h; kUnsupported `model_version.not_servable`, kUnavailable
// `export.library`.
Result<std::string> make_bundle(World& world, const Ctx& ctx, const wire::native::ExportAsk& ask);

}  // namespace slip::app
