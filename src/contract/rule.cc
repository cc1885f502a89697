#include "contract/rule.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <set>

#include "base/text.h"
#include "contract/nested.h"

namespace slip::contract {
namespace {

using codec::Json;
using Kind = Cell::Kind;
using How = Reading::How;

bool multiple_of_int(const Rule& rule, int64_t v) {
  // Of the odd part by its inverse modulo 2^64 (Granlund and Montgomery 1994), of the power of two
  // by the rotation.
  const uint64_t size = v < 0 ? 0 - static_cast<uint64_t>(v) : static_cast<uint64_t>(v);
  return std::rotr(size * static_cast<uint64_t>(rule.i), rule.shift) <= rule.most;
}

// Nearest multiple within four units in the last place: 0.07 is a multiple of 0.01.
bool multiple_of_real(double step, double v) {
  return std::fabs(v - std::round(v / step) * step) <= std::fabs(v) * 0x1p-50;
}

bool unique_items(const Json& list) {
  std::set<std::string> seen;
  for (const Json& item : list.items())
    if (!seen.insert(codec::to_json(item)).second) return false;
  return true;
}

bool holds_json(const Rule& rule, const Json& v) {
  const auto size = static_cast<int64_t>(v.is_array() ? v.items().size() : v.members().size());
  switch (rule.test) {
    case Test::kMinItems:
    case Test::kMinMembers:
      return size >= rule.i;
    case Test::kMaxItems:
    case Test::kMaxMembers:
      return size <= rule.i;
    case Test::kUniqueItems:
      return !v.is_array() || unique_items(v);
    case Test::kMembers: {
      const auto names = split(rule.text, '\n');
      return std::ranges::all_of(names, [&](std::string_view n) { return v.find(n) != nullptr; });
    }
    case Test::kNested:
      return nested_fault(*rule.nested, v).empty();
    default:
      return true;
  }
}

// ---- readings

std::optional<bool> read_truth(std::string_view text) {
  if (iequals(text, "true")) return true;
  if (iequals(text, "false")) return false;
  return std::nullopt;
}

std::optional<Cell> read_text(const Reading& reading, std::string_view text, Json* scratch) {
  switch (reading.how) {
    case How::kTime:
      if (const auto us = reading.format->parse(text)) return Cell::of_time(*us);
      return std::nullopt;
    case How::kReal:
      if (const auto v = parse_double(text)) return Cell::of_real(*v);
      return std::nullopt;
    case How::kInt:
      if (const auto v = parse_int(text)) return Cell::of_int(*v);
      return std::nullopt;
    case How::kBool:
      if (const auto v = read_truth(text)) return Cell::of_bool(*v);
      return std::nullopt;
    case How::kJson: {
      Result<Json> parsed = codec::parse_json(text);
      if (!parsed.ok() || (!parsed->is_array() && !parsed->is_object())) return std::nullopt;
      *scratch = std::move(parsed).value();
      return Cell::of_json(*scratch);
    }
    default:
      return std::nullopt;
  }
}

How how_of(const Property& property, Kind kind, Leniency leniency) {
  const bool json = leniency != Leniency::kTyped;
  const bool loose = leniency == Leniency::kText;
  const bool text = kind == Kind::kText;
  switch (property.logical) {
    case Logical::kNone:
      return How::kAsIs;
    case Logical::kString:
      return text ? How::kAsIs : How::kRefused;
    case Logical::kDate:
    case Logical::kTimestamp:
      if (kind == Kind::kTime) return How::kAsIs;
      return text && (json || !property.limits.format.empty()) ? How::kTime : How::kRefused;
    case Logical::kTime:
      return text ? How::kTime : How::kRefused;
    case Logical::kNumber:
      if (kind == Kind::kInt || kind == Kind::kReal) return How::kAsIs;
      return text && loose ? How::kReal : How::kRefused;
    case Logical::kInteger:
      if (kind == Kind::kInt) return How::kAsIs;
      if (kind == Kind::kReal && json) return How::kIntOfReal;
      return text && loose ? How::kInt : How::kRefused;
    case Logical::kBoolean:
      if (kind == Kind::kBool) return How::kAsIs;
      return text && loose ? How::kBool : How::kRefused;
    case Logical::kObject:
    case Logical::kArray:
      if (kind == Kind::kJson) return How::kAsIs;
      return text && loose ? How::kJson : How::kRefused;
  }
  return How::kRefused;
}

}  // namespace

std::optional<Cell> Reading::read(const Cell& cell, Json* scratch) const {
  if (how == How::kAsIs || cell.is_null()) return cell;
  if (how == How::kRefused) return std::nullopt;
  if (how == How::kIntOfReal) {
    const bool whole = std::floor(cell.d) == cell.d && std::fabs(cell.d) < 0x1p63;
    return whole ? std::optional(Cell::of_int(static_cast<int64_t>(cell.d))) : std::nullopt;
  }
  return read_text(*this, cell.text, scratch);
}

Reading reading_of(const Property& property, Kind kind, Leniency leniency) {
  Reading out;
  out.how = how_of(property, kind, leniency);
  out.kind = kind;
  if (kind == Kind::kNull) out.how = How::kAsIs;
  if (out.how == How::kRefused || kind == Kind::kNull) return out;
  if (out.how == How::kTime) {
    const std::string& format = property.limits.format;
    Result<TimeFormat> compiled = format.empty()
                                      ? TimeFormat::iso(property.logical == Logical::kTime)
                                      : TimeFormat::compile(format);
    if (!compiled.ok()) {
      out.how = How::kAsIs;  // A format that isn't read: the text stays what it is.
      return out;
    }
    out.format = std::make_shared<TimeFormat>(std::move(compiled).value());
  }
  constexpr std::array<Kind, 8> kAfter = {Kind::kNull, Kind::kNull, Kind::kTime, Kind::kReal,
                                          Kind::kInt,  Kind::kInt,  Kind::kBool, Kind::kJson};
  if (out.how != How::kAsIs) out.kind = kAfter[static_cast<size_t>(out.how)];
  return out;
}

bool holds_int(const Rule& rule, int64_t v) {
  switch (rule.test) {
    case Test::kLow:
      return v >= rule.i;
    case Test::kHigh:
      return v <= rule.i;
    case Test::kMultiple:
      return rule.d == 0 ? multiple_of_int(rule, v)
                         : multiple_of_real(rule.d, static_cast<double>(v));
    case Test::kOneOf:
      return rule.set->contains_int(v);
    case Test::kPresentIn:
      return !rule.set->contains_int(v);
    default:
      return true;
  }
}

// NaN is a number that is in no range and no multiple.
bool holds_real(const Rule& rule, double v) {
  switch (rule.test) {
    case Test::kLow:
      return rule.strict ? v > rule.d : v >= rule.d;
    case Test::kHigh:
      return rule.strict ? v < rule.d : v <= rule.d;
    case Test::kMultiple:
      return multiple_of_real(rule.d, v);
    case Test::kFloat32:
      return std::isnan(v) || static_cast<double>(static_cast<float>(v)) == v;
    case Test::kOneOf:
      return rule.set->contains_real(v);
    case Test::kPresentIn:
      return !rule.set->contains_real(v);
    default:
      return true;
  }
}

bool holds_text(const Rule& rule, std::string_view v) {
  const auto bytes = static_cast<int64_t>(v.size());
  switch (rule.test) {
    case Test::kMinLength:  // A code point has at most four bytes.
      return bytes >= rule.i && (bytes / 4 >= rule.i || code_points(v) >= rule.i);
    case Test::kMaxLength:
      return bytes <= rule.i || code_points(v) <= rule.i;
    case Test::kPattern:
      return rule.regex->found_in(v);
    case Test::kForm:
      return has_form(rule.text, v);
    case Test::kOneOf:
      return rule.set->contains_text(v) && (rule.regex == nullptr || rule.regex->found_in(v));
    case Test::kPresentIn:
      return !rule.set->contains_text(v);
    default:
      return true;
  }
}

bool holds(const Rule& rule, const Cell& cell) {
  switch (cell.kind) {
    case Kind::kNull:
      if (rule.test == Test::kPresent) return false;
      return rule.test != Test::kPresentIn || !rule.set->has_null();
    case Kind::kBool:
    case Kind::kInt:
    case Kind::kTime:
      return holds_int(rule, cell.i);
    case Kind::kReal:
      return holds_real(rule, cell.d);
    case Kind::kText:
    case Kind::kBytes:
      return holds_text(rule, cell.text);
    case Kind::kJson:
      return holds_json(rule, *cell.json);
  }
  return true;
}

std::string reason(const Rule& rule, const Cell& cell) {
  switch (rule.test) {
    case Test::kPresent:
      return "is null";
    case Test::kKind:
      return concat({"is no ", rule.text});
    case Test::kLow:
      return concat({rule.strict ? "not above " : "below ", rule.text});
    case Test::kHigh:
      return concat({rule.strict ? "not below " : "above ", rule.text});
    case Test::kMultiple:
      return concat({"no multiple of ", rule.text});
    case Test::kFloat32:
      return "no 32-bit number";
    case Test::kMinLength:
      return concat({"shorter than ", rule.text});
    case Test::kMaxLength:
      return concat({"longer than ", rule.text});
    case Test::kPattern:
      return concat({"does not match ", rule.text});
    case Test::kForm:
      return concat({"is no ", rule.text});
    case Test::kOneOf:
      return "not a valid value";
    case Test::kPresentIn:
      return "counts as missing";
    case Test::kMinItems:
      return concat({"fewer than ", rule.text, " items"});
    case Test::kMaxItems:
      return concat({"more than ", rule.text, " items"});
    case Test::kUniqueItems:
      return "an item occurs twice";
    case Test::kMinMembers:
      return concat({"fewer than ", rule.text, " members"});
    case Test::kMaxMembers:
      return concat({"more than ", rule.text, " members"});
    case Test::kMembers:
      return "a member it needs is missing";
    case Test::kNested:
      return cell.json != nullptr ? nested_fault(*rule.nested, *cell.json) : std::string();
  }
  return {};
}

}  // namespace slip::contract
