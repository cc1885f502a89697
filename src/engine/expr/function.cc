#include "engine/expr/function.h"

#include <algorithm>
#include <map>

#include "base/text.h"

namespace slip::engine::expr {
namespace {

struct Table {
  std::vector<Function> rows;
  std::map<std::string_view, std::vector<const Function*>> by_name;

  Table() {
    add_operators(&rows);
    add_choices(&rows);
    add_numbers(&rows);
    add_texts(&rows);
    add_patterns(&rows);
    add_times(&rows);
    add_hashes(&rows);
    add_lists(&rows);
    add_casts(&rows);
    for (const Function& f : rows) by_name[f.name].push_back(&f);
  }
};
const Table& table() {
  static const Table one;
  return one;
}

std::string signature(const Function& f) {
  std::string out;
  for (const ValueType& p : f.params) out += concat({out.empty() ? "" : ", ", type_text(p)});
  return concat({"(", out, f.variadic ? ", …" : "", ") → ", type_text(f.result)});
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == '|' ? "\\|" : std::string(1, c);
  return out;
}

}  // namespace

std::string_view state_text(State state) {
  switch (state) {
    case kValid:
    case kNull:
      return "";
    case kOverflow:
      return "an integer overflows 64 bits";
    case kDivideByZero:
      return "an integer is divided by zero";
    case kBadCast:
      return "a value can't be cast";
    case kBadArgument:
      return "an argument is out of its range";
    case kOutOfRange:
      return "a time lies outside of years 0 to 9999";
    case kTooLong:
      return "a text becomes too long";
  }
  return "";
}

const std::vector<Function>& functions() { return table().rows; }

std::span<const Function* const> functions_named(std::string_view name) {
  const auto at = table().by_name.find(name);
  if (at == table().by_name.end()) return {};
  return at->second;
}

std::string nearest(std::string_view name, std::span<const std::string_view> names) {
  const std::string wanted = lower(name);
  size_t best = std::max<size_t>(2, name.size() / 3 + 1);
  std::string out;
  for (const std::string_view n : names) {
    if (n.size() > 256 || wanted.size() > 256) continue;
    const size_t d = edit_distance(wanted, lower(n));
    if (d < best || (d == best && out.empty() && d < name.size())) {
      best = d;
      out = n;
    }
  }
  return out;
}

std::string nearest_function(std::string_view name) {
  std::vector<std::string_view> names = {"if"};
  for (const auto& [n, unused] : table().by_name)
    if (n.find(' ') == std::string_view::npos) names.push_back(n);
  return nearest(name, names);
}

std::string function_reference() {
  std::string out;
  std::string_view group;
  for (const Function& f : functions()) {
    if (f.group != group)
      out += concat({"\n### ", f.group, "\n| name | types | |\n|---|---|---|\n"});
    group = f.group;
    out += concat({"| `", escaped(f.name), "` | ", signature(f), " | ", escaped(f.text), " |\n"});
  }
  return out;
}

}  // namespace slip::engine::expr
