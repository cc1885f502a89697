#include "core/worker/frames.h"

#include <array>
#include <bit>
#include <cstring>

#include "base/text.h"
#include "sys/net.h"

namespace slip::worker {
namespace {

constexpr std::string_view kMagic = "SLWK";
constexpr size_t kPrefixBytes = 12;
constexpr size_t kPieceBytes = 64 << 10;
static_assert(std::endian::native == std::endian::little);

void put_u32(std::string* out, size_t n) {
  CHECK(n <= UINT32_MAX);
  const auto word = static_cast<uint32_t>(n);
  std::array<char, sizeof word> bytes;
  std::memcpy(bytes.data(), &word, sizeof word);
  out->append(bytes.data(), bytes.size());
}

size_t get_u32(std::string_view bytes, size_t at) {
  uint32_t word = 0;
  std::memcpy(&word, bytes.data() + at, sizeof word);
  return word;
}

}  // namespace

std::string encode_frame(const Frame& frame) {
  const std::string head = codec::to_json(frame.head);
  std::string out;
  out.reserve(kPrefixBytes + head.size() + frame.body.size());
  out += kMagic;
  put_u32(&out, head.size());
  put_u32(&out, frame.body.size());
  out += head;
  out += frame.body;
  return out;
}

Result<std::optional<FrameReader::Lengths>> FrameReader::lengths() const {
  const size_t begun = std::min(bytes_.size(), kMagic.size());
  if (std::string_view(bytes_).substr(0, begun) != kMagic.substr(0, begun))
    return invalid("worker.frame", "what came begins with other bytes than a frame does");
  if (bytes_.size() < kPrefixBytes) return std::optional<Lengths>();
  const Lengths out{get_u32(bytes_, 4), get_u32(bytes_, 8)};
  if (out.head > kFrameHeadMax)
    return invalid("worker.frame", concat({"a head of ", std::to_string(out.head), " bytes"}));
  if (out.body > body_max_)
    return exhausted("worker.too_large",
                     concat({format_size(static_cast<int64_t>(out.body)), " came, at most ",
                             format_size(static_cast<int64_t>(body_max_)), " are taken"}));
  return std::optional(out);
}

Status FrameReader::feed(std::string_view bytes) {
  bytes_ += bytes;
  TRY(lengths());  // Before more is read for it.
  return {};
}

Result<std::optional<Frame>> FrameReader::next() {
  const std::optional<Lengths> size = TRY(lengths());
  if (!size || bytes_.size() < kPrefixBytes + size->head + size->body)
    return std::optional<Frame>();
  Frame out;
  Result<codec::Json> head =
      codec::parse_json(std::string_view(bytes_).substr(kPrefixBytes, size->head));
  if (!head.ok()) return invalid("worker.frame", head.error().text);
  if (!head->is_object()) return invalid("worker.frame", "a head that is no object");
  out.head = std::move(*head);
  out.body = bytes_.substr(kPrefixBytes + size->head, size->body);
  bytes_.erase(0, kPrefixBytes + size->head + size->body);
  return std::optional(std::move(out));
}

Result<Frame> read_frame(Conn& conn, FrameReader& reader, int64_t deadline_ns) {
  std::string piece(kPieceBytes, '\0');
  while (true) {
    std::optional<Frame> frame = TRY(reader.next());
    if (frame) return std::move(*frame);
    const size_t n = TRY(conn.read(piece, deadline_ns));
    if (n == 0) return unavailable("net.closed", "the stream has ended");
    TRY(reader.feed(std::string_view(piece).substr(0, n)));
  }
}

}  // namespace slip::worker
