#include "codec/yaml.h"

#include <charconv>
#include <cmath>
#include <sstream>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include "base/guard.h"
#include "base/text.h"

namespace slip::codec {
namespace {

bool any_of(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

bool all_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == text.npos;
}

// [-+]? (digits | . digits | digits . digits?) ([eE] [-+]? digits)?
bool is_float(std::string_view text) {
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  const size_t e = std::min(text.find_first_of("eE"), text.size());
  if (e < text.size()) {
    std::string_view exponent = text.substr(e + 1);
    if (exponent.starts_with('-') || exponent.starts_with('+')) exponent.remove_prefix(1);
    if (!all_digits(exponent)) return false;
  }
  const std::string_view mantissa = text.substr(0, e);
  const size_t dot = std::min(mantissa.find('.'), mantissa.size());
  const std::string_view whole = mantissa.substr(0, dot);
  const std::string_view rest = dot < mantissa.size() ? mantissa.substr(dot + 1) : "";
  if (whole.empty() && rest.empty()) return false;
  return (whole.empty() || all_digits(whole)) && (rest.empty() || all_digits(rest));
}

std::optional<int64_t> based(std::string_view digits, int base) {
  int64_t v = 0;
  const auto r = std::from_chars(digits.data(), digits.data() + digits.size(), v, base);
  if (digits.empty() || r.ec != std::errc() || r.ptr != digits.data() + digits.size())
    return std::nullopt;
  return v;
}

// What a plain scalar means (YAML 1.2.2, 10.3.2). Nothing: a number beyond 64 bits.
std::optional<Json> resolve(const std::string& s) {
  if (any_of(s, {"", "~", "null", "Null", "NULL"})) return Json();
  if (any_of(s, {"true", "True", "TRUE"})) return Json(true);
  if (any_of(s, {"false", "False", "FALSE"})) return Json(false);
  if (any_of(s, {".nan", ".NaN", ".NAN"})) return Json(std::nan(""));
  const std::string_view unsigned_part =
      s.starts_with('-') || s.starts_with('+') ? std::string_view(s).substr(1) : s;
  if (any_of(unsigned_part, {".inf", ".Inf", ".INF"}))
    return Json(s.starts_with('-') ? -HUGE_VAL : HUGE_VAL);
  const bool hex = s.starts_with("0x");
  if (hex || s.starts_with("0o")) {
    const std::string_view digits = std::string_view(s).substr(2);
    const std::string_view allowed = hex ? "0123456789abcdefABCDEF" : "01234567";
    if (digits.empty() || digits.find_first_not_of(allowed) != digits.npos) return Json(s);
    const std::optional<int64_t> v = based(digits, hex ? 16 : 8);
    return v ? std::optional<Json>(*v) : std::nullopt;
  }
  if (all_digits(unsigned_part)) {
    const std::optional<int64_t> v = parse_int(s.starts_with('+') ? unsigned_part : s);
    return v ? std::optional<Json>(*v) : std::nullopt;
  }
  if (!is_float(s)) return Json(s);
  const std::optional<double> v = parse_double(s.starts_with('+') ? unsigned_part : s);
  return v ? std::optional<Json>(*v) : std::nullopt;
}

class Converter {
 public:
  Result<Json> convert(const YAML::Node& node, int depth) {
    if (++nodes_ > kYamlNodesMax)
      return exhausted("yaml.too_large", "the document has more than 500000 nodes");
    switch (node.Type()) {
      case YAML::NodeType::Undefined:
      case YAML::NodeType::Null:
        return Json();
      case YAML::NodeType::Scalar:
        return scalar(node);
      case YAML::NodeType::Sequence:
        return sequence(node, depth);
      case YAML::NodeType::Map:
        return map(node, depth);
    }
    return Json();
  }

 private:
  static Error fail(const YAML::Node& node, std::string_view reason, std::string_view what) {
    const YAML::Mark mark = node.Mark();
    return invalid(reason, concat({"line ", std::to_string(mark.line + 1), ", column ",
                                   std::to_string(mark.column + 1), ": ", what}));
  }

  static Result<Json> scalar(const YAML::Node& node) {
    const std::string& tag = node.Tag();
    const std::string& text = node.Scalar();
    if (!is_utf8(text)) return fail(node, "yaml.syntax", "a text is not UTF-8");
    if (tag == "!" || tag == "tag:yaml.org,2002:str") return Json(text);
    if (!tag.empty() && tag != "?" &&
        !any_of(tag, {"tag:yaml.org,2002:int", "tag:yaml.org,2002:float", "tag:yaml.org,2002:bool",
                      "tag:yaml.org,2002:null"}))
      return fail(node, "yaml.syntax", concat({"the tag ", tag, " is not known here"}));
    std::optional<Json> value = resolve(text);
    if (!value) return fail(node, "yaml.number", "the number needs more than 64 bits");
    return std::move(*value);
  }

  Result<Json> sequence(const YAML::Node& node, int depth) {
    if (depth >= kJsonDepthMax) return fail(node, "yaml.depth", "nested deeper than 100");
    std::vector<Json> items;
    for (const auto& item : node) items.push_back(TRY(convert(item, depth + 1)));
    return Json::array(std::move(items));
  }

  Result<Json> map(const YAML::Node& node, int depth) {
    if (depth >= kJsonDepthMax) return fail(node, "yaml.depth", "nested deeper than 100");
    std::vector<JsonMember> members;
    std::vector<std::string> keys;
    for (const auto& item : node) {
      if (!item.first.IsScalar() || !is_utf8(item.first.Scalar()))
        return fail(item.first, "yaml.key", "a key must be plain text");
      keys.push_back(item.first.Scalar());
      members.emplace_back(keys.back(), TRY(convert(item.second, depth + 1)));
    }
    std::sort(keys.begin(), keys.end());
    const auto twice = std::adjacent_find(keys.begin(), keys.end());
    if (twice != keys.end())
      return fail(node, "yaml.duplicate_key", concat({"key '", *twice, "' occurs twice"}));
    return Json::object(std::move(members));
  }

  int64_t nodes_ = 0;
};

// For counting documents.
class Deaf final : public YAML::EventHandler {
 public:
  using Mark = YAML::Mark;
  using Text = std::string;
  using Style = YAML::EmitterStyle::value;
  void OnDocumentStart(const Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const Mark&, YAML::anchor_t) override {}
  void OnAlias(const Mark&, YAML::anchor_t) override {}
  void OnScalar(const Mark&, const Text&, YAML::anchor_t, const Text&) override {}
  void OnSequenceStart(const Mark&, const Text&, YAML::anchor_t, Style) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const Mark&, const Text&, YAML::anchor_t, Style) override {}
  void OnMapEnd() override {}
};

// ---- places

YamlPlace place_of(const YAML::Mark& mark) {
  if (mark.line < 0) return {};
  return {mark.line + 1, mark.column + 1};
}

std::string unescape_step(std::string_view step) {
  std::string out;
  for (size_t i = 0; i < step.size(); ++i) {
    const bool escaped = step[i] == '~' && i + 1 < step.size();
    out += !escaped ? step[i] : step[i + 1] == '1' ? '/' : '~';
    if (escaped) ++i;
  }
  return out;
}

YamlPlace find_place(const YAML::Node& document, std::string_view pointer) {
  YAML::Node at = document;
  YamlPlace out = place_of(at.Mark());
  const auto steps = split(pointer, '/');
  for (size_t i = 1; i < steps.size(); ++i) {
    YAML::Node next;
    if (at.IsMap()) {
      const std::string key = unescape_step(steps[i]);
      for (const auto& item : at) {
        if (!item.first.IsScalar() || item.first.Scalar() != key) continue;
        out = place_of(item.first.Mark());
        next.reset(item.second);
      }
    } else if (const auto index = parse_int(steps[i]); at.IsSequence() && index && *index >= 0) {
      if (static_cast<size_t>(*index) >= at.size()) break;
      next.reset(at[static_cast<size_t>(*index)]);
      out = place_of(next.Mark());
    }
    if (!next.IsDefined() || next.IsNull()) break;
    at.reset(next);
  }
  return out;
}

// ---- writing

bool is_plain(const std::string& s) {
  if (s.empty() || s.back() == ' ' || s.back() == ':') return false;
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  if (!letter(s[0]) && s[0] != '_' && s[0] != '/') return false;
  for (const char c : s)
    if (!letter(c) && (c < '0' || c > '9') && std::string_view("_-./ @=+").find(c) == s.npos)
      return false;
  const std::optional<Json> read = resolve(s);
  return read && read->is_string();
}

void put_scalar(std::string* out, const Json& v) {
  if (v.is_string() && is_plain(v.as_string())) {
    *out += v.as_string();
  } else if (v.kind() == Json::Kind::kDouble && !std::isfinite(v.as_double())) {
    *out += std::isnan(v.as_double()) ? ".nan" : v.as_double() > 0 ? ".inf" : "-.inf";
  } else {
    *out += to_json(v);  // A JSON scalar, or an empty [] or {}, is YAML.
  }
}

bool is_block(const Json& v) {
  return (v.is_array() && !v.items().empty()) || (v.is_object() && !v.members().empty());
}

void put_block(std::string* out, const Json& v, size_t indent) {
  const auto put_item = [&](const Json& item) {
    if (is_block(item)) {
      *out += '\n';
      put_block(out, item, indent + 2);
    } else {
      *out += ' ';
      put_scalar(out, item);
      *out += '\n';
    }
  };
  if (v.is_array()) {
    for (const Json& item : v.items()) {
      out->append(indent, ' ').append("-");
      put_item(item);
    }
    return;
  }
  for (const auto& [key, value] : v.members()) {
    out->append(indent, ' ');
    put_scalar(out, key);
    *out += ':';
    put_item(value);
  }
}

}  // namespace

Result<Json> parse_yaml(std::string_view text) {
  if (text.size() > kYamlBytesMax)
    return exhausted("yaml.too_large", "the text is larger than " + format_size(kYamlBytesMax));
  return TRY(guarded(Code::kInvalid, "yaml.syntax", [&]() -> Result<Json> {
    const std::string copy(text);
    std::istringstream stream(copy);
    YAML::Parser parser(stream);
    Deaf deaf;
    // Not LoadAll(): of a text that begins with ',' it makes documents without end.
    if (!parser.HandleNextDocument(deaf)) return Json();
    if (parser.HandleNextDocument(deaf))
      return invalid("yaml.syntax", "the text holds more than one document");
    return Converter().convert(YAML::Load(copy), 0);
  }));
}

std::vector<YamlPlace> yaml_places(std::string_view text, std::span<const std::string> pointers) {
  std::vector<YamlPlace> out(pointers.size());
  if (text.size() > kYamlBytesMax) return out;
  const auto found = guarded(Code::kInvalid, "yaml.syntax", [&]() -> Status {
    const YAML::Node document = YAML::Load(std::string(text));
    for (size_t i = 0; i < pointers.size(); ++i) out[i] = find_place(document, pointers[i]);
    return {};
  });
  ignore(found, "a text that is no YAML has no places");
  return out;
}

std::string to_yaml(const Json& value) {
  std::string out;
  if (is_block(value)) {
    put_block(&out, value, 0);
  } else {
    put_scalar(&out, value);
    out += '\n';
  }
  return out;
}

}  // namespace slip::codec
