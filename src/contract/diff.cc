#include "contract/diff.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/text.h"
#include "contract/physical.h"

namespace slip::contract {
namespace {

using codec::Json;

// Greater is more sensitive; nothing for words that have no order.
std::optional<int> sensitivity(std::string_view classification) {
  constexpr std::array<std::string_view, 4> kLevels = {
      "|none|public|open|", "|internal|", "|confidential|private|",
      "|restricted|sensitive|secret|pii|personal|highly confidential|"};
  const std::string word = concat({"|", lower(trim(classification)), "|"});
  if (word == "||") return 0;
  for (size_t i = 0; i < kLevels.size(); ++i)
    if (kLevels[i].find(word) != std::string_view::npos) return static_cast<int>(i);
  return std::nullopt;
}

// Pairs of what is the same in two lists; null where the other has none.
template <class T>
std::vector<std::pair<const T*, const T*>> pairs_of(const std::vector<T>& before,
                                                    const std::vector<T>& after) {
  std::vector<std::pair<const T*, const T*>> out;
  std::set<const T*> taken;
  std::vector<const T*> partner(after.size(), nullptr);
  const auto match = [&](auto same) {
    for (size_t i = 0; i < after.size(); ++i)
      for (const T& a : before)
        if (partner[i] == nullptr && !taken.contains(&a) && same(a, after[i])) {
          partner[i] = &a;
          taken.insert(&a);
        }
  };
  match([](const T& a, const T& b) { return !a.id.empty() && a.id == b.id; });
  match([](const T& a, const T& b) {
    return a.name == b.name && (a.id.empty() || b.id.empty());  // Two ids: two things of one name.
  });
  for (const T& a : before)
    if (!taken.contains(&a)) out.emplace_back(&a, nullptr);
  for (size_t i = 0; i < after.size(); ++i) out.emplace_back(partner[i], &after[i]);
  return out;
}

class Comparison {
 public:
  Comparison(const Contract& before, const Contract& after, const Readers* readers)
      : before_(before), after_(after), readers_(readers) {}

  std::vector<Change> run() {
    for (const auto& [a, b] : pairs_of(before_.objects, after_.objects)) {
      old_object_ = a;
      object_ = b != nullptr ? b->name : a->name;
      if (a == nullptr)
        put("object_added", Impact::kNone, Impact::kNone, "is new");
      else if (b == nullptr)
        put("object_removed", Impact::kBreak, Impact::kNone, "is gone");
      else
        objects(*a, *b);
    }
    object_.clear();
    old_object_ = nullptr;
    slas();
    return std::move(out_);
  }

 private:
  void put(std::string rule, Impact consumer, Impact producer, std::string text) {
    Change c;
    c.rule = std::move(rule);
    c.consumer = consumer;
    c.producer = producer;
    c.text = std::move(text);
    put(std::move(c));
  }
  // What nobody reads breaks no reader.
  void put(Change c) {
    c.object = object_;
    c.property = path_;
    c.from = before_.version;
    if (readers_ != nullptr && old_object_ != nullptr) {
      c.readers = readers_->of(*old_object_, old_property_);
      c.readers_known = true;
      if (c.readers.empty() && !c.semantic && c.consumer != Impact::kGate)
        c.consumer = Impact::kNone;
    }
    out_.push_back(std::move(c));
  }

  void objects(const Object& a, const Object& b) {
    path_.clear();
    old_property_ = nullptr;
    if (a.name != b.name || a.physical_name != b.physical_name)
      renamed(a.name, a.physical_name, b.name, b.physical_name);
    const auto ids = [](const Object& o) {  // A renamed part of a key is the same part.
      std::vector<std::string> out;
      for (const std::string& name : o.primary_key())
        out.push_back(o.find(name)->id.empty() ? name : o.find(name)->id);
      return out;
    };
    if (ids(a) != ids(b))
      put("key_changed", Impact::kBreak, Impact::kBreak,
          concat({"primary key (", join(a.primary_key(), ", "), ") → (",
                  join(b.primary_key(), ", "), ")"}));
    std::vector<Change> found;
    compare_quality(a.quality, b.quality, &found);
    compare_semantics(a.customs, b.customs, &found);
    for (Change& c : found) put(std::move(c));
    properties(a.properties, b.properties, "");
  }

  void renamed(const std::string& a, const std::string& a_physical, const std::string& b,
               const std::string& b_physical) {
    const std::string& from = a_physical.empty() ? a : a_physical;
    const std::string& to = b_physical.empty() ? b : b_physical;
    const bool moved = from != to;
    const Impact impact = moved ? Impact::kWarn : Impact::kNone;
    put("renamed", impact, impact,
        concat({"renamed: ", a, " → ", b,
                moved ? "; who goes by the id follows, who goes by the name doesn't"
                      : "; the column stays"}));
  }

  void properties(const std::vector<Property>& before, const std::vector<Property>& after,
                  const std::string& above) {
    for (const auto& [a, b] : pairs_of(before, after)) {
      const std::string& name = b != nullptr ? b->name : a->name;
      path_ = above.empty() ? name : concat({above, ".", name});
      if (above.empty()) old_property_ = a;
      if (a == nullptr)
        added(*b);
      else if (b == nullptr)
        put("property_removed", Impact::kBreak, Impact::kNone, "is gone");
      else
        property(*a, *b);
    }
    path_ = above;
  }

  void added(const Property& p) {
    if (!p.required && !p.primary_key)
      return put("optional_added", Impact::kNone, Impact::kNone, "is new, and may be null");
    const bool filled = p.custom("slipway.default") != nullptr;
    put("required_added", Impact::kNone, filled ? Impact::kNone : Impact::kBreak,
        filled ? "is new and required, with a default" : "is new and required");
  }

  void property(const Property& a, const Property& b) {
    const std::string here = path_;
    if (a.name != b.name || a.physical_name != b.physical_name)
      renamed(a.name, a.physical_name, b.name, b.physical_name);
    if (a.required && !b.required)
      put("required_dropped", Impact::kBreak, Impact::kNone, "may be null now");
    if (!a.required && b.required)
      put("required_set", Impact::kNone, Impact::kBreak, "must not be null any more");
    if (a.unique != b.unique)
      put("key_changed", Impact::kBreak, Impact::kBreak,
          b.unique ? "must be unique now" : "need not be unique any more");
    classification(a, b);
    std::vector<Change> found;
    compare_limits(a, b, &found);
    compare_quality(a.quality, b.quality, &found);
    compare_semantics(a.customs, b.customs, &found);
    for (Change& c : found) put(std::move(c));
    logic(a, b);
    if (a.logical != b.logical) return;
    properties(a.properties, b.properties, here);
    path_ = here + "[]";
    if (!a.items.empty() && !b.items.empty()) property(a.items[0], b.items[0]);
    path_ = here;
  }

  void classification(const Property& a, const Property& b) {
    const auto class_of = [](const Property& p) {
      const Json* pii = p.custom("slipway.piiClass");
      return pii != nullptr && pii->is_string() && p.classification.empty() ? pii->as_string()
                                                                            : p.classification;
    };
    const std::string x = class_of(a);
    const std::string y = class_of(b);
    if (x == y) return;
    const auto m = sensitivity(x);
    const auto n = sensitivity(y);
    const Impact impact = m && n && *n <= *m ? Impact::kNone : Impact::kGate;
    put("classification_changed", impact, impact, concat({"classification '", x, "' → '", y, "'"}));
  }

  // transformLogic is only in the document.
  void logic(const Property& a, const Property& b) {
    const std::string x = at(before_.document, a.pointer, "transformLogic");
    const std::string y = at(after_.document, b.pointer, "transformLogic");
    if (x == y) return;
    Change c;
    c.rule = "meaning_changed";
    c.consumer = c.producer = Impact::kBreak;
    c.semantic = true;
    c.text = "transformLogic is another";
    put(std::move(c));
  }
  static std::string at(const Json& document, std::string_view pointer, std::string_view key) {
    const Json* v = &document;
    const auto steps = split(pointer, '/');
    for (size_t i = 1; i < steps.size() && v != nullptr; ++i) {
      const auto index = parse_int(steps[i]);
      const bool item =
          v->is_array() && index && *index >= 0 && static_cast<size_t>(*index) < v->items().size();
      v = item ? &v->items()[static_cast<size_t>(*index)] : v->find(steps[i]);
    }
    const Json* text = v != nullptr ? v->find(key) : nullptr;
    return text != nullptr && text->is_string() ? text->as_string() : std::string();
  }

  // ---- SLAs

  static std::string identity(const Sla& s) {
    return s.id.empty() ? concat({lower(s.property), " ", s.element}) : "id " + s.id;
  }
  void slas() {
    path_.clear();
    for (const Sla& a : before_.slas) {
      const auto b = std::ranges::find(after_.slas, identity(a), identity);
      if (b == after_.slas.end())
        put("sla_loosened", Impact::kWarn, Impact::kNone, concat({a.property, " is gone"}));
      else
        sla(a, *b);
    }
    for (const Sla& b : after_.slas)
      if (std::ranges::find(before_.slas, identity(b), identity) == before_.slas.end())
        put("sla_tightened", Impact::kNone, Impact::kWarn, concat({b.property, " is new"}));
  }
  void sla(const Sla& a, const Sla& b) {
    if (a.value == b.value && a.unit == b.unit) return;
    const std::string text = concat({a.property, " ", codec::to_json(a.value), " ", a.unit, " → ",
                                     codec::to_json(b.value), " ", b.unit});
    const auto age = [](const Sla& s) -> std::optional<int64_t> {
      const auto v = sla_number(s.value);
      const bool retention = sla_kind(s.property) == SlaKind::kRetention;
      const auto at = v ? moment_before(0, *v, s.unit, retention) : std::nullopt;
      return at ? std::optional(-*at) : std::nullopt;
    };
    const auto x = age(a);
    const auto y = age(b);
    // Data that must be fresh may be older, data that is kept is kept for less, or who knows.
    const bool higher_is_better = sla_kind(a.property) == SlaKind::kRetention ||
                                  lower(a.property) == "availability" || lower(a.property) == "av";
    const bool loose = !x || !y || (higher_is_better ? *y < *x : *y > *x);
    put(loose ? "sla_loosened" : "sla_tightened", loose ? Impact::kWarn : Impact::kNone,
        loose ? Impact::kNone : Impact::kWarn, text);
  }

  const Contract& before_;
  const Contract& after_;
  const Readers* readers_;
  const Object* old_object_ = nullptr;
  const Property* old_property_ = nullptr;
  std::string object_;
  std::string path_;
  std::vector<Change> out_;
};

}  // namespace

std::string_view impact_name(Impact impact) {
  constexpr std::array<std::string_view, 4> kNames = {"ok", "warn", "approval", "break"};
  return kNames[static_cast<size_t>(impact)];
}

std::string Mode::text() const {
  return concat({backward && forward ? "FULL"
                 : backward          ? "BACKWARD"
                                     : "FORWARD",
                 transitive ? "_TRANSITIVE" : ""});
}

Result<Mode> parse_mode(std::string_view text) {
  for (const bool transitive : {false, true})
    for (const int which : {1, 2, 3}) {
      const Mode mode{(which & 1) != 0, (which & 2) != 0, transitive};
      if (iequals(mode.text(), text)) return mode;
    }
  return invalid("contract.mode", concat({"'", text, "' is no mode"}))
      .with_hint("BACKWARD, FORWARD or FULL, and each with _TRANSITIVE");
}

Impact Diff::impact(const Change& change) const {
  Impact out = Impact::kNone;
  if (mode.forward) out = std::max(out, change.consumer);
  if (mode.backward) out = std::max(out, change.producer);
  return out;
}

Impact Diff::worst() const {
  Impact out = Impact::kNone;
  for (const Change& c : changes) out = std::max(out, impact(c));
  return out;
}

std::string_view Diff::bump() const {
  if (changes.empty()) return "none";
  const bool major = std::ranges::any_of(changes, [](const Change& c) {
    return c.consumer == Impact::kBreak || c.producer == Impact::kBreak;
  });
  return major ? "major" : "minor";
}

std::vector<Change> changes_between(const Contract& before, const Contract& after,
                                    const Readers* readers) {
  return Comparison(before, after, readers).run();
}

Diff diff_contracts(std::span<const Contract> before, const Contract& after, const Mode& mode,
                    const Readers* readers) {
  Diff out;
  out.mode = mode;
  if (!mode.transitive) before = before.last(1);
  for (const Contract& old : before)
    for (Change& c : changes_between(old, after, readers)) out.changes.push_back(std::move(c));
  return out;
}

Json to_json(const Diff& diff) {
  std::vector<Json> changes;
  for (const Change& c : diff.changes) {
    Json one = Json::object({{"rule", c.rule},
                             {"object", c.object},
                             {"property", c.property},
                             {"consumer", impact_name(c.consumer)},
                             {"producer", impact_name(c.producer)},
                             {"impact", impact_name(diff.impact(c))},
                             {"semantic", c.semantic},
                             {"parity_check", c.parity},
                             {"from_version", c.from},
                             {"text", c.text}});
    if (c.readers_known) {
      std::vector<Json> names;
      for (const std::string& r : c.readers) names.emplace_back(r);
      one.set("readers", Json::array(std::move(names)));
    }
    changes.push_back(std::move(one));
  }
  return Json::object({{"mode", diff.mode.text()},
                       {"impact", impact_name(diff.worst())},
                       {"breaking", diff.breaking()},
                       {"bump", diff.bump()},
                       {"changes", Json::array(std::move(changes))}});
}

std::string to_text(const Diff& diff) {
  std::string out;
  for (const Change& c : diff.changes) {
    out += concat({impact_name(diff.impact(c)), "  ", c.object, c.property.empty() ? "" : ".",
                   c.property, "  ", c.text, "  [", c.rule, ": consumers ", impact_name(c.consumer),
                   ", producers ", impact_name(c.producer)});
    if (c.semantic) out += "; a new version beside the old one";
    if (c.parity) out += "; check parity again";
    if (c.readers_known)
      out += c.readers.empty() ? "; read by nobody" : concat({"; read by ", join(c.readers, ", ")});
    if (diff.mode.transitive) out += concat({"; since ", c.from});
    out += "]\n";
  }
  out +=
      concat({diff.mode.text(), ": ", impact_name(diff.worst()), ", ",
              std::to_string(diff.changes.size()), " changes, version bump ", diff.bump(), "\n"});
  return out;
}

}  // namespace slip::contract
