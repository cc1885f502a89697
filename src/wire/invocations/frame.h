#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/json.h"
#include "serving/model.h"
#include "serving/tensor.h"

// The bodies of /invocations and the tensors that a model takes.
namespace slip::wire::invocations {

// A table by columns, every column as long as `rows`.
struct Frame {
  std::vector<std::string> columns;
  std::vector<std::vector<codec::Json>> values;  // [column][row]
  int64_t rows = 0;
};

struct Input {
  bool is_table = true;
  Frame frame;
  codec::Json tensors;  // `inputs` or an `instances` list without names: object or nested lists.
};

// kInvalid `invocations.body`, with MLflow's own sentence when the field is missing.
Result<Input> parse_json_input(std::string_view body);
Result<Input> parse_csv_input(std::string_view body);
Result<Input> parse_parquet_input(std::string_view body);

// Table to tensors: by name where the model's inputs are columns, else all columns side by side
// into the model's only input (those that it names, in its order, if it does and they are there),
// else the only column into it. kInvalid `invocations.columns`.
Result<std::vector<serving::Tensor>> to_tensors(const Input& input,
                                                const serving::Signature& signature);
// One record a row for tables, one nested list an output otherwise.
Result<codec::Json> to_predictions(const std::vector<serving::Tensor>& outputs, bool is_table,
                                   int64_t rows);

// MLflow's flavours of XGBoost and LightGBM answer with a plain list: a number a row, or a list.
bool answers_an_array(std::string_view platform);
Result<codec::Json> to_array(const serving::Tensor& output);

}  // namespace slip::wire::invocations
