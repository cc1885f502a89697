#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/blobs.h"

// A content-addressed sorted map from path to entry: what a dataset version, an artifact directory,
// a manifest is. Entries lie in ranges (blobs) whose borders depend on content alone (~50,000
// entries each), a root range lists the ranges; so the same map has the same root digest however it
// was built, and two versions share every range that did not change. Immutable; any thread.
//
// Errors: kNotFound `tree.not_found`, kCorrupt `tree.corrupt`, kInvalid `tree.path`.
namespace slip::store::tree {

inline constexpr int64_t kRangeEntriesTarget = 50'000;
inline constexpr size_t kPathBytesMax = 1024;

struct Entry {
  std::string path;  // UTF-8, '/'-separated, no empty, "." or ".." segment.
  Digest digest;     // Of the bytes.
  int64_t size = 0;
  std::string meta;  // Small, owner's business: content type, row count, …
  bool operator==(const Entry&) const = default;
};

struct Change {
  std::string path;
  std::optional<Entry> before;  // Absent: added.
  std::optional<Entry> after;   // Absent: removed.
};

// kInvalid `tree.path` unless it is a clean relative path.
Status check_path(std::string_view path);

// `entries` in any order; a path that occurs twice is kInvalid `tree.duplicate`.
Result<Digest> build(Blobs& blobs, std::vector<Entry> entries);
// New root from an old one: `changes` hold path and `after` (absent: remove). O(changed ranges).
Result<Digest> apply(Blobs& blobs, const Digest& root, std::vector<Change> changes);
Result<Entry> find(Blobs& blobs, const Digest& root, std::string_view path);
// In path order, from the first path >= `from` that starts with `prefix`; stop by returning false.
Status scan(Blobs& blobs, const Digest& root, std::string_view prefix, std::string_view from,
            const std::function<bool(const Entry&)>& on_entry);
// Differences in path order; shared ranges are skipped unread.
Status diff(Blobs& blobs, const Digest& before, const Digest& after,
            const std::function<bool(const Change&)>& on_change);
// Every blob that the tree needs: root, ranges, entries. For the garbage collector.
Status mark(Blobs& blobs, const Digest& root, const std::function<void(const Digest&)>& keep);

}  // namespace slip::store::tree
