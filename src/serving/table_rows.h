#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "codec/table.h"
#include "serving/model.h"

// Rows of tables as a model's inputs, and its outputs as columns beside them: one way for batch
// files and for bodies. Values; any thread.
//
// Errors: kInvalid `rows.columns` (which are there doesn't fit the model), `rows.column_type`,
// `rows.value` (a null where the model's type has no missing value, a number beyond its range).
namespace slip::serving {

// Which columns feed which input: an input of [n] or [n, 1] its column by name; a model's only
// input of [n, k] k columns: those that were named, else those that the model names, else, where
// it names none, all numbers in their order.
class RowMapper {
 public:
  static Result<RowMapper> make(const Signature& signature, const std::vector<codec::Field>& schema,
                                const std::vector<std::string>& columns = {});

  std::vector<std::string> reads() const;  // Columns of the file, each once.
  // `batch` has at least what reads() says, of the schema's types. Null is NaN for floating point.
  Result<std::vector<Tensor>> tensors(const codec::Table& batch) const;

 private:
  struct Input {
    TensorSpec spec;
    std::vector<std::string> columns;
  };
  std::vector<Input> inputs_;
};

// Whether it has several values a row, or any number.
bool is_wide(const TensorSpec& spec);
// What a column of such values is.
codec::ColumnType column_type_of(DataType type);

// An output of [n] or [n, 1] is a column of its name, one of [n, k, …] the columns NAME_0 … of a
// row's values in their order. kInvalid `rows.output` for one without a row for each of `rows`.
Result<codec::Table> output_table(const std::vector<Tensor>& outputs, int64_t rows);

}  // namespace slip::serving
