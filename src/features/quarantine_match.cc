#include <algorithm>

#include "base/text.h"
#include "codec/json.h"
#include "features/quarantine.h"
#include "features/stream_rows.h"

// What may be somebody's among what couldn't be read. Too much is taken rather than too little.
namespace slip::features {
namespace {

using codec::Json;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

enum class Fit : uint8_t { kYes, kNo, kUnknown };
Fit fit_of(const Json* found, const Json& value) {
  if (found == nullptr || found->is_null()) return Fit::kUnknown;
  if (found->is_number() && value.is_number())
    return *found == value || found->as_double() == value.as_double() ? Fit::kYes : Fit::kNo;
  if (found->kind() != value.kind()) return Fit::kUnknown;
  return *found == value ? Fit::kYes : Fit::kNo;
}

// "k\u00f6ln": as writers of JSON have it that keep to ASCII.
std::string escaped(std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out;
  const auto unit = [&](uint32_t v) {
    out += "\\u";
    for (int shift = 12; shift >= 0; shift -= 4) out += kHex[v >> shift & 15];
  };
  for (size_t i = 0; i < text.size();) {
    const auto c = static_cast<uint8_t>(text[i]);
    const size_t n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    if (n == 1 || i + n > text.size()) {
      out += text[i++];
      continue;
    }
    uint32_t code = c & (0xffU >> (n + 1));
    for (size_t k = 1; k < n; ++k) code = code << 6 | (static_cast<uint8_t>(text[i + k]) & 0x3fU);
    if (code > 0xffff) {
      unit(0xd7c0 + (code >> 10));
      unit(0xdc00 + (code & 0x3ff));
    } else {
      unit(code);
    }
    i += n;
  }
  return out;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// As a number of its own, zeros before it or not: 7 is in "007" and in "7.0", not in "17".
bool has_number(const std::string& text, const std::string& digits) {
  for (size_t at = text.find(digits); at != text.npos; at = text.find(digits, at + 1)) {
    size_t from = at;
    while (from > 0 && text[from - 1] == '0') --from;
    const size_t end = at + digits.size();
    const bool begins = from == 0 || !is_digit(text[from - 1]);
    if (begins && (end == text.size() || !is_digit(text[end]))) return true;
  }
  return false;
}

bool mentions(const std::string& text, const Json& value) {
  if (value.is_int()) return has_number(text, std::to_string(value.as_int()));
  if (!value.is_string()) return has(text, lower(codec::to_json(value)));
  const std::string& given = value.as_string();
  const std::string quoted = codec::to_json(value);
  return has(text, lower(given)) ||
         has(text, lower(std::string_view(quoted).substr(1, quoted.size() - 2))) ||
         has(text, lower(escaped(given)));
}

// Of what the message said; where it came from is ours.
std::string text_of(const Json& record) {
  std::string out;
  for (const auto& [name, value] : record.members()) {
    if (name == kOriginMember) continue;
    out += value.is_string() ? value.as_string() : codec::to_json(value);
    out += '\n';
  }
  return lower(out);
}

}  // namespace

bool may_concern(std::string_view bytes, const Erasing& what) {
  const Result<Json> record = codec::parse_json(bytes);
  const bool readable = record.ok() && record->is_object();
  if (readable && record->find("_base64") != nullptr) return true;
  const std::string text = readable ? text_of(*record) : lower(bytes);
  return std::all_of(what.keys.begin(), what.keys.end(), [&](const auto& key) {
    const auto& [name, value] = key;
    const Fit fit = fit_of(readable ? record->find(name) : nullptr, value);
    return fit == Fit::kYes || (fit == Fit::kUnknown && mentions(text, value));
  });
}

}  // namespace slip::features
