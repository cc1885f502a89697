#include "features/functions.h"

#include <algorithm>

#include "base/text.h"

namespace slip::features {
namespace {

Status run_programs(const CompiledOnDemand& what, const std::vector<engine::Values>& columns,
                    int64_t rows, std::vector<std::vector<Cell>>* out) {
  for (size_t p = 0; p < what.programs.size(); ++p) {
    const engine::expr::Program& program = what.programs[p];
    std::vector<engine::Column> in;
    for (const size_t i : inputs_of(program, what.schema)) in.push_back(columns[i].view());
    engine::expr::Evaluator run(program);
    engine::Values made = run.make_output();
    Status done = run.evaluate(in, rows, &made);
    if (!done.ok()) return std::move(done).error().within(what.features[p].name);
    std::vector<Cell>& cells = out->emplace_back();
    const engine::Column column = made.view();
    for (int64_t row = 0; row < rows; ++row) cells.push_back(cell_at(column, row));
  }
  return {};
}

// The function sees inputs under their names, and the request's data under theirs.
Result<codec::Table> rows_for(const CompiledOnDemand& what,
                              const std::vector<engine::Values>& columns, int64_t from,
                              int64_t to) {
  const OnDemand& d = what.definition;
  codec::Table out;
  for (size_t i = 0; i < columns.size(); ++i) {
    const size_t n = d.inputs.size();
    const FeatureType& type = i < n ? what.input_types[i] : d.request[i - n].type;
    codec::Table one = codec::make_table({codec::make_field(
        i < n ? d.inputs[i].name : d.request[i - n].name, column_type_of(type))});
    for (int64_t row = from; row < to; ++row) {
      add_to_column(&one.columns[0], cell_at(columns[i].view(), row), type);
      if (one.columns[0].data.size() > kFunctionBytesMax)
        return exhausted("feature.function", concat({what.name, ": its rows are too large"}));
    }
    out.schema.push_back(std::move(one.schema[0]));
    out.columns.push_back(std::move(one.columns[0]));
  }
  out.rows = to - from;
  return out;
}

Status run_function(Functions* functions, const CompiledOnDemand& what,
                    const std::vector<engine::Values>& columns, int64_t rows,
                    std::vector<std::vector<Cell>>* out) {
  if (functions == nullptr)
    return unsupported("feature.function",
                       concat({"on-demand view ", what.name, ": no Python functions run here"}));
  out->resize(what.features.size());
  for (int64_t from = 0; from < rows; from += kFunctionRows) {
    const int64_t to = std::min(rows, from + kFunctionRows);
    const codec::Table made = TRY(functions->call(what, TRY(rows_for(what, columns, from, to))));
    if (made.rows != to - from || made.columns.size() != what.features.size())
      return internal("feature.function", concat({what.name, ": rows or columns are missing"}));
    for (size_t f = 0; f < what.features.size(); ++f)
      for (int64_t row = 0; row < made.rows; ++row) {
        Result<Cell> cell = cell_of_column(made.columns[f], row, what.features[f].type);
        if (!cell.ok())
          return std::move(cell).error().within(concat({what.name, ":", what.features[f].name}));
        (*out)[f].push_back(std::move(*cell));
      }
  }
  return {};
}

}  // namespace

Status compute_on_demand(Functions* functions, const CompiledOnDemand& what,
                         const std::vector<std::vector<Cell>>& inputs,
                         const RequestColumns& request, std::vector<std::vector<Cell>>* out) {
  std::vector<engine::Values> columns;
  const auto add = [&](const std::vector<Cell>& cells,
                       const engine::expr::ValueType& type) -> Status {
    engine::Values& values = columns.emplace_back(type.type, type.item);
    for (const Cell& cell : cells) {
      const Cell fitted = TRY(fit(cell, type_of_expr(type)));
      add_cell(&values, fitted);
    }
    return {};
  };
  const size_t n = what.definition.inputs.size();
  columns.reserve(what.schema.size());
  for (size_t i = 0; i < n; ++i) TRY(add(inputs[i], what.schema[i].type));
  for (size_t i = 0; i < what.definition.request.size(); ++i) {
    const std::vector<Cell>* cells = request.find(what.definition.request[i].name);
    if (cells == nullptr) return invalid("feature.request", "request data is missing");
    TRY(add(*cells, what.schema[n + i].type));
  }
  out->clear();
  return what.definition.python ? run_function(functions, what, columns, request.rows, out)
                                : run_programs(what, columns, request.rows, out);
}

}  // namespace slip::features
