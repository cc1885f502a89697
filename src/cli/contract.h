#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "contract/checker.h"
#include "contract/contract.h"
#include "contract/report.h"
#include "sys/fs.h"

// `slipway contract`: data contracts against files of the caller's machine, without a server. One
// thread.
namespace slip::cli {

struct ContractCheck {
  std::string contract;  // Paths.
  std::string data;
  std::string object;               // Empty: the only one, or the one named as the file.
  std::vector<std::string> others;  // "object=path": for relationships.
  int64_t now_us = 0;
  size_t samples = 10;
  int64_t memory_bytes = int64_t{1} << 30;
  contract::Spill* spill = nullptr;
  class FileQueries* sql = nullptr;  // Null: checks in SQL aren't evaluated.
};
// kInvalid `contract.object` when it isn't clear which object the file is.
Result<contract::Report> check_file(Fs& fs, const ContractCheck& check);

Result<contract::Contract> read_contract(Fs& fs, const std::string& path);
Result<int64_t> parse_moment_us(std::string_view text);  // ISO 8601; kInvalid `usage.time`.

}  // namespace slip::cli
