#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"

// The console as one file, made by tools/ui_pack.py and linked in by .incbin.
//
// Little-endian: a header of 64 bytes ("SLIPUIPK", u32 version, u32 entries, u64 index bytes, u64
// file bytes, SHA-256 of the index), the index in ascending order of path, the blobs.
// Invariant: a Pack that exists has an index that matches its digest, offsets inside the file and
// blobs that match theirs; everything in it is a view into the bytes it was opened on.
// Immutable; any thread.
namespace slip::ui {

// limits
inline constexpr uint32_t kPackVersion = 1;
inline constexpr uint32_t kEntriesMax = 4096;
inline constexpr uint64_t kPackBytesMax = 64 << 20;

enum class Coding : uint8_t { kIdentity, kGzip, kBrotli };
inline constexpr size_t kCodings = 3;

struct Form {
  std::string_view bytes;   // Empty with an empty digest: this form is absent.
  std::string_view digest;  // 32 raw bytes of SHA-256, or none.
  bool present() const { return !digest.empty(); }
};

struct Entry {
  std::string_view path;  // "assets/index-AbCd1234.js"
  std::string_view mime;
  bool immutable = false;  // The name holds a hash of the content.
  std::array<Form, kCodings> forms;
  const Form& form(Coding coding) const { return forms[static_cast<size_t>(coding)]; }
};

class Pack {
 public:
  // kCorrupt `ui.pack_corrupt`, kUnsupported `ui.pack_version`. Zero bytes are a pack of nothing.
  static Result<Pack> open(std::string_view bytes);

  const Entry* find(std::string_view path) const;  // Null when there is none.
  const std::vector<Entry>& entries() const { return entries_; }

 private:
  std::vector<Entry> entries_;  // Ascending by path.
};

// What the linker put between slipway_ui_begin and slipway_ui_end.
std::string_view embedded_pack();

}  // namespace slip::ui
