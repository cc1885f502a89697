#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bundle/bundle.h"

// What making and verifying share.
namespace slip::bundle {

// The executor that a bundle of this target is held against.
Result<std::unique_ptr<serving::Model>> executor_of(Target target, std::string_view bytes);
Error bad_manifest(std::string_view what);

}  // namespace slip::bundle
