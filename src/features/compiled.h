#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/expr/expr.h"
#include "engine/window/plan.h"
#include "features/definition.h"
#include "features/freshness.h"

// Definitions made ready to run: expressions compiled against their source, aggregates into a plan
// of windows, references resolved. Immutable; any thread. What computes belongs to a Transform or
// an OnDemandRun, one thread's.
//
// Errors: those of engine/expr and engine/window with the feature's name, kInvalid
// `feature.column|feature.duplicate|feature.join_key`.
namespace slip::features {

struct CompiledView {
  std::string project;
  std::string name;
  int64_t version = 0;
  std::string uid;
  uint32_t number = 0;  // Of this version in this process; keys of the online table begin with it.
  Definition definition;
  std::string digest;  // Of the definition.
  std::string source_name;
  Source source;
  std::vector<FeatureField> join_keys;
  std::vector<size_t> key_columns;  // Of the source, in the order of join_keys.
  std::vector<FeatureField> features;

  // Input of expressions: the source's columns, then the event time.
  engine::expr::Schema schema;
  std::vector<engine::expr::Program> row;
  std::optional<engine::expr::Program> filter;
  std::optional<window::Plan> plan;    // Its records hold the source's columns, then `row`'s.
  std::vector<size_t> record_columns;  // Which of them a record has, in its order.

  std::shared_ptr<ViewClocks> clocks =
      std::make_shared<ViewClocks>();  // Of this version; counted, never part of what it computes.

  const View& view() const { return definition.view; }
  std::optional<size_t> find(std::string_view feature) const;
};
using ViewPtr = std::shared_ptr<const CompiledView>;

// `entities` by name, for join keys that are named that way.
Result<CompiledView> compile_view(const Definition& definition, const Source& source,
                                  const std::map<std::string, FeatureField>& entities);

// What a view makes of a batch of its source's rows. One thread.
class Transform {
 public:
  explicit Transform(ViewPtr view);

  // `columns` are the source's, `event` its times, all of n rows. kInvalid `expr.row`.
  struct Output {
    std::vector<bool> wanted;         // Rows that the filter lets through.
    std::vector<bool> excluded;       // Rows for which it is false, and not merely null.
    std::vector<engine::Values> row;  // The row features, computed for all rows.
    std::vector<engine::Column>
        columns;  // Of a plain view: the features in order; else of records.
    // A tombstone seldom has the values that a filter asks for.
    bool concerns(int64_t i, bool deleted) const {
      return deleted ? !excluded[static_cast<size_t>(i)] : wanted[static_cast<size_t>(i)];
    }
  };
  Result<Output> run(std::span<const engine::Column> columns, const engine::Column& event);

 private:
  ViewPtr view_;
  std::vector<engine::expr::Evaluator> row_;
  std::optional<engine::expr::Evaluator> filter_;
};

// A window's answer as a cell of the view's feature.
Cell cell_of_answer(const CompiledView& view, size_t feature, const window::Answer& answer);

struct CompiledOnDemand {
  std::string project;
  std::string name;
  int64_t version = 0;
  std::string digest;  // Of the definition.
  OnDemand definition;
  engine::expr::Schema schema;  // Inputs by name, then "request.x".
  std::vector<FeatureType> input_types;
  std::vector<engine::expr::Program> programs;  // None: it is a function.
  std::vector<FeatureField> features;
};
// `inputs`: the types of its inputs, in their order.
Result<CompiledOnDemand> compile_on_demand(const Definition& definition,
                                           std::span<const FeatureType> inputs);

// Which of `schema` a program reads, as places in it.
std::vector<size_t> inputs_of(const engine::expr::Program& program,
                              const engine::expr::Schema& schema);
FeatureType type_of_expr(const engine::expr::ValueType& type);

}  // namespace slip::features
