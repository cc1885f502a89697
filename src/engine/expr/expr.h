#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/column/column.h"
#include "engine/expr/type.h"
#include "engine/expr/zone.h"

// Scalar expressions over columns: one value a row, of that row alone. The same kernels compute a
// batch offline and one row online, and every function gives the same bits on every x86-64 machine,
// for every split of the rows. The language is described in README.md.
//
// A Program is immutable and shared; an Evaluator has the registers of one thread.
namespace slip::engine::expr {

struct CompileOptions {
  const ZoneSource* zones = nullptr;  // Without: UTC and offsets only. Used during compile() alone.
};

class Program {
 public:
  const ValueType& output_type() const;
  // The columns it reads, in the schema's order: what evaluate() wants.
  const std::vector<Field>& inputs() const;
  // The canonical text: compiles to the same program.
  const std::string& text() const;
  // SHA-256, hex, over the canonical text, the types of the inputs, and the release of the zone
  // database where it matters: what is equal computes the same.
  const std::string& hash() const;

  struct Plan;

 private:
  friend class Evaluator;
  friend Result<Program> compile(std::string_view, const Schema&, const CompileOptions&);
  std::shared_ptr<const Plan> plan_;
};

// kInvalid `expr.syntax`, `expr.column`, `expr.function`, `expr.type`, `expr.constant`,
// `expr.pattern`, `expr.unit`, `expr.zone`, `expr.too_long`, `expr.too_large`; the text has line,
// column and a caret.
Result<Program> compile(std::string_view text, const Schema& schema,
                        const CompileOptions& options = {});

class Evaluator {
 public:
  explicit Evaluator(const Program& program);
  Evaluator(Evaluator&&) noexcept;
  ~Evaluator();

  // An empty column of the output's type (an interval is an int64 of microseconds).
  Values make_output() const;
  // Appends n values. `columns` are those of Program::inputs(), of n rows each. kInvalid `expr.row`
  // names the first row that fails (counted from 0), kInvalid `expr.input` what doesn't fit,
  // kExhausted `expr.output` more than 1 GiB of text; `out` is of no use then.
  Status evaluate(std::span<const Column> columns, int64_t n, Values* out);

 private:
  struct Machine;
  std::shared_ptr<const Program::Plan> plan_;
  std::unique_ptr<Machine> machine_;
};

// Changes whenever some expression may compute something else: stored with every training set.
const std::string& engine_fingerprint();

}  // namespace slip::engine::expr
