#pragma once

#include <memory>
#include <string_view>

#include "base/result.h"

// Regular expressions in time linear in the text (RE2): no back-references, no look-around.
// Immutable; any thread.
namespace slip::codec {

inline constexpr size_t kRegexBytesMax = 4096;  // Of the pattern.

class Regex {
 public:
  // kInvalid `regex.syntax`, `regex.too_long`.
  static Result<Regex> compile(std::string_view pattern);
  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;
  ~Regex();

  // Anywhere in the text, unless the pattern is anchored.
  bool found_in(std::string_view text) const;

 private:
  struct Compiled;
  explicit Regex(std::unique_ptr<Compiled> compiled);
  std::unique_ptr<Compiled> compiled_;
};

}  // namespace slip::codec
