#pragma once

#include <cstdint>
#include <string>
#include <string_view>

// What can go wrong, as a value. `code` is closed and decides status, exit code and retry
// (base/error_map.h); `reason` is a stable slug that tests and clients match; `text` is a sentence
// for people and gains context once per layer; `hint` says what to do next, when we know.
namespace slip {

enum class Code : uint8_t {
  kInvalid,  // The request can never succeed as written.
  kNotFound,
  kExists,
  kConflict,      // Well-formed, but the current state forbids it; re-read and retry.
  kUnauthorized,  // Who are you?
  kForbidden,     // I know who you are; no.
  kExhausted,     // Quota, rate, size or queue limit.
  kUnavailable,   // Transient; safe to retry.
  kTimeout,
  kUnsupported,
  kCorrupt,   // Stored bytes fail their checksum.
  kInternal,  // Our bug.
};
inline constexpr int kCodeCount = 12;

struct Error {
  Code code = Code::kInternal;
  std::string reason;  // "model_version.already_live"
  std::string text;
  std::string hint;

  Error&& within(std::string_view context) && {
    text.insert(0, ": ").insert(0, context);
    return std::move(*this);
  }
  Error&& with_hint(std::string_view advice) && {
    hint = advice;
    return std::move(*this);
  }
};

// One maker per code that call sites build by hand: `return not_found("model.not_found", "…")`.
Error invalid(std::string_view reason, std::string text);
Error not_found(std::string_view reason, std::string text);
Error exists(std::string_view reason, std::string text);
Error conflict(std::string_view reason, std::string text);
Error unauthorized(std::string_view reason, std::string text);
Error forbidden(std::string_view reason, std::string text);
Error exhausted(std::string_view reason, std::string text);
Error unavailable(std::string_view reason, std::string text);
Error timed_out(std::string_view reason, std::string text);
Error unsupported(std::string_view reason, std::string text);
Error corrupt(std::string_view reason, std::string text);
Error internal(std::string_view reason, std::string text);

}  // namespace slip
