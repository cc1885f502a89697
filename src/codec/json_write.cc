#include <array>
#include <charconv>
#include <cmath>

#include "base/text.h"
#include "codec/json.h"

namespace slip::codec {
namespace {

// Length of the well-formed UTF-8 sequence that `s` begins with; 0 when there is none.
size_t sequence_length(std::string_view s) {
  const auto lead = static_cast<unsigned char>(s[0]);
  const size_t n = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  return s.size() >= n && is_utf8(s.substr(0, n)) ? n : 0;
}

// Bytes that stand for themselves inside a string.
constexpr std::array<bool, 256> kPlain = [] {
  std::array<bool, 256> plain{};
  for (size_t c = 0x20; c < 0x80; ++c) plain[c] = c != '"' && c != '\\';
  return plain;
}();

void append_escaped(std::string* out, unsigned char c) {
  constexpr std::string_view kHex = "0123456789abcdef";
  switch (c) {
    case '"':
      *out += "\\\"";
      return;
    case '\\':
      *out += "\\\\";
      return;
    case '\b':
      *out += "\\b";
      return;
    case '\f':
      *out += "\\f";
      return;
    case '\n':
      *out += "\\n";
      return;
    case '\r':
      *out += "\\r";
      return;
    case '\t':
      *out += "\\t";
      return;
    default:
      *out += "\\u00";
      *out += kHex[c >> 4];
      *out += kHex[c & 15];
  }
}

std::string_view non_finite_name(double v) {
  return std::isnan(v) ? "NaN" : v > 0 ? "Infinity" : "-Infinity";
}

struct Writer {
  std::string* out;
  int indent;
  NonFinite non_finite;

  std::string_view comma() const { return indent == kSpaced ? ", " : ","; }
  void line(int depth) const {
    if (indent <= 0) return;
    *out += '\n';
    out->append(static_cast<size_t>(indent) * static_cast<size_t>(depth), ' ');
  }

  void write(const Json& v, int depth) const {
    switch (v.kind()) {
      case Json::Kind::kNull:
        *out += "null";
        return;
      case Json::Kind::kBool:
        *out += v.as_bool() ? "true" : "false";
        return;
      case Json::Kind::kInt:
        append_json_int(out, v.as_int());
        return;
      case Json::Kind::kDouble:
        append_json_double(out, v.as_double(), non_finite);
        return;
      case Json::Kind::kString:
        append_json_string(out, v.as_string());
        return;
      case Json::Kind::kArray:
        write_array(v, depth);
        return;
      case Json::Kind::kObject:
        write_object(v, depth);
        return;
    }
  }

  void write_array(const Json& v, int depth) const {
    *out += '[';
    bool first = true;
    for (const Json& item : v.items()) {
      if (!std::exchange(first, false)) *out += comma();
      line(depth + 1);
      write(item, depth + 1);
    }
    if (!v.items().empty()) line(depth);
    *out += ']';
  }

  void write_object(const Json& v, int depth) const {
    *out += '{';
    bool first = true;
    for (const auto& [key, value] : v.members()) {
      if (!std::exchange(first, false)) *out += comma();
      line(depth + 1);
      append_json_string(out, key);
      *out += indent ? ": " : ":";
      write(value, depth + 1);
    }
    if (!v.members().empty()) line(depth);
    *out += '}';
  }
};

// ---- RFC 8785

// ECMAScript's Number::toString (ECMA-262, 6.1.6.1.20) from the shortest digits.
void append_es_number(std::string* out, double v) {
  if (v == 0) {
    *out += '0';
    return;
  }
  std::array<char, 32> text{};
  const auto end =
      std::to_chars(text.data(), text.data() + text.size(), v, std::chars_format::scientific).ptr;
  std::string_view s(text.data(), static_cast<size_t>(end - text.data()));
  if (s[0] == '-') {
    *out += '-';
    s.remove_prefix(1);
  }
  const size_t e = s.find('e');
  std::string digits(s.substr(0, e));
  std::erase(digits, '.');
  int exponent = 0;
  const char* from = s.data() + e + 1;
  std::from_chars(*from == '+' ? from + 1 : from, s.data() + s.size(), exponent);
  const int k = static_cast<int>(digits.size());
  const int n = exponent + 1;  // The point stands after n digits.
  const auto zeros = [](int count) { return std::string(static_cast<size_t>(count), '0'); };
  if (k <= n && n <= 21) {
    *out += digits + zeros(n - k);
  } else if (0 < n && n <= 21) {
    *out += digits.substr(0, static_cast<size_t>(n)) + "." + digits.substr(static_cast<size_t>(n));
  } else if (-6 < n && n <= 0) {
    *out += "0." + zeros(-n) + digits;
  } else {
    *out += digits[0];
    if (k > 1) *out += "." + digits.substr(1);
    *out += n - 1 < 0 ? "e-" : "e+";
    append_json_int(out, std::abs(n - 1));
  }
}

// The code units of UTF-16, by which RFC 8785 orders keys; `text` is well-formed.
std::u16string utf16(std::string_view text) {
  std::u16string out;
  for (size_t i = 0; i < text.size();) {
    const size_t n = sequence_length(text.substr(i));
    constexpr std::array<uint32_t, 5> kLeadBits = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t c = static_cast<unsigned char>(text[i]) & kLeadBits[n];
    for (size_t j = 1; j < n; ++j) c = c << 6 | (static_cast<unsigned char>(text[i + j]) & 0x3f);
    if (c < 0x10000) {
      out += static_cast<char16_t>(c);
    } else {
      out += static_cast<char16_t>(0xd800 + ((c - 0x10000) >> 10));
      out += static_cast<char16_t>(0xdc00 + ((c - 0x10000) & 0x3ff));
    }
    i += n;
  }
  return out;
}

Status append_canonical(std::string* out, const Json& v);

Status append_canonical_string(std::string* out, const std::string& text) {
  if (!is_utf8(text)) return invalid("json.utf8", "a string is not UTF-8");
  append_json_string(out, text);
  return {};
}

Status append_canonical_object(std::string* out, const Json& v) {
  std::vector<std::pair<std::u16string, const JsonMember*>> sorted;
  sorted.reserve(v.members().size());
  for (const JsonMember& m : v.members()) {
    if (!is_utf8(m.first)) return invalid("json.utf8", "a key is not UTF-8");
    sorted.emplace_back(utf16(m.first), &m);
  }
  std::sort(sorted.begin(), sorted.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  *out += '{';
  for (size_t i = 0; i < sorted.size(); ++i) {
    if (i > 0 && sorted[i].first == sorted[i - 1].first)
      return invalid("json.duplicate_key", "key '" + sorted[i].second->first + "' occurs twice");
    if (i > 0) *out += ',';
    TRY(append_canonical_string(out, sorted[i].second->first));
    *out += ':';
    TRY(append_canonical(out, sorted[i].second->second));
  }
  *out += '}';
  return {};
}

Status append_canonical(std::string* out, const Json& v) {
  constexpr int64_t kExactMax = int64_t{1} << 53;
  switch (v.kind()) {
    case Json::Kind::kInt:
      if (v.as_int() > kExactMax || v.as_int() < -kExactMax)
        return invalid("json.number", "integers beyond 2^53 have no exact form in RFC 8785");
      append_json_int(out, v.as_int());
      return {};
    case Json::Kind::kDouble:
      if (!std::isfinite(v.as_double()))
        return invalid("json.number", "NaN and infinities have no form in RFC 8785");
      append_es_number(out, v.as_double());
      return {};
    case Json::Kind::kString:
      return append_canonical_string(out, v.as_string());
    case Json::Kind::kArray: {
      *out += '[';
      for (size_t i = 0; i < v.items().size(); ++i) {
        if (i > 0) *out += ',';
        TRY(append_canonical(out, v.items()[i]));
      }
      *out += ']';
      return {};
    }
    case Json::Kind::kObject:
      return append_canonical_object(out, v);
    default:
      Writer{out, 0, NonFinite::kReject}.write(v, 0);
      return {};
  }
}

}  // namespace

void append_json_int(std::string* out, int64_t v) {
  std::array<char, 24> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), v).ptr;
  out->append(text.data(), end);
}

void append_json_double(std::string* out, double v, NonFinite non_finite) {
  if (!std::isfinite(v)) {
    CHECK(non_finite != NonFinite::kReject);
    const bool quoted = non_finite == NonFinite::kString;
    if (quoted) *out += '"';
    *out += non_finite_name(v);
    if (quoted) *out += '"';
    return;
  }
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), v).ptr;
  const auto says_real = [](char c) { return c == '.' || c == 'e'; };
  out->append(text.data(), end);
  if (std::none_of(text.data(), end, says_real)) *out += ".0";  // Reads back as a double.
}

void append_json_string(std::string* out, std::string_view text) {
  *out += '"';
  size_t clean = 0;  // Start of what can be copied as it is.
  for (size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (kPlain[c]) {
      ++i;
      continue;
    }
    const size_t n = c < 0x80 ? 0 : sequence_length(text.substr(i));
    if (n > 0) {
      i += n;
      continue;
    }
    out->append(text.substr(clean, i - clean));
    if (c < 0x80)
      append_escaped(out, c);
    else
      *out += "\xef\xbf\xbd";  // U+FFFD for a byte that is no UTF-8.
    clean = ++i;
  }
  out->append(text.substr(clean));
  *out += '"';
}

std::string to_json(const Json& value, int indent, NonFinite non_finite) {
  std::string out;
  Writer{&out, indent, non_finite}.write(value, 0);
  return out;
}

Result<std::string> to_canonical_json(const Json& value) {
  std::string out;
  TRY(append_canonical(&out, value));
  return out;
}

}  // namespace slip::codec
