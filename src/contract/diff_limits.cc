#include <algorithm>
#include <array>
#include <cmath>

#include "base/text.h"
#include "contract/diff.h"
#include "contract/physical.h"

// Rows of the table that look inside one property.
namespace slip::contract {
namespace {

using codec::Json;

Change row(std::string rule, Impact consumer, Impact producer, std::string text) {
  Change out;
  out.rule = std::move(rule);
  out.consumer = consumer;
  out.producer = producer;
  out.text = std::move(text);
  return out;
}
Change tightened(std::string text) {
  return row("limit_tightened", Impact::kNone, Impact::kBreak, std::move(text));
}
Change loosened(std::string text) {
  return row("limit_loosened", Impact::kWarn, Impact::kNone, std::move(text));
}

std::string shown(const std::optional<Json>& v) { return v ? codec::to_json(*v) : "none"; }

// Bounds of times have one format, so their texts are ordered as they are written in ISO.
bool less(const Json& a, const Json& b) {
  if (a.is_number() && b.is_number()) return a.as_double() < b.as_double();
  return a.is_string() && b.is_string() && a.as_string() < b.as_string();
}

void bound(std::string_view name, bool low, const std::optional<Json>& a,
           const std::optional<Json>& b, std::vector<Change>* out) {
  if (a.has_value() == b.has_value() && (!a || *a == *b)) return;
  std::string text = concat({name, " ", shown(a), " → ", shown(b)});
  const bool tighter = !a || (b && (low ? less(*a, *b) : less(*b, *a)));
  out->push_back(tighter ? tightened(std::move(text)) : loosened(std::move(text)));
}

void count(std::string_view name, bool low, const std::optional<int64_t>& a,
           const std::optional<int64_t>& b, std::vector<Change>* out) {
  const auto json = [](const std::optional<int64_t>& v) {
    return v ? std::optional<Json>(*v) : std::nullopt;
  };
  bound(name, low, json(a), json(b), out);
}

bool contains(const std::vector<Json>& list, const Json& v) {
  return std::ranges::find(list, v) != list.end();
}

void values(const Property& before, const Property& after, std::vector<Change>* out) {
  const std::vector<Json>* a = before.valid_values();
  const std::vector<Json>* b = after.valid_values();
  if (a == nullptr && b == nullptr) return;
  if (a == nullptr) return out->push_back(tightened("a set of valid values is new"));
  const Json* closed = before.custom("slipway.closed");
  const bool is_closed = closed != nullptr && closed->is_bool() && closed->as_bool();
  const Impact widened = is_closed ? Impact::kBreak : Impact::kWarn;
  if (b == nullptr)
    return out->push_back(row("enum_widened", widened, Impact::kNone, "any value is valid now"));
  std::string more;
  std::string fewer;
  for (const Json& v : *b)
    if (!contains(*a, v)) more += concat({more.empty() ? "" : ", ", codec::to_json(v)});
  for (const Json& v : *a)
    if (!contains(*b, v)) fewer += concat({fewer.empty() ? "" : ", ", codec::to_json(v)});
  if (!more.empty())
    out->push_back(
        row("enum_widened", widened, Impact::kNone,
            concat({"valid now: ", more, is_closed ? "; the set was declared closed" : ""})));
  if (!fewer.empty())
    out->push_back(
        row("enum_narrowed", Impact::kNone, Impact::kBreak, concat({"no longer valid: ", fewer})));
}

// ---- widths

struct Width {
  char family = 0;  // i, u, f
  int bits = 0;
};
std::optional<Width> width_of(const Property& p) {
  std::string name = p.limits.format;
  const bool number = p.logical == Logical::kInteger || p.logical == Logical::kNumber;
  if (name.empty() || !number) {
    const std::optional<std::string> family = physical_family(p.physical_type);
    if (!family) return std::nullopt;
    name = *family;
  }
  if (name == "float") return Width{'f', 32};
  if (name == "double") return Width{'f', 64};
  const size_t digit = name.find_first_of("0123456789");
  if (digit == name.npos) return std::nullopt;
  const std::string head = name.substr(0, digit);
  const auto bits = parse_int(std::string_view(name).substr(digit));
  if (!bits || (head != "i" && head != "u" && head != "f" && head != "int" && head != "uint"))
    return std::nullopt;
  return Width{head[0], static_cast<int>(*bits)};
}

void types(const Property& before, const Property& after, std::vector<Change>* out) {
  const auto changed = [&](std::string text) {
    out->push_back(row("type_changed", Impact::kBreak, Impact::kBreak, std::move(text)));
  };
  if (before.logical != after.logical)
    changed(concat({"logicalType ",
                    before.logical == Logical::kNone ? "none" : logical_name(before.logical), " → ",
                    after.logical == Logical::kNone ? "none" : logical_name(after.logical)}));
  const std::optional<Width> a = width_of(before);
  const std::optional<Width> b = width_of(after);
  if (a && b && (a->family != b->family || a->bits != b->bits)) {
    const std::string text = concat({std::string(1, a->family), std::to_string(a->bits), " → ",
                                     std::string(1, b->family), std::to_string(b->bits)});
    const bool wider =
        b->bits > a->bits && (a->family == b->family || (a->family == 'u' && b->family == 'i'));
    if (wider) {
      out->push_back(row("type_widened", Impact::kNone, Impact::kNone, text));
      out->back().parity = true;
    } else if (a->family == b->family) {
      out->push_back(row("type_narrowed", Impact::kNone, Impact::kBreak, text));
    } else {
      changed(text);
    }
  } else if (!a || !b) {
    const auto x = physical_family(before.physical_type);
    const auto y = physical_family(after.physical_type);
    if (!before.physical_type.empty() && !after.physical_type.empty() &&
        (x && y ? *x != *y : lower(before.physical_type) != lower(after.physical_type)))
      changed(concat({"physicalType ", before.physical_type, " → ", after.physical_type}));
  }
  const auto zone = [](const Property& p) { return p.limits.timezone.value_or(false); };
  if (zone(before) != zone(after))
    changed(zone(after) ? "a time zone is added" : "the time zone is gone");
  if (before.limits.default_timezone != after.limits.default_timezone)
    changed(concat({"defaultTimezone '", before.limits.default_timezone, "' → '",
                    after.limits.default_timezone, "'"}));
}

void formats(const Property& before, const Property& after, std::vector<Change>* out) {
  const std::string& a = before.limits.format;
  const std::string& b = after.limits.format;
  const bool number = before.logical == Logical::kInteger || before.logical == Logical::kNumber;
  if (a == b || number || before.logical != after.logical) return;
  if (before.logical != Logical::kString)
    return out->push_back(row("type_changed", Impact::kBreak, Impact::kBreak,
                              concat({"format '", a, "' → '", b, "'"})));
  if (b.empty()) return out->push_back(loosened(concat({"format ", a, " → none"})));
  out->push_back(
      tightened(concat({"format ", a.empty() ? "none" : std::string_view(a), " → ", b})));
  if (!a.empty()) out->back().consumer = Impact::kWarn;
}

// ---- quality

std::string identity(const Quality& q) {
  if (!q.id.empty()) return "id " + q.id;
  return concat(
      {q.type == Quality::Type::kLibrary ? metric_name(q.metric) : std::string_view(q.query), " ",
       q.engine, " ", codec::to_json(q.arguments), q.percent ? "%" : "",
       codec::to_json(q.implementation)});
}
std::string title(const Quality& q) {
  if (!q.name.empty()) return q.name;
  if (!q.id.empty()) return q.id;
  return std::string(q.type == Quality::Type::kLibrary ? metric_name(q.metric) : "the check");
}

// The measures that a bound lets through, as an interval; nothing for other shapes.
struct Span {
  double low = -INFINITY;
  double high = INFINITY;
};
std::optional<Span> span_of(const Bound& b) {
  const double inf = INFINITY;
  switch (b.op) {
    case Operator::kMustBe:
      return Span{b.a, b.a};
    case Operator::kGreaterThan:
      return Span{std::nextafter(b.a, inf), inf};
    case Operator::kGreaterOrEqual:
      return Span{b.a, inf};
    case Operator::kLessThan:
      return Span{-inf, std::nextafter(b.a, -inf)};
    case Operator::kLessOrEqual:
      return Span{-inf, b.a};
    case Operator::kBetween:
      return Span{std::nextafter(b.a, inf), std::nextafter(b.b, -inf)};
    default:
      return std::nullopt;
  }
}
bool within(const Bound& inner, const Bound& outer) {
  if (inner == outer) return true;
  const auto a = span_of(inner);
  const auto b = span_of(outer);
  return a && b && a->low >= b->low && a->high <= b->high;
}

}  // namespace

void compare_quality(const std::vector<Quality>& before, const std::vector<Quality>& after,
                     std::vector<Change>* out) {
  for (const Quality& a : before) {
    if (a.type == Quality::Type::kText) continue;
    const auto b = std::ranges::find(after, identity(a), identity);
    if (b == after.end()) {
      // A set of valid values is compared as one.
      const bool set = a.metric == Metric::kInvalid && a.arguments.find("validValues") != nullptr;
      if (!set)
        out->push_back(
            row("quality_loosened", Impact::kWarn, Impact::kNone, concat({title(a), " is gone"})));
      continue;
    }
    if (!a.bound || !b->bound) continue;
    const std::string text = concat({title(a), ": ", a.bound->text(), " → ", b->bound->text()});
    if (!within(*b->bound, *a.bound) || b->severity < a.severity)
      out->push_back(row("quality_loosened", Impact::kWarn, Impact::kNone, text));
    else if (!(*a.bound == *b->bound) || b->severity > a.severity)
      out->push_back(row("quality_tightened", Impact::kNone, Impact::kWarn, text));
  }
  for (const Quality& b : after) {
    const bool set = b.metric == Metric::kInvalid && b.arguments.find("validValues") != nullptr;
    if (b.type == Quality::Type::kText || set) continue;
    if (std::ranges::find(before, identity(b), identity) == before.end())
      out->push_back(
          row("quality_tightened", Impact::kNone, Impact::kWarn, concat({title(b), " is new"})));
  }
}

void compare_semantics(const std::vector<Custom>& before, const std::vector<Custom>& after,
                       std::vector<Change>* out) {
  constexpr std::array<std::string_view, 8> kMeaning = {
      "slipway.expression", "slipway.window",      "slipway.hop",    "slipway.aggregation",
      "slipway.ttl",        "slipway.nullDefault", "slipway.source", "slipway.filter"};
  for (const std::string_view name : kMeaning) {
    const Json* a = find_custom(before, name);
    const Json* b = find_custom(after, name);
    if (a == nullptr && b == nullptr) continue;
    if (a != nullptr && b != nullptr && *a == *b) continue;
    const auto text_of = [](const Json* v) { return v != nullptr ? codec::to_json(*v) : "none"; };
    const std::string text = concat({name.substr(8), " ", text_of(a), " → ", text_of(b)});
    const bool lives_longer = name == "slipway.ttl" && a != nullptr &&
                              (b == nullptr || (a->is_number() && b->is_number() && less(*a, *b)));
    if (lives_longer) {
      out->push_back(loosened(text));
      continue;
    }
    out->push_back(row("meaning_changed", Impact::kBreak, Impact::kBreak, text));
    out->back().semantic = true;
  }
  for (const std::string_view name : {"slipway.entityKey", "slipway.eventTime", "slipway.unit"}) {
    const Json* a = find_custom(before, name);
    const Json* b = find_custom(after, name);
    const bool same = a == nullptr || b == nullptr ? a == b : *a == *b;
    if (!same)
      out->push_back(row(name == "slipway.unit" ? "type_changed" : "key_changed", Impact::kBreak,
                         Impact::kBreak, concat({name.substr(8), " is another"})));
  }
}

void compare_limits(const Property& before, const Property& after, std::vector<Change>* out) {
  types(before, after, out);
  formats(before, after, out);
  const Limits& a = before.limits;
  const Limits& b = after.limits;
  if (before.logical == after.logical) {
    bound("minimum", true, a.minimum, b.minimum, out);
    bound("maximum", false, a.maximum, b.maximum, out);
    bound("exclusiveMinimum", true, a.exclusive_minimum, b.exclusive_minimum, out);
    bound("exclusiveMaximum", false, a.exclusive_maximum, b.exclusive_maximum, out);
    count("minLength", true, a.min_length, b.min_length, out);
    count("maxLength", false, a.max_length, b.max_length, out);
    count("minItems", true, a.min_items, b.min_items, out);
    count("maxItems", false, a.max_items, b.max_items, out);
    count("minProperties", true, a.min_properties, b.min_properties, out);
    count("maxProperties", false, a.max_properties, b.max_properties, out);
    if (a.unique_items != b.unique_items)
      out->push_back(b.unique_items ? tightened("items are unique now")
                                    : loosened("items may repeat"));
    for (const std::string& name : b.required)
      if (std::ranges::find(a.required, name) == a.required.end())
        out->push_back(tightened(concat({"needs the member ", name})));
    for (const std::string& name : a.required)
      if (std::ranges::find(b.required, name) == b.required.end())
        out->push_back(loosened(concat({"the member ", name, " may be missing"})));
    if (a.pattern != b.pattern) {
      const std::string text =
          concat({"pattern ", a.pattern.value_or("none"), " → ", b.pattern.value_or("none")});
      out->push_back(b.pattern ? tightened(text) : loosened(text));
      if (a.pattern && b.pattern) out->back().consumer = Impact::kWarn;
    }
    const auto multiple = [](const std::optional<Json>& m) { return m ? m->as_double() : 0; };
    const double m = multiple(a.multiple_of);
    const double n = multiple(b.multiple_of);
    if (m != n) {
      const bool looser = n == 0 || (m != 0 && std::fmod(m, n) == 0);
      const std::string text =
          concat({"multipleOf ", shown(a.multiple_of), " → ", shown(b.multiple_of)});
      out->push_back(looser ? loosened(text) : tightened(text));
    }
  }
  values(before, after, out);
}

}  // namespace slip::contract
