#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "codec/json.h"

namespace slip {
class Conn;
}

// How the server and a worker talk: frames of twelve bytes ("SLWK", the lengths of head and body,
// little-endian), a JSON object, and bytes. A worker runs code of strangers, so whatever comes from
// it is bounded before it is kept, and the first wrong byte ends the conversation. One thread.
namespace slip::worker {

// limits
inline constexpr size_t kFrameHeadMax = 64 << 10;

struct Frame {
  codec::Json head = codec::Json::object();
  std::string body;
};

std::string encode_frame(const Frame& frame);

// Errors: kInvalid `worker.frame`; kExhausted `worker.too_large` of a body beyond `body_max`.
class FrameReader {
 public:
  explicit FrameReader(size_t body_max) : body_max_(body_max) {}

  // After an error nothing is taken any more.
  Status feed(std::string_view bytes);
  // The next whole one.
  Result<std::optional<Frame>> next();
  size_t buffered() const { return bytes_.size(); }

 private:
  struct Lengths {
    size_t head = 0;
    size_t body = 0;
  };
  Result<std::optional<Lengths>> lengths() const;

  const size_t body_max_;
  std::string bytes_;
};

// Reads on until a frame is whole. Besides: what the conn says; kUnavailable `net.closed` at the
// end of the stream.
Result<Frame> read_frame(Conn& conn, FrameReader& reader, int64_t deadline_ns);

}  // namespace slip::worker
