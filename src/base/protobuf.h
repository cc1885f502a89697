#pragma once

#include <bit>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"

// The binary form of protocol buffers, read field by field without a schema. Pure.
namespace slip {

struct ProtoField {
  uint32_t number = 0;
  uint8_t wire_type = 0;   // 0 varint, 1 fixed64, 2 bytes, 5 fixed32.
  uint64_t value = 0;      // Of varint and fixed.
  std::string_view bytes;  // Of type 2.

  double as_double() const { return std::bit_cast<double>(value); }
};

// next() gives one field after another, empty at the end; kInvalid `protobuf.syntax`.
class ProtoReader {
 public:
  explicit ProtoReader(std::string_view bytes) : rest_(bytes) {}

  Result<std::optional<ProtoField>> next();

 private:
  Result<uint64_t> varint();
  Result<std::string_view> take(uint64_t count);

  std::string_view rest_;
};

}  // namespace slip
