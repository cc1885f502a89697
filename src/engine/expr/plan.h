#pragma once

#include "engine/expr/expr.h"
#include "engine/expr/ir.h"

// What an Evaluator runs: instructions over numbered registers. Private to this folder; immutable.
namespace slip::engine::expr {

struct Instruction {
  const Function* function = nullptr;
  std::vector<size_t> args;  // Registers.
  size_t out = 0;            // Never one of args.
  Bound bound;
};

struct Load {
  size_t column = 0;
  size_t out = 0;
};

struct Fill {  // A constant, in all rows.
  size_t out = 0;
  ValueType type;
  Constant value;
};

struct Program::Plan {
  ValueType type;
  std::vector<Field> inputs;
  std::string text;
  std::string hash;
  std::vector<size_t> widths;  // Of registers.
  std::vector<Fill> fills;
  std::vector<Load> loads;
  std::vector<Instruction> code;
  size_t root = 0;
};

// Puts a constant into the first n rows of a register.
void fill(const Fill& from, int n, Register* to);
// The states of a strict function's arguments become those of its result.
void combine(const Vec* const* args, size_t n_args, int n, Vec* out);

}  // namespace slip::engine::expr
