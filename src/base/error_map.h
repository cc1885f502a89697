#pragma once

#include <string_view>

#include "base/error.h"

// The one table from Code to every outside vocabulary. Nothing else in the tree maps codes.
namespace slip {

struct CodeRow {
  Code code;
  std::string_view name;   // Metric label and JSON: "not_found".
  std::string_view title;  // "Not found"
  int http_status;
  int grpc_status;  // Numbers of google.rpc.Code.
  int cli_exit;     // See `slipway help exit-codes`.
  bool retryable;   // The same request may succeed later without anybody changing anything.
};

const CodeRow& code_row(Code code);

}  // namespace slip
