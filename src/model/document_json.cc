#include <charconv>
#include <cmath>
#include <limits>

#include "base/text.h"
#include "model/document_internal.h"

// JSON as XGBoost writes it: RFC 8259 besides NaN, Infinity and -Infinity.
namespace slip::model {
namespace {

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<Document> run() {
    Document out = TRY(value(0));
    blanks();
    if (at_ != text_.size()) return bad("something follows the document");
    return out;
  }

 private:
  Error bad(std::string_view what) const { return syntax_error(at_, what); }
  void blanks() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t'))
      ++at_;
  }
  bool take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool word(std::string_view w) {
    if (text_.substr(at_, w.size()) != w) return false;
    at_ += w.size();
    return true;
  }

  Result<Document> value(int depth) {
    blanks();
    Document out;
    if (depth > kDocumentDepthMax) return bad("too deep");
    if (at_ == text_.size()) return bad("the text ends early");
    if (text_[at_] == '{') return object(depth);
    if (text_[at_] == '[') return list(depth);
    if (text_[at_] == '"') {
      out.kind = Document::Kind::kText;
      out.text = TRY(string());
      return out;
    }
    if (word("null")) return out;
    if (text_[at_] == 't' || text_[at_] == 'f') {
      out.kind = Document::Kind::kBool;
      out.boolean = text_[at_] == 't';
      if (!word(out.boolean ? "true" : "false")) return bad("no value");
      return out;
    }
    out.kind = Document::Kind::kNumber;
    out.number = TRY(number());
    return out;
  }

  Result<double> number() {
    constexpr double kInf = std::numeric_limits<double>::infinity();
    if (word("NaN")) return std::nan("");
    if (word("Infinity")) return kInf;
    if (word("-Infinity")) return -kInf;
    double out = 0;
    const char* begin = text_.data() + at_;
    const char* end = text_.data() + text_.size();
    const bool digit =
        at_ < text_.size() && (text_[at_] == '-' || (text_[at_] >= '0' && text_[at_] <= '9'));
    const auto [stop, error] = std::from_chars(begin, end, out);
    if (!digit || error == std::errc::invalid_argument) return bad("no value");
    at_ += static_cast<size_t>(stop - begin);
    // Too large or too small: only its sign and which of the two is left to say.
    if (error == std::errc::result_out_of_range) return bad("a number that no double holds");
    return out;
  }

  Result<std::string> string() {
    ++at_;
    std::string out;
    while (true) {
      if (at_ >= text_.size()) return bad("a text doesn't end");
      const char c = text_[at_++];
      if (c == '"') return out;
      if (c != '\\') {
        out.push_back(c);
        continue;
      }
      if (at_ >= text_.size()) return bad("a text doesn't end");
      TRY(escape(out));
    }
  }
  Status escape(std::string& out) {
    constexpr std::string_view kFrom = "\"\\/bfnrt", kTo = "\"\\/\b\f\n\r\t";
    const char c = text_[at_++];
    if (c == 'u') {
      uint32_t code = 0;
      const std::string_view hex = text_.substr(at_, 4);
      const auto [stop, error] = std::from_chars(hex.data(), hex.data() + hex.size(), code, 16);
      if (hex.size() != 4 || error != std::errc() || stop != hex.data() + 4) return bad("no \\u");
      at_ += 4;
      put_utf8(code, out);
      return {};
    }
    const size_t which = kFrom.find(c);
    if (which == kFrom.npos) return bad("an unknown escape");
    out.push_back(kTo[which]);
    return {};
  }
  // Of a basic plane; halves of pairs stay apart, they only occur in names.
  static void put_utf8(uint32_t code, std::string& out) {
    if (code < 0x80) {
      out.push_back(static_cast<char>(code));
    } else if (code < 0x800) {
      out.push_back(static_cast<char>(0xc0 | code >> 6));
      out.push_back(static_cast<char>(0x80 | (code & 0x3f)));
    } else {
      out.push_back(static_cast<char>(0xe0 | code >> 12));
      out.push_back(static_cast<char>(0x80 | (code >> 6 & 0x3f)));
      out.push_back(static_cast<char>(0x80 | (code & 0x3f)));
    }
  }

  Result<Document> list(int depth) {
    Document out;
    out.kind = Document::Kind::kNumbers;
    ++at_;
    blanks();
    if (take(']')) return out;
    while (true) {
      put_item(out, TRY(value(depth + 1)));
      blanks();
      if (take(']')) return out;
      if (!take(',')) return bad("a list wants ',' or ']'");
    }
  }

  Result<Document> object(int depth) {
    Document out;
    out.kind = Document::Kind::kObject;
    ++at_;
    blanks();
    if (take('}')) return out;
    while (true) {
      blanks();
      if (at_ >= text_.size() || text_[at_] != '"') return bad("an object wants a name");
      std::string name = TRY(string());
      blanks();
      if (!take(':')) return bad("a name wants ':'");
      Document member = TRY(value(depth + 1));
      out.members.push_back({std::move(name), std::move(member)});
      blanks();
      if (take('}')) return out;
      if (!take(',')) return bad("an object wants ',' or '}'");
    }
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

Result<Document> parse_json_document(std::string_view bytes) {
  if (bytes.size() > kModelBytesMax)
    return exhausted("model.too_large", "a model has 1 GiB at most");
  return Parser(bytes).run();
}

}  // namespace slip::model
