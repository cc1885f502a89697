#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// Small pure text functions that every layer needs. ASCII rules unless a name says UTF-8.
namespace slip {

std::string to_hex(std::span<const uint8_t> bytes);
std::string to_hex(std::string_view bytes);
std::optional<std::string> from_hex(std::string_view hex);  // Lower or upper case, even length.

std::string to_base64(std::string_view bytes);                 // Standard alphabet, padded.
std::optional<std::string> from_base64(std::string_view b64);  // Standard or URL alphabet.

std::string percent_encode(std::string_view text);  // RFC 3986 unreserved stay.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space);

bool is_utf8(std::string_view bytes);
size_t utf8_length(std::string_view text);  // Code points; `text` must be valid.
// The longest prefix of valid `text` with at most `max_code_points`.
std::string_view utf8_prefix(std::string_view text, size_t max_code_points);

std::string lower(std::string_view text);
bool iequals(std::string_view a, std::string_view b);
std::string_view trim(std::string_view text);
std::vector<std::string_view> split(std::string_view text, char separator);
std::vector<std::string_view> split(std::string&& text, char separator) = delete;  // It dies first.
std::string join(std::span<const std::string> parts, std::string_view separator);
std::string concat(std::initializer_list<std::string_view> parts);

// Whole string or nothing; no sign for unsigned, no blanks.
std::optional<int64_t> parse_int(std::string_view text);
std::optional<double> parse_double(std::string_view text);
// Shortest text that reads back as the same number; "NaN", "Infinity", "-Infinity".
std::string format_double(double value);
std::string format_float(float value);

// "64MiB", "1.5GB", "4096" → bytes.
std::optional<int64_t> parse_size(std::string_view text);
std::string format_size(int64_t bytes);  // "64 MiB"
// "2026-11-23T05:53:00.123Z" from Unix milliseconds.
std::string format_time_ms(int64_t unix_ms);
// What format_time_ms() writes, with fewer places ("2026-11-23", "2026-11-23T05:53Z", …), or Unix
// milliseconds as digits. UTC only.
std::optional<int64_t> parse_time_ms(std::string_view text);

// For HTML's text and attributes in double quotes.
std::string escape_html(std::string_view text);

// True in time that depends on the lengths alone.
bool equal_secret(std::string_view a, std::string_view b);

// Damerau-Levenshtein (optimal string alignment), for "did you mean".
size_t edit_distance(std::string_view a, std::string_view b);

}  // namespace slip
