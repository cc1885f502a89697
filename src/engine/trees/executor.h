#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/trees/forest.h"

// A forest that answers. The kernel is chosen when it is made, by the processor and the shape of
// the trees; every kernel gives the same bits. Immutable once made; any thread, each with a Scratch
// of its own.
//
// Rows are row-major, forest.features values a row; float or double. NaN is a missing value.
namespace slip::trees {

enum class Kernel : uint8_t {
  kAuto,
  kScalar,  // The oracle: any forest, any machine.
  kWalk,    // Any machine.
  kAvx2,
  kAvx512,
};
std::string_view kernel_name(Kernel kernel);         // "auto", "scalar", "walk", "avx2", "avx512"
Result<Kernel> parse_kernel(std::string_view name);  // kInvalid `trees.kernel`.

struct Layout;

// Memory that calls reuse; nothing is kept in it.
class Scratch {
 public:
  std::vector<float> columns;
  std::vector<float> float_sums;
  std::vector<double> double_sums;
  std::vector<double> row;
  std::vector<uint32_t> words, leaves;
};

class Executor {
 public:
  // check() decides about the forest; kUnsupported `trees.kernel`: this machine hasn't got the
  // kernel.
  static Result<Executor> make(Forest forest, Kernel kernel = Kernel::kAuto);
  Executor(Executor&&) noexcept;
  Executor& operator=(Executor&&) noexcept;
  ~Executor();

  const Forest& forest() const { return forest_; }
  Kernel kernel() const { return kernel_; }  // What batches run on.
  uint32_t answers(Output output = Output::kAnswer) const { return forest_.answers(output); }

  // `out` gets answers(output) numbers a row; the spans' lengths must agree (CHECK).
  void predict(std::span<const double> rows, std::span<double> out, Scratch& scratch,
               Output output = Output::kAnswer) const;
  void predict(std::span<const float> rows, std::span<double> out, Scratch& scratch,
               Output output = Output::kAnswer) const;

 private:
  Executor(Forest forest, Kernel kernel);
  template <class T>
  void run(std::span<const T> rows, std::span<double> out, Scratch& scratch, Output output) const;
  template <class T>
  void scalar(std::span<const T> rows, std::span<double> out, Scratch& scratch,
              Output output) const;
  template <class T>
  void one_row(std::span<const T> row, std::span<double> out, Scratch& scratch,
               Output output) const;
  template <class T, class Sum>
  void tile(std::span<const T> rows, std::span<double> out, Scratch& scratch, Output output) const;
  template <class T, class Sum>
  void tile_trees(std::span<const T> rows, std::span<Sum> sums, Scratch& scratch) const;
  template <class T>
  void add_row_leaves(std::span<const T> row, std::span<double> sums, Scratch& scratch) const;
  void find_row_leaves(Scratch& scratch, bool nan) const;
  void answer(std::span<double> sums, std::span<double> out, Output output) const;

  Forest forest_;
  Kernel kernel_ = Kernel::kScalar;
  bool plain_ = false;  // A number a leaf, added.
  std::unique_ptr<const Layout> layout_;
};

}  // namespace slip::trees
