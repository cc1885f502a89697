#pragma once

#include <optional>

#include "serving/tensor.h"

namespace inference {
enum DataType : int;
}

// What the .cc files that read a configuration share.
namespace slip::serving {

inference::DataType config_type(DataType type);
std::optional<DataType> tensor_type(inference::DataType type);

}  // namespace slip::serving
