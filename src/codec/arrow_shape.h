#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

// What an Arrow IPC stream holds, without making columns of it: names, types as Arrow writes them
// ("list<item: float>"), rows. Every batch is validated in full, so a stream with a shape can be
// read by anybody. Pure.
namespace slip::codec {

struct ArrowShape {
  struct Column {
    std::string name;
    std::string type;
    bool operator==(const Column&) const = default;
  };
  std::vector<Column> columns;
  int64_t rows = 0;
};
// kInvalid `table.syntax`, kExhausted `table.too_large`, kUnsupported `table.unsupported`.
Result<ArrowShape> arrow_shape(std::string_view stream);

}  // namespace slip::codec
