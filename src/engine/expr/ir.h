#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/expr/function.h"
#include "engine/expr/syntax.h"

// An expression typed: a graph in which equal nodes are one, arguments before their users, every
// conversion a node of its own. Its print is canonical: print, parse, type gives the same graph,
// and the identity of an expression is the hash of it. Private to this folder. Values; any thread.
namespace slip::engine::expr {

inline constexpr size_t kNodesMax = 1024;

struct Constant {
  int64_t integer = 0;  // Also bool, timestamp, interval.
  double number = 0;
  std::string text;
  State state = kValid;  // kNull, or why folding failed.
};

struct Node {
  enum class Kind : uint8_t { kColumn, kConstant, kCall };
  Kind kind = Kind::kConstant;
  ValueType type;
  size_t column = 0;  // Of Ir::inputs.
  Constant constant;
  const Function* function = nullptr;
  std::vector<size_t> args;
  Bound bound;
};

struct Ir {
  std::vector<Node> nodes;
  size_t root = 0;
  std::vector<Field> inputs;  // The columns that are used, in the schema's order.
  bool zoned = false;         // Depends on the zone database.
};

// What an argument of `function`, called with n of them, has to be.
const ValueType& wanted_type(const Function& function, size_t arg, size_t n);
Result<Ir> type_check(std::string_view text, const Schema& schema, const ZoneSource* zones);
std::string print(const Ir& ir);

}  // namespace slip::engine::expr
