#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codec/hash.h"

// The bytes of a pack file. A pack is: two copies of a header, then frames, then, once sealed, a
// footer frame that repeats what the others say and a trailer that points to it:
//
//   header   magic "SLIPPACK", format, pack number, the store's key, XXH3      (twice)
//   frame    52 bytes of header with an XXH3 of their own, then the payload
//   trailer  magic "SLIPFOOT", offset of the footer frame, pack number, XXH3
//
// Hashes of frames and trailers are seeded with the store's key, pack number and offset, so that
// bytes of a user which look like a frame, or a frame at another place, are none. Little endian.
// Pure functions; any thread.
namespace slip::store::packs {

// limits
inline constexpr uint32_t kPackBytesMax = 64 << 20;
inline constexpr uint32_t kPackFormat = 1;
inline constexpr int64_t kBlobBytesMax = int64_t{1} << 40;

inline constexpr size_t kPackHeaderBytes = 64;
inline constexpr size_t kPackStart = 2 * kPackHeaderBytes;  // Where frames begin.
inline constexpr size_t kFrameBytes = 52;
inline constexpr size_t kTrailerBytes = 24;

enum class FrameType : uint8_t { kChunk = 1, kBlob = 2, kDrop = 3, kFooter = 4 };
enum class Packing : uint8_t { kRaw = 0, kZstd = 1 };

struct Place {
  uint32_t pack = 0;
  uint32_t offset = 0;  // Of the frame.
  bool operator==(const Place&) const = default;
};

struct Frame {
  FrameType type = FrameType::kChunk;
  Packing packing = Packing::kRaw;
  uint32_t synced_to = 0;  // Of this pack, when the frame was written: all before is on the disk.
  uint32_t stored_bytes = 0;  // Of the payload.
  uint32_t raw_bytes = 0;     // kChunk: unpacked.
  uint64_t id = 0;            // A chunk's name, or the order of blob and drop frames.
  uint64_t stored_hash = 0;   // Of the payload.
  uint64_t raw_hash = 0;      // kChunk: of the unpacked bytes; a hint, equal bytes are compared.
  bool operator==(const Frame&) const = default;
};

struct PackHeader {
  uint32_t format = kPackFormat;
  uint32_t number = 0;
  uint64_t key = 0;
};

std::string encode_pack_header(const PackHeader& header);  // Both copies.
std::optional<PackHeader> decode_pack_header(std::string_view start_of_file);

std::string encode_frame(const Frame& frame, Place place, uint64_t key);
std::optional<Frame> decode_frame(std::string_view bytes, Place place, uint64_t key);

std::string encode_trailer(Place footer, uint64_t key);
std::optional<uint32_t> decode_trailer(std::string_view bytes, uint32_t pack, uint64_t key);

// Payload of kBlob: what the blob is made of.
struct BlobRecord {
  codec::Sha256 digest;
  int64_t size = 0;
  std::vector<uint64_t> chunks;  // Ids.
};
std::string encode_blob(const BlobRecord& record);
std::optional<BlobRecord> decode_blob(std::string_view payload);

// Payload of kFooter: each frame with its offset, and with its payload unless it is a chunk.
void append_footer_entry(std::string* footer, const Frame& frame, uint32_t offset,
                         std::string_view payload);
struct FooterEntry {
  Frame frame;
  uint32_t offset = 0;
  std::string_view payload;
};
// Into `footer`'s bytes. Nothing when they are malformed.
std::optional<std::vector<FooterEntry>> decode_footer(std::string_view footer);

}  // namespace slip::store::packs
