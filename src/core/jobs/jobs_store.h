#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/jobs/jobs.h"

// The SQL of core/jobs and nothing else. Private to core/jobs.
namespace slip::jobs::sql {

struct JobRow {
  std::string project;
  std::string uid;
  std::string kind;
  std::string payload;
  std::string cursor;
  int64_t attempts = 0;
};

// A finished job of the same uid starts again; an unfinished one stays as it is.
Status put(store::Tx& tx, const JobRow& row, int64_t now_ms);
// The one that has been due longest, of these kinds.
Result<std::optional<JobRow>> due(store::Tx& tx, std::span<const std::string> kinds,
                                  int64_t now_ms);
struct Lease {
  std::string token;
  int64_t until_ms = 0;
};
// 0 when somebody else was faster.
Result<int64_t> take(store::Tx& tx, const JobRow& row, const Lease& lease, int64_t now_ms);

struct Record {
  std::string state;
  std::string cursor;
  int64_t attempts = 0;
  int64_t next_run_ms = 0;
  std::string error;
};
// 0 when the lease was lost.
Result<int64_t> record(store::Tx& tx, const JobRow& row, std::string_view lease_token,
                       const Record& record, int64_t now_ms);
Result<std::vector<Info>> list(store::Tx& tx, std::string_view project, std::string_view after,
                               int64_t limit);
Result<int64_t> purge(store::Tx& tx, int64_t before_ms, int64_t limit);

}  // namespace slip::jobs::sql
