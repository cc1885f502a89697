#include "base/protobuf.h"

namespace slip {
namespace {

Error bad() { return invalid("protobuf.syntax", "no protobuf message"); }

}  // namespace

Result<uint64_t> ProtoReader::varint() {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (rest_.empty()) return bad();
    const auto byte = static_cast<uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return value;
  }
  return bad();
}

Result<std::string_view> ProtoReader::take(uint64_t count) {
  if (count > rest_.size()) return bad();
  const std::string_view out = rest_.substr(0, count);
  rest_.remove_prefix(count);
  return out;
}

Result<std::optional<ProtoField>> ProtoReader::next() {
  if (rest_.empty()) return std::optional<ProtoField>();
  const uint64_t tag = TRY(varint());
  ProtoField out;
  out.number = static_cast<uint32_t>(tag >> 3);
  out.wire_type = static_cast<uint8_t>(tag & 7);
  if (out.number == 0 || (tag >> 3) > 0x1fffffff) return bad();
  switch (out.wire_type) {
    case 0:
      out.value = TRY(varint());
      break;
    case 2:
      out.bytes = TRY(take(TRY(varint())));
      break;
    case 1:
    case 5: {
      const std::string_view raw = TRY(take(out.wire_type == 1 ? 8 : 4));
      for (size_t i = 0; i < raw.size(); ++i)  // Little-endian.
        out.value |= static_cast<uint64_t>(static_cast<uint8_t>(raw[i])) << (8 * i);
      break;
    }
    default:
      return bad();  // Groups are older than any sender of these.
  }
  return std::optional(out);
}

}  // namespace slip
