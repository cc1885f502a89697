#include <algorithm>
#include <array>

#include "base/text.h"
#include "contract/rule.h"

// Texts of a well-known form.
namespace slip::contract {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool is_alnum(char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool is_uuid(std::string_view t) {
  if (t.size() != 36) return false;
  for (size_t i = 0; i < t.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? t[i] != '-' : !is_hex(t[i])) return false;
  }
  return true;
}

bool is_hostname(std::string_view t) {
  if (t.empty() || t.size() > 253) return false;
  for (const std::string_view label : split(t, '.')) {
    if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-')
      return false;
    if (!std::ranges::all_of(label, [](char c) { return is_alnum(c) || c == '-'; })) return false;
  }
  return true;
}

bool is_email(std::string_view t) {
  const size_t at = t.rfind('@');
  if (at == t.npos || at == 0 || at > 64) return false;
  const std::string_view local = t.substr(0, at);
  if (local.front() == '.' || local.back() == '.' || local.find("..") != local.npos) return false;
  constexpr std::string_view kMarks = ".!#$%&'*+/=?^_`{|}~-";
  for (const char c : local)
    if (!is_alnum(c) && kMarks.find(c) == kMarks.npos && static_cast<unsigned char>(c) < 0x80)
      return false;
  return is_hostname(t.substr(at + 1)) && t.find('.', at) != t.npos;
}

bool is_ipv4(std::string_view t) {
  const auto parts = split(t, '.');
  return parts.size() == 4 && std::ranges::all_of(parts, [](std::string_view p) {
           if (p.empty() || p.size() > 3 || (p.size() > 1 && p[0] == '0')) return false;
           const auto v = parse_int(p);
           return v && is_digit(p[0]) && *v <= 255;
         });
}

// Groups of up to four digits; one run of zeros may be "::"; the end may be an IPv4 address.
bool is_ipv6(std::string_view t) {
  const size_t gap = t.find("::");
  if (gap != t.npos && t.find("::", gap + 1) != t.npos) return false;
  size_t groups = 0;
  const auto count = [&groups](std::string_view part, bool last) {
    if (part.empty()) return true;
    const auto pieces = split(part, ':');
    for (size_t i = 0; i < pieces.size(); ++i) {
      if (last && i + 1 == pieces.size() && is_ipv4(pieces[i])) {
        groups += 2;
        continue;
      }
      if (pieces[i].empty() || pieces[i].size() > 4 || !std::ranges::all_of(pieces[i], is_hex))
        return false;
      ++groups;
    }
    return true;
  };
  if (gap == t.npos) return count(t, true) && groups == 8;
  return count(t.substr(0, gap), false) && count(t.substr(gap + 2), true) && groups <= 7;
}

bool is_uri(std::string_view t) {
  const size_t colon = t.find(':');
  if (colon == t.npos || colon == 0 || !is_alnum(t[0]) || is_digit(t[0])) return false;
  for (const char c : t.substr(0, colon))
    if (!is_alnum(c) && c != '+' && c != '-' && c != '.') return false;
  return std::ranges::none_of(t, [](char c) {
    return static_cast<unsigned char>(c) <= 0x20 || c == '<' || c == '>' || c == '"' || c == 0x7f;
  });
}

bool anything(std::string_view) { return true; }

struct FormRow {
  std::string_view name;
  bool (*holds)(std::string_view);
};
constexpr std::array kForms = {
    FormRow{"email", is_email},
    FormRow{"uuid", is_uuid},
    FormRow{"uri", is_uri},
    FormRow{"hostname", is_hostname},
    FormRow{"ipv4", is_ipv4},
    FormRow{"ipv6", is_ipv6},
    FormRow{"byte", [](std::string_view t) { return from_base64(t).has_value(); }},
    FormRow{"password", anything},
    FormRow{"binary", anything},
};

const FormRow* find(std::string_view form) {
  const auto at = std::ranges::find(kForms, form, &FormRow::name);
  return at == kForms.end() ? nullptr : &*at;
}

}  // namespace

bool is_known_form(std::string_view form) { return find(form) != nullptr; }

bool has_form(std::string_view form, std::string_view text) {
  const FormRow* row = find(form);
  return row == nullptr || row->holds(text);
}

int64_t code_points(std::string_view text) {
  int64_t n = 0;
  for (const char c : text) n += (c & '\xc0') != '\x80';
  return n;
}

}  // namespace slip::contract
