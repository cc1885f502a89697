#include "core/scan/scan.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "codec/compress.h"
#include "core/scan/reader.h"

namespace slip::scan {
namespace {

constexpr size_t kHeadBytes = 4096;

// A part of another source.
class Part final : public codec::ByteSource {
 public:
  Part(codec::ByteSource& whole, int64_t begin, int64_t size)
      : whole_(whole), begin_(begin), size_(size) {}
  int64_t size() const override { return size_; }
  Result<size_t> read_at(int64_t offset, std::span<char> out) override {
    if (offset >= size_) return size_t{0};
    const auto most = static_cast<size_t>(size_ - offset);
    return whole_.read_at(begin_ + offset, out.first(std::min(out.size(), most)));
  }

 private:
  codec::ByteSource& whole_;
  int64_t begin_;
  int64_t size_;
};

Result<std::string> head_of(codec::ByteSource& source) {
  std::string out(kHeadBytes, '\0');
  size_t got = 0;
  while (got < out.size()) {
    const size_t n = TRY(
        source.read_at(static_cast<int64_t>(got), std::span(out.data() + got, out.size() - got)));
    if (n == 0) break;
    got += n;
  }
  out.resize(got);
  return out;
}

struct Magic {
  std::string_view bytes;
  std::string_view code;  // "": plain data, nothing to run in it.
};
using std::literals::operator""sv;
// Data formats whose readers build data alone, and formats that we can't look into.
constexpr std::array kMagics = {
    Magic{"PAR1"sv, ""},
    Magic{"ARROW1"sv, ""},
    Magic{"\x89PNG"sv, ""},
    Magic{"\xff\xd8\xff"sv, ""},
    Magic{"GIF8"sv, ""},
    Magic{"{L"sv, ""},
    Magic{"{\x00"sv, ""},
    Magic{"BZh"sv, "bzip2"},
    Magic{"\xfd"
          "7zXZ\x00"sv,
          "xz"},
    Magic{"\x04\x22\x4d\x18"sv, "lz4"},
    Magic{"\x5d\x00\x00"sv, "lzma"},
    Magic{"\x28\xb5\x2f\xfd"sv, "zstd"},
    Magic{"7z\xbc\xaf"sv, "7z"},
    Magic{"Rar!"sv, "rar"},
    Magic{"GGUF"sv, "gguf"},
    Magic{"\x89HDF"sv, "hdf5"},
    Magic{"\x7f"
          "ELF"sv,
          "elf"},
    Magic{"MZ"sv, "executable"},
    Magic{"TFL3"sv, "tflite"},
    Magic{"#!"sv, "script"},
};

bool looks_like_zlib(std::string_view head) {
  if (head.size() < 2) return false;
  const auto a = static_cast<uint8_t>(head[0]);
  const auto b = static_cast<uint8_t>(head[1]);
  return (a & 0x0f) == 8 && (a >> 4) <= 7 && (a * 256 + b) % 31 == 0;
}

bool looks_like_safetensors(std::string_view head, int64_t size) {
  if (head.size() < 10 || head[8] != '{') return false;
  uint64_t n = 0;
  for (size_t i = 0; i < 8; ++i)
    n |= static_cast<uint64_t>(static_cast<uint8_t>(head[i])) << (8 * i);
  return n >= 2 && (n <= static_cast<uint64_t>(size) || n < (uint64_t{1} << 40));
}

// Text as far as the head shows it: UTF-8 (which may be cut at the end) without control bytes.
bool looks_like_text(std::string_view head) {
  for (const char c : head) {
    const auto b = static_cast<unsigned char>(c);
    if (b < 0x20 && c != '\n' && c != '\r' && c != '\t' && c != '\f') return false;
    if (b == 0x7f) return false;
  }
  for (int cut = 0; cut < 4 && static_cast<size_t>(cut) <= head.size(); ++cut)
    if (is_utf8(head.substr(0, head.size() - static_cast<size_t>(cut)))) return true;
  return false;
}

Status unpacked(Scan& scan, std::string_view name, codec::ByteSource& source, int depth) {
  if (source.size() > scan.limits.unpacked_bytes) {
    scan.limit("a compressed file that is too long");
    return {};
  }
  std::string packed(static_cast<size_t>(source.size()), '\0');
  size_t got = 0;
  while (got < packed.size()) {
    const size_t n = TRY(source.read_at(static_cast<int64_t>(got),
                                        std::span(packed.data() + got, packed.size() - got)));
    if (n == 0) break;
    got += n;
  }
  Result<std::string> plain =
      codec::gzip_decompress(packed, static_cast<size_t>(scan.limits.unpacked_bytes));
  if (!plain.ok()) {
    scan.found(Verdict::kUnknown,
               plain.error().code == Code::kExhausted ? "scan.limit" : "compressed.broken",
               plain.error().text);
    return {};
  }
  scan.unpacked_bytes += static_cast<int64_t>(plain->size());
  if (scan.unpacked_bytes > scan.limits.unpacked_total_bytes) {
    scan.limit("more unpacked bytes than are looked at");
    return {};
  }
  const std::unique_ptr<codec::ByteSource> inner = codec::text_source(std::move(*plain));
  return scan_any(scan, name, *inner, depth + 1);
}

struct Entry {
  std::string name;
  int64_t at = 0;  // Of its bytes.
  int64_t packed = 0;
  int method = 0;
};

constexpr uint32_t kLocalMagic = 0x04034b50;
constexpr uint32_t kCentralMagic = 0x02014b50;

// A local header at the reader; sizes that it leaves to a descriptor come from `known`.
std::optional<Entry> local_entry(Reader& in, std::optional<int64_t> known) {
  if (in.little(4) != kLocalMagic) return std::nullopt;
  Entry out;
  if (!in.skip(4)) return std::nullopt;
  const auto method = in.little(2);
  if (!method || !in.skip(8)) return std::nullopt;
  const auto packed = in.little(4);
  if (!packed || !in.skip(4)) return std::nullopt;
  const auto name_size = in.little(2);
  const auto extra_size = in.little(2);
  if (!name_size || !extra_size) return std::nullopt;
  const auto name = in.bytes(static_cast<size_t>(*name_size));
  if (!name || !in.skip(static_cast<int64_t>(*extra_size))) return std::nullopt;
  out.name = *name;
  out.method = static_cast<int>(*method);
  out.at = in.position();
  out.packed = known.value_or(static_cast<int64_t>(*packed));
  out.packed = std::clamp<int64_t>(out.packed, 0, std::max<int64_t>(in.left(), 0));
  return out;
}

// What the central directory says of each entry: where its header is, how long it is packed.
struct Listed {
  int64_t header = 0;
  int64_t packed = 0;
};

std::vector<Listed> central_directory(Scan& scan, Reader& in, int64_t size) {
  std::vector<Listed> out;
  const int64_t tail = std::min<int64_t>(size, 22 + 65535);
  in.seek(size - tail);
  const std::string end = in.bytes(static_cast<size_t>(tail)).value_or("");
  const size_t at = end.rfind("PK\x05\x06"sv);
  if (at == end.npos || at + 20 > end.size()) return out;
  in.seek(size - tail + static_cast<int64_t>(at) + 16);
  const auto start = in.little(4);
  if (!start) return out;
  int64_t directory = static_cast<int64_t>(*start);
  if (*start == 0xffffffff && at >= 20) {  // Zip64: the locator stands before.
    in.seek(size - tail + static_cast<int64_t>(at) - 12);
    const auto record = in.little(8);
    if (!record || *record > static_cast<uint64_t>(size)) return out;
    in.seek(static_cast<int64_t>(*record) + 48);
    directory = static_cast<int64_t>(in.little(8).value_or(0));
  }
  if (directory < 0 || directory > size) return out;
  in.seek(directory);
  while (in.little(4) == kCentralMagic) {
    if (static_cast<int64_t>(out.size()) >= scan.limits.entries) {
      scan.limit("an archive with more entries than are looked at");
      break;
    }
    if (!in.skip(16)) break;
    const auto packed = in.little(4);
    if (!packed || !in.skip(4)) break;
    const auto name = in.little(2);
    const auto extra = in.little(2);
    const auto comment = in.little(2);
    if (!name || !extra || !comment || !in.skip(8)) break;
    const auto header = in.little(4);
    if (!header || !in.skip(static_cast<int64_t>(*name))) break;
    Listed one{.header = static_cast<int64_t>(*header), .packed = static_cast<int64_t>(*packed)};
    // Zip64 extra: the sizes and the offset that did not fit, in that order.
    const std::string more = in.bytes(static_cast<size_t>(*extra)).value_or("");
    if ((*packed == 0xffffffff || *header == 0xffffffff) && more.size() >= 12)
      scan.found(Verdict::kUnknown, "zip.zip64", "an entry beyond 4 GiB is not looked into");
    out.push_back(one);
    if (!in.skip(static_cast<int64_t>(*comment))) break;
  }
  return out;
}

Status scan_entry(Scan& scan, codec::ByteSource& source, const Entry& e, int depth) {
  const std::string outer = scan.where;
  scan.where = outer.empty() ? e.name : concat({outer, "!", e.name});
  Part part(source, e.at, e.packed);
  Status status;
  if (e.method == 0) {
    status = scan_any(scan, e.name, part, depth + 1);
  } else if (e.method == 8 && e.packed <= scan.limits.unpacked_bytes) {
    std::string packed(static_cast<size_t>(e.packed), '\0');
    const Result<size_t> got = part.read_at(0, packed);
    if (!got.ok()) return got.error();
    // A raw deflate stream; a wrong checksum is the reader's business, not ours.
    Result<std::string> plain =
        codec::inflate_raw(packed, static_cast<size_t>(scan.limits.unpacked_bytes));
    if (plain.ok()) {
      scan.unpacked_bytes += static_cast<int64_t>(plain->size());
      const std::unique_ptr<codec::ByteSource> inner = codec::text_source(std::move(*plain));
      if (scan.unpacked_bytes > scan.limits.unpacked_total_bytes)
        scan.limit("more unpacked bytes than are looked at");
      else
        status = scan_any(scan, e.name, *inner, depth + 1);
    } else {
      scan.found(Verdict::kUnknown, "zip.entry", plain.error().text);
    }
  } else {
    scan.found(Verdict::kUnknown, "zip.method", std::to_string(e.method));
  }
  scan.where = outer;
  return status;
}

// A pickle has no magic before protocol 2. Text can look like the beginning of one ("click" names
// a global): there the stream must end as one, or name something dangerous.
bool is_pickle(Scan& scan, Reader& reader, std::string_view head) {
  if (!looks_like_text(head)) return scan_pickle(scan, reader);
  Report report;
  Scan trial = scan;
  trial.report = &report;
  const bool named = scan_pickle(trial, reader);
  scan.opcodes = trial.opcodes;
  const bool broken = std::any_of(report.findings.begin(), report.findings.end(),
                                  [](const Finding& f) { return f.code == "pickle.broken"; });
  if (!named || (broken && report.verdict != Verdict::kDangerous)) return false;
  for (Finding& f : report.findings) scan.found(f.severity, f.code, std::move(f.detail));
  return true;
}

}  // namespace

std::string_view verdict_name(Verdict verdict) {
  constexpr std::array<std::string_view, 3> kNames = {"clean", "unknown", "dangerous"};
  return kNames[static_cast<size_t>(verdict)];
}

// By the central directory, as Python's zipfile reads it; besides, every local header in order, as
// torch's reader and recovery tools do: an entry that only one of them sees is looked at too.
Status scan_zip(Scan& scan, codec::ByteSource& source, int depth) {
  const int64_t size = source.size();
  Reader in(source, 0, size);
  std::vector<int64_t> seen;
  for (const Listed& listed : central_directory(scan, in, size)) {
    in.seek(listed.header);
    const auto entry = local_entry(in, listed.packed);
    if (!entry) {
      scan.found(Verdict::kUnknown, "zip.entry", "an entry without a header");
      continue;
    }
    seen.push_back(listed.header);
    TRY(scan_entry(scan, source, *entry, depth));
  }
  std::sort(seen.begin(), seen.end());
  int64_t at = 0;
  for (int64_t n = 0; n < scan.limits.entries; ++n) {
    in.seek(at);
    const auto entry = local_entry(in, std::nullopt);
    if (!entry) break;
    if (!std::binary_search(seen.begin(), seen.end(), at)) {
      scan.found(Verdict::kUnknown, "zip.hidden", "an entry that the directory does not list");
      TRY(scan_entry(scan, source, *entry, depth));
    }
    at = entry->at + entry->packed;
  }
  return in.status();
}

Status scan_any(Scan& scan, std::string_view name, codec::ByteSource& source, int depth) {
  if (depth > scan.limits.depth) {
    scan.limit("archives within archives");
    return {};
  }
  const std::string head = TRY(head_of(source));
  const auto kind = [&](std::string_view what) {
    if (depth == 0) scan.report->kind = what;
  };
  Reader reader(source, 0, source.size());
  if (head.starts_with("PK\x03\x04"sv) || head.starts_with("PK\x05\x06"sv)) {
    kind("zip");
    return scan_zip(scan, source, depth);
  }
  if (head.starts_with("\x93NUMPY"sv)) {
    kind("npy");
    scan_npy(scan, reader);
    return reader.status();
  }
  if (head.starts_with("\x1f\x8b"sv) || looks_like_zlib(head)) {
    // Text may begin with what looks like zlib's two bytes ("x" and a letter).
    if (!looks_like_text(head)) {
      kind("compressed");
      return unpacked(scan, name, source, depth);
    }
  }
  if (looks_like_safetensors(head, source.size())) {
    kind("safetensors");
    scan_safetensors(scan, reader);
    return reader.status();
  }
  if (is_pickle(scan, reader, head)) {
    kind("pickle");
    return reader.status();
  }
  TRY(reader.status());
  if (lower(name).ends_with(".onnx")) {
    reader.seek(0);
    kind("onnx");
    if (!scan_onnx(scan, reader))
      scan.found(Verdict::kUnknown, "onnx.broken", "not an ONNX model as far as we can read it");
    return reader.status();
  }
  if (lower(name).ends_with(".py")) {
    kind("python");
    scan.found(Verdict::kUnknown, "python.source", std::string(name));
    return {};
  }
  for (const Magic& magic : kMagics) {
    if (!head.starts_with(magic.bytes)) continue;
    kind(magic.code.empty() ? "data" : magic.code);
    if (!magic.code.empty())
      scan.found(Verdict::kUnknown, "file.not_looked_into", std::string(magic.code));
    return {};
  }
  if (head.empty() || looks_like_text(head)) {
    kind("text");
    return {};
  }
  kind("unrecognised");
  // Beside a pickle in an archive lie raw tensors (torch's data/0, data/1 …).
  if (depth == 0) scan.found(Verdict::kUnknown, "file.unrecognised", std::string(name));
  return {};
}

Result<Report> scan_file(std::string_view name, codec::ByteSource& bytes, const Limits& limits) {
  Report report;
  Scan scan{.limits = limits, .report = &report, .opcodes = 0, .unpacked_bytes = 0, .where = ""};
  TRY(scan_any(scan, name, bytes, 0));
  if (report.kind.empty()) report.kind = "text";
  return report;
}

}  // namespace slip::scan
