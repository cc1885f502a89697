#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "codec/table.h"
#include "features/batch.h"
#include "features/definition.h"

// A file's rows as a source has them: its columns by name, its times, and `_deleted` (bool), which
// makes a row a tombstone. Columns that the source doesn't have are left out; ones that the file
// lacks are null. Times are cut to microseconds. One thread.
//
// Errors name the row: kInvalid `feature.column|feature.time|feature.value`.
namespace slip::features {

class FileBatches {
 public:
  // `rows` outlives it.
  static Result<FileBatches> open(codec::TableReader& rows, const Source& source);

  const std::vector<FeatureField>& schema() const { return schema_; }
  Result<std::optional<Batch>> next();
  int64_t first_row() const { return first_row_; }  // Of the last batch, in the file.

 private:
  struct Places {
    std::vector<std::pair<size_t, size_t>> columns;  // Of the file's readable ones, of the source.
    std::vector<bool> decimal;                       // Which of them are text of decimals.
    size_t event = SIZE_MAX;
    size_t created = SIZE_MAX;
    size_t deleted = SIZE_MAX;
  };
  FileBatches(codec::TableReader& rows, Source source, Places places);
  static Result<Places> places_of(const std::vector<codec::Field>& fields, const Source& source);

  codec::TableReader* rows_;
  Source source_;
  Places places_;
  std::vector<FeatureField> schema_;
  int64_t first_row_ = 0;
  int64_t next_row_ = 0;
};

// The rows of which `wanted` says so by their place in the file.
Batch wanted_rows(const Batch& batch, int64_t first_row,
                  const std::function<bool(int64_t row)>& wanted);

}  // namespace slip::features
