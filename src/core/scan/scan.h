#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/table.h"

// Looks into model files for what would run, read or write something when they are loaded. Nothing
// is ever loaded: pickles are interpreted symbolically, opcode by opcode; archives are walked;
// ONNX and safetensors are read as far as their structure. What a file is, is seen from its bytes,
// not from its name. Allowlist first: a pickle's global that is neither known as harmless nor as
// dangerous makes the file `unknown`, and unknown is not clean. Pure; any thread.
//
// Bounds: see Limits; what goes beyond is a finding (`scan.limit`), never a hang.
namespace slip::scan {

// Raise when what scan_file() says of any file changes, so that stored verdicts are made anew.
inline constexpr int64_t kScannerVersion = 1;

enum class Verdict : uint8_t { kClean, kUnknown, kDangerous };
std::string_view verdict_name(Verdict verdict);  // "clean", "unknown", "dangerous"

struct Finding {
  Verdict severity = Verdict::kUnknown;
  std::string code;    // "pickle.global", "onnx.external_path", …
  std::string detail;  // "os.system"
  std::string where;   // Inside an archive: "archive/data.pkl"; else "".
};

struct Report {
  // "pickle", "zip", "npy", "safetensors", "onnx", "text", "data", "unrecognised", …
  std::string kind;
  Verdict verdict = Verdict::kClean;  // The worst of the findings.
  std::vector<Finding> findings;
};

struct Limits {
  int64_t opcodes = 50'000'000;                 // Of all pickles in one file.
  size_t stack = 1'000'000;                     // Entries of a pickle's stack, or of its memo.
  int64_t unpacked_bytes = int64_t{256} << 20;  // Of one compressed entry.
  int64_t unpacked_total_bytes = int64_t{1} << 30;
  int64_t entries = 100'000;  // Of an archive.
  int depth = 3;              // Archives within archives.
  size_t findings = 200;      // Kept; the verdict counts them all.
};

// `name` only decides where bytes alone don't: ".onnx" (protobuf has no magic), ".py".
// An Error is one of reading `bytes`, or of memory.
Result<Report> scan_file(std::string_view name, codec::ByteSource& bytes,
                         const Limits& limits = {});

}  // namespace slip::scan
