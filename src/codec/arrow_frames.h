#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "codec/table.h"

// The messages of an Arrow IPC stream, as Arrow Flight carries them: the message's head (a
// flatbuffer) and its body (the buffers) side by side. In a stream a message is 0xFFFFFFFF, the
// head's length, the head padded to 8 bytes, and the body; eight bytes of zero length end it.
// Format: https://arrow.apache.org/docs/format/Columnar.html, "Encapsulated message format".
//
// Errors: kInvalid `table.syntax`, kExhausted `table.too_large`.
namespace slip::codec {

struct ArrowFrame {
  std::string head;
  std::string body;
};

// What a message is in a stream; and what ends one.
std::string arrow_message(std::string_view head, std::string_view body);
std::string_view arrow_end();

// Reads a stream's messages one after another; only one is in memory. `source` outlives it.
class ArrowFrames {
 public:
  static Result<std::unique_ptr<ArrowFrames>> open(ByteSource& source);
  virtual ~ArrowFrames() = default;
  virtual Result<std::optional<ArrowFrame>> next() = 0;  // Nothing: the stream has ended.
};

}  // namespace slip::codec
