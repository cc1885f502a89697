#include <bit>

#include "base/text.h"
#include "model/document_internal.h"

// Universal Binary JSON: a type's letter, then its bytes, most significant first. Containers may
// begin with `$` and the one type of their items, and `#` and their count.
namespace slip::model {
namespace {

class Parser {
 public:
  explicit Parser(std::string_view bytes) : bytes_(bytes) {}

  Result<Document> run() {
    const char type = TRY(letter());
    Document out = TRY(value(type, 0));
    if (at_ != bytes_.size()) return bad("something follows the document");
    return out;
  }

 private:
  Error bad(std::string_view what) const { return syntax_error(at_, what); }

  Result<char> letter() {
    while (true) {
      if (at_ >= bytes_.size()) return bad("the bytes end early");
      if (bytes_[at_++] != 'N') return bytes_[at_ - 1];
    }
  }
  bool peek(char c) const { return at_ < bytes_.size() && bytes_[at_] == c; }

  static size_t size_of(char type) {
    switch (type) {
      case 'i':
      case 'U':
      case 'C':
        return 1;
      case 'I':
        return 2;
      case 'l':
      case 'd':
        return 4;
      case 'L':
      case 'D':
        return 8;
      default:
        return 0;
    }
  }
  Result<uint64_t> raw(size_t size) {
    if (bytes_.size() - at_ < size) return bad("the bytes end early");
    uint64_t out = 0;
    for (size_t i = 0; i < size; ++i) out = out << 8 | static_cast<uint8_t>(bytes_[at_++]);
    return out;
  }
  static int64_t as_int(char type, uint64_t raw) {
    switch (type) {
      case 'i':
        return static_cast<int8_t>(raw);
      case 'I':
        return static_cast<int16_t>(raw);
      case 'l':
        return static_cast<int32_t>(raw);
      default:
        return static_cast<int64_t>(raw);
    }
  }
  Result<double> number(char type) {
    const uint64_t bits = TRY(raw(size_of(type)));
    if (type == 'd') return static_cast<double>(std::bit_cast<float>(static_cast<uint32_t>(bits)));
    if (type == 'D') return std::bit_cast<double>(bits);
    return static_cast<double>(as_int(type, bits));
  }
  static bool is_number(char type) { return size_of(type) != 0 && type != 'C'; }

  Result<size_t> length() {
    const char type = TRY(letter());
    if (!is_number(type) || type == 'd' || type == 'D') return bad("no length");
    const int64_t n = as_int(type, TRY(raw(size_of(type))));
    if (n < 0) return bad("a negative length");
    return static_cast<size_t>(n);
  }
  Result<std::string> string() {
    const size_t size = TRY(length());
    if (size > bytes_.size() - at_) return bad("the bytes end early");
    at_ += size;
    return std::string(bytes_.substr(at_ - size, size));
  }

  Result<Document> value(char type, int depth) {
    Document out;
    if (depth > kDocumentDepthMax) return bad("too deep");
    if (type == '[') return list(depth);
    if (type == '{') return object(depth);
    if (is_number(type)) {
      out.kind = Document::Kind::kNumber;
      out.number = TRY(number(type));
    } else if (type == 'S' || type == 'H') {
      out.kind = Document::Kind::kText;
      out.text = TRY(string());
    } else if (type == 'C') {
      out.kind = Document::Kind::kText;
      out.text = std::string(1, static_cast<char>(TRY(raw(1))));
    } else if (type == 'T' || type == 'F') {
      out.kind = Document::Kind::kBool;
      out.boolean = type == 'T';
    } else if (type != 'Z') {
      --at_;
      return bad("an unknown type");
    }
    return out;
  }

  struct Header {
    char type = 0;  // 0: each item says its own.
    bool counted = false;
    size_t count = 0;
  };
  Result<Header> header() {
    Header out;
    if (peek('$')) {
      ++at_;
      out.type = TRY(letter());
      if (!peek('#')) return bad("a type wants a count");
    }
    if (peek('#')) {
      ++at_;
      out.counted = true;
      out.count = TRY(length());
      // An item has a byte at least, but for types that are values themselves.
      const size_t least = out.type == 0 || size_of(out.type) == 0 ? 1 : size_of(out.type);
      if (out.count > (bytes_.size() - at_) / least) return bad("a count beyond the bytes");
    }
    return out;
  }

  Result<Document> list(int depth) {
    Document out;
    out.kind = Document::Kind::kNumbers;
    const Header h = TRY(header());
    if (h.type != 0 && is_number(h.type)) {
      out.numbers.reserve(h.count);
      for (size_t i = 0; i < h.count; ++i) out.numbers.push_back(TRY(number(h.type)));
      return out;
    }
    for (size_t i = 0; !h.counted || i < h.count; ++i) {
      const char type = h.type != 0 ? h.type : TRY(letter());
      if (!h.counted && type == ']') return out;
      put_item(out, TRY(value(type, depth + 1)));
    }
    return out;
  }

  Result<Document> object(int depth) {
    Document out;
    out.kind = Document::Kind::kObject;
    const Header h = TRY(header());
    for (size_t i = 0; !h.counted || i < h.count; ++i) {
      while (peek('N')) ++at_;
      if (!h.counted && peek('}')) {
        ++at_;
        return out;
      }
      std::string name = TRY(string());
      const char type = h.type != 0 ? h.type : TRY(letter());
      Document member = TRY(value(type, depth + 1));
      out.members.push_back({std::move(name), std::move(member)});
    }
    return out;
  }

  std::string_view bytes_;
  size_t at_ = 0;
};

}  // namespace

Result<Document> parse_ubjson(std::string_view bytes) {
  if (bytes.size() > kModelBytesMax)
    return exhausted("model.too_large", "a model has 1 GiB at most");
  return Parser(bytes).run();
}

}  // namespace slip::model
