#include <algorithm>
#include <array>

#include <re2/re2.h>

#include "base/text.h"
#include "engine/expr/kernel.h"

namespace slip::engine::expr {
namespace {

using Text = std::string_view;
constexpr Text kGroup = "Patterns";
constexpr size_t kPatternBytesMax = 4096;

size_t next_point(Text t, size_t at) {
  ++at;
  while (at < t.size() && (static_cast<unsigned char>(t[at]) & 0xc0U) == 0x80) ++at;
  return at;
}

char folded(char c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c | 0x20 : c); }

// % any text, _ one code point, \ takes the next as it is. Only the last % is ever tried again, so
// the time is at most the product of the lengths.
template <bool kFold>
bool like(Text t, Text p) {
  size_t i = 0;
  size_t j = 0;
  size_t star = Text::npos;  // After the last %, and where its text ends so far.
  size_t held = 0;
  while (true) {
    if (j < p.size() && p[j] == '%') {
      star = ++j;
      held = i;
      continue;
    }
    const size_t literal = j < p.size() && p[j] == '\\' && j + 1 < p.size() ? j + 1 : j;
    const bool any = literal == j && j < p.size() && p[j] == '_';
    if (i == t.size()) return j == p.size();
    const bool same =
        j < p.size() && (kFold ? folded(p[literal]) == folded(t[i]) : p[literal] == t[i]);
    if (any || same) {
      i = any ? next_point(t, i) : i + 1;
      j = literal + 1;
    } else if (star != Text::npos) {
      i = held = next_point(t, held);
      j = star;
    } else {
      return false;
    }
  }
}

Result<Bound> bind_pattern(const BindInput& in) {
  if (in.constant.size() > kPatternBytesMax)
    return invalid("expr.pattern", "a pattern has at most 4096 bytes");
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(8 << 20);
  auto re =
      std::make_shared<RE2>(re2::StringPiece(in.constant.data(), in.constant.size()), options);
  if (!re->ok()) return invalid("expr.pattern", concat({"the pattern is wrong: ", re->error()}));
  return Bound(std::move(re));
}

re2::StringPiece piece(Text t) { return {t.data(), t.size()}; }

bool found(Text t, Text, Row& row) {
  return row.as<RE2>().Match(piece(t), 0, t.size(), RE2::UNANCHORED, nullptr, 0);
}

Text extracted(Text t, Text, int64_t group, Row& row) {
  constexpr int kGroupsMax = 16;
  const auto& re = row.as<RE2>();
  std::array<re2::StringPiece, kGroupsMax> groups;
  if (group < 0 || group >= kGroupsMax || group > re.NumberOfCapturingGroups()) {
    row.fail(kBadArgument);
    return {};
  }
  if (!re.Match(piece(t), 0, t.size(), RE2::UNANCHORED, groups.data(),
                static_cast<int>(group) + 1)) {
    row.fail(kNull);
    return {};
  }
  const re2::StringPiece& g = groups[static_cast<size_t>(group)];
  return {g.data(), g.size()};
}

Text all_replaced(Text t, Text, Text by, Row& row) {
  std::string out(t);
  std::string why;
  if (!row.as<RE2>().CheckRewriteString(piece(by), &why)) {
    row.fail(kBadArgument);
    return {};
  }
  RE2::GlobalReplace(&out, row.as<RE2>(), piece(by));
  if (out.size() <= std::max(kMadeTextBytesMax, t.size())) return row.arena.keep(out);
  row.fail(kTooLong);
  return {};
}

int64_t counted(Text t, Text, Row& row) {
  int64_t count = 0;
  size_t at = 0;
  re2::StringPiece match;
  while (at <= t.size() &&
         row.as<RE2>().Match(piece(t), at, t.size(), RE2::UNANCHORED, &match, 1)) {
    ++count;
    const auto end = static_cast<size_t>(match.data() - t.data()) + match.size();
    at = match.empty() ? next_point(t, end) : end;
  }
  return count;
}

}  // namespace

void add_patterns(std::vector<Function>* out) {
  out->push_back(row<like<false>>({"like", kGroup, "% any text, _ one code point, \\ escapes"}));
  out->push_back(row<like<true>>({"ilike", kGroup, "as like, ASCII letters of either case"}));
  out->push_back(
      row_bound<found>({"regexp_matches", kGroup, "RE2, anywhere in the text"}, 1, bind_pattern));
  out->push_back(row_bound<[](Text t, Text p, Row& r) { return extracted(t, p, 0, r); }>(
      {"regexp_extract", kGroup, "the first match; null if there is none"}, 1, bind_pattern));
  out->push_back(row_bound<extracted>(
      {"regexp_extract", kGroup, "group n of the first match; fails for a group that isn't there"},
      1, bind_pattern));
  out->push_back(row_bound<all_replaced>({"regexp_replace", kGroup, "every match; \\1 is group 1"},
                                         1, bind_pattern));
  out->push_back(
      row_bound<counted>({"regexp_count", kGroup, "matches that don't overlap"}, 1, bind_pattern));
}

}  // namespace slip::engine::expr
