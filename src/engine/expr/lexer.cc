#include <array>
#include <cmath>

#include "base/text.h"
#include "engine/expr/syntax.h"

namespace slip::engine::expr {
namespace {

bool digit(char c) { return c >= '0' && c <= '9'; }
bool name_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}
bool name_part(char c) { return name_start(c) || digit(c); }
bool blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

struct Unit {
  std::string_view name;
  int64_t us;
};
constexpr Unit kUnits[] = {
    {"us", 1},
    {"ms", 1000},
    {"s", 1000000},
    {"m", 60000000},
    {"h", 3600000000},
    {"d", 86400000000},
    {"w", 604800000000},
    {"microsecond", 1},
    {"millisecond", 1000},
    {"second", 1000000},
    {"minute", 60000000},
    {"hour", 3600000000},
    {"day", 86400000000},
    {"week", 604800000000},
};

const Unit* unit_of(std::string_view word) {
  for (const Unit& u : kUnits) {
    if (u.name == word) return &u;
    if (u.name.size() > 2 && word.size() == u.name.size() + 1 && word.back() == 's' &&
        word.starts_with(u.name))
      return &u;
  }
  return nullptr;
}

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  Result<std::vector<Token>> run() {
    std::vector<Token> out;
    while (true) {
      while (at_ < text_.size() && blank(text_[at_])) ++at_;
      out.push_back(TRY(next()));
      if (out.back().kind == Token::Kind::kEnd) return out;
    }
  }

 private:
  char here(size_t more = 0) const { return at_ + more < text_.size() ? text_[at_ + more] : '\0'; }
  Error fail(size_t at, std::string_view message) const {
    return error_at(text_, at, "expr.syntax", message);
  }

  Result<Token> next() {
    Token t;
    t.at = at_;
    if (at_ >= text_.size()) return t;
    const char c = here();
    if (name_start(c)) return name(std::move(t));
    if (digit(c) || (c == '.' && digit(here(1)))) return number(std::move(t));
    if (c == '\'' || c == '"') return quoted(std::move(t), c);
    return sign(std::move(t));
  }

  Token name(Token t) {
    while (name_part(here())) ++at_;
    t.kind = Token::Kind::kName;
    t.text = text_.substr(t.at, at_ - t.at);
    t.word = lower(t.text);
    return t;
  }

  Result<Token> quoted(Token t, char quote) {
    ++at_;
    while (true) {
      if (at_ >= text_.size())
        return fail(t.at, quote == '"' ? "this quoted name has no end" : "this text has no end");
      const char c = text_[at_++];
      if (c != quote) {
        t.text += c;
      } else if (here() == quote) {
        t.text += quote;
        ++at_;
      } else {
        break;
      }
    }
    t.kind = quote == '"' ? Token::Kind::kQuoted : Token::Kind::kText;
    if (t.kind == Token::Kind::kQuoted && t.text.empty()) return fail(t.at, "a name is empty");
    return t;
  }

  Result<Token> number(Token t) {
    bool whole = true;
    while (digit(here())) ++at_;
    if (here() == '.') {
      whole = false;
      ++at_;
      while (digit(here())) ++at_;
    }
    const size_t sign = here(1) == '+' || here(1) == '-' ? 1 : 0;
    if ((here() == 'e' || here() == 'E') && digit(here(1 + sign))) {
      whole = false;
      at_ += 1 + sign;
      while (digit(here())) ++at_;
    }
    if (name_start(here())) return whole ? interval(std::move(t)) : fail(at_, "a number ends here");
    const std::string_view digits = text_.substr(t.at, at_ - t.at);
    return whole ? integer(std::move(t), digits) : real(std::move(t), digits);
  }

  Result<Token> integer(Token t, std::string_view digits) const {
    t.kind = Token::Kind::kInt;
    for (const char c : digits) {
      const auto d = static_cast<uint64_t>(c - '0');
      if (t.integer > ((uint64_t{1} << 63) - d) / 10)
        return fail(t.at, "this integer doesn't fit 64 bits");
      t.integer = t.integer * 10 + d;
    }
    return t;
  }

  Result<Token> real(Token t, std::string_view digits) const {
    t.kind = Token::Kind::kFloat;
    std::string text(digits);
    if (text.starts_with('.')) text.insert(0, "0");
    const auto value = parse_double(text.ends_with('.') ? text + "0" : text);
    if (!value || !std::isfinite(*value)) return fail(t.at, "this isn't a finite number");
    t.number = *value;
    return t;
  }

  Result<Token> interval(Token t) {
    while (name_part(here())) ++at_;
    auto us = parse_interval(text_.substr(t.at, at_ - t.at));
    if (!us.ok()) return fail(t.at, us.error().text);
    t.kind = Token::Kind::kInterval;
    t.integer = static_cast<uint64_t>(*us);
    return t;
  }

  Result<Token> sign(Token t) {
    static constexpr std::array<std::string_view, 20> kSigns = {
        "<=", ">=", "<>", "!=", "||", "::", "==", "+", "-", "*",
        "/",  "%",  "(",  ")",  ",",  ".",  "=",  "<", ">", ""};
    t.kind = Token::Kind::kSign;
    for (const std::string_view s : kSigns) {
      if (s.empty() || !text_.substr(at_).starts_with(s)) continue;
      at_ += s.size();
      t.text = s == "!=" ? "<>" : s == "==" ? "=" : s;
      return t;
    }
    return fail(at_, "this character means nothing here");
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

Result<int64_t> parse_interval(std::string_view text) {
  const Error bad = invalid(
      "expr.interval", concat({"'", text, "' is no interval: digits and us, ms, s, m, h, d or w"}));
  int64_t total = 0;
  size_t at = 0;
  bool any = false;
  text = trim(text);
  const bool negative = text.starts_with('-');
  if (negative) ++at;
  while (at < text.size()) {
    size_t end = at;
    while (end < text.size() && digit(text[end])) ++end;
    const auto count = parse_int(text.substr(at, end - at));
    while (end < text.size() && blank(text[end])) ++end;
    size_t stop = end;
    while (stop < text.size() && name_start(text[stop])) ++stop;
    const Unit* unit = unit_of(lower(text.substr(end, stop - end)));
    int64_t us = 0;
    if (!count || !unit || __builtin_mul_overflow(*count, unit->us, &us) ||
        __builtin_add_overflow(total, us, &total))
      return bad;
    any = true;
    at = stop;
    while (at < text.size() && blank(text[at])) ++at;
  }
  if (!any) return bad;
  return negative ? -total : total;
}

Result<std::vector<Token>> tokenize(std::string_view text) {
  if (text.size() > kTextBytesMax)
    return invalid("expr.too_long", "an expression has at most 64 KiB");
  if (!is_utf8(text)) return invalid("expr.syntax", "an expression is UTF-8 text");
  return Lexer(text).run();
}

Error error_at(std::string_view text, size_t at, std::string_view reason,
               std::string_view message) {
  at = std::min(at, text.size());
  size_t start = at == 0 ? 0 : text.rfind('\n', at - 1);
  start = at == 0 || start == std::string_view::npos ? 0 : start + 1;
  const std::string_view line = text.substr(start, text.find('\n', start) - start);
  size_t row = 1;
  for (const char c : text.substr(0, start)) row += c == '\n' ? 1 : 0;
  const std::string_view before = text.substr(start, at - start);
  const size_t column = is_utf8(before) ? utf8_length(before) : before.size();
  std::string out = concat(
      {"line ", std::to_string(row), ", column ", std::to_string(column + 1), ": ", message});
  if (line.size() <= 200) out += concat({"\n  ", line, "\n  ", std::string(column, ' '), "^"});
  return invalid(reason, std::move(out));
}

}  // namespace slip::engine::expr
