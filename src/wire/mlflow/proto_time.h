#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// Timestamps and durations as protobuf's JSON mapping writes them. Pure.
namespace slip::wire::mlflow {

// RFC 3339 with a zone: "2026-11-23T03:28:00.414Z", "…+01:00". Microseconds since the epoch; finer
// digits are dropped. Empty when it is no such text.
std::optional<int64_t> parse_timestamp_us(std::string_view text);
std::string format_timestamp_us(int64_t unix_us);  // "…Z" with 3 or 6 digits.

// "1.5s", "-0.000001s".
std::optional<int64_t> parse_duration_us(std::string_view text);
std::string format_duration_us(int64_t us);  // 0, 3 or 6 digits.

}  // namespace slip::wire::mlflow
