#include <algorithm>
#include <cmath>
#include <limits>

#include "base/text.h"
#include "engine/expr/civil.h"
#include "engine/expr/plan.h"

namespace slip::engine::expr {
namespace {

constexpr int64_t kOutputBytesMax = int64_t{1} << 30;

template <class T>
void spread(T value, int n, Register* to) {
  T* out = reinterpret_cast<T*>(to->memory.get());
  std::fill_n(out, n, value);
}

// Bits from `start` on as one byte each.
void unpack(const uint8_t* bits, int64_t start, int n, bool* out) {
  for (int i = 0; i < n; ++i) out[i] = bits[(start + i) / 8] >> ((start + i) % 8) & 1;
}

// A time outside of years 0 to 9999 fails its row: no function has to think of it.
void refuse_strange_times(int n, Vec* v) {
  const auto* us = v->read<int64_t>();
  bool strange = false;
  for (int i = 0; i < n; ++i) strange |= !in_range(us[i]);
  if (!strange) return;
  if (v->clean) std::fill_n(v->state, n, uint8_t{kValid});
  v->clean = false;
  for (int i = 0; i < n; ++i)
    if (v->state[i] == kValid && !in_range(us[i])) v->state[i] = kOutOfRange;
}

}  // namespace

void fill(const Fill& from, int n, Register* to) {
  to->vec.clean = from.value.state == kValid;
  to->vec.data = to->memory.get();
  to->states.fill(from.value.state);
  switch (from.type.type) {
    case Type::kBool:
      return spread(from.value.integer != 0, n, to);
    case Type::kDouble:
      return spread(from.value.number, n, to);
    case Type::kText:
    case Type::kBytes:
      return spread(std::string_view(from.value.text), n, to);
    case Type::kList:
      return spread(ListView{nullptr, 0, 0}, n, to);
    default:
      return spread(from.value.integer, n, to);
  }
}

void combine(const Vec* const* args, size_t n_args, int n, Vec* out) {
  out->clean = true;
  for (size_t a = 0; a < n_args; ++a) {
    if (args[a]->clean) continue;
    const uint8_t* from = args[a]->state;
    if (out->clean) {
      std::copy_n(from, n, out->state);
      out->clean = false;
      continue;
    }
    for (int i = 0; i < n; ++i)
      if (out->state[i] <= kNull) out->state[i] = std::max(out->state[i], from[i]);
  }
}

struct Evaluator::Machine {
  std::vector<Register> registers;
  std::vector<const Vec*> args;  // Of all instructions, one after the other.
  std::vector<double> canonical = std::vector<double>(kBlockRows);
  Arena arena;
  int64_t out_bytes = 0;

  void load(const Column& column, int64_t start, int n, Register* to);
  void run(const Program::Plan& plan, int n);
  Status store(const Program::Plan& plan, int64_t start, int n, Values* out);
  void store_row(const Vec& v, int row, Values* out);
};

void Evaluator::Machine::load(const Column& column, int64_t start, int n, Register* to) {
  Vec& v = to->vec;
  v.clean = column.validity == nullptr;
  if (!v.clean) {
    uint8_t any = 0;
    for (int i = 0; i < n; ++i) {
      const int64_t at = start + i;
      v.state[i] = static_cast<uint8_t>(~(column.validity[at / 8] >> (at % 8)) & 1);  // kNull is 1.
      any |= v.state[i];
    }
    v.clean = any == 0;
  }
  std::byte* const memory = to->memory.get();
  switch (column.type) {
    case Type::kBool:
      return unpack(static_cast<const uint8_t*>(column.data), start, n,
                    reinterpret_cast<bool*>(memory));
    case Type::kInt64:
    case Type::kDouble:
      v.data = static_cast<const std::byte*>(column.data) + start * 8;
      return;
    case Type::kTimestampUs:
      v.data = static_cast<const std::byte*>(column.data) + start * 8;
      return refuse_strange_times(n, &v);
    case Type::kText:
    case Type::kBytes: {
      auto* out = reinterpret_cast<std::string_view*>(memory);
      for (int i = 0; i < n; ++i) out[i] = column.text(start + i);
      return;
    }
    case Type::kList: {
      auto* out = reinterpret_cast<ListView*>(memory);
      for (int i = 0; i < n; ++i)
        out[i] = {column.child, column.offsets[start + i], column.offsets[start + i + 1]};
    }
  }
}

void Evaluator::Machine::run(const Program::Plan& plan, int n) {
  const Vec* const* at = args.data();
  Call call;
  call.n = n;
  call.arena = &arena;
  for (const Instruction& code : plan.code) {
    Register& out = registers[code.out];
    call.args = at;
    call.n_args = code.args.size();
    call.out = &out.vec;
    call.memory = out.memory.get();
    call.bound = code.bound.get();
    if (code.function->strict) combine(at, call.n_args, n, &out.vec);
    code.function->kernel(call);
    at += call.n_args;
  }
}

void Evaluator::Machine::store_row(const Vec& v, int row, Values* out) {
  if (v.state_of(row) == kNull) return out->add_null();
  switch (out->type()) {
    case Type::kBool:
      return out->add_bool(v.read<bool>()[row]);
    case Type::kDouble: {
      const double d = v.read<double>()[row];
      return out->add_f64(d == d ? d : std::numeric_limits<double>::quiet_NaN());
    }
    case Type::kText:
    case Type::kBytes: {
      const std::string_view text = v.read<std::string_view>()[row];
      out_bytes += static_cast<int64_t>(text.size());
      return out->add_text(text);
    }
    case Type::kList: {
      const ListView list = v.read<ListView>()[row];
      for (int32_t i = list.begin; i < list.end; ++i) out->items().add_from(*list.items, i);
      out_bytes += list.end - list.begin;
      return out->end_list();
    }
    default:
      return out->add_i64(v.read<int64_t>()[row]);
  }
}

Status Evaluator::Machine::store(const Program::Plan& plan, int64_t start, int n, Values* out) {
  const Vec& v = registers[plan.root].vec;
  if (!v.clean) {
    for (int i = 0; i < n; ++i)
      if (v.state[i] > kNull)
        return invalid("expr.row",
                       concat({"row ", std::to_string(start + i), ": ",
                               state_text(static_cast<State>(v.state[i])), " in ", plan.text}))
            .with_hint("try(x) is null where x fails");
  } else if (plan.type.type == Type::kDouble) {  // Whatever bits a NaN has, it leaves as one.
    const auto* in = v.read<double>();
    for (int i = 0; i < n; ++i)
      canonical[static_cast<size_t>(i)] =
          in[i] == in[i] ? in[i] : std::numeric_limits<double>::quiet_NaN();
    out->add_f64s({canonical.data(), static_cast<size_t>(n)});
    return {};
  } else if (plan.type.type == Type::kInt64 || plan.type.type == Type::kTimestampUs) {
    out->add_i64s({v.read<int64_t>(), static_cast<size_t>(n)});
    return {};
  } else if (plan.type.type == Type::kBool) {
    out->add_bools({v.read<bool>(), static_cast<size_t>(n)});
    return {};
  }
  for (int i = 0; i < n; ++i) {
    store_row(v, i, out);
    if (out_bytes > kOutputBytesMax)
      return {Error{Code::kExhausted, "expr.output", "the result is larger than 1 GiB",
                    "split the rows"}};
  }
  return {};
}

Evaluator::Evaluator(const Program& program)
    : plan_(program.plan_), machine_(std::make_unique<Machine>()) {
  machine_->registers.reserve(plan_->widths.size());
  for (const size_t width : plan_->widths) machine_->registers.emplace_back(width);
  for (const Fill& f : plan_->fills) fill(f, kBlockRows, &machine_->registers[f.out]);
  for (const Instruction& code : plan_->code)
    for (const size_t a : code.args) machine_->args.push_back(&machine_->registers[a].vec);
}
Evaluator::Evaluator(Evaluator&&) noexcept = default;
Evaluator::~Evaluator() = default;

Values Evaluator::make_output() const { return Values(plan_->type.type, plan_->type.item); }

Status Evaluator::evaluate(std::span<const Column> columns, int64_t n, Values* out) {
  if (columns.size() != plan_->inputs.size())
    return invalid("expr.input",
                   concat({"wanted are ", std::to_string(plan_->inputs.size()), " columns"}));
  for (size_t i = 0; i < columns.size(); ++i) {
    const ValueType& type = plan_->inputs[i].type;
    const bool list = type.type == Type::kList;
    if (columns[i].type != type.type || columns[i].n < n ||
        (list && (!columns[i].child || columns[i].child->type != type.item)))
      return invalid("expr.input", concat({"column '", plan_->inputs[i].name, "' isn't a ",
                                           type_text(type), " of ", std::to_string(n), " rows"}));
  }
  machine_->out_bytes = 0;
  for (int64_t start = 0; start < n; start += kBlockRows) {
    const int rows = static_cast<int>(std::min<int64_t>(kBlockRows, n - start));
    machine_->arena.reset();
    for (const Load& l : plan_->loads)
      machine_->load(columns[l.column], start, rows, &machine_->registers[l.out]);
    machine_->run(*plan_, rows);
    TRY(machine_->store(*plan_, start, rows, out));
  }
  return {};
}

}  // namespace slip::engine::expr
