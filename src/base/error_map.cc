#include "base/error_map.h"

#include <array>

#include "base/check.h"

namespace slip {
namespace {

constexpr std::array<CodeRow, kCodeCount> kRows = {{
    {Code::kInvalid, "invalid", "Invalid request", 400, 3, 2, false},
    {Code::kNotFound, "not_found", "Not found", 404, 5, 3, false},
    {Code::kExists, "exists", "Already exists", 409, 6, 5, false},
    {Code::kConflict, "conflict", "Conflict", 409, 9, 5, false},
    {Code::kUnauthorized, "unauthorized", "Not authenticated", 401, 16, 4, false},
    {Code::kForbidden, "forbidden", "Permission denied", 403, 7, 4, false},
    {Code::kExhausted, "exhausted", "Limit reached", 429, 8, 7, true},
    {Code::kUnavailable, "unavailable", "Unavailable", 503, 14, 7, true},
    {Code::kTimeout, "timeout", "Timed out", 504, 4, 7, true},
    {Code::kUnsupported, "unsupported", "Not supported", 501, 12, 1, false},
    {Code::kCorrupt, "corrupt", "Data failed its checksum", 500, 15, 8, false},
    {Code::kInternal, "internal", "Internal error", 500, 13, 1, false},
}};

}  // namespace

const CodeRow& code_row(Code code) {
  const auto index = static_cast<size_t>(code);
  CHECK(index < kRows.size() && kRows[index].code == code);
  return kRows[index];
}

}  // namespace slip
