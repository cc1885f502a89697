#include "contract/pbtxt.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>

#include "base/text.h"

namespace slip::contract {
namespace {

using codec::Json;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_word(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<Json> message(char end, int depth) {
    if (depth > kPbtxtDepthMax) return fail("pbtxt.depth", "messages nest deeper than 64");
    std::vector<std::pair<std::string, std::vector<Json>>> fields;
    std::map<std::string, size_t, std::less<>> index;
    for (;;) {
      blanks();
      if (at_ == text_.size()) {
        if (end != 0) return fail("pbtxt.syntax", "a message has no end");
        break;
      }
      if (end != 0 && text_[at_] == end) {
        ++at_;
        break;
      }
      std::string name = TRY(field_name());
      const auto [row, is_new] = index.try_emplace(name, fields.size());
      if (is_new) fields.emplace_back(std::move(name), std::vector<Json>());
      const size_t field = row->second;
      TRY(values(&fields[field].second, depth));
      blanks();
      if (at_ < text_.size() && (text_[at_] == ',' || text_[at_] == ';')) ++at_;
    }
    std::vector<codec::JsonMember> members;
    for (auto& [name, list] : fields)
      members.emplace_back(std::move(name), Json::array(std::move(list)));
    return Json::object(std::move(members));
  }

 private:
  Error fail(std::string_view reason, std::string_view what) const {
    const auto line = 1 + std::ranges::count(text_.substr(0, std::min(at_, text_.size())), '\n');
    return invalid(reason, concat({"line ", std::to_string(line), ": ", what}));
  }
  void blanks() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '#')
        at_ = std::min(text_.find('\n', at_), text_.size());
      else if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
        ++at_;
      else
        return;
    }
  }
  std::string_view word() {
    const size_t from = at_;
    while (at_ < text_.size() && is_word(text_[at_])) ++at_;
    return text_.substr(from, at_ - from);
  }

  // A name, or an extension or type in brackets.
  Result<std::string> field_name() {
    if (text_[at_] == '[') {
      const size_t end = text_.find(']', at_);
      if (end == text_.npos) return fail("pbtxt.syntax", "a name has no end");
      std::string out(text_.substr(at_, end + 1 - at_));
      if (!is_utf8(out)) return fail("pbtxt.syntax", "a name is not UTF-8");
      at_ = end + 1;
      return out;
    }
    const std::string_view name = word();
    if (name.empty() || is_digit(name[0]))
      return fail("pbtxt.syntax", "a field begins with its name");
    return std::string(name);
  }

  Status values(std::vector<Json>* out, int depth) {
    blanks();
    const bool colon = at_ < text_.size() && text_[at_] == ':';
    if (colon) ++at_;
    blanks();
    if (at_ == text_.size()) return fail("pbtxt.syntax", "a field has no value");
    if (!colon && text_[at_] != '{' && text_[at_] != '<')
      return fail("pbtxt.syntax", "a ':' is missing");
    if (text_[at_] != '[') {
      out->push_back(TRY(value(depth)));
      return {};
    }
    ++at_;
    for (blanks(); at_ < text_.size() && text_[at_] != ']'; blanks()) {
      out->push_back(TRY(value(depth)));
      blanks();
      if (at_ < text_.size() && text_[at_] == ',') ++at_;
    }
    if (at_ == text_.size()) return fail("pbtxt.syntax", "a list has no end");
    ++at_;
    return {};
  }

  Result<Json> value(int depth) {
    const char c = text_[at_];
    if (c == '{' || c == '<') {
      ++at_;
      return message(c == '{' ? '}' : '>', depth + 1);
    }
    if (c == '"' || c == '\'') return strings();
    const bool minus = c == '-';
    if (minus) {
      ++at_;
      blanks();
    }
    const size_t from = at_;
    while (at_ < text_.size() &&
           (is_word(text_[at_]) || text_[at_] == '.' ||
            ((text_[at_] == '+' || text_[at_] == '-') && at_ > from &&
             lower(text_.substr(at_ - 1, 1)) == "e" && !text_.substr(from).starts_with("0x"))))
      ++at_;
    const std::string_view token = text_.substr(from, at_ - from);
    if (token.empty()) return fail("pbtxt.syntax", "a value is missing");
    if (!is_digit(token[0]) && token[0] != '.') return named(token, minus);
    const std::optional<Json> number = read_number(token, minus);
    if (!number) return fail("pbtxt.syntax", concat({"'", token, "' is no number"}));
    return *number;
  }

  Result<Json> named(std::string_view token, bool minus) {
    const std::string word_of = lower(token);
    if (word_of == "inf" || word_of == "infinity") return Json(minus ? -HUGE_VAL : HUGE_VAL);
    if (word_of == "nan") return Json(static_cast<double>(NAN));
    if (minus) return fail("pbtxt.syntax", "a '-' stands before a number");
    if (token == "true") return Json(true);
    if (token == "false") return Json(false);
    return Json(token);
  }

  static std::optional<Json> read_number(std::string_view token, bool minus) {
    const bool hex = token.starts_with("0x") || token.starts_with("0X");
    const bool octal =
        !hex && token.size() > 1 && token[0] == '0' && std::ranges::all_of(token, is_digit);
    const std::string_view digits = hex ? token.substr(2) : token;
    uint64_t whole = 0;
    const auto got = std::from_chars(digits.data(), digits.data() + digits.size(), whole,
                                     hex     ? 16
                                     : octal ? 8
                                             : 10);
    if (got.ec == std::errc() && got.ptr == digits.data() + digits.size()) {
      if (whole <= INT64_MAX)
        return Json(minus ? -static_cast<int64_t>(whole) : static_cast<int64_t>(whole));
      return Json(static_cast<double>(whole) * (minus ? -1 : 1));
    }
    std::string_view real = token;
    if (real.ends_with('f') || real.ends_with('F')) real.remove_suffix(1);
    const std::optional<double> v =
        parse_double(real.starts_with('.') ? concat({"0", real}) : std::string(real));
    if (!v) return std::nullopt;
    return Json(minus ? -*v : *v);
  }

  // Texts that follow each other are one.
  Result<Json> strings() {
    std::string out;
    for (blanks(); at_ < text_.size() && (text_[at_] == '"' || text_[at_] == '\''); blanks())
      TRY(string(&out));
    if (!is_utf8(out)) out = to_hex(out);  // Bytes.
    return Json(std::move(out));
  }
  Status string(std::string* out) {
    const char quote = text_[at_++];
    while (at_ < text_.size() && text_[at_] != quote) {
      if (text_[at_] == '\n') return fail("pbtxt.syntax", "a text goes over its line");
      if (text_[at_] != '\\') {
        *out += text_[at_++];
        continue;
      }
      if (++at_ == text_.size()) break;
      escape(out);
    }
    if (at_ == text_.size()) return fail("pbtxt.syntax", "a text has no end");
    ++at_;
    return {};
  }
  void escape(std::string* out) {
    const char c = text_[at_++];
    constexpr std::string_view kNames = "abfnrtv";
    constexpr std::string_view kMeans = "\a\b\f\n\r\t\v";
    if (c == 'x' || c == 'X' || (c >= '0' && c <= '7')) {
      const bool hex = c == 'x' || c == 'X';
      const size_t from = hex ? at_ : at_ - 1;
      size_t n = 0;
      unsigned v = 0;
      while (n < (hex ? 2U : 3U) && from + n < text_.size()) {
        const auto digit =
            std::string_view("0123456789abcdef").find(lower(text_.substr(from + n, 1)));
        if (digit >= (hex ? 16U : 8U)) break;
        v = v * (hex ? 16 : 8) + static_cast<unsigned>(digit);
        ++n;
      }
      at_ = from + n;
      *out += static_cast<char>(v);
      return;
    }
    const size_t i = kNames.find(c);
    *out += i == kNames.npos ? c : kMeans[i];
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

Result<Json> parse_pbtxt(std::string_view text) {
  if (text.size() > kPbtxtBytesMax)
    return exhausted("pbtxt.too_large", "the text is larger than 16 MiB");
  return Parser(text).message(0, 0);
}

}  // namespace slip::contract
