#pragma once

#include "codec/rows.h"

// What the readers of one format offer to rows.cc.
namespace slip::codec::rows {

Result<RowSchema> scan_jsonl(const RowBytes& bytes);
Status each_jsonl(const RowBytes& bytes, const std::vector<RowColumn>& columns, int64_t rows_max,
                  const OnRow& on_row);
Result<RowSchema> scan_csv(const RowBytes& bytes);
Status each_csv(const RowBytes& bytes, const std::vector<RowColumn>& columns, int64_t rows_max,
                const OnRow& on_row);
Result<RowSchema> scan_parquet(const RowBytes& bytes);
Status each_parquet(const RowBytes& bytes, const std::vector<RowColumn>& columns, int64_t rows_max,
                    const OnRow& on_row);

// The type that holds values of both; "" stands for "none seen yet".
std::string_view wider_type(std::string_view a, std::string_view b);

// Sequential bytes in large steps.
class Stream {
 public:
  explicit Stream(const RowBytes& bytes) : bytes_(bytes) {}
  // The next byte; -1 at the end.
  Result<int> next() {
    if (at_ == buffer_.size()) TRY(fill());
    if (at_ == buffer_.size()) return -1;
    return static_cast<unsigned char>(buffer_[at_++]);
  }
  // Up to and without the next '\n' (and a '\r' before it). False at the end. kExhausted
  // `rows.too_large`.
  Result<bool> line(std::string* out);

 private:
  Status fill();

  const RowBytes& bytes_;
  std::string buffer_;
  size_t at_ = 0;
  int64_t offset_ = 0;  // Of the byte behind buffer_.
};

}  // namespace slip::codec::rows
