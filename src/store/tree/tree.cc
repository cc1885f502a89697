#include "store/tree/tree.h"

#include <set>

#include "base/text.h"
#include "store/tree/range_internal.h"

namespace slip::store::tree {
namespace {

Result<Decoded> load(Blobs& blobs, const Digest& digest) {
  Result<std::string> bytes = blobs.get(digest, kRangeBytesMax);
  if (!bytes.ok() && bytes.error().code == Code::kNotFound)
    return not_found("tree.not_found", "no tree " + digest.text());
  return decode_range(TRY(std::move(bytes)));
}

Result<std::vector<Entry>> load_leaf(Blobs& blobs, const Digest& digest) {
  Result<Decoded> range = load(blobs, digest);
  if (!range.ok() && range.error().code == Code::kNotFound)
    return corrupt("tree.corrupt", "range " + digest.text() + " of a tree is missing");
  Decoded got = TRY(std::move(range));
  if (got.is_root) return corrupt("tree.corrupt", "a range is a root");
  return std::move(got.entries);
}

// The ranges of a tree; of one range, that one, already read.
struct Opened {
  std::vector<Range> ranges;
  std::optional<std::vector<Entry>> only;
};

Result<Opened> open(Blobs& blobs, const Digest& root) {
  Decoded got = TRY(load(blobs, root));
  Opened out;
  if (got.is_root) {
    out.ranges = std::move(got.ranges);
    return out;
  }
  if (!got.entries.empty())
    out.ranges.push_back({got.entries[0].path, static_cast<int64_t>(got.entries.size()), root});
  out.only = std::move(got.entries);
  return out;
}

Result<std::vector<Entry>> read_range(Blobs& blobs, const Opened& tree, size_t i) {
  if (tree.only) return *tree.only;
  return load_leaf(blobs, tree.ranges[i].digest);
}

// Index of the range that would hold `path`.
size_t range_of(const std::vector<Range>& ranges, std::string_view path) {
  const auto after =
      std::upper_bound(ranges.begin(), ranges.end(), path,
                       [](std::string_view p, const Range& r) { return p < r.first; });
  return after == ranges.begin() ? 0 : static_cast<size_t>(after - ranges.begin()) - 1;
}

bool by_path(const Entry& a, const Entry& b) { return a.path < b.path; }

Status check_entry(const Entry& e) {
  TRY(check_path(e.path));
  if (e.size < 0) return invalid("tree.entry", "entry '" + e.path + "' has a negative size");
  if (e.meta.size() > kMetaBytesMax)
    return invalid("tree.entry", "entry '" + e.path + "' has more than 4096 bytes of meta");
  return {};
}

// Cuts sorted entries into ranges and stores them behind `out`.
Status store_ranges(Blobs& blobs, std::span<const Entry> entries, const Shape& shape,
                    std::vector<Range>* out) {
  for (size_t from = 0; from < entries.size();) {
    size_t to = from + 1;
    while (to < entries.size() && to - from < static_cast<size_t>(shape.entries_max) &&
           !is_border(entries[to].path, shape))
      ++to;
    const std::span<const Entry> part = entries.subspan(from, to - from);
    // Not inside the braces below: on an early return GCC 12 forgets the path built before it.
    const Digest digest = TRY(blobs.put(encode_leaf(part)));
    out->push_back({part[0].path, static_cast<int64_t>(part.size()), digest});
    from = to;
  }
  return {};
}

Result<Digest> store_root(Blobs& blobs, const std::vector<Range>& ranges) {
  if (ranges.empty()) return blobs.put(encode_leaf({}));
  if (ranges.size() == 1) return ranges[0].digest;
  return blobs.put(encode_root(ranges));
}

// Sorted entries with sorted changes.
std::vector<Entry> merge(std::vector<Entry> entries, std::span<const Change> changes) {
  std::vector<Entry> out;
  out.reserve(entries.size() + changes.size());
  size_t i = 0;
  for (const Change& c : changes) {
    for (; i < entries.size() && entries[i].path < c.path; ++i)
      out.push_back(std::move(entries[i]));
    if (i < entries.size() && entries[i].path == c.path) ++i;
    if (c.after) out.push_back(*c.after);
  }
  for (; i < entries.size(); ++i) out.push_back(std::move(entries[i]));
  return out;
}

// Which ranges have to be cut anew: those that change; the one before a range whose first entry
// goes or was no border; the one after when it begins at no border.
std::vector<bool> touched(const std::vector<Range>& ranges, std::span<const Change> changes,
                          const Shape& shape) {
  std::vector<bool> out(ranges.size(), false);
  std::vector<bool> joins(ranges.size(), false);  // With the range before it.
  for (size_t i = 1; i < ranges.size(); ++i) joins[i] = !is_border(ranges[i].first, shape);
  for (const Change& c : changes) {
    if (ranges.empty()) break;
    const size_t i = range_of(ranges, c.path);
    out[i] = true;
    if (!c.after && c.path == ranges[i].first && i > 0) joins[i] = true;
  }
  for (size_t i = ranges.size(); i-- > 1;)
    if (out[i] && joins[i]) out[i - 1] = true;
  for (size_t i = 1; i < ranges.size(); ++i)
    if (out[i - 1] && joins[i]) out[i] = true;
  return out;
}

Status normalise(std::vector<Change>* changes) {
  for (const Change& c : *changes) {
    TRY(check_path(c.path));
    if (c.after && c.after->path != c.path)
      return invalid("tree.path", "a change names another path than its entry");
    if (c.after) TRY(check_entry(*c.after));
  }
  std::sort(changes->begin(), changes->end(),
            [](const Change& a, const Change& b) { return a.path < b.path; });
  for (size_t i = 1; i < changes->size(); ++i)
    if ((*changes)[i].path == (*changes)[i - 1].path)
      return invalid("tree.duplicate", "path '" + (*changes)[i].path + "' is changed twice");
  return {};
}

// The entries of the ranges named, one after another.
class Walk {
 public:
  Walk(Blobs& blobs, const Opened& tree, const std::set<Digest>& skip)
      : blobs_(blobs), tree_(tree), skip_(skip) {}

  // Null at the end.
  Result<const Entry*> peek() {
    while (at_ == entries_.size() && next_ < tree_.ranges.size()) {
      const size_t i = next_++;
      if (skip_.contains(tree_.ranges[i].digest)) continue;
      entries_ = TRY(read_range(blobs_, tree_, i));
      at_ = 0;
    }
    return at_ < entries_.size() ? &entries_[at_] : nullptr;
  }
  void advance() { ++at_; }

 private:
  Blobs& blobs_;
  const Opened& tree_;
  const std::set<Digest>& skip_;
  std::vector<Entry> entries_;
  size_t at_ = 0;
  size_t next_ = 0;
};

}  // namespace

Result<Digest> build(Blobs& blobs, std::vector<Entry> entries, const Shape& shape) {
  for (const Entry& e : entries) TRY(check_entry(e));
  std::sort(entries.begin(), entries.end(), by_path);
  for (size_t i = 1; i < entries.size(); ++i)
    if (entries[i].path == entries[i - 1].path)
      return invalid("tree.duplicate", "path '" + entries[i].path + "' occurs twice");
  std::vector<Range> ranges;
  TRY(store_ranges(blobs, entries, shape, &ranges));
  return store_root(blobs, ranges);
}

Result<Digest> apply(Blobs& blobs, const Digest& root, std::vector<Change> changes,
                     const Shape& shape) {
  TRY(normalise(&changes));
  const Opened tree = TRY(open(blobs, root));
  const std::vector<bool> anew = touched(tree.ranges, changes, shape);
  std::vector<Range> out;
  if (tree.ranges.empty()) TRY(store_ranges(blobs, merge({}, changes), shape, &out));
  auto change = changes.begin();
  for (size_t i = 0; i < tree.ranges.size();) {
    if (!anew[i]) {
      out.push_back(tree.ranges[i++]);
      continue;
    }
    std::vector<Entry> entries;  // Of all neighbours that are cut anew together.
    for (; i < tree.ranges.size() && anew[i]; ++i)
      for (Entry& e : TRY(read_range(blobs, tree, i))) entries.push_back(std::move(e));
    auto last = change;
    while (last != changes.end() && (i == tree.ranges.size() || last->path < tree.ranges[i].first))
      ++last;
    TRY(store_ranges(blobs, merge(std::move(entries), std::span(change, last)), shape, &out));
    change = last;
  }
  return store_root(blobs, out);
}

Result<Digest> build(Blobs& blobs, std::vector<Entry> entries) {
  return build(blobs, std::move(entries), Shape{});
}

Result<Digest> apply(Blobs& blobs, const Digest& root, std::vector<Change> changes) {
  return apply(blobs, root, std::move(changes), Shape{});
}

Result<Entry> find(Blobs& blobs, const Digest& root, std::string_view path) {
  const Opened tree = TRY(open(blobs, root));
  if (!tree.ranges.empty()) {
    const std::vector<Entry> entries = TRY(read_range(blobs, tree, range_of(tree.ranges, path)));
    const auto at = std::lower_bound(entries.begin(), entries.end(), path,
                                     [](const Entry& e, std::string_view p) { return e.path < p; });
    if (at != entries.end() && at->path == path) return *at;
  }
  return not_found("tree.not_found", concat({"no path '", path, "' in the tree"}));
}

Status scan(Blobs& blobs, const Digest& root, std::string_view prefix, std::string_view from,
            const std::function<bool(const Entry&)>& on_entry) {
  const Opened tree = TRY(open(blobs, root));
  const std::string_view start = std::max(prefix, from);
  for (size_t i = range_of(tree.ranges, start); i < tree.ranges.size(); ++i) {
    for (const Entry& e : TRY(read_range(blobs, tree, i))) {
      if (e.path < start) continue;
      if (!e.path.starts_with(prefix) || !on_entry(e)) return {};
    }
  }
  return {};
}

Status diff(Blobs& blobs, const Digest& before, const Digest& after,
            const std::function<bool(const Change&)>& on_change) {
  if (before == after) return {};
  const Opened old_tree = TRY(open(blobs, before));
  const Opened new_tree = TRY(open(blobs, after));
  std::set<Digest> old_ranges;
  std::set<Digest> shared;
  for (const Range& r : old_tree.ranges) old_ranges.insert(r.digest);
  for (const Range& r : new_tree.ranges)
    if (old_ranges.contains(r.digest)) shared.insert(r.digest);
  Walk a(blobs, old_tree, shared);
  Walk b(blobs, new_tree, shared);
  for (;;) {
    const Entry* x = TRY(a.peek());
    const Entry* y = TRY(b.peek());
    if (x == nullptr && y == nullptr) return {};
    const bool only_x = y == nullptr || (x != nullptr && x->path < y->path);
    const bool only_y = x == nullptr || (y != nullptr && y->path < x->path);
    Change change{only_y ? y->path : x->path, {}, {}};
    if (!only_y) change.before = *x;
    if (!only_x) change.after = *y;
    if (change.before != change.after && !on_change(change)) return {};
    if (!only_y) a.advance();
    if (!only_x) b.advance();
  }
}

Status mark(Blobs& blobs, const Digest& root, const std::function<void(const Digest&)>& keep) {
  const Opened tree = TRY(open(blobs, root));
  keep(root);
  for (size_t i = 0; i < tree.ranges.size(); ++i) {
    keep(tree.ranges[i].digest);
    for (const Entry& e : TRY(read_range(blobs, tree, i))) keep(e.digest);
  }
  return {};
}

}  // namespace slip::store::tree
