#include <charconv>
#include <cmath>

#include <simdjson.h>

#include "base/text.h"
#include "codec/json.h"

// Two readers. simdjson takes what is plain and valid, which is nearly everything. Whatever it
// refuses, and the few things it is lax about, goes to the reader below, which alone decides: it
// knows bare NaN, and names line and column. Property tests hold the two equal.
namespace slip::codec {
namespace {

constexpr size_t kKeptParserBytes = 32 << 10;  // Larger texts get a parser of their own.
constexpr size_t kLinearKeys = 12;

// The first key that occurs twice, if any.
const std::string* find_duplicate(const std::vector<JsonMember>& members) {
  if (members.size() <= kLinearKeys) {
    for (size_t i = 1; i < members.size(); ++i)
      for (size_t j = 0; j < i; ++j)
        if (members[i].first == members[j].first) return &members[i].first;
    return nullptr;
  }
  std::vector<const std::string*> keys;
  keys.reserve(members.size());
  for (const JsonMember& m : members) keys.push_back(&m.first);
  const auto less = [](const std::string* a, const std::string* b) { return *a < *b; };
  std::sort(keys.begin(), keys.end(), less);
  const auto twice =
      std::adjacent_find(keys.begin(), keys.end(),
                         [](const std::string* a, const std::string* b) { return *a == *b; });
  return twice == keys.end() ? nullptr : *twice;
}

class Reader {
 public:
  Reader(std::string_view text, NonFinite non_finite) : text_(text), non_finite_(non_finite) {}

  Result<Json> document() {
    skip_space();
    Json value = TRY(read_value(0));
    skip_space();
    if (at_ != text_.size()) return syntax("nothing may follow the value");
    return value;
  }

 private:
  Error fail(std::string_view reason, std::string_view what) const {
    return fail_at(at_, reason, what);
  }
  Error syntax(std::string_view what) const { return fail("json.syntax", what); }
  Error fail_at(size_t at, std::string_view reason, std::string_view what) const {
    const std::string_view before = text_.substr(0, std::min(at, text_.size()));
    const auto line = 1 + std::count(before.begin(), before.end(), '\n');
    const size_t start = before.rfind('\n') + 1;  // npos + 1 is 0.
    return invalid(reason, concat({"line ", std::to_string(line), ", column ",
                                   std::to_string(before.size() - start + 1), ": ", what}));
  }

  bool done() const { return at_ == text_.size(); }
  char peek() const { return done() ? '\0' : text_[at_]; }
  bool take(char c) {
    if (done() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool take_word(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }
  void skip_space() {
    while (!done() && (peek() == ' ' || peek() == '\n' || peek() == '\r' || peek() == '\t')) ++at_;
  }

  Result<Json> read_value(int depth) {
    if (done()) return syntax("the text ends where a value should stand");
    switch (peek()) {
      case '{':
        return read_object(depth);
      case '[':
        return read_array(depth);
      case '"':
        return Json(TRY(read_string()));
      case 't':
        if (take_word("true")) return Json(true);
        break;
      case 'f':
        if (take_word("false")) return Json(false);
        break;
      case 'n':
        if (take_word("null")) return Json();
        break;
      default:
        break;
    }
    for (const auto& [name, value] : {std::pair<std::string_view, double>{"NaN", std::nan("")},
                                      {"Infinity", HUGE_VAL},
                                      {"-Infinity", -HUGE_VAL}}) {
      if (!text_.substr(at_).starts_with(name)) continue;
      if (non_finite_ != NonFinite::kToken)
        return syntax(concat({name, " is not JSON; write it as a string or as null"}));
      at_ += name.size();
      return Json(value);
    }
    return read_number();
  }

  Result<Json> read_object(int depth) {
    const size_t start = at_++;
    if (depth >= kJsonDepthMax) return too_deep();
    std::vector<JsonMember> members;
    skip_space();
    if (take('}')) return Json::object();
    for (;;) {
      skip_space();
      if (peek() != '"') return syntax("expected a key in quotes");
      std::string key = TRY(read_string());
      skip_space();
      if (!take(':')) return syntax("expected ':' after the key");
      skip_space();
      members.emplace_back(std::move(key), TRY(read_value(depth + 1)));
      skip_space();
      if (take('}')) break;
      if (!take(',')) return syntax("expected ',' or '}'");
    }
    if (const std::string* key = find_duplicate(members))
      return fail_at(start, "json.duplicate_key",
                     concat({"key '", *key, "' occurs twice in this object"}));
    return Json::object(std::move(members));
  }

  Result<Json> read_array(int depth) {
    ++at_;
    if (depth >= kJsonDepthMax) return too_deep();
    std::vector<Json> items;
    skip_space();
    if (take(']')) return Json::array();
    for (;;) {
      skip_space();
      items.push_back(TRY(read_value(depth + 1)));
      skip_space();
      if (take(']')) break;
      if (!take(',')) return syntax("expected ',' or ']'");
    }
    return Json::array(std::move(items));
  }

  Error too_deep() const {
    return fail("json.depth", "nested deeper than " + std::to_string(kJsonDepthMax));
  }

  Result<std::string> read_string() {
    const size_t start = ++at_;
    std::string out;
    for (;;) {
      const size_t clean = at_;
      while (!done() && static_cast<unsigned char>(peek()) >= 0x20 && peek() != '"' &&
             peek() != '\\')
        ++at_;
      const std::string_view part = text_.substr(clean, at_ - clean);
      if (!is_utf8(part)) return fail_at(bad_byte(clean), "json.utf8", "these bytes are not UTF-8");
      out += part;
      if (done()) return fail_at(start - 1, "json.syntax", "the string has no end");
      if (take('"')) return out;
      if (!take('\\')) return syntax("a control character must be escaped");
      TRY(read_escape(&out));
    }
  }

  size_t bad_byte(size_t from) const {
    size_t at = from;
    for (size_t n = 1; at + n <= at_;) {
      if (is_utf8(text_.substr(at, n))) {
        at += n;
        n = 1;
      } else if (++n > 4) {
        break;
      }
    }
    return at;
  }

  Status read_escape(std::string* out) {
    constexpr std::string_view kNames = "\"\\/bfnrt";
    constexpr std::string_view kValues = "\"\\/\b\f\n\r\t";
    if (done()) return syntax("the text ends inside an escape");
    if (const size_t i = kNames.find(peek()); i != kNames.npos) {
      ++at_;
      *out += kValues[i];
      return {};
    }
    if (!take('u')) return syntax("unknown escape");
    uint32_t c = TRY(read_hex4());
    if (c >= 0xdc00 && c < 0xe000) return fail("json.utf8", "a lone surrogate is no character");
    if (c >= 0xd800 && c < 0xdc00) {
      const uint32_t low = take_word("\\u") ? TRY(read_hex4()) : 0;
      if (low < 0xdc00 || low >= 0xe000)
        return fail("json.utf8", "a lone surrogate is no character");
      c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    }
    append_utf8(out, c);
    return {};
  }

  Result<uint32_t> read_hex4() {
    const std::string_view digits = text_.substr(at_, 4);
    uint32_t c = 0;
    const auto r = std::from_chars(digits.data(), digits.data() + digits.size(), c, 16);
    if (digits.size() < 4 || r.ptr != digits.data() + 4)
      return syntax("\\u needs four hexadecimal digits");
    at_ += 4;
    return c;
  }

  static void append_utf8(std::string* out, uint32_t c) {
    const auto put = [out](uint32_t byte) { *out += static_cast<char>(byte); };
    if (c < 0x80) {
      put(c);
    } else if (c < 0x800) {
      put(0xc0 | c >> 6);
      put(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
      put(0xe0 | c >> 12);
      put(0x80 | (c >> 6 & 0x3f));
      put(0x80 | (c & 0x3f));
    } else {
      put(0xf0 | c >> 18);
      put(0x80 | (c >> 12 & 0x3f));
      put(0x80 | (c >> 6 & 0x3f));
      put(0x80 | (c & 0x3f));
    }
  }

  size_t digits() {
    const size_t from = at_;
    while (peek() >= '0' && peek() <= '9') ++at_;
    return at_ - from;
  }

  Result<Json> read_number() {
    const size_t start = at_;
    take('-');
    const bool zero = peek() == '0';
    const size_t whole = digits();
    if (whole == 0) {
      at_ = start;
      return syntax("expected a value");
    }
    if (zero && whole > 1) return fail_at(start, "json.syntax", "a number has no leading zero");
    bool integer = true;
    if (take('.')) {
      integer = false;
      if (digits() == 0) return syntax("expected a digit after '.'");
    }
    if (take('e') || take('E')) {
      integer = false;
      if (!take('+')) take('-');
      if (digits() == 0) return syntax("expected a digit in the exponent");
    }
    const char* from = text_.data() + start;
    const char* to = text_.data() + at_;
    if (integer) {
      int64_t v = 0;
      if (std::from_chars(from, to, v).ec == std::errc()) return Json(v);
      return large_integer(from, to, start);
    }
    return real(from, to, start);
  }

  // JavaScript writes 1e20 as 100000000000000000000: taken when these are all digits of a double,
  // or its shortest digits and then zeros.
  Result<Json> large_integer(const char* from, const char* to, size_t start) const {
    double v = 0;
    std::array<char, 320> text{};
    const auto print = [&](std::chars_format format) {
      const auto r = std::to_chars(text.data(), text.data() + text.size(), v, format);
      return std::string(text.data(), r.ptr);
    };
    if (std::from_chars(from, to, v).ec == std::errc()) {
      const std::string given(from, to);
      std::string shortest = print(std::chars_format::scientific);
      shortest.erase(shortest.find('e'));
      std::erase(shortest, '.');
      if (print(std::chars_format::fixed) == given ||
          given ==
              shortest + std::string(given.size() - std::min(given.size(), shortest.size()), '0'))
        return Json(v);
    }
    return fail_at(start, "json.number", "the integer needs more than 64 bits");
  }

  Result<Json> real(const char* from, const char* to, size_t start) const {
    double v = 0;
    const auto r = std::from_chars(from, to, v);
    if (r.ec == std::errc()) return Json(v);
    // Too large or too small: from_chars does not say which, the sign of the exponent does not
    // either (0.000…e+5). Scale by hand: only a value below the least subnormal is taken, as 0.
    const std::string copy(from, to);
    const double near = std::strtod(copy.c_str(), nullptr);
    if (std::isfinite(near)) return Json(near);
    return fail_at(start, "json.number", "the number is beyond the range of a double");
  }

  std::string_view text_;
  NonFinite non_finite_;
  size_t at_ = 0;
};

// ---- simdjson

std::optional<Json> from_dom(const simdjson::dom::element& e, int depth);

std::optional<Json> array_from_dom(const simdjson::dom::element& e, int depth) {
  simdjson::dom::array all;
  if (e.get_array().get(all)) return std::nullopt;
  std::vector<Json> items;
  for (const simdjson::dom::element item : all) {
    std::optional<Json> value = from_dom(item, depth + 1);
    if (!value) return std::nullopt;
    items.push_back(std::move(*value));
  }
  return Json::array(std::move(items));
}

std::optional<Json> object_from_dom(const simdjson::dom::element& e, int depth) {
  simdjson::dom::object all;
  if (e.get_object().get(all)) return std::nullopt;
  std::vector<JsonMember> members;
  for (const simdjson::dom::key_value_pair field : all) {
    std::optional<Json> value = from_dom(field.value, depth + 1);
    if (!value) return std::nullopt;
    members.emplace_back(std::string(field.key), std::move(*value));
  }
  if (find_duplicate(members)) return std::nullopt;
  return Json::object(std::move(members));
}

// Nothing: this needs the reader above.
std::optional<Json> from_dom(const simdjson::dom::element& e, int depth) {
  using Type = simdjson::dom::element_type;
  const Type type = e.type();
  if ((type == Type::ARRAY || type == Type::OBJECT) && depth >= kJsonDepthMax) return std::nullopt;
  bool flag = false;
  int64_t whole = 0;
  double real = 0;
  std::string_view text;
  switch (type) {
    case Type::NULL_VALUE:
      return Json();
    case Type::BOOL:
      return e.get(flag) ? std::nullopt : std::optional<Json>(flag);
    case Type::INT64:
      return e.get(whole) ? std::nullopt : std::optional<Json>(whole);
    case Type::DOUBLE:
      return e.get(real) ? std::nullopt : std::optional<Json>(real);
    case Type::STRING:
      return e.get(text) ? std::nullopt : std::optional<Json>(text);
    case Type::ARRAY:
      return array_from_dom(e, depth);
    case Type::OBJECT:
      return object_from_dom(e, depth);
    default:
      return std::nullopt;  // UINT64: more than an int64 holds.
  }
}

std::optional<Json> parse_fast(std::string_view text) {
  if (text.empty()) return std::nullopt;  // simdjson would copy from its null pointer.
  // simdjson lets a lone low surrogate pass.
  if (text.find("\\ud") != text.npos || text.find("\\uD") != text.npos) return std::nullopt;
  thread_local simdjson::dom::parser kept;
  std::unique_ptr<simdjson::dom::parser> own;
  if (text.size() > kKeptParserBytes) own = std::make_unique<simdjson::dom::parser>();
  simdjson::dom::element root;
  if ((own ? *own : kept).parse(text.data(), text.size()).get(root)) return std::nullopt;
  return from_dom(root, 0);
}

}  // namespace

Result<Json> parse_json(std::string_view text, NonFinite non_finite) {
  if (text.size() > kJsonBytesMax)
    return exhausted("json.too_large", "the text is larger than " + format_size(kJsonBytesMax));
  if (std::optional<Json> value = parse_fast(text)) return std::move(*value);
  return Reader(text, non_finite).document();
}

}  // namespace slip::codec
