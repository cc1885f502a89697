#include "engine/trees/layout.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace slip::trees {
namespace {

// Measured on AVX-512: a node of a word, a step of a walk, the end of a tree.
constexpr double kQuickNodeCycles = 0.07;
constexpr double kWalkStepCycles = 4;
constexpr double kScalarStepCycles = 16;
constexpr size_t kRowColumnsMax = 256;
constexpr size_t kRowWordsMax = 2;  // Words a tree, on average, up to which one row goes by lanes.

// The leaves below a node's left child: [first, behind) of the tree.
struct Span {
  uint32_t first = 0, behind = 0;
};
std::vector<Span> left_spans(const Forest& f, const Tree& tree) {
  std::vector<Span> out(tree.nodes);
  std::vector<uint32_t> behind(tree.nodes);  // Behind a node's last leaf.
  std::vector<uint32_t> first(tree.nodes);
  const auto child_first = [&](int32_t c) {
    return c < 0 ? static_cast<uint32_t>(~c) : first[static_cast<size_t>(c)];
  };
  const auto child_behind = [&](int32_t c) {
    return c < 0 ? static_cast<uint32_t>(~c) + 1 : behind[static_cast<size_t>(c)];
  };
  for (size_t i = tree.nodes; i-- > 0;) {  // Children lie behind: bottom up.
    const Node& n = f.nodes[tree.node + i];
    first[i] = child_first(n.left);
    behind[i] = child_behind(n.right);
    out[i] = {first[i], child_behind(n.left)};
  }
  return out;
}

uint32_t keep_mask(const Span& span, uint32_t word) {
  const uint32_t base = word * static_cast<uint32_t>(kWordLeaves);
  uint32_t mask = ~uint32_t{0};
  const uint32_t from = std::max(span.first, base) - base;
  const uint32_t to = std::min(span.behind, base + static_cast<uint32_t>(kWordLeaves)) - base;
  for (uint32_t i = from; i < to; ++i) mask &= ~(uint32_t{0x80000000} >> i);
  return mask;
}

void add_word(Quick& q, const Forest& f, const Columns& columns, const Tree& tree,
              std::span<const Span> spans) {
  const auto number = static_cast<uint32_t>(q.words.size()) - q.trees.back().word;
  const uint32_t base = number * static_cast<uint32_t>(kWordLeaves);
  QuickWord word;
  word.first_leaf = base;
  word.begin = static_cast<uint32_t>(q.nodes.size());
  for (const bool nan_left : {true, false}) {
    for (size_t i = 0; i < tree.nodes; ++i) {
      if (f.nodes[tree.node + i].default_left != nan_left) continue;
      if (spans[i].behind <= base || spans[i].first >= base + kWordLeaves) continue;
      q.nodes.push_back({columns.threshold_of(tree.node + i),
                         columns.column_of(tree.node + i) * static_cast<uint32_t>(kTileRows),
                         keep_mask(spans[i], number)});
    }
    if (nan_left) word.middle = static_cast<uint32_t>(q.nodes.size());
  }
  word.end = static_cast<uint32_t>(q.nodes.size());
  q.words.push_back(word);
}

void add_table(Quick& q, const Forest& f, const Tree& tree) {
  const auto at = static_cast<uint32_t>(q.table.size());
  q.table_at.push_back(at);
  if (q.trees.back().words != 1 || f.vector_leaves) return;
  q.table.resize(at + (f.float_sum ? kWordLeaves : 2 * kWordLeaves));
  for (size_t i = 0; i < tree.leaves; ++i) {
    const double leaf = f.leaves[tree.leaf + i];
    if (f.float_sum) {
      q.table[at + i] = std::bit_cast<uint32_t>(static_cast<float>(leaf));
    } else {
      const auto bits = std::bit_cast<uint64_t>(leaf);
      q.table[at + i] = static_cast<uint32_t>(bits);
      q.table[at + kWordLeaves + i] = static_cast<uint32_t>(bits >> 32);
    }
  }
}

LaneStep empty_step() {
  LaneStep step;
  for (size_t lane = 0; lane < kLanes; ++lane) {
    step.threshold[lane] = std::numeric_limits<float>::infinity();
    step.column[lane] = 0;
    step.keep[lane] = ~uint32_t{0};
  }
  return step;
}

// Words of about as many nodes share a group, so that little is padded; but one-word trees keep
// their order, so that a group's leaves are added while the next one is looked at.
void add_lanes(Quick& q) {
  std::vector<uint32_t> order(q.words.size());
  for (uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  const auto length = [&](uint32_t w) { return q.words[w].end - q.words[w].begin; };
  q.tree_a_lane = q.words.size() == q.trees.size();
  if (!q.tree_a_lane)
    std::stable_sort(order.begin(), order.end(),
                     [&](uint32_t a, uint32_t b) { return length(a) > length(b); });
  for (size_t first = 0; first < order.size(); first += kLanes) {
    QuickLanes group;
    group.begin = static_cast<uint32_t>(q.steps.size());
    uint32_t longest = 0;
    for (size_t i = first; i < std::min(first + kLanes, order.size()); ++i)
      longest = std::max(longest, length(order[i]));
    group.end = group.begin + longest;
    q.steps.resize(group.end, empty_step());
    q.nan_right.resize(group.end);
    for (size_t lane = 0; lane < kLanes; ++lane) {
      group.word[lane] = ~uint32_t{0};
      if (first + lane >= order.size()) continue;
      const QuickWord& word = q.words[group.word[lane] = order[first + lane]];
      for (uint32_t i = word.begin; i < word.end; ++i) {
        const size_t at = group.begin + i - word.begin;
        LaneStep& step = q.steps[at];
        step.threshold[lane] = q.nodes[i].threshold;
        step.column[lane] = static_cast<uint8_t>(q.nodes[i].column / kTileRows);
        step.keep[lane] = q.nodes[i].keep;
        if (i >= word.middle) q.nan_right[at] |= uint32_t{1} << lane;
      }
    }
    q.lanes.push_back(group);
  }
}

// One tree, level by level.
class WalkMaker {
 public:
  WalkMaker(Walk& walk, const Forest& forest, const Columns& columns)
      : walk_(walk), forest_(forest), columns_(columns) {}

  void add(const Tree& tree) {
    WalkTree out{place(1), 0, tree.leaf, tree.output};
    std::vector<std::pair<int32_t, uint32_t>> level = {{tree.nodes == 0 ? ~0 : 0, out.root}};
    while (true) {
      std::vector<std::pair<int32_t, uint32_t>> next;
      for (const auto& [from, to] : level) put(tree, from, to, next);
      if (next.empty()) break;
      ++out.depth;
      level = std::move(next);
    }
    walk_.trees.push_back(out);
  }

 private:
  uint32_t place(size_t count) {
    const auto at = static_cast<uint32_t>(walk_.nodes.size());
    walk_.nodes.resize(at + count);
    walk_.leaf.resize(at + count);
    return at;
  }
  void put(const Tree& tree, int32_t from, uint32_t to,
           std::vector<std::pair<int32_t, uint32_t>>& next) {
    if (from < 0) {
      walk_.nodes[to] = {std::numeric_limits<float>::infinity(), to, 0, 0};
      walk_.leaf[to] = static_cast<uint32_t>(~from);
      return;
    }
    const size_t index = tree.node + static_cast<size_t>(from);
    const Node& node = forest_.nodes[index];
    const uint32_t left = place(2);
    walk_.nodes[to] = {columns_.threshold_of(index), left, columns_.column_of(index),
                       node.default_left ? 0U : 1U};
    next.emplace_back(node.left, left);
    next.emplace_back(node.right, left + 1);
  }

  Walk& walk_;
  const Forest& forest_;
  const Columns& columns_;
};

}  // namespace

Costs costs_of(const Forest& f) {
  Costs out;
  for (const Tree& tree : f.trees) {
    const double leaves = tree.leaves;
    const double steps = 1.5 * std::log2(leaves) + 1;
    out.walk += kWalkStepCycles * steps;
    out.scalar += kScalarStepCycles * steps;
    size_t touched = 0;
    for (const Span& s : left_spans(f, tree))
      touched += (s.behind - 1) / kWordLeaves - s.first / kWordLeaves + 1;
    out.quick += kQuickNodeCycles * static_cast<double>(touched + 6);
  }
  return out;
}

Quick make_quick(const Forest& f, const Columns& columns) {
  Quick q;
  for (const Tree& tree : f.trees) {
    const std::vector<Span> spans = left_spans(f, tree);
    const auto words = static_cast<uint32_t>((tree.leaves + kWordLeaves - 1) / kWordLeaves);
    q.trees.push_back({static_cast<uint32_t>(q.words.size()), words, tree.leaf, tree.output});
    for (uint32_t w = 0; w < words; ++w) add_word(q, f, columns, tree, spans);
    add_table(q, f, tree);
  }
  if (q.words.size() <= kRowWordsMax * f.trees.size() && columns.size() <= kRowColumnsMax)
    add_lanes(q);
  return q;
}

Walk make_walk(const Forest& f, const Columns& columns) {
  Walk walk;
  WalkMaker maker(walk, f, columns);
  for (const Tree& tree : f.trees) maker.add(tree);
  return walk;
}

}  // namespace slip::trees
