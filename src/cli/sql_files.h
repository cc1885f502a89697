#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/files.h"
#include "contract/checker.h"
#include "core/query/query.h"

namespace slip {
class Fs;
class Process;
}  // namespace slip

// SQL over files of the caller's machine, without a server: each is a table of a private database.
// One thread.
namespace slip::cli {

class FileQueries final : public contract::SqlEngine {
 public:
  FileQueries(Fs& fs, Process& process, int64_t memory_bytes)
      : fs_(fs), process_(process), memory_bytes_(memory_bytes) {}

  // A CSV file's `as_text` columns are text, whatever they look like. kInvalid `usage.format`.
  Status add(const std::string& table, const std::string& path,
             std::vector<std::string> as_text = {});
  Result<std::unique_ptr<codec::TableReader>> select(const std::string& query);
  Result<double> scalar(const std::string& query) override;

 private:
  Result<query::Database*> open();

  Fs& fs_;
  Process& process_;
  int64_t memory_bytes_;
  std::optional<Scratch> scratch_;  // Goes after the database.
  std::unique_ptr<query::Database> db_;
};

}  // namespace slip::cli
