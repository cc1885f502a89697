#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/json.h"

// What other tools say of data, as ODCS documents. Nothing is dropped in silence: what a contract
// has no words for is listed with its place. Files are only read: no pickles, no code. Pure.
namespace slip::contract {

struct Left {
  std::string where;  // "orders.amount", "expectations[3]"
  std::string what;   // "expect_column_mean_to_be_between"
  std::string why;
};
struct Imported {
  codec::Json document;  // parse_contract takes it.
  int64_t rules = 0;     // That were taken over.
  std::vector<Left> left;
};

// Great Expectations: a suite as JSON, of 0.x (expectation_type) and of 1.x (type).
Result<Imported> import_great_expectations(std::string_view text);
// dbt: models and their tests of a schema.yml (`tests` and `data_tests`).
Result<Imported> import_dbt(std::string_view text);
// pandera: a schema written by to_yaml().
Result<Imported> import_pandera(std::string_view text);
// TensorFlow Data Validation: tensorflow.metadata.v0.Schema as text.
Result<Imported> import_tfdv(std::string_view text);

}  // namespace slip::contract
