#include "engine/trees/executor.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "base/text.h"
#include "engine/trees/kernel.h"
#include "engine/trees/layout.h"
#include "engine/trees/link.h"
#include "engine/trees/scalar.h"

namespace slip::trees {
namespace {

constexpr std::string_view kNames[] = {"auto", "scalar", "walk", "avx2", "avx512"};
constexpr size_t kRowsOneByOne = 12;  // Fewer than that cost less one by one than as a tile.
constexpr double kSetCycles = 6;      // One row's look into a set.

bool on_this_machine(Kernel kernel) {
  if (kernel == Kernel::kAvx2) return has_avx2();
  if (kernel == Kernel::kAvx512) return has_avx512();
  return true;
}

size_t set_columns(const Forest& f) {
  size_t out = 0;
  for (const Node& n : f.nodes) out += n.test == Test::kInSet ? 1 : 0;
  return out;
}

Kernel choose(const Forest& f) {
  if (f.trees.empty()) return Kernel::kScalar;
  const Costs costs = costs_of(f);
  const double sets = kSetCycles * static_cast<double>(set_columns(f));
  if (sets + std::min(costs.quick, costs.walk) > costs.scalar) return Kernel::kScalar;
  const bool wide = has_avx512();
  // Half the rows a register and three steps instead of two.
  const double quick = wide ? costs.quick : costs.quick * 3;
  if (quick > costs.walk || (!wide && !has_avx2())) return Kernel::kWalk;
  return wide ? Kernel::kAvx512 : Kernel::kAvx2;
}

// Memory at the start of a cache line, so that no vector lies across two.
template <class T>
T* aligned(std::vector<T>& memory, size_t size) {
  constexpr size_t kLine = 64 / sizeof(T);
  if (memory.size() < size + kLine) memory.resize(size + kLine);
  void* at = memory.data();
  size_t space = memory.size() * sizeof(T);
  return static_cast<T*>(std::align(64, size * sizeof(T), at, space));
}

template <class Sum>
std::vector<Sum>& sums_of(Scratch& scratch) {
  if constexpr (std::is_same_v<Sum, float>)
    return scratch.float_sums;
  else
    return scratch.double_sums;
}

template <class Sum>
using Add = void (*)(const TileWork&, size_t, size_t, Sum*);
template <class Sum>
Add<Sum> add_of(Kernel kernel) {
  if (kernel == Kernel::kAvx512) return avx512_add;
  return kernel == Kernel::kAvx2 ? Add<Sum>(avx2_add) : Add<Sum>(walk_add);
}

auto leaves_of(Kernel kernel) {
  if (kernel == Kernel::kAvx512) return avx512_leaves;
  return kernel == Kernel::kAvx2 ? avx2_leaves : walk_leaves;
}

// One output's sum stays in a register.
template <class Sum>
void add_plain(const std::vector<Tree>& trees, const std::vector<Sum>& values,
               const uint32_t* leaves, std::span<double> sums) {
  if (sums.size() == 1) {
    Sum sum = static_cast<Sum>(sums[0]);
    for (size_t t = 0; t < trees.size(); ++t) sum += values[trees[t].leaf + leaves[t]];
    sums[0] = static_cast<double>(sum);
    return;
  }
  for (size_t t = 0; t < trees.size(); ++t) {
    double& sum = sums[trees[t].output];
    sum = static_cast<double>(static_cast<Sum>(sum) + values[trees[t].leaf + leaves[t]]);
  }
}

// Each output's sum of `row`, out of a tile.
template <class Sum>
void take_row(std::span<const Sum> tile, size_t row, std::span<double> sums) {
  for (size_t k = 0; k < sums.size(); ++k) sums[k] = static_cast<double>(tile[k * kTileRows + row]);
}

}  // namespace

std::string_view kernel_name(Kernel kernel) { return kNames[static_cast<size_t>(kernel)]; }

Result<Kernel> parse_kernel(std::string_view name) {
  for (size_t i = 0; i < std::size(kNames); ++i)
    if (kNames[i] == name) return static_cast<Kernel>(i);
  return invalid("trees.kernel", concat({"'", name, "' is no kernel"}))
      .with_hint("auto, scalar, walk, avx2, avx512");
}

Result<Executor> Executor::make(Forest forest, Kernel kernel) {
  TRY(check(forest));
  if (!on_this_machine(kernel))
    return unsupported("trees.kernel", concat({"this processor has no ", kernel_name(kernel)}));
  if (kernel == Kernel::kAuto) kernel = choose(forest);
  if (forest.trees.empty()) kernel = Kernel::kScalar;
  return Executor(std::move(forest), kernel);
}

Executor::Executor(Forest forest, Kernel kernel) : forest_(std::move(forest)), kernel_(kernel) {
  plain_ = !forest_.vector_leaves && forest_.linear_leaves.empty();
  if (kernel == Kernel::kScalar) return;
  auto layout = std::make_unique<Layout>();
  layout->columns = Columns::make(forest_, kernel == Kernel::kAvx512);
  if (kernel != Kernel::kWalk) layout->quick = make_quick(forest_, layout->columns);
  const bool lanes = kernel == Kernel::kAvx512 && !layout->quick.lanes.empty();
  if (!lanes) layout->walk = make_walk(forest_, layout->columns);
  if (forest_.float_sum) layout->float_leaves.assign(forest_.leaves.begin(), forest_.leaves.end());
  layout_ = std::move(layout);
}
Executor::Executor(Executor&&) noexcept = default;
Executor& Executor::operator=(Executor&&) noexcept = default;
Executor::~Executor() = default;

void Executor::predict(std::span<const double> rows, std::span<double> out, Scratch& scratch,
                       Output output) const {
  run(rows, out, scratch, output);
}
void Executor::predict(std::span<const float> rows, std::span<double> out, Scratch& scratch,
                       Output output) const {
  run(rows, out, scratch, output);
}

template <class T>
void Executor::run(std::span<const T> rows, std::span<double> out, Scratch& scratch,
                   Output output) const {
  const size_t width = forest_.features, answers = forest_.answers(output);
  const size_t count = out.size() / answers;
  CHECK(rows.size() == count * width && out.size() == count * answers);
  if (kernel_ == Kernel::kScalar) return scalar(rows, out, scratch, output);
  for (size_t row = 0; row < count;) {
    const size_t left = count - row;
    const size_t n = left < kRowsOneByOne ? 1 : std::min(left, kTileRows);
    const std::span<const T> from = rows.subspan(row * width, n * width);
    const std::span<double> to = out.subspan(row * answers, n * answers);
    if (n == 1)
      one_row(from, to, scratch, output);
    else if (forest_.float_sum)
      tile<T, float>(from, to, scratch, output);
    else
      tile<T, double>(from, to, scratch, output);
    row += n;
  }
}

void Executor::answer(std::span<double> sums, std::span<double> out, Output output) const {
  if (output == Output::kRaw) {
    std::copy(sums.begin(), sums.end(), out.begin());
    return;
  }
  finish_sums(forest_, sums);
  if (output == Output::kLabel)
    out[0] = static_cast<double>(class_of(forest_, sums));
  else
    apply_link(forest_, sums, out);
}

template <class T>
void Executor::scalar(std::span<const T> rows, std::span<double> out, Scratch& scratch,
                      Output output) const {
  const size_t width = forest_.features, answers = forest_.answers(output);
  scratch.row.resize(width);
  scratch.double_sums.resize(std::max<size_t>(scratch.double_sums.size(), forest_.outputs));
  const std::span<double> sums(scratch.double_sums.data(), forest_.outputs);
  for (size_t r = 0; r * answers < out.size(); ++r) {
    for (size_t i = 0; i < width; ++i) scratch.row[i] = static_cast<double>(rows[r * width + i]);
    scalar_sums(forest_, scratch.row, sums);
    answer(sums, out.subspan(r * answers, answers), output);
  }
}

void Executor::find_row_leaves(Scratch& scratch, bool nan) const {
  const size_t columns = layout_->columns.size();
  const float* codes = aligned(scratch.columns, columns + kLanes);
  scratch.leaves.resize(std::max(scratch.leaves.size(), forest_.trees.size()));
  const Quick& q = layout_->quick;
  if (kernel_ != Kernel::kAvx512 || q.lanes.empty())
    return walk_row(layout_->walk, codes, scratch.leaves.data());
  scratch.words.resize(std::max(scratch.words.size(), q.words.size()));
  avx512_row({q, codes, columns, nan}, scratch.words.data());
  for (size_t t = 0; t < q.trees.size(); ++t) {
    const QuickTree& tree = q.trees[t];
    uint32_t word = tree.word;
    while (scratch.words[word] == kWordLeaves) ++word;
    scratch.leaves[t] = q.words[word].first_leaf + scratch.words[word];
  }
}

template <class T>
void Executor::one_row(std::span<const T> row, std::span<double> out, Scratch& scratch,
                       Output output) const {
  const size_t columns = layout_->columns.size();
  float* codes = aligned(scratch.columns, columns + kLanes);
  const bool nan = layout_->columns.encode(row, 1, codes, 1);
  if (scratch.double_sums.size() < forest_.outputs) scratch.double_sums.resize(forest_.outputs);
  const std::span<double> sums(scratch.double_sums.data(), forest_.outputs);
  start_sums(forest_, sums);
  if (plain_ && kernel_ == Kernel::kAvx512 && layout_->quick.tree_a_lane && forest_.outputs == 1) {
    const RowWork work{layout_->quick, codes, columns, nan};
    if (forest_.float_sum)
      sums[0] = static_cast<double>(
          avx512_row_sum(work, layout_->float_leaves.data(), static_cast<float>(sums[0])));
    else
      sums[0] = avx512_row_sum(work, forest_.leaves.data(), sums[0]);
  } else {
    find_row_leaves(scratch, nan);
    add_row_leaves(row, sums, scratch);
  }
  if (forest_.aggregate != Aggregate::kSum)
    for (double& sum : sums) sum = std::isnan(sum) ? 0 : sum;
  answer(sums, out, output);
}

template <class T>
void Executor::add_row_leaves(std::span<const T> row, std::span<double> sums,
                              Scratch& scratch) const {
  const std::vector<Tree>& trees = forest_.trees;
  const uint32_t* leaves = scratch.leaves.data();
  if (!plain_) {
    scratch.row.assign(row.begin(), row.end());
    for (size_t t = 0; t < trees.size(); ++t)
      add_leaf(forest_, trees[t], leaves[t], scratch.row, sums);
  } else if (forest_.float_sum) {
    add_plain<float>(trees, layout_->float_leaves, leaves, sums);
  } else {
    add_plain<double>(trees, forest_.leaves, leaves, sums);
  }
}

template <class T, class Sum>
void Executor::tile_trees(std::span<const T> rows, std::span<Sum> sums, Scratch& scratch) const {
  const size_t width = forest_.features, count = width == 0 ? kTileRows : rows.size() / width;
  float* codes = aligned(scratch.columns, layout_->columns.size() * kTileRows);
  const bool nan = layout_->columns.encode(rows, count, codes, kTileRows);
  const TileWork work{forest_, *layout_, codes, nan};
  const std::vector<Tree>& trees = forest_.trees;
  for (size_t t = 0; t < trees.size();) {
    if (plain_) {  // As many as go to one output.
      size_t last = t + 1;
      while (last < trees.size() && trees[last].output == trees[t].output) ++last;
      add_of<Sum>(kernel_)(work, t, last, sums.data() + trees[t].output * kTileRows);
      t = last;
      continue;
    }
    uint32_t leaves[kTileRows] = {};
    leaves_of(kernel_)(work, t, leaves);
    scratch.row.resize(width + forest_.outputs);
    for (size_t r = 0; r < count; ++r) {
      const std::span<const T> row = rows.subspan(r * width, width);
      std::copy(row.begin(), row.end(), scratch.row.begin());
      const std::span<double> one = std::span(scratch.row).subspan(width);
      take_row(std::span<const Sum>(sums), r, one);
      add_leaf(forest_, trees[t], leaves[r], std::span(scratch.row).first(width), one);
      for (size_t k = 0; k < one.size(); ++k) sums[k * kTileRows + r] = static_cast<Sum>(one[k]);
    }
    ++t;
  }
}

template <class T, class Sum>
void Executor::tile(std::span<const T> rows, std::span<double> out, Scratch& scratch,
                    Output output) const {
  const size_t outputs = forest_.outputs, answers = forest_.answers(output);
  const size_t count = out.size() / answers;
  const std::span<Sum> sums(aligned(sums_of<Sum>(scratch), outputs * kTileRows),
                            outputs * kTileRows);
  scratch.row.resize(std::max(scratch.row.size(), outputs));
  start_sums(forest_, std::span(scratch.row).first(outputs));
  for (size_t k = 0; k < outputs; ++k)
    std::fill_n(sums.begin() + static_cast<std::ptrdiff_t>(k * kTileRows), kTileRows,
                static_cast<Sum>(scratch.row[k]));
  tile_trees(rows, sums, scratch);
  const bool as_summed = forest_.link == Link::kIdentity && forest_.divisor == 1 &&
                         (forest_.base.empty() || forest_.base_first);
  if (outputs == 1 && (output == Output::kRaw || (output == Output::kAnswer && as_summed)) &&
      forest_.aggregate == Aggregate::kSum) {
    for (size_t r = 0; r < count; ++r) out[r] = static_cast<double>(sums[r]);
    return;
  }
  scratch.row.resize(std::max(scratch.row.size(), outputs));
  const std::span<double> one = std::span(scratch.row).first(outputs);
  for (size_t r = 0; r < count; ++r) {
    take_row(std::span<const Sum>(sums), r, one);
    if (forest_.aggregate != Aggregate::kSum)
      for (double& sum : one) sum = std::isnan(sum) ? 0 : sum;
    answer(one, out.subspan(r * answers, answers), output);
  }
}

}  // namespace slip::trees
