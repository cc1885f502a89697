#include "base/text.h"
#include "engine/expr/civil.h"
#include "engine/expr/ir.h"

namespace slip::engine::expr {
namespace {

std::string quoted(std::string_view text, char quote) {
  std::string out(1, quote);
  for (const char c : text) out += c == quote ? std::string(2, quote) : std::string(1, c);
  return out + quote;
}

std::string name_text(std::string_view name) {
  return quoted(name, '"');  // Always in quotes: no word that the grammar gains later can clash.
}

std::string number_text(double v) {
  std::string out = format_double(v);
  if (out.find_first_of(".eE") == std::string::npos) out += ".0";
  return out;
}

std::string constant_text(const Node& n) {
  if (n.constant.state == kNull) {
    if (n.type.type == Type::kList) return "null";
    return concat({"cast(null as ", type_text(n.type), ")"});
  }
  if (n.type.interval)
    return concat({"interval ", quoted(format_interval(n.constant.integer), '\'')});
  switch (n.type.type) {
    case Type::kBool:
      return n.constant.integer ? "true" : "false";
    case Type::kDouble:
      return number_text(n.constant.number);
    case Type::kText:
      return quoted(n.constant.text, '\'');
    case Type::kTimestampUs:
      return concat({"timestamp ", quoted(format_stamp(n.constant.integer), '\'')});
    default:
      return std::to_string(n.constant.integer);
  }
}

class Printer {
 public:
  explicit Printer(const Ir& ir) : ir_(ir) {}
  std::string run() { return node(ir_.root); }

 private:
  std::string node(size_t at) const {
    const Node& n = ir_.nodes[at];
    if (n.kind == Node::Kind::kColumn) return name_text(ir_.inputs[n.column].name);
    return n.kind == Node::Kind::kConstant ? constant_text(n) : call(n);
  }

  std::string list(const Node& n, size_t from) const {
    std::string out;
    for (size_t i = from; i < n.args.size(); ++i) {
      if (!out.empty()) out += ", ";
      out += node(n.args[i]);
    }
    return out;
  }

  std::string call(const Node& n) const {
    const std::string_view name = n.function->name;
    const auto arg = [&](size_t i) { return node(n.args[i]); };
    if (name.starts_with("cast ")) return concat({"cast(", arg(0), " as ", name.substr(5), ")"});
    if (name.starts_with("is ")) return concat({"(", arg(0), " ", name, ")"});
    if (name == "in") return concat({"(", arg(0), " in (", list(n, 1), "))"});
    if (name == "between") return concat({"(", arg(0), " between ", arg(1), " and ", arg(2), ")"});
    if (name == "case") return cases(n);
    if (name == "not") return concat({"(not ", arg(0), ")"});
    if (name == "-" && n.args.size() == 1) return concat({"(- ", arg(0), ")"});
    const bool word = name == "and" || name == "or" || name == "like" || name == "ilike";
    const bool sign = (name[0] < 'a' || name[0] > 'z') && n.args.size() == 2;
    if (word || sign) return concat({"(", arg(0), " ", name, " ", arg(1), ")"});
    return concat({name, "(", list(n, 0), ")"});
  }

  std::string cases(const Node& n) const {
    std::string out = "case";
    size_t at = 0;
    for (; at + 1 < n.args.size(); at += 2)
      out += concat({" when ", node(n.args[at]), " then ", node(n.args[at + 1])});
    return concat({out, " else ", node(n.args[at]), " end"});
  }

  const Ir& ir_;
};

}  // namespace

std::string print(const Ir& ir) { return Printer(ir).run(); }

}  // namespace slip::engine::expr
