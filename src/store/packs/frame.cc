#include "store/packs/frame.h"

#include <bit>
#include <cstring>

namespace slip::store::packs {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::string_view kPackMagic = "SLIPPACK";
constexpr std::string_view kTrailerMagic = "SLIPFOOT";
constexpr uint32_t kFrameMagic = 0x52465053;

template <class T>
void put(std::string* out, T value) {
  std::array<char, sizeof(T)> raw;
  std::memcpy(raw.data(), &value, sizeof(T));
  out->append(raw.data(), raw.size());
}

// Reads little-endian numbers off the front; `ok` turns false when the bytes run out.
struct Cursor {
  std::string_view rest;
  bool ok = true;

  template <class T>
  T take() {
    T value{};
    if (rest.size() < sizeof(T)) {
      ok = false;
      return value;
    }
    std::memcpy(&value, rest.data(), sizeof(T));
    rest.remove_prefix(sizeof(T));
    return value;
  }
  std::string_view take_bytes(size_t n) {
    if (rest.size() < n) {
      ok = false;
      return {};
    }
    const std::string_view out = rest.substr(0, n);
    rest.remove_prefix(n);
    return out;
  }
  uint64_t take_varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = take<uint8_t>();
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    ok = false;
    return value;
  }
};

void put_varint(std::string* out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) *out += static_cast<char>(value | 0x80);
  *out += static_cast<char>(value);
}

uint64_t seed_of(Place place, uint64_t key) {
  return key ^ (uint64_t{place.pack} << 32 | place.offset);
}

void put_frame(std::string* out, const Frame& f) {
  put(out, kFrameMagic);
  put(out, static_cast<uint8_t>(f.type));
  put(out, static_cast<uint8_t>(f.packing));
  put(out, uint16_t{0});
  put(out, f.synced_to);
  put(out, f.stored_bytes);
  put(out, f.raw_bytes);
  put(out, f.id);
  put(out, f.stored_hash);
  put(out, f.raw_hash);
}

std::optional<Frame> take_frame(Cursor* in) {
  Frame f;
  const auto magic = in->take<uint32_t>();
  const auto type = in->take<uint8_t>();
  const auto packing = in->take<uint8_t>();
  in->take<uint16_t>();
  f.type = static_cast<FrameType>(type);
  f.packing = static_cast<Packing>(packing);
  f.synced_to = in->take<uint32_t>();
  f.stored_bytes = in->take<uint32_t>();
  f.raw_bytes = in->take<uint32_t>();
  f.id = in->take<uint64_t>();
  f.stored_hash = in->take<uint64_t>();
  f.raw_hash = in->take<uint64_t>();
  if (!in->ok || magic != kFrameMagic || type < 1 || type > 4 || packing > 1) return std::nullopt;
  if (f.stored_bytes > kPackBytesMax) return std::nullopt;
  return f;
}

constexpr size_t kFrameFields = kFrameBytes - sizeof(uint64_t);

}  // namespace

std::string encode_pack_header(const PackHeader& header) {
  std::string out(kPackMagic);
  put(&out, header.format);
  put(&out, header.number);
  put(&out, header.key);
  out.resize(kPackHeaderBytes - sizeof(uint64_t), '\0');
  put(&out, codec::xxh3(out));
  return out + out;
}

std::optional<PackHeader> decode_pack_header(std::string_view start_of_file) {
  for (const size_t at : {size_t{0}, kPackHeaderBytes}) {
    if (start_of_file.size() < at + kPackHeaderBytes) continue;
    const std::string_view bytes = start_of_file.substr(at, kPackHeaderBytes);
    Cursor in{bytes};
    const bool magic = in.take_bytes(kPackMagic.size()) == kPackMagic;
    PackHeader header;
    header.format = in.take<uint32_t>();
    header.number = in.take<uint32_t>();
    header.key = in.take<uint64_t>();
    const size_t hashed = kPackHeaderBytes - sizeof(uint64_t);
    Cursor tail{bytes.substr(hashed)};
    if (magic && tail.take<uint64_t>() == codec::xxh3(bytes.substr(0, hashed))) return header;
  }
  return std::nullopt;
}

std::string encode_frame(const Frame& frame, Place place, uint64_t key) {
  std::string out;
  out.reserve(kFrameBytes);
  put_frame(&out, frame);
  put(&out, codec::xxh3(out, seed_of(place, key)));
  return out;
}

std::optional<Frame> decode_frame(std::string_view bytes, Place place, uint64_t key) {
  if (bytes.size() < kFrameBytes) return std::nullopt;
  Cursor in{bytes.substr(0, kFrameBytes)};
  const std::optional<Frame> frame = take_frame(&in);
  if (!frame) return std::nullopt;
  if (in.take<uint64_t>() != codec::xxh3(bytes.substr(0, kFrameFields), seed_of(place, key)))
    return std::nullopt;
  return frame;
}

std::string encode_trailer(Place footer, uint64_t key) {
  std::string out(kTrailerMagic);
  put(&out, footer.offset);
  put(&out, footer.pack);
  put(&out, codec::xxh3(out, key));
  return out;
}

std::optional<uint32_t> decode_trailer(std::string_view bytes, uint32_t pack, uint64_t key) {
  if (bytes.size() != kTrailerBytes) return std::nullopt;
  Cursor in{bytes};
  const bool magic = in.take_bytes(kTrailerMagic.size()) == kTrailerMagic;
  const auto offset = in.take<uint32_t>();
  const auto number = in.take<uint32_t>();
  const uint64_t hash = codec::xxh3(bytes.substr(0, kTrailerBytes - sizeof(uint64_t)), key);
  if (!magic || number != pack || in.take<uint64_t>() != hash) return std::nullopt;
  return offset;
}

std::string encode_blob(const BlobRecord& record) {
  std::string out;
  for (const uint8_t b : record.digest.bytes) out += static_cast<char>(b);
  put_varint(&out, static_cast<uint64_t>(record.size));
  put_varint(&out, record.chunks.size());
  uint64_t last = 0;
  for (const uint64_t id : record.chunks) {
    const auto step = static_cast<int64_t>(id - last);  // Zigzag: chunks found again lie behind.
    put_varint(&out, static_cast<uint64_t>(step) << 1 ^ static_cast<uint64_t>(step >> 63));
    last = id;
  }
  return out;
}

std::optional<BlobRecord> decode_blob(std::string_view payload) {
  Cursor in{payload};
  BlobRecord out;
  const std::string_view digest = in.take_bytes(out.digest.bytes.size());
  if (!in.ok) return std::nullopt;
  std::memcpy(out.digest.bytes.data(), digest.data(), digest.size());
  const uint64_t size = in.take_varint();
  const uint64_t count = in.take_varint();
  if (!in.ok || size > static_cast<uint64_t>(kBlobBytesMax) || count > in.rest.size())
    return std::nullopt;
  out.size = static_cast<int64_t>(size);
  out.chunks.reserve(count);
  uint64_t last = 0;
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t step = in.take_varint();
    last += step >> 1 ^ (~(step & 1) + 1);
    out.chunks.push_back(last);
  }
  if (!in.ok || !in.rest.empty()) return std::nullopt;
  return out;
}

void append_footer_entry(std::string* footer, const Frame& frame, uint32_t offset,
                         std::string_view payload) {
  put_frame(footer, frame);
  put(footer, offset);
  if (frame.type != FrameType::kChunk) footer->append(payload);
}

std::optional<std::vector<FooterEntry>> decode_footer(std::string_view footer) {
  std::vector<FooterEntry> out;
  Cursor in{footer};
  while (!in.rest.empty()) {
    const std::optional<Frame> frame = take_frame(&in);
    if (!frame) return std::nullopt;
    FooterEntry entry{*frame, in.take<uint32_t>(), {}};
    if (frame->type != FrameType::kChunk) entry.payload = in.take_bytes(frame->stored_bytes);
    if (!in.ok) return std::nullopt;
    out.push_back(entry);
  }
  return out;
}

}  // namespace slip::store::packs
