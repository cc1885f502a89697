#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/json.h"
#include "codec/table.h"
#include "serving/model.h"
#include "serving/table_rows.h"

// Records of a stream as rows of a model's inputs: a JSON object whose members are the model's
// inputs with one value a row, or the columns that its one input of [n, k] names; for one that
// names none, a list of k numbers. Further members are nobody's. One thread's.
//
// Errors: kUnsupported `record.inputs` (of make: inputs of other shapes), kInvalid `record.json`
// (no JSON, or none of that form), `record.column` (absent, or null where the model has no missing
// value; a missing number is NaN), `record.value` (of another type).
namespace slip::scoring {

class RecordRows {
 public:
  static Result<RecordRows> make(const serving::Signature& signature);

  // One more row, or nothing.
  Status add(const codec::Json& record);
  int64_t rows() const { return table_.rows; }
  // What was added since the last time.
  Result<std::vector<serving::Tensor>> take();

 private:
  RecordRows(serving::RowMapper mapper, std::vector<codec::Field> schema)
      : mapper_(std::move(mapper)), table_(codec::make_table(std::move(schema))) {}

  serving::RowMapper mapper_;
  codec::Table table_;
  bool list_ = false;  // A record is a list of numbers.
};

}  // namespace slip::scoring
