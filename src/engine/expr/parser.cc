#include <array>

#include "base/text.h"
#include "engine/expr/syntax.h"

namespace slip::engine::expr {
namespace {

using Kind = Token::Kind;

constexpr std::array<std::string_view, 22> kReserved = {
    "and",  "or",   "not",  "is",   "in",       "between",  "like", "ilike",
    "case", "when", "then", "else", "end",      "null",     "true", "false",
    "as",   "cast", "from", "at",   "interval", "timestamp"};

bool reserved(std::string_view word) {
  for (const std::string_view r : kReserved)
    if (r == word) return true;
  return false;
}

// Loosest first: or, and, not, comparison, ||, + -, * / %, unary -, :: and `at time zone`.
class Parser {
 public:
  Parser(std::string_view text, std::vector<Token> tokens)
      : text_(text), tokens_(std::move(tokens)) {}

  Result<Syntax> run() {
    Syntax out = TRY(any());
    if (peek().kind != Kind::kEnd) return unexpected("the end of the expression");
    return out;
  }

 private:
  const Token& peek(size_t more = 0) const {
    return tokens_[std::min(at_ + more, tokens_.size() - 1)];
  }
  bool word(std::string_view w, size_t more = 0) const {
    return peek(more).kind == Kind::kName && peek(more).word == w;
  }
  bool sign(std::string_view s) const { return peek().kind == Kind::kSign && peek().text == s; }
  bool take_word(std::string_view w) {
    if (!word(w)) return false;
    ++at_;
    return true;
  }
  bool take_sign(std::string_view s) {
    if (!sign(s)) return false;
    ++at_;
    return true;
  }
  Error fail(size_t at, std::string_view message) const {
    return error_at(text_, at, "expr.syntax", message);
  }
  Error unexpected(std::string_view wanted) const {
    const Token& t = peek();
    if (t.kind == Kind::kEnd) return fail(t.at, concat({wanted, " is missing"}));
    return fail(t.at, concat({"expected ", wanted}));
  }
  Status expect_word(std::string_view w) {
    if (!take_word(w)) return unexpected(concat({"`", w, "`"}));
    return {};
  }
  Status expect_sign(std::string_view s) {
    if (!take_sign(s)) return unexpected(concat({"`", s, "`"}));
    return {};
  }

  Result<Syntax> call(size_t at, std::string_view name, std::vector<Syntax> args) {
    if (++nodes_ > kSyntaxNodesMax) return fail(at, "the expression is too large");
    Syntax out;
    out.kind = Syntax::Kind::kCall;
    out.at = at;
    out.text = name;
    out.args = std::move(args);
    return out;
  }
  Result<Syntax> binary(size_t at, std::string_view name, Syntax a, Syntax b) {
    if (++chain_ > kChainMax) return fail(at, "the expression is nested too deeply");
    std::vector<Syntax> args;
    args.push_back(std::move(a));
    args.push_back(std::move(b));
    return call(at, name, std::move(args));
  }
  Result<Syntax> unary(size_t at, std::string_view name, Syntax a) {
    std::vector<Syntax> args;
    args.push_back(std::move(a));
    return call(at, name, std::move(args));
  }

  // Chains of operators deepen the tree as parentheses do; both count.
  Result<Syntax> any() {
    const int before = chain_;
    if (++depth_ > kDepthMax) return fail(peek().at, "the expression is nested too deeply");
    Syntax out = TRY(either());
    --depth_;
    chain_ = before;
    return out;
  }

  Result<Syntax> either() {
    Syntax left = TRY(both());
    while (word("or")) {
      const size_t at = tokens_[at_++].at;
      Syntax right = TRY(both());
      left = TRY(binary(at, "or", std::move(left), std::move(right)));
    }
    return left;
  }
  Result<Syntax> both() {
    Syntax left = TRY(negated());
    while (word("and")) {
      const size_t at = tokens_[at_++].at;
      Syntax right = TRY(negated());
      left = TRY(binary(at, "and", std::move(left), std::move(right)));
    }
    return left;
  }
  Result<Syntax> negated() {
    if (!word("not")) return compared();
    const size_t at = tokens_[at_++].at;
    if (++depth_ > kDepthMax) return fail(at, "the expression is nested too deeply");
    Syntax arg = TRY(negated());
    --depth_;
    return unary(at, "not", std::move(arg));
  }

  Result<Syntax> compared() {
    static constexpr std::array<std::string_view, 6> kSigns = {"<=", ">=", "<>", "=", "<", ">"};
    Syntax left = TRY(joined());
    while (true) {
      const size_t at = peek().at;
      std::string_view name;
      for (const std::string_view s : kSigns)
        if (name.empty() && take_sign(s)) name = s;
      if (!name.empty()) {
        Syntax right = TRY(joined());
        left = TRY(binary(at, name, std::move(left), std::move(right)));
      } else if (take_word("is")) {
        left = TRY(is(at, std::move(left)));
      } else if (word("in") || word("between") || word("like") || word("ilike") || word("not")) {
        left = TRY(tested(at, std::move(left)));
      } else {
        return left;
      }
    }
  }

  Result<Syntax> is(size_t at, Syntax left) {
    const bool inverted = take_word("not");
    std::string_view name;
    if (take_word("null"))
      name = "is null";
    else if (take_word("nan"))
      name = "is nan";
    else if (take_word("true"))
      name = "is true";
    else if (take_word("false"))
      name = "is false";
    else
      return unexpected("`null`, `nan`, `true` or `false`");
    Syntax out = TRY(unary(at, name, std::move(left)));
    return inverted ? unary(at, "not", std::move(out)) : Result<Syntax>(std::move(out));
  }

  Result<Syntax> tested(size_t at, Syntax left) {
    if (++chain_ > kChainMax) return fail(at, "the expression is nested too deeply");
    const bool inverted = take_word("not");
    Syntax out;
    if (take_word("in")) {
      std::vector<Syntax> args;
      args.push_back(std::move(left));
      TRY(expect_sign("("));
      TRY(list(&args));
      out = TRY(call(at, "in", std::move(args)));
    } else if (take_word("between")) {
      std::vector<Syntax> args;
      args.push_back(std::move(left));
      args.push_back(TRY(joined()));
      TRY(expect_word("and"));
      args.push_back(TRY(joined()));
      out = TRY(call(at, "between", std::move(args)));
    } else if (word("like") || word("ilike")) {
      const std::string name = tokens_[at_++].word;
      Syntax right = TRY(joined());
      out = TRY(binary(at, name, std::move(left), std::move(right)));
    } else {
      return unexpected("`in`, `between`, `like` or `ilike`");
    }
    return inverted ? unary(at, "not", std::move(out)) : Result<Syntax>(std::move(out));
  }

  using Level = Result<Syntax> (Parser::*)();
  Result<Syntax> chain(Level next, std::initializer_list<std::string_view> signs) {
    Syntax left = TRY((this->*next)());
    while (true) {
      const size_t at = peek().at;
      std::string_view name;
      for (const std::string_view s : signs)
        if (name.empty() && take_sign(s)) name = s;
      if (name.empty()) return left;
      Syntax right = TRY((this->*next)());
      left = TRY(binary(at, name, std::move(left), std::move(right)));
    }
  }
  Result<Syntax> joined() { return chain(&Parser::summed, {"||"}); }
  Result<Syntax> summed() { return chain(&Parser::multiplied, {"+", "-"}); }
  Result<Syntax> multiplied() { return chain(&Parser::signed_value, {"*", "/", "%"}); }

  Result<Syntax> signed_value() {
    if (!sign("-") && !sign("+")) return postfix();
    const size_t at = peek().at;
    const bool minus = take_sign("-") || !take_sign("+");
    if (++depth_ > kDepthMax) return fail(at, "the expression is nested too deeply");
    Syntax arg = TRY(signed_value());
    --depth_;
    if (!minus) return arg;
    if (arg.kind == Syntax::Kind::kFloat) {
      arg.number = -arg.number;
      return arg;
    }
    if (arg.kind == Syntax::Kind::kInt && (arg.too_big || arg.integer > 0)) {
      arg.integer = arg.too_big ? arg.integer : -arg.integer;
      arg.too_big = false;
      return arg;
    }
    return unary(at, "-", std::move(arg));
  }

  Result<Syntax> postfix() {
    Syntax left = TRY(primary());
    while (true) {
      const size_t at = peek().at;
      if (take_sign("::")) {
        left = TRY(cast_to(at, std::move(left)));
      } else if (word("at") && word("time", 1) && word("zone", 2)) {
        at_ += 3;
        Syntax zone = TRY(primary());
        left = TRY(binary(at, "at_zone", std::move(left), std::move(zone)));
      } else {
        return left;
      }
    }
  }

  Result<Syntax> cast_to(size_t at, Syntax value) {
    if (++chain_ > kChainMax) return fail(at, "the expression is nested too deeply");
    if (peek().kind != Kind::kName) return unexpected("the name of a type");
    auto type = parse_type(peek().word);
    if (!type.ok()) return fail(peek().at, type.error().text).with_hint(type.error().hint);
    ++at_;
    Syntax out = TRY(unary(at, type_text(*type), std::move(value)));
    out.kind = Syntax::Kind::kCast;
    return out;
  }

  Result<Syntax> primary() {
    if (++nodes_ > kSyntaxNodesMax) return fail(peek().at, "the expression is too large");
    const Token t = peek();
    Syntax out;
    out.at = t.at;
    switch (t.kind) {
      case Kind::kInt:
        out.kind = Syntax::Kind::kInt;
        out.too_big = t.integer >> 63;
        out.integer = static_cast<int64_t>(t.integer);
        break;
      case Kind::kFloat:
        out.kind = Syntax::Kind::kFloat;
        out.number = t.number;
        break;
      case Kind::kText:
        out.kind = Syntax::Kind::kText;
        out.text = t.text;
        break;
      case Kind::kInterval:
        out.kind = Syntax::Kind::kInterval;
        out.integer = static_cast<int64_t>(t.integer);
        break;
      case Kind::kQuoted:
        return path();
      case Kind::kName:
        return named(t);
      default:
        if (!take_sign("(")) return unexpected("a value");
        out = TRY(any());
        TRY(expect_sign(")"));
        return out;
    }
    ++at_;
    return out;
  }

  Result<Syntax> named(const Token& t) {
    Syntax out;
    out.at = t.at;
    if (t.word == "case") return cases();
    if (t.word == "cast") return cast();
    if ((t.word == "interval" || t.word == "timestamp") && peek(1).kind == Kind::kText) {
      out.kind = t.word == "interval" ? Syntax::Kind::kInterval : Syntax::Kind::kTimestamp;
      out.text = peek(1).text;
      if (t.word == "interval") {
        auto us = parse_interval(out.text);
        if (!us.ok()) return fail(peek(1).at, us.error().text);
        out.integer = *us;
      }
      at_ += 2;
      return out;
    }
    if (t.word == "null" || t.word == "true" || t.word == "false") {
      out.kind = t.word == "null" ? Syntax::Kind::kNull : Syntax::Kind::kBool;
      out.integer = t.word == "true" ? 1 : 0;
      ++at_;
      return out;
    }
    const bool called = peek(1).kind == Kind::kSign && peek(1).text == "(";
    if (reserved(t.word) && !called) return unexpected("a value");
    if (!called) return path();
    at_ += 2;
    std::vector<Syntax> args;
    if (!take_sign(")")) TRY(list(&args));
    return call(t.at, t.word, std::move(args));
  }

  Result<Syntax> path() {
    Syntax out;
    out.kind = Syntax::Kind::kName;
    out.at = peek().at;
    while (true) {
      if (peek().kind != Kind::kName && peek().kind != Kind::kQuoted) return unexpected("a name");
      out.text += peek().text;
      ++at_;
      if (!take_sign(".")) return out;
      out.text += '.';
    }
  }

  // Values up to the closing parenthesis, at least one.
  Status list(std::vector<Syntax>* out) {
    do out->push_back(TRY(any()));
    while (take_sign(","));
    return expect_sign(")");
  }

  Result<Syntax> cast() {
    const size_t at = tokens_[at_++].at;
    TRY(expect_sign("("));
    Syntax value = TRY(any());
    TRY(expect_word("as"));
    Syntax out = TRY(cast_to(at, std::move(value)));
    TRY(expect_sign(")"));
    return out;
  }

  Result<Syntax> cases() {
    const size_t at = tokens_[at_++].at;
    std::vector<Syntax> args;
    std::vector<Syntax> subject;
    if (!word("when")) subject.push_back(TRY(any()));
    while (take_word("when")) {
      Syntax when = TRY(any());
      if (!subject.empty()) {
        nodes_ += size_of(subject.front());  // It is copied.
        when = TRY(binary(when.at, "=", subject.front(), std::move(when)));
      }
      args.push_back(std::move(when));
      TRY(expect_word("then"));
      args.push_back(TRY(any()));
    }
    if (args.empty()) return unexpected("`when`");
    if (take_word("else")) {
      args.push_back(TRY(any()));
    } else {
      Syntax null;
      null.at = peek().at;
      args.push_back(std::move(null));
    }
    TRY(expect_word("end"));
    return call(at, "case", std::move(args));
  }

  std::string_view text_;
  std::vector<Token> tokens_;
  size_t at_ = 0;
  int depth_ = 0;
  int chain_ = 0;
  size_t nodes_ = 0;
};

}  // namespace

size_t size_of(const Syntax& tree) {
  size_t out = 1;
  for (const Syntax& arg : tree.args) out += size_of(arg);
  return out;
}

Result<Syntax> parse(std::string_view text) {
  std::vector<Token> tokens = TRY(tokenize(text));
  return Parser(text, std::move(tokens)).run();
}

}  // namespace slip::engine::expr
