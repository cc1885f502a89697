#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "codec/table.h"
#include "core/scan/scan.h"

// What the parts of the scanner share: a window on a file, and a place for findings.
namespace slip::scan {

// Reads forward through [begin, end) of a source; an error of the source is kept and looks like the
// end. One thread.
class Reader {
 public:
  Reader(codec::ByteSource& source, int64_t begin, int64_t end);

  int64_t position() const { return position_; }
  int64_t left() const { return end_ - position_; }
  void seek(int64_t position) { position_ = position; }
  std::optional<uint8_t> byte();
  // Exactly n bytes, or nothing when there are fewer.
  std::optional<std::string> bytes(size_t n);
  bool skip(int64_t n);
  std::optional<uint64_t> little(int n);  // n ≤ 8 bytes, least significant first.
  // Up to and without '\n'; at most `max` bytes, more is nothing.
  std::optional<std::string> line(size_t max);
  std::optional<uint64_t> varint();  // Protobuf.
  const Status& status() const { return status_; }

 private:
  bool fill();
  codec::ByteSource& source_;
  int64_t position_;
  int64_t end_;
  std::string window_;
  int64_t window_at_ = 0;
  Status status_;
};

// One scan under way.
struct Scan {
  const Limits& limits;
  Report* report;
  int64_t opcodes = 0;
  int64_t unpacked_bytes = 0;
  std::string where;

  void found(Verdict severity, std::string_view code, std::string detail);
  void limit(std::string_view what) { found(Verdict::kUnknown, "scan.limit", std::string(what)); }
};

// True when the bytes are a pickle, or began as one and named a global before they ended.
bool scan_pickle(Scan& scan, Reader& reader);
// "\x93NUMPY…": an array of objects holds a pickle.
void scan_npy(Scan& scan, Reader& reader);
void scan_safetensors(Scan& scan, Reader& reader);
// False when the bytes are no ONNX model.
bool scan_onnx(Scan& scan, Reader& reader);
Status scan_zip(Scan& scan, codec::ByteSource& source, int depth);
// Any file, at `depth` levels of archives.
Status scan_any(Scan& scan, std::string_view name, codec::ByteSource& source, int depth);

}  // namespace slip::scan
