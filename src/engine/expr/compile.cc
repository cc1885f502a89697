#include <algorithm>
#include <array>
#include <optional>

#include "base/text.h"
#include "engine/expr/digest.h"
#include "engine/expr/plan.h"

namespace slip::engine::expr {
namespace {

Constant constant_of(const ValueType& type, const Vec& v) {
  Constant out;
  out.state = static_cast<State>(v.state_of(0));
  if (out.state != kValid) return out;
  switch (type.type) {
    case Type::kBool:
      out.integer = v.read<bool>()[0] ? 1 : 0;
      break;
    case Type::kDouble:
      out.number = v.read<double>()[0];
      break;
    case Type::kText:
    case Type::kBytes:
      out.text = v.read<std::string_view>()[0];
      break;
    default:
      out.integer = v.read<int64_t>()[0];
  }
  return out;
}

// A call of constants, by the kernel that would compute it row by row.
Constant folded(const Node& node, const std::vector<std::optional<Fill>>& known) {
  std::vector<Register> registers;
  std::vector<const Vec*> args;
  registers.reserve(node.args.size() + 1);
  for (const size_t a : node.args) {
    registers.emplace_back(16);
    fill(*known[a], 1, &registers.back());
    args.push_back(&registers.back().vec);
  }
  Register& out = registers.emplace_back(16);
  Arena arena;
  if (node.function->strict) combine(args.data(), args.size(), 1, &out.vec);
  node.function->kernel(
      {args.data(), args.size(), &out.vec, out.memory.get(), 1, &arena, node.bound.get()});
  return constant_of(node.type, out.vec);
}

class Planner {
 public:
  Planner(Ir ir, Program::Plan* plan) : ir_(std::move(ir)), plan_(plan), known_(ir_.nodes.size()) {}

  void run() {
    fold();
    find_last_uses();
    for (size_t at = 0; at < ir_.nodes.size(); ++at)
      if (needed_[at]) place(at);
    plan_->root = register_[ir_.root];
  }

 private:
  void fold() {
    for (size_t at = 0; at < ir_.nodes.size(); ++at) {
      const Node& n = ir_.nodes[at];
      if (n.kind == Node::Kind::kConstant) known_[at] = Fill{0, n.type, n.constant};
      if (n.kind != Node::Kind::kCall || n.type.type == Type::kList) continue;
      const bool all = std::all_of(n.args.begin(), n.args.end(),
                                   [&](size_t a) { return known_[a].has_value(); });
      if (all) known_[at] = Fill{0, n.type, folded(n, known_)};
    }
  }

  void find_last_uses() {
    needed_.assign(ir_.nodes.size(), false);
    last_use_.assign(ir_.nodes.size(), 0);
    register_.assign(ir_.nodes.size(), 0);
    needed_[ir_.root] = true;
    last_use_[ir_.root] = ir_.nodes.size();
    for (size_t at = ir_.nodes.size(); at-- > 0;) {
      if (!needed_[at] || known_[at] || ir_.nodes[at].kind != Node::Kind::kCall) continue;
      for (const size_t a : ir_.nodes[at].args) {
        needed_[a] = true;
        last_use_[a] = std::max(last_use_[a], at);
      }
    }
  }

  size_t take(size_t width) {
    std::vector<size_t>& free = free_[width == 1 ? 0 : width == 8 ? 1 : 2];
    if (free.empty()) {
      plan_->widths.push_back(width);
      return plan_->widths.size() - 1;
    }
    const size_t out = free.back();
    free.pop_back();
    return out;
  }

  void place(size_t at) {
    const Node& n = ir_.nodes[at];
    const size_t width = width_of(n.type.type);
    if (known_[at] ||
        n.kind != Node::Kind::kCall) {  // Registers of their own: filled from outside.
      plan_->widths.push_back(width);
      register_[at] = plan_->widths.size() - 1;
    }
    if (known_[at]) {
      known_[at]->out = register_[at];
      plan_->fills.push_back(*known_[at]);
    } else if (n.kind == Node::Kind::kColumn) {
      plan_->loads.push_back({n.column, register_[at]});
    } else {
      call(at, width);
    }
  }

  void call(size_t at, size_t width) {
    const Node& n = ir_.nodes[at];
    register_[at] = take(width);
    Instruction code;
    code.function = n.function;
    code.out = register_[at];
    code.bound = n.bound;
    for (const size_t a : n.args) code.args.push_back(register_[a]);
    plan_->code.push_back(std::move(code));
    for (size_t i = 0; i < n.args.size(); ++i) {
      const size_t a = n.args[i];
      const bool again = std::find(n.args.begin(), n.args.begin() + static_cast<ptrdiff_t>(i), a) !=
                         n.args.begin() + static_cast<ptrdiff_t>(i);
      if (again || last_use_[a] != at || known_[a] || ir_.nodes[a].kind != Node::Kind::kCall)
        continue;
      const size_t w = width_of(ir_.nodes[a].type.type);
      free_[w == 1 ? 0 : w == 8 ? 1 : 2].push_back(register_[a]);
    }
  }

  Ir ir_;
  Program::Plan* plan_;
  std::vector<std::optional<Fill>> known_;
  std::vector<bool> needed_;
  std::vector<size_t> last_use_;
  std::vector<size_t> register_;
  std::array<std::vector<size_t>, 3> free_;
};

std::string hash_of(const Program::Plan& plan, std::string_view zones) {
  std::string all = concat({"slipway expression 1\n", plan.text, "\n", zones, "\n"});
  for (const Field& f : plan.inputs)
    all += concat({std::to_string(f.name.size()), " ", f.name, " ", type_text(f.type), "\n"});
  return sha256_hex(all);
}

}  // namespace

Result<Program> compile(std::string_view text, const Schema& schema,
                        const CompileOptions& options) {
  Ir ir = TRY(type_check(text, schema, options.zones));
  auto plan = std::make_shared<Program::Plan>();
  plan->type = ir.nodes[ir.root].type;
  plan->inputs = ir.inputs;
  plan->text = print(ir);
  plan->hash = hash_of(*plan, ir.zoned && options.zones ? options.zones->version : "");
  Planner(std::move(ir), plan.get()).run();
  Program out;
  out.plan_ = std::move(plan);
  return out;
}

const ValueType& Program::output_type() const { return plan_->type; }
const std::vector<Field>& Program::inputs() const { return plan_->inputs; }
const std::string& Program::text() const { return plan_->text; }
const std::string& Program::hash() const { return plan_->hash; }

const std::string& engine_fingerprint() {
  static const std::string one =
      concat({"expr-1-", sha256_hex(function_reference()).substr(0, 16)});
  return one;
}

}  // namespace slip::engine::expr
