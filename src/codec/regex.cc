#include "codec/regex.h"

#include <utility>

#include <re2/re2.h>

#include "base/text.h"

namespace slip::codec {
namespace {

constexpr int64_t kProgramBytesMax = 1 << 20;  // Of a compiled pattern: "(a{1000}){1000}" has none.

}  // namespace

struct Regex::Compiled {
  Compiled(std::string_view pattern, const re2::RE2::Options& options)
      : re(re2::StringPiece(pattern.data(), pattern.size()), options) {}
  re2::RE2 re;
};

Regex::Regex(std::unique_ptr<Compiled> compiled) : compiled_(std::move(compiled)) {}
Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;
Regex::~Regex() = default;

Result<Regex> Regex::compile(std::string_view pattern) {
  if (pattern.size() > kRegexBytesMax)
    return invalid("regex.too_long", concat({"a regular expression has more than ",
                                             std::to_string(kRegexBytesMax), " bytes"}));
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kProgramBytesMax);
  auto compiled = std::make_unique<Compiled>(pattern, options);
  if (!compiled->re.ok())
    return invalid("regex.syntax",
                   concat({"Invalid regular expression '", pattern, "': ", compiled->re.error()}));
  return Regex(std::move(compiled));
}

bool Regex::found_in(std::string_view text) const {
  return re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), compiled_->re);
}

}  // namespace slip::codec
