#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/tree/tree.h"

// How a tree is cut into ranges, and the bytes of one:
//
//   "SLTR" version kind count, then items; kind leaf: (path digest size meta), kind root: (first
//   path, entries, digest) of each leaf. Numbers are varints, texts have their length in front.
//
// A range begins at each path whose XXH3 falls below a threshold, and after `entries_max` entries
// without such a path. Both depend on the paths alone, hence equal maps have equal ranges. A tree
// of one range is that leaf; its digest is the root. Pure but for reading and writing blobs.
namespace slip::store::tree {

struct Shape {
  int64_t entries_target = kRangeEntriesTarget;
  int64_t entries_max = 4 * kRangeEntriesTarget;
};

// limits
inline constexpr size_t kMetaBytesMax = 4096;
inline constexpr int64_t kRangeBytesMax = int64_t{1} << 30;

struct Range {
  std::string first;  // Path of its first entry.
  int64_t entries = 0;
  Digest digest;
};

bool is_border(std::string_view path, const Shape& shape);

std::string encode_leaf(std::span<const Entry> entries);
std::string encode_root(std::span<const Range> ranges);
struct Decoded {
  bool is_root = false;
  std::vector<Entry> entries;  // Of a leaf.
  std::vector<Range> ranges;   // Of a root.
};
// kCorrupt `tree.corrupt` unless the bytes are exactly what encode_* makes of the result.
Result<Decoded> decode_range(std::string_view bytes);

Result<Digest> build(Blobs& blobs, std::vector<Entry> entries, const Shape& shape);
Result<Digest> apply(Blobs& blobs, const Digest& root, std::vector<Change> changes,
                     const Shape& shape);

}  // namespace slip::store::tree
