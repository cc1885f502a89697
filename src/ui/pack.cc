#include "ui/pack.h"

#include <algorithm>
#include <optional>
#include <string>

#include "codec/hash.h"

extern "C" {
extern const char slipway_ui_begin[];
extern const char slipway_ui_end[];
}

namespace slip::ui {
namespace {

constexpr std::string_view kMagic = "SLIPUIPK";
constexpr uint64_t kHeaderBytes = 64;
constexpr uint64_t kDigestBytes = 32;
constexpr uint32_t kImmutable = 1;

Error broken(std::string text) { return corrupt("ui.pack_corrupt", std::move(text)); }

// Reads fixed parts from the front; after the first short read everything is zero and `ok` false.
struct Reader {
  std::string_view left;
  bool ok = true;

  std::string_view take(uint64_t bytes) {
    if (bytes > left.size()) {
      ok = false;
      left = {};
      return {};
    }
    const std::string_view out = left.substr(0, bytes);
    left.remove_prefix(bytes);
    return out;
  }

  uint64_t number(size_t bytes) {
    const std::string_view raw = take(bytes);
    uint64_t value = 0;
    for (size_t i = raw.size(); i-- > 0;) value = value << 8 | static_cast<uint8_t>(raw[i]);
    return value;
  }
};

bool digest_is(std::string_view bytes, std::string_view want) {
  const codec::Sha256 have = codec::sha256(bytes);
  return std::equal(have.bytes.begin(), have.bytes.end(), want.begin(), want.end(),
                    [](uint8_t a, char b) { return a == static_cast<uint8_t>(b); });
}

Result<Form> read_form(Reader& in, std::string_view file, uint64_t blobs_from) {
  const uint64_t offset = in.number(8);
  const uint64_t bytes = in.number(8);
  const std::string_view digest = in.take(kDigestBytes);
  if (!in.ok) return broken("the index ends inside an entry");
  if (offset == 0) return Form{};
  if (offset < blobs_from || offset > file.size() || bytes > file.size() - offset) {
    return broken("a blob lies outside the file");
  }
  const Form form{.bytes = file.substr(offset, bytes), .digest = digest};
  if (!digest_is(form.bytes, digest)) return broken("a blob doesn't match its digest");
  return form;
}

Result<Entry> read_entry(Reader& in, std::string_view file, uint64_t blobs_from) {
  Entry entry;
  const uint64_t path_bytes = in.number(2);
  const uint64_t mime_bytes = in.number(2);
  entry.immutable = (in.number(4) & kImmutable) != 0;
  for (Form& form : entry.forms) form = TRY(read_form(in, file, blobs_from));
  entry.path = in.take(path_bytes);
  entry.mime = in.take(mime_bytes);
  if (!in.ok) return broken("the index ends inside an entry");
  if (entry.path.empty() || entry.mime.empty()) return broken("an entry has no path or no type");
  if (!entry.form(Coding::kIdentity).present()) return broken("an entry has no plain form");
  return entry;
}

}  // namespace

Result<Pack> Pack::open(std::string_view bytes) {
  Pack pack;
  if (bytes.empty()) return pack;
  if (bytes.size() > kPackBytesMax) return broken("the pack is too large");
  Reader head{bytes};
  if (head.take(kMagic.size()) != kMagic) return broken("this is no console pack");
  const uint64_t version = head.number(4);
  const uint64_t count = head.number(4);
  const uint64_t index_bytes = head.number(8);
  const uint64_t file_bytes = head.number(8);
  const std::string_view digest = head.take(kDigestBytes);
  if (!head.ok) return broken("the header is cut short");
  if (version != kPackVersion) {
    return unsupported("ui.pack_version",
                       "the console pack has format " + std::to_string(version) + ", known is 1");
  }
  if (file_bytes != bytes.size()) return broken("the pack is not as long as it says");
  if (count > kEntriesMax) return broken("the pack has too many entries");
  Reader index{head.take(index_bytes)};
  if (!head.ok) return broken("the index is cut short");
  if (!digest_is(index.left, digest)) return broken("the index doesn't match its digest");
  pack.entries_.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    Entry entry = TRY(read_entry(index, bytes, kHeaderBytes + index_bytes));
    if (!pack.entries_.empty() && pack.entries_.back().path >= entry.path) {
      return broken("the index isn't in order");
    }
    pack.entries_.push_back(entry);
  }
  if (!index.left.empty()) return broken("the index has bytes left over");
  return pack;
}

const Entry* Pack::find(std::string_view path) const {
  const auto at = std::lower_bound(entries_.begin(), entries_.end(), path,
                                   [](const Entry& e, std::string_view p) { return e.path < p; });
  return at != entries_.end() && at->path == path ? &*at : nullptr;
}

std::string_view embedded_pack() {
  return {slipway_ui_begin, static_cast<size_t>(slipway_ui_end - slipway_ui_begin)};
}

}  // namespace slip::ui
