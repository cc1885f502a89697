#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

// An ensemble of trees, or a linear model, as every reader makes it and every kernel takes it:
// typed, flat, and independent of the library that trained it. Plain values; check() decides
// whether they are a model, and nothing that passed it can be read out of bounds or walked for
// ever.
//
// A tree's nodes stand in preorder: a child lies behind its parent, so a walk ends. Leaves are
// numbered from left to right. A row's answer, in an order that is fixed so that every kernel has
// the same bits:
//   sum_k = base_k (base_first), then + leaf of each tree of output k, in the order of trees, in
//           doubles or floats (float_sum);  sum_k / divisor;  + base_k (else);  link.
namespace slip::trees {

// limits
inline constexpr size_t kTreesMax = 1'000'000;
inline constexpr size_t kNodesMax = size_t{1} << 26;
inline constexpr size_t kLeafValuesMax = size_t{1} << 27;
inline constexpr size_t kDepthMax = 4096;
inline constexpr uint32_t kFeaturesMax = 1 << 20;
inline constexpr uint32_t kOutputsMax = 1 << 16;
inline constexpr uint32_t kCategoryMax = 1 << 24;  // Bits of one set.

// As LightGBM has it: what is nearer to zero is zero.
inline constexpr double kZeroThreshold = static_cast<double>(1e-35F);

enum class Test : uint8_t { kLess, kLessEqual, kInSet };  // True: to the left.
enum class Missing : uint8_t {
  kNan,   // NaN goes the default way.
  kZero,  // So do zero and NaN.
  kNone,  // NaN is zero.
};

struct Node {
  double threshold = 0;  // kLess, kLessEqual: not NaN.
  int32_t feature = 0;
  int32_t left = 0;  // A node of the tree, or ~leaf of the tree.
  int32_t right = 0;
  uint32_t set = 0;  // kInSet.
  Test test = Test::kLessEqual;
  Missing missing = Missing::kNan;
  bool default_left = false;
};

enum class SetRule : uint8_t {
  kTruncate,     // (int)x, what is negative or beyond int32 is in no set: LightGBM.
  kNonNegative,  // The same, but for -1 < x < 0, which is in none either: XGBoost.
  kExact,        // x itself: ONNX.
  kWhole,        // x without its fraction, negative ones too: ONNX Runtime's large sets.
};
struct Set {
  SetRule rule = SetRule::kTruncate;
  std::vector<uint32_t> bits;   // kTruncate, kNonNegative.
  std::vector<double> members;  // kExact, kWhole; ascending.
  bool has(double x) const;     // False for NaN.
};

struct Tree {
  uint32_t node = 0, nodes = 0;  // In Forest::nodes. None: the tree is its only leaf.
  uint32_t leaf = 0, leaves = 1;
  uint32_t output = 0;  // Not of vector_leaves.
};

// leaf = constant + sum of weight * feature; its plain value when one of them is NaN.
struct LinearLeaf {
  double constant = 0;
  std::vector<std::pair<uint32_t, double>> terms;
};

enum class Link : uint8_t {
  kIdentity,
  kSigmoid,      // 1 / (1 + exp(-scale x))
  kSoftmax,      // over all outputs
  kSoftmaxZero,  // ONNX: outputs of zero stay zero
  kProbit,
  kExp,
  kHinge,          // x > 0
  kSquare,         // sign(x) x^2
  kLog1pExp,       // log(1 + exp(x))
  kArgmax,         // the output that is greatest, as one number
  kOneSigmoid,     // x of one output becomes {1 - s, s}, s its sigmoid
  kOneComplement,  // x of one output becomes {1 - x, x}
  kOneNegated,     // x of one output becomes {-x, x}
};
std::string_view link_name(Link link);

enum class Aggregate : uint8_t { kSum, kMin, kMax };

// What is asked for of a row.
enum class Output : uint8_t {
  kAnswer,
  kRaw,    // The sums alone: neither divided nor with late base scores nor through the link.
  kLabel,  // The number of the class that is meant.
};

struct Forest {
  uint32_t features = 0;
  uint32_t outputs = 1;  // Sums; see answers().
  std::vector<Tree> trees;
  std::vector<Node> nodes;
  std::vector<double> leaves;             // One a leaf, or `outputs` a leaf (vector_leaves).
  bool vector_leaves = false;             // kMin, kMax: NaN where a leaf says nothing.
  std::vector<LinearLeaf> linear_leaves;  // None, or one a leaf.
  std::vector<Set> sets;
  // A linear model's: outputs * features, features together; no trees. x is (x - offset) * scale
  // first.
  std::vector<double> weights;
  std::vector<double> offsets, scales;  // Empty, or one a feature.

  bool float_compare = false;  // Features are rounded to float before anything else.
  bool float_sum = false;
  bool tiny_is_zero = false;   // |x| <= kZeroThreshold is zero.
  bool missing_skips = false;  // Linear: NaN contributes nothing.
  Aggregate aggregate = Aggregate::kSum;
  std::vector<double> base;  // Empty, or one an output.
  bool base_first = false;
  double divisor = 1;
  Link link = Link::kIdentity;
  double link_scale = 1;
  bool normalize = false;  // Answers are divided by the sum of what they are without their signs.

  bool classifier = false;
  double positive_above = 0;  // One sum: beyond this it means the second class.

  std::vector<std::string> feature_names;  // Empty, or one a feature.
  std::vector<std::string> class_names;    // Empty, or one an answer.

  // Numbers a row.
  uint32_t answers(Output output = Output::kAnswer) const;
};

// kInvalid `trees.bad_model` with the tree and node at fault, kExhausted `trees.too_large`.
Status check(const Forest& forest);

// ---- for readers

// A tree as a file has it: nodes in any order. `left` and `right` are indices of such nodes.
struct RawNode {
  bool leaf = false;
  int32_t left = -1;
  int32_t right = -1;
  uint32_t value = 0;  // Of a leaf: the reader's own number for it.
  Node split;          // Its left and right are not looked at.
};
// Appends the tree below `root`, in preorder, and the values' numbers in the order of leaves: the
// caller appends what they stand for to Forest::leaves. Nodes that nothing leads to are left out.
// kInvalid `trees.bad_model`: a child that isn't there, two ways to one node, a circle, too deep.
Result<std::vector<uint32_t>> append_tree(Forest& forest, std::span<const RawNode> nodes,
                                          size_t root);

}  // namespace slip::trees
