#include <algorithm>
#include <limits>

#include "base/text.h"
#include "engine/expr/kernel.h"

namespace slip::engine::expr {
namespace {

using Text = std::string_view;
constexpr Text kGroup = "Text";

char* room(size_t bytes, Row& row) {
  if (bytes <= kMadeTextBytesMax) return row.arena.take(bytes);
  row.fail(kTooLong);
  return nullptr;
}

template <char kFrom, char kTo>
Text cased(Text t, Row& row) {
  char* out = row.arena.take(t.size());
  for (size_t i = 0; i < t.size(); ++i)
    out[i] = static_cast<char>(t[i] >= kFrom && t[i] <= kTo ? t[i] ^ 0x20 : t[i]);
  return {out, t.size()};
}

bool continues(char c) { return (static_cast<unsigned char>(c) & 0xc0U) == 0x80; }

int64_t code_points(Text t) {
  return std::count_if(t.begin(), t.end(), [](char c) { return !continues(c); });
}

// Byte offset of code point `count`, or the size.
size_t skip(Text t, int64_t count) {
  size_t at = 0;
  while (at < t.size() && count > 0) {
    ++at;
    while (at < t.size() && continues(t[at])) ++at;
    --count;
  }
  return at;
}

Text substr(Text t, int64_t start, int64_t length, Row& row) {
  if (length < 0) {
    row.fail(kBadArgument);
    return {};
  }
  int64_t end = 0;  // Position after the last one, from 1 on: what lies before 1 is cut off.
  if (__builtin_add_overflow(start, length, &end)) end = std::numeric_limits<int64_t>::max();
  const int64_t first = std::max<int64_t>(start, 1);
  if (end <= first) return {};
  t.remove_prefix(skip(t, first - 1));
  return t.substr(0, skip(t, end - first));
}

Text left(Text t, int64_t n, Row&) {
  return t.substr(0, skip(t, n >= 0 ? n : std::max<int64_t>(code_points(t) + n, 0)));
}
Text right(Text t, int64_t n, Row&) {
  const int64_t from = n >= 0 ? code_points(t) - n
                       : n == std::numeric_limits<int64_t>::min()
                           ? std::numeric_limits<int64_t>::max()
                           : -n;
  return t.substr(skip(t, from));
}

template <bool kLeft, bool kRight>
Text trimmed(Text t, Text set) {
  const size_t from = kLeft ? t.find_first_not_of(set) : 0;
  if (from == Text::npos) return {};
  t.remove_prefix(from);
  return kRight ? t.substr(0, t.find_last_not_of(set) + 1) : t;
}

Text replaced(Text t, Text from, Text to, Row& row) {
  if (from.empty()) return t;
  size_t count = 0;
  for (size_t at = t.find(from); at != Text::npos; at = t.find(from, at + from.size())) ++count;
  if (count == 0) return t;
  char* const out = room(t.size() - count * from.size() + count * to.size(), row);
  if (!out) return {};
  char* end = out;
  while (true) {
    const size_t at = t.find(from);
    end = std::copy_n(t.data(), std::min(at, t.size()), end);
    if (at == Text::npos) return {out, static_cast<size_t>(end - out)};
    end = std::copy(to.begin(), to.end(), end);
    t.remove_prefix(at + from.size());
  }
}

Text split_part(Text t, Text separator, int64_t n, Row& row) {
  if (separator.empty() || n < 1) {
    row.fail(kBadArgument);
    return {};
  }
  while (true) {
    const size_t at = t.find(separator);
    if (--n == 0) return t.substr(0, at);
    if (at == Text::npos) return {};
    t.remove_prefix(at + separator.size());
  }
}

Text reversed(Text t, Row& row) {
  char* const out = row.arena.take(t.size());
  size_t at = t.size();
  for (size_t i = 0; i < t.size();) {
    const size_t n = skip(t.substr(i), 1);
    at -= n;
    std::copy_n(t.data() + i, n, out + at);
    i += n;
  }
  return {out, t.size()};
}

template <bool kLeft>
Text padded(Text t, int64_t width, Text fill, Row& row) {
  const int64_t have = code_points(t);
  if (width <= have || fill.empty()) return t.substr(0, skip(t, width));
  const int64_t missing = width - have;
  const int64_t unit = code_points(fill);
  if (missing > static_cast<int64_t>(kMadeTextBytesMax)) {
    row.fail(kTooLong);
    return {};
  }
  const auto whole = static_cast<size_t>(missing / std::max<int64_t>(unit, 1));
  const size_t part = skip(fill, missing % std::max<int64_t>(unit, 1));
  const size_t pad = whole * fill.size() + part;
  char* const out = room(pad + t.size(), row);
  if (!out) return {};
  char* end = kLeft ? out : std::copy(t.begin(), t.end(), out);
  for (size_t i = 0; i < whole; ++i) end = std::copy(fill.begin(), fill.end(), end);
  end = std::copy_n(fill.data(), part, end);
  if (kLeft) std::copy(t.begin(), t.end(), end);
  return {out, pad + t.size()};
}

Text repeated(Text t, int64_t count, Row& row) {
  if (count <= 0 || t.empty()) return {};
  if (count > static_cast<int64_t>(kMadeTextBytesMax)) {
    row.fail(kTooLong);
    return {};
  }
  char* const out = room(t.size() * static_cast<size_t>(count), row);
  if (!out) return {};
  char* end = out;
  for (int64_t i = 0; i < count; ++i) end = std::copy(t.begin(), t.end(), end);
  return {out, static_cast<size_t>(end - out)};
}

int64_t position(Text t, Text what) {
  const size_t at = t.find(what);
  return at == Text::npos ? 0 : code_points(t.substr(0, at)) + 1;
}

Text joined(Text a, Text b, Row& row) {
  if (b.empty()) return a;
  if (a.empty()) return b;
  char* const out = room(a.size() + b.size(), row);
  if (!out) return {};
  std::copy(b.begin(), b.end(), std::copy(a.begin(), a.end(), out));
  return {out, a.size() + b.size()};
}

void concat_all(const Call& c) {
  bool clean = true;
  for (int i = 0; i < c.n; ++i) {
    Row row{*c.arena, nullptr};
    Text text;
    for (size_t a = 0; a < c.n_args && row.state == kValid; ++a) {
      const uint8_t state = c.args[a]->state_of(i);
      if (state > kNull) row.state = state;
      if (state == kValid) text = joined(text, c.args[a]->read<Text>()[i], row);
    }
    c.write<Text>()[i] = text;
    c.out->state[i] = row.state;
    clean = clean && row.state == kValid;
  }
  c.out->clean = clean;
}

int64_t distance(Text a, Text b, Row& row) {
  constexpr size_t kLengthMax = 1024;  // It costs the product of both.
  if (a.size() <= kLengthMax && b.size() <= kLengthMax)
    return static_cast<int64_t>(edit_distance(a, b));
  row.fail(kTooLong);
  return 0;
}

void add_parts(std::vector<Function>* out) {
  out->push_back(
      row<substr>({"substr", kGroup, "from 1 on, in code points; fails for a length below 0"}));
  out->push_back(row<[](Text t, int64_t start, Row& r) {
    return substr(t, start, std::numeric_limits<int64_t>::max(), r);
  }>({"substr", kGroup, "from 1 on, in code points, to the end"}));
  out->push_back(
      row<left>({"left", kGroup, "the first n code points; n < 0: all but the last -n"}));
  out->push_back(
      row<right>({"right", kGroup, "the last n code points; n < 0: all but the first -n"}));
  out->push_back(row<[](Text t) { return trimmed<true, true>(t, " \t\n\r\f\v"); }>(
      {"trim", kGroup, "ASCII blanks"}));
  out->push_back(row<[](Text t) { return trimmed<true, false>(t, " \t\n\r\f\v"); }>(
      {"ltrim", kGroup, "ASCII blanks"}));
  out->push_back(row<[](Text t) { return trimmed<false, true>(t, " \t\n\r\f\v"); }>(
      {"rtrim", kGroup, "ASCII blanks"}));
  out->push_back(row<split_part>(
      {"split_part", kGroup,
       "part n from 1 on, empty beyond the last; fails for n < 1 or no separator"}));
}

}  // namespace

void add_texts(std::vector<Function>* out) {
  out->push_back(row<joined>({"||", kGroup, "fails beyond 64 KiB"}));
  Function all =
      row<[](Text a) { return a; }>({"concat", kGroup, "nulls are empty; fails beyond 64 KiB"});
  all.kernel = concat_all;
  all.variadic = true;
  all.strict = false;
  out->push_back(all);
  out->push_back(row<cased<'A', 'Z'>>({"lower", kGroup, "ASCII letters only"}));
  out->push_back(row<cased<'a', 'z'>>({"upper", kGroup, "ASCII letters only"}));
  out->push_back(row<code_points>({"length", kGroup, "code points"}));
  out->push_back(row<[](Blob b) { return static_cast<int64_t>(b.bytes.size()); }>(
      {"length", kGroup, "bytes"}));
  out->push_back(
      row<[](Text t) { return static_cast<int64_t>(t.size()); }>({"byte_length", kGroup, ""}));
  add_parts(out);
  out->push_back(
      row<replaced>({"replace", kGroup, "every place; nothing to replace changes nothing"}));
  out->push_back(row<[](Text t, Text p) { return t.starts_with(p); }>({"starts_with", kGroup, ""}));
  out->push_back(row<[](Text t, Text p) { return t.ends_with(p); }>({"ends_with", kGroup, ""}));
  out->push_back(
      row<[](Text t, Text p) { return t.find(p) != Text::npos; }>({"contains", kGroup, ""}));
  out->push_back(
      row<position>({"position", kGroup, "of the second in the first, from 1 on; 0: nowhere"}));
  out->push_back(row<reversed>({"reverse", kGroup, "by code points"}));
  out->push_back(
      row<padded<true>>({"lpad", kGroup, "to a width in code points; longer texts are cut"}));
  out->push_back(
      row<padded<false>>({"rpad", kGroup, "to a width in code points; longer texts are cut"}));
  out->push_back(row<repeated>({"repeat", kGroup, "fails beyond 64 KiB"}));
  out->push_back(
      row<distance>({"edit_distance", kGroup, "of bytes, with swaps; fails beyond 1 KiB"}));
}

}  // namespace slip::engine::expr
