#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "codec/json.h"
#include "contract/checker.h"

// A contract that rows fulfil, as a beginning for people: types, what is never null, what never
// repeats, small sets of values, texts that are all days, times, addresses or identifiers. Every
// rule it states held for every row. One thread.
namespace slip::contract {

struct InferOptions {
  std::string name = "table";  // Of the contract and its object.
  bool loose = false;          // As for CheckOptions.
  bool ranges = false;         // Also the least and the greatest numbers.
  int64_t memory_bytes = 256 << 20;
  size_t values_max = 20;       // A text of no more values is an enumeration,
  int64_t rows_per_value = 10;  // if it has at least so many rows a value.
};

class Inference {
 public:
  Inference(std::span<const FieldFact> fields, InferOptions options);
  ~Inference();

  Status add(std::span<const engine::Column> columns, int64_t rows);
  codec::Json finish();  // An ODCS document that parse_contract takes; once.

 private:
  struct Guess;
  codec::Json property(const Guess& guess) const;

  InferOptions options_;
  std::vector<std::unique_ptr<Guess>> guesses_;
  int64_t rows_ = 0;
};

// What every document of ours begins with.
codec::Json new_document(std::string_view id, std::vector<codec::Json> objects);

}  // namespace slip::contract
