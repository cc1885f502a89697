#include "core/search/filter.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"

namespace slip::search {
namespace {

enum class Kind : uint8_t { kWord, kQuoted, kNumber, kOp, kPunct, kEnd };

struct Token {
  Kind kind = Kind::kEnd;
  std::string text;    // Words and numbers as written; quoted without quotes.
  char quote = 0;      // kQuoted: which.
  bool glued = false;  // Nothing stands between this token and the one before.
};

bool is_word_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_word(char c) { return is_word_start(c) || is_digit(c) || c == '.' || c == '/'; }
bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

Error bad_clause(std::string_view what) {
  return invalid("filter.clause", concat({"Invalid clause(s) in filter string: '", what, "'"}));
}

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  Result<Token> next() {
    const size_t before = at_;
    while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
    const bool glued = before == at_ && at_ > 0;
    Token token = TRY(scan());
    token.glued = glued;
    return token;
  }

 private:
  Result<Token> scan() {
    if (at_ >= text_.size()) return Token{};
    const char c = text_[at_];
    if (c == '\'' || c == '"' || c == '`') return quoted(c);
    if (is_digit(c) || ((c == '-' || c == '+' || c == '.') && digit_at(at_ + 1))) return number();
    if (is_word_start(c)) return run(Kind::kWord, is_word);
    if (c == '<' || c == '>' || c == '=' || c == '!' || c == '~')
      return run(Kind::kOp, [](char o) { return o == '<' || o == '>' || o == '=' || o == '!'; });
    if (text_.substr(at_, 2) == "--" || text_.substr(at_, 2) == "/*")
      return bad_clause(text_.substr(at_));
    if (c == ';')
      return invalid("filter.multiple", concat({"Search filter contained multiple expression '",
                                                text_, "'. Provide AND-ed expression list."}));
    ++at_;
    return Token{.kind = Kind::kPunct, .text = std::string(1, c)};
  }

  bool digit_at(size_t i) const { return i < text_.size() && is_digit(text_[i]); }

  Token run(Kind kind, bool (*more)(char)) {
    const size_t start = at_++;
    while (at_ < text_.size() && more(text_[at_])) ++at_;
    return {.kind = kind, .text = std::string(text_.substr(start, at_ - start))};
  }

  Result<Token> quoted(char quote) {
    const size_t end = text_.find(quote, at_ + 1);
    if (end == text_.npos)
      return invalid("filter.syntax",
                     concat({"Invalid filter '", text_, "': a quoted string does not end"}));
    Token token{.kind = Kind::kQuoted,
                .text = std::string(text_.substr(at_ + 1, end - at_ - 1)),
                .quote = quote};
    at_ = end + 1;
    return token;
  }

  Result<Token> number() {
    const size_t start = at_++;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      const bool sign_of_exponent =
          (c == '-' || c == '+') && (text_[at_ - 1] == 'e' || text_[at_ - 1] == 'E');
      if (!is_word(c) && !sign_of_exponent) break;
      ++at_;
    }
    return Token{.kind = Kind::kNumber, .text = std::string(text_.substr(start, at_ - start))};
  }

  std::string_view text_;
  size_t at_ = 0;
};

Result<std::vector<Token>> lex(std::string_view text) {
  if (text.size() > kFilterBytesMax)
    return invalid("filter.limit", "The filter string is longer than " +
                                       std::to_string(kFilterBytesMax) + " bytes");
  Lexer lexer(text);
  std::vector<Token> out;
  for (;;) {
    out.push_back(TRY(lexer.next()));
    if (out.back().kind == Kind::kEnd) return out;
  }
}

struct OpRow {
  std::string_view text;
  Op op;
};
constexpr std::array<OpRow, 13> kOps = {{{"=", Op::kEq},
                                         {"!=", Op::kNe},
                                         {"<", Op::kLt},
                                         {"<=", Op::kLe},
                                         {">", Op::kGt},
                                         {">=", Op::kGe},
                                         {"LIKE", Op::kLike},
                                         {"ILIKE", Op::kILike},
                                         {"RLIKE", Op::kRegex},
                                         {"IN", Op::kIn},
                                         {"NOT IN", Op::kNotIn},
                                         {"IS NULL", Op::kIsNull},
                                         {"IS NOT NULL", Op::kIsNotNull}}};

class Parser {
 public:
  Parser(std::string_view text, std::vector<Token> tokens)
      : text_(text), tokens_(std::move(tokens)) {}

  Result<Filter> filter() {
    Filter out;
    accept_word("and");
    if (peek().kind == Kind::kEnd) return out;
    out = TRY(any(0));
    if (peek().kind != Kind::kEnd) return bad_clause(peek().text);
    if (out.kind == Filter::Kind::kAll) return out;
    Filter whole;
    whole.parts.push_back(std::move(out));
    return whole;
  }

  Result<Order> order() {
    Order out;
    out.key = TRY(key());
    if (accept_word("desc"))
      out.ascending = false;
    else
      accept_word("asc");
    if (peek().kind != Kind::kEnd)
      return invalid("filter.syntax", concat({"Invalid order_by clause '", text_, "'"}));
    return out;
  }

 private:
  const Token& peek() const { return tokens_[at_]; }
  const Token& take() { return tokens_[peek().kind == Kind::kEnd ? at_ : at_++]; }
  bool is(std::string_view word) const {
    return peek().kind == Kind::kWord && iequals(peek().text, word);
  }
  bool word_after(std::string_view word) const {
    const Token& next = tokens_[std::min(at_ + 1, tokens_.size() - 1)];
    return next.kind == Kind::kWord && iequals(next.text, word);
  }
  bool accept_word(std::string_view word) {
    if (!is(word)) return false;
    take();
    return true;
  }
  bool accept_punct(std::string_view p) {
    if (peek().kind != Kind::kPunct || peek().text != p) return false;
    take();
    return true;
  }

  Result<Filter> any(size_t depth) {
    if (depth > kFilterDepthMax)
      return invalid("filter.limit", "The filter string nests deeper than " +
                                         std::to_string(kFilterDepthMax) + " levels");
    Filter out{.kind = Filter::Kind::kAny, .parts = {}, .test = {}};
    do {
      out.parts.push_back(TRY(all(depth)));
    } while (accept_word("or"));
    if (out.parts.size() > 1) return out;
    Filter one = std::move(out.parts.front());
    return one;
  }

  Result<Filter> all(size_t depth) {
    Filter out;
    do {
      Filter part = TRY(factor(depth));
      if (part.kind == Filter::Kind::kAll)
        for (Filter& inner : part.parts) out.parts.push_back(std::move(inner));
      else
        out.parts.push_back(std::move(part));
    } while (accept_word("and") && peek().kind != Kind::kEnd);
    if (out.parts.size() > 1) return out;
    Filter one = std::move(out.parts.front());
    return one;
  }

  Result<Filter> factor(size_t depth) {
    if (accept_word("not")) return negated(TRY(deeper(depth)));
    if (!accept_punct("(")) return test();
    Filter inner = TRY(any(depth + 1));
    if (!accept_punct(")"))
      return invalid("filter.syntax", concat({"A '(' is not closed in the filter: ", text_}));
    return inner;
  }

  Result<Filter> deeper(size_t depth) {
    if (depth < kFilterDepthMax) return factor(depth + 1);
    return invalid("filter.limit", "The filter string nests deeper than " +
                                       std::to_string(kFilterDepthMax) + " levels");
  }

  static Filter negated(Filter inner) {
    Filter out{.kind = Filter::Kind::kNot, .parts = {}, .test = {}};
    out.parts.push_back(std::move(inner));
    return out;
  }

  Result<Filter> test() {
    if (peek().kind == Kind::kPunct || is("or") || is("and") || is("between"))
      return bad_clause(peek().text);
    if (++tests_ > kClausesMax)
      return invalid("filter.limit",
                     "The filter string has more than " + std::to_string(kClausesMax) + " clauses");
    Filter out{.kind = Filter::Kind::kTest, .parts = {}, .test = {}};
    Comparison& c = out.test;
    c.key = TRY(key());
    const bool no = is("not") && (word_after("between") || word_after("rlike"));
    if (no) take();
    if (accept_word("between")) {
      out = TRY(between(std::move(c)));
    } else {
      TRY(op(&c));
      if (c.op == Op::kIn || c.op == Op::kNotIn)
        TRY(list(&c));
      else if (c.op != Op::kIsNull && c.op != Op::kIsNotNull)
        c.values.push_back(TRY(value()));
    }
    if (no) return negated(std::move(out));
    return out;
  }

  // Both ends belong to it.
  Result<Filter> between(Comparison c) {
    Filter out;
    c.op = Op::kGe;
    c.op_written = ">=";
    c.values = {TRY(value())};
    if (!accept_word("and")) return bad_clause("BETWEEN");
    Filter low{.kind = Filter::Kind::kTest, .parts = {}, .test = c};
    c.op = Op::kLe;
    c.op_written = "<=";
    c.values.front() = TRY(value());
    out.parts.push_back(std::move(low));
    out.parts.push_back(Filter{.kind = Filter::Kind::kTest, .parts = {}, .test = std::move(c)});
    return out;
  }

  // name, entity.name, `name`, entity.`name`.
  Result<Key> key() {
    const Token first = take();
    if (first.kind == Kind::kQuoted) return Key{.entity = {}, .name = first.text};
    if (first.kind != Kind::kWord)
      return invalid("filter.syntax", concat({"Invalid filter '", text_, "': expected a key at '",
                                              first.text, "'"}));
    const size_t dot = first.text.find('.');
    if (dot == first.text.npos) return Key{.entity = {}, .name = first.text};
    Key out{.entity = lower(first.text.substr(0, dot)), .name = first.text.substr(dot + 1)};
    if (!out.name.empty() && !out.name.ends_with('.')) return out;
    if (peek().kind != Kind::kQuoted || !peek().glued)
      return invalid("filter.syntax", concat({"Invalid filter '", text_,
                                              "': a name is missing after '", first.text, "'"}));
    out.name += take().text;
    return out;
  }

  Status op(Comparison* out) {
    const Token token = take();
    std::string text = token.text;
    if (token.kind == Kind::kWord && iequals(text, "not") && accept_word("in")) text = "NOT IN";
    if (token.kind == Kind::kWord && iequals(text, "is")) {
      text = accept_word("not") ? "IS NOT NULL" : "IS NULL";
      if (!accept_word("null")) return bad_clause(concat({"IS ", peek().text}));
    }
    if (token.kind != Kind::kWord && token.kind != Kind::kOp)
      return bad_clause(token.kind == Kind::kEnd ? text_ : std::string_view(text));
    out->op = Op::kOther;
    out->op_written = text;
    for (const OpRow& row : kOps)
      if (iequals(row.text, text)) out->op = row.op;
    return {};
  }

  Result<Literal> value() {
    const Token token = take();
    if (token.kind == Kind::kQuoted && token.quote != '`')
      return Literal{.is_number = false, .text = token.text};
    if (token.kind == Kind::kNumber) {
      std::string_view digits = token.text;
      if (digits.front() == '+') digits.remove_prefix(1);
      if (const auto number = parse_double(digits))
        return Literal{.is_number = true, .text = std::string(digits), .number = *number};
    }
    return invalid("filter.syntax",
                   concat({"Expected a quoted string or a number, got '", token.text,
                           "'. Use quoted strings in the filter: ", text_}));
  }

  Status list(Comparison* out) {
    if (!accept_punct("("))
      return invalid("filter.syntax", concat({"Expected a parenthesised list after '",
                                              out->op_written, "' in: ", text_}));
    do {
      if (out->values.size() == kListItemsMax)
        return invalid("filter.limit",
                       "A list has more than " + std::to_string(kListItemsMax) + " items");
      out->values.push_back(TRY(value()));
    } while (accept_punct(","));
    if (!accept_punct(")"))
      return invalid("filter.syntax", concat({"A list does not end with ')' in: ", text_}));
    return {};
  }

  std::string_view text_;
  std::vector<Token> tokens_;
  size_t at_ = 0;
  size_t tests_ = 0;
};

void collect(const Filter& filter, std::vector<const Comparison*>* out) {
  if (filter.kind == Filter::Kind::kTest) out->push_back(&filter.test);
  for (const Filter& part : filter.parts) collect(part, out);
}

}  // namespace

std::string_view op_text(Op op) {
  for (const OpRow& row : kOps)
    if (row.op == op) return row.text;
  return "?";
}

Result<Filter> parse_filter(std::string_view text) {
  if (!is_utf8(text)) return invalid("filter.syntax", "The filter string is not UTF-8");
  return Parser(text, TRY(lex(text))).filter();
}

std::vector<const Comparison*> all_tests(const Filter& filter) {
  std::vector<const Comparison*> out;
  collect(filter, &out);
  return out;
}

Result<Order> parse_order(std::string_view text) {
  if (!is_utf8(text)) return invalid("filter.syntax", "An order_by clause is not UTF-8");
  return Parser(text, TRY(lex(text))).order();
}

}  // namespace slip::search
