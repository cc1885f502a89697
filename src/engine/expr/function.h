#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/expr/vector.h"
#include "engine/expr/zone.h"

// The table of functions: every operator and function of the language is a row of it, with its
// types, its kernel and what it says about itself. Built once, immutable, any thread.
namespace slip::engine::expr {

// What a constant argument was bound to (a pattern, a zone, a unit), made once per expression.
using Bound = std::shared_ptr<const void>;
struct BindInput {
  std::string_view constant;  // Text of the argument that must be constant.
  const ZoneSource* zones = nullptr;
};
using Binder = Result<Bound> (*)(const BindInput&);

struct Function {
  std::string_view name;
  std::vector<ValueType> params;
  ValueType result;
  Kernel kernel = nullptr;
  std::string_view group;  // "Numbers", …
  std::string_view text;   // A line for people.
  bool variadic = false;   // The last parameter any number of times, at least once.
  bool strict = true;      // A null argument makes null, a failed one fails: before the kernel.
  int bound = -1;          // The parameter that must be a constant text.
  Binder binder = nullptr;
};

// Rows of one name in the order they are tried; empty for an unknown name.
std::span<const Function* const> functions_named(std::string_view name);
const std::vector<Function>& functions();
// Markdown table of all of them, as src/engine/expr/README.md carries it.
std::string function_reference();
// The name nearest to `name` by edit distance; empty if none is near.
std::string nearest(std::string_view name, std::span<const std::string_view> names);
std::string nearest_function(std::string_view name);

// Each file of kernels adds its rows.
void add_operators(std::vector<Function>* out);
void add_choices(std::vector<Function>* out);
void add_numbers(std::vector<Function>* out);
void add_texts(std::vector<Function>* out);
void add_patterns(std::vector<Function>* out);
void add_times(std::vector<Function>* out);
void add_hashes(std::vector<Function>* out);
void add_casts(std::vector<Function>* out);
void add_lists(std::vector<Function>* out);

}  // namespace slip::engine::expr
