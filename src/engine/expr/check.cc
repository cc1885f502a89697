#include <algorithm>
#include <bit>
#include <map>

#include "base/text.h"
#include "engine/expr/civil.h"
#include "engine/expr/ir.h"

namespace slip::engine::expr {
namespace {

// Steps to turn one type into another without a cast; negative: there is no way.
int cost(const ValueType& from, const ValueType& to) {
  if (from.null || from == to) return 0;
  return from == kIntType && to == kDoubleType ? 1 : -1;
}

bool takes(const Function& f, size_t n) {
  if (f.name == "case") return n >= 3 && n % 2 == 1;
  return f.variadic ? n >= f.params.size() : n == f.params.size();
}

int total_cost(const Function& f, const std::vector<ValueType>& args) {
  if (!takes(f, args.size())) return -1;
  int sum = 0;
  for (size_t i = 0; i < args.size(); ++i) {
    const int c = cost(args[i], wanted_type(f, i, args.size()));
    if (c < 0) return -1;
    sum += c;
  }
  return sum;
}

std::string types_text(const std::vector<ValueType>& types) {
  std::string out;
  for (const ValueType& t : types) out += concat({out.empty() ? "" : ", ", type_text(t)});
  return out;
}

std::string known_text(std::string_view name) {
  std::string out;
  for (const Function* f : functions_named(name)) {
    if (!out.empty()) out += ", ";
    out += concat({"(", types_text(f->params), f->variadic ? ", …)" : ")"});
    if (out.size() > 300) return out + ", …";
  }
  return out;
}

class Checker {
 public:
  Checker(std::string_view text, const Schema& schema, const ZoneSource* zones)
      : text_(text), schema_(schema), zones_(zones) {}

  Result<Ir> run(const Syntax& tree) {
    ir_.root = TRY(visit(tree));
    if (ir_.nodes[ir_.root].type.null)
      return fail(tree, "expr.type", "null has no type here").with_hint("cast(null as double)");
    sort_inputs();
    return std::move(ir_);
  }

 private:
  Error fail(const Syntax& at, std::string_view reason, std::string_view message) const {
    return error_at(text_, at.at, reason, message);
  }

  Result<size_t> add(const Syntax& at, Node node) {
    std::string key = key_of(node);
    const auto known = known_.find(key);
    if (known != known_.end()) return known->second;
    if (ir_.nodes.size() >= kNodesMax)
      return fail(at, "expr.too_large", "the expression has more than 1024 parts");
    ir_.nodes.push_back(std::move(node));
    known_.emplace(std::move(key), ir_.nodes.size() - 1);
    return ir_.nodes.size() - 1;
  }

  static std::string key_of(const Node& n) {
    std::string out = concat({std::to_string(int(n.kind)), " ", type_text(n.type), " "});
    if (n.kind == Node::Kind::kColumn) return out + std::to_string(n.column);
    if (n.kind == Node::Kind::kConstant)
      return concat({out, std::to_string(n.constant.integer), " ",
                     std::to_string(std::bit_cast<uint64_t>(n.constant.number)), " ",
                     std::to_string(n.constant.state), " ", n.constant.text});
    out += std::to_string(n.function - functions().data());
    for (const size_t a : n.args) out += concat({" ", std::to_string(a)});
    return out;
  }

  Result<size_t> visit(const Syntax& s) {
    switch (s.kind) {
      case Syntax::Kind::kName:
        return column(s);
      case Syntax::Kind::kCall:
        return call(s);
      case Syntax::Kind::kCast:
        return cast(s);
      default:
        return literal(s);
    }
  }

  Result<size_t> literal(const Syntax& s) {
    Node n;
    n.constant.integer = s.integer;
    switch (s.kind) {
      case Syntax::Kind::kNull:
        n.type = kNullType;
        n.constant.state = kNull;
        break;
      case Syntax::Kind::kBool:
        n.type = kBoolType;
        break;
      case Syntax::Kind::kInt:
        if (s.too_big) return fail(s, "expr.syntax", "this integer doesn't fit 64 bits");
        n.type = kIntType;
        break;
      case Syntax::Kind::kFloat:
        n.type = kDoubleType;
        n.constant.number = s.number;
        break;
      case Syntax::Kind::kText:
        n.type = kTextType;
        n.constant.text = s.text;
        break;
      case Syntax::Kind::kInterval:
        n.type = kIntervalType;
        break;
      default: {
        const auto us = parse_stamp(s.text);
        if (!us) return fail(s, "expr.syntax", "this is no timestamp of ISO 8601");
        n.type = kTimestampType;
        n.constant.integer = *us;
      }
    }
    return add(s, std::move(n));
  }

  Result<size_t> column(const Syntax& s) {
    for (const Field& f : schema_)
      if (f.name == s.text) return input(s, f);
    std::vector<std::string_view> names;
    for (const Field& f : schema_) names.push_back(f.name);
    const std::string near = nearest(s.text, names);
    Error out = fail(s, "expr.column", concat({"there is no column '", s.text, "'"}));
    if (near.empty()) return out;
    return std::move(out).with_hint(concat({"did you mean '", near, "'?"}));
  }

  Result<size_t> input(const Syntax& s, const Field& field) {
    Node n;
    n.kind = Node::Kind::kColumn;
    n.type = field.type;
    for (; n.column < ir_.inputs.size(); ++n.column)
      if (ir_.inputs[n.column].name == field.name) return add(s, std::move(n));
    ir_.inputs.push_back(field);
    return add(s, std::move(n));
  }

  // `at` as a node of type `to`, which it can become.
  Result<size_t> convert(const Syntax& s, size_t at, const ValueType& to) {
    const Node& node = ir_.nodes[at];
    if (node.type == to) return at;
    Node n;
    n.type = to;
    if (node.type.null) {
      n.constant.state = kNull;
      return add(s, std::move(n));
    }
    n.kind = Node::Kind::kCall;
    n.args = {at};
    for (const Function* f : functions_named("cast double"))
      if (f->params.front() == node.type) n.function = f;
    return add(s, std::move(n));
  }

  Result<size_t> cast(const Syntax& s) {
    const size_t at = TRY(visit(s.args.front()));
    const ValueType to = TRY(parse_type(s.text));
    const ValueType from = ir_.nodes[at].type;
    if (from == to || from.null) return convert(s, at, to);
    const std::string name = concat({"cast ", s.text});
    for (const Function* f : functions_named(name)) {
      if (f->params.front() != from) continue;
      Node n;
      n.kind = Node::Kind::kCall;
      n.type = to;
      n.function = f;
      n.args = {at};
      return add(s, std::move(n));
    }
    Error out = fail(s, "expr.type", concat({"a ", type_text(from), " can't be cast to ", s.text}));
    if (to != kTimestampType) return out;
    return std::move(out).with_hint(
        "from_epoch(), from_epoch_ms() and from_epoch_us() make times of integers");
  }

  Error unknown(const Syntax& s) const {
    const std::string near = nearest_function(s.text);
    Error out = fail(s, "expr.function", concat({"there is no function '", s.text, "'"}));
    if (near.empty()) return out;
    return std::move(out).with_hint(concat({"did you mean '", near, "'?"}));
  }

  Error mismatch(const Syntax& s, const std::string& name,
                 const std::vector<ValueType>& types) const {
    Error out =
        fail(s, "expr.type", concat({"`", name, "` doesn't take (", types_text(types), ")"}));
    const bool times = std::find(types.begin(), types.end(), kTimestampType) != types.end() &&
                       std::find(types.begin(), types.end(), kTextType) != types.end();
    return std::move(out).with_hint(times ? "a time is written timestamp '2026-11-23T05:53:00Z'"
                                          : concat({"it takes ", known_text(name)}));
  }

  Result<size_t> call(const Syntax& s) {
    const std::string name = s.text == "if" && s.args.size() == 3 ? "case" : s.text;
    const auto rows = functions_named(name);
    if (rows.empty() || name.starts_with("cast ")) return unknown(s);
    std::vector<size_t> args;
    std::vector<ValueType> types;
    for (const Syntax& a : s.args) {
      args.push_back(TRY(visit(a)));
      types.push_back(ir_.nodes[args.back()].type);
    }
    const Function* best = nullptr;
    int least = 0;
    for (const Function* f : rows) {
      const int c = total_cost(*f, types);
      if (c < 0 || (best && c >= least)) continue;
      best = f;
      least = c;
    }
    if (!best) return mismatch(s, name, types);
    Node n;
    n.kind = Node::Kind::kCall;
    n.type = best->result;
    n.function = best;
    for (size_t i = 0; i < args.size(); ++i)
      n.args.push_back(TRY(convert(s, args[i], wanted_type(*best, i, args.size()))));
    if (best->binder) TRY(bind(s, &n));
    return add(s, std::move(n));
  }

  Status bind(const Syntax& s, Node* n) {
    const auto at = static_cast<size_t>(n->function->bound);
    const Node& arg = ir_.nodes[n->args[at]];
    if (arg.kind != Node::Kind::kConstant || arg.constant.state != kValid)
      return fail(
          s.args[at], "expr.constant",
          concat({"argument ", std::to_string(at + 1), " of `", s.text, "` is a text in quotes"}));
    if (n->function->name == "at_zone" || n->function->name == "from_zone") ir_.zoned = true;
    auto bound = n->function->binder({arg.constant.text, zones_});
    if (!bound.ok()) {
      Error out = fail(s.args[at], bound.error().reason, bound.error().text);
      out.code = bound.error().code;
      return std::move(out).with_hint(bound.error().hint);
    }
    n->bound = std::move(*bound);
    return {};
  }

  // Inputs in the order of the schema, whatever the order of their use.
  void sort_inputs() {
    std::vector<Field> sorted;
    for (const Field& f : schema_)
      for (const Field& used : ir_.inputs)
        if (used.name == f.name && (sorted.empty() || sorted.back().name != f.name))
          sorted.push_back(f);
    for (Node& n : ir_.nodes) {
      if (n.kind != Node::Kind::kColumn) continue;
      const std::string& name = ir_.inputs[n.column].name;
      n.column = static_cast<size_t>(std::find_if(sorted.begin(), sorted.end(),
                                                  [&](const Field& f) { return f.name == name; }) -
                                     sorted.begin());
    }
    ir_.inputs = std::move(sorted);
  }

  std::string_view text_;
  const Schema& schema_;
  const ZoneSource* zones_;
  Ir ir_;
  std::map<std::string, size_t> known_;
};

}  // namespace

const ValueType& wanted_type(const Function& function, size_t arg, size_t n) {
  if (function.name == "case") return function.params[arg % 2 == 0 && arg + 1 < n ? 0 : 1];
  return function.params[std::min(arg, function.params.size() - 1)];
}

Result<Ir> type_check(std::string_view text, const Schema& schema, const ZoneSource* zones) {
  const Syntax tree = TRY(parse(text));
  return Checker(text, schema, zones).run(tree);
}

}  // namespace slip::engine::expr
