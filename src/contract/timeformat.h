#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

// Times as text: patterns of the JDK's DateTimeFormatter that are made of digits (y u M d H h m s S
// n a), offsets (X x Z), 'quoted' and other literal text; without a pattern ISO 8601. A text
// without offset is UTC. Immutable; any thread.
namespace slip::contract {

class TimeFormat {
 public:
  // kUnsupported `contract.time_format` for letters that aren't read (names of months, eras,
  // zones).
  static Result<TimeFormat> compile(std::string_view pattern);
  // ISO 8601: a day, or a day and a time; `of_day`: a time alone.
  static TimeFormat iso(bool of_day);

  // Microseconds since 1970, or since midnight if the pattern has no day. Nothing: it doesn't fit,
  // or there is no such day or hour.
  std::optional<int64_t> parse(std::string_view text) const;

 private:
  struct Step {
    char letter = 0;  // 0: literal text.
    int width = 0;
    std::string literal;
  };
  struct Fields;
  bool take(const Step& step, std::string_view* text, Fields* out) const;

  std::vector<Step> steps_;
  bool iso_ = false;
  bool of_day_ = false;
};

}  // namespace slip::contract
