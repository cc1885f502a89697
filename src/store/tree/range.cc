#include <cstring>

#include "base/text.h"
#include "codec/hash.h"
#include "store/tree/range_internal.h"

namespace slip::store::tree {
namespace {

constexpr std::string_view kMagic = "SLTR";
constexpr char kVersion = 1;

void put_number(std::string* out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) *out += static_cast<char>(value | 0x80);
  *out += static_cast<char>(value);
}

void put_text(std::string* out, std::string_view text) {
  put_number(out, text.size());
  out->append(text);
}

void put_digest(std::string* out, const Digest& digest) {
  out->append(reinterpret_cast<const char*>(digest.bytes.data()), digest.bytes.size());
}

void put_head(std::string* out, bool is_root, size_t count) {
  *out += kMagic;
  *out += kVersion;
  *out += is_root ? '\1' : '\0';
  put_number(out, count);
}

struct Cursor {
  std::string_view rest;
  bool ok = true;

  std::string_view take(uint64_t n) {
    ok = ok && n <= rest.size();
    if (!ok) return {};
    const std::string_view out = rest.substr(0, n);
    rest.remove_prefix(n);
    return out;
  }
  uint64_t number() {
    uint64_t value = 0;
    for (int shift = 0; shift < 63; shift += 7) {
      const std::string_view byte = take(1);
      if (!ok) return 0;
      const auto b = static_cast<unsigned char>(byte[0]);
      value |= static_cast<uint64_t>(b & 0x7f) << shift;
      if (b == 0 && shift > 0) break;  // Not the shortest form.
      if (b < 0x80) return value;
    }
    ok = false;
    return 0;
  }
  std::string text(size_t max) {
    const uint64_t n = number();
    ok = ok && n <= max;
    return std::string(take(n));
  }
  Digest digest() {
    Digest out;
    const std::string_view raw = take(out.bytes.size());
    if (ok) std::memcpy(out.bytes.data(), raw.data(), raw.size());
    return out;
  }
};

Error damaged() { return corrupt("tree.corrupt", "a range of a tree is malformed"); }

}  // namespace

Status check_path(std::string_view path) {
  const auto refuse = [&](std::string_view why) {
    return invalid("tree.path", concat({"path '", path.substr(0, 100), "' ", why}));
  };
  if (path.empty() || path.size() > kPathBytesMax)
    return invalid("tree.path", "a path has 1 to 1024 bytes");
  if (!is_utf8(path) || path.find('\0') != path.npos) return refuse("is not UTF-8 text");
  for (const std::string_view part : split(path, '/'))
    if (part.empty() || part == "." || part == "..")
      return refuse("has an empty, '.' or '..' segment");
  return {};
}

bool is_border(std::string_view path, const Shape& shape) {
  return codec::xxh3(path) < UINT64_MAX / static_cast<uint64_t>(shape.entries_target);
}

std::string encode_leaf(std::span<const Entry> entries) {
  std::string out;
  put_head(&out, false, entries.size());
  for (const Entry& e : entries) {
    put_text(&out, e.path);
    put_digest(&out, e.digest);
    put_number(&out, static_cast<uint64_t>(e.size));
    put_text(&out, e.meta);
  }
  return out;
}

std::string encode_root(std::span<const Range> ranges) {
  std::string out;
  put_head(&out, true, ranges.size());
  for (const Range& r : ranges) {
    put_text(&out, r.first);
    put_number(&out, static_cast<uint64_t>(r.entries));
    put_digest(&out, r.digest);
  }
  return out;
}

Result<Decoded> decode_range(std::string_view bytes) {
  Cursor in{bytes};
  const bool magic = in.take(kMagic.size()) == kMagic;
  const std::string_view kind = in.take(2);
  if (!magic || kind.size() != 2 || kind[0] != kVersion || kind[1] < 0 || kind[1] > 1)
    return damaged();
  Decoded out;
  out.is_root = kind[1] == 1;
  const uint64_t count = in.number();
  if (count > bytes.size() / 33) return damaged();  // An item has at least a digest and a path.
  const std::string* last = nullptr;
  for (uint64_t i = 0; i < count && in.ok; ++i) {
    std::string path = in.text(kPathBytesMax);
    if (!in.ok || !check_path(path).ok() || (last != nullptr && path <= *last)) return damaged();
    if (out.is_root) {
      const auto entries = static_cast<int64_t>(in.number());
      out.ranges.push_back({std::move(path), entries, in.digest()});
      last = &out.ranges.back().first;
    } else {
      const Digest digest = in.digest();
      const auto size = static_cast<int64_t>(in.number());
      out.entries.push_back({std::move(path), digest, size, in.text(kMetaBytesMax)});
      last = &out.entries.back().path;
    }
  }
  if (!in.ok || !in.rest.empty() || (out.is_root && count < 2)) return damaged();
  return out;
}

}  // namespace slip::store::tree
