#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "store/db.h"

// Which rows of the history were brought online when, by view: with it a replay says what could be
// served, also of rows that were loaded or pushed to the history alone. The table is
// feature_materialization; a row is put at the beginning and again, with its end, when all is
// online.
namespace slip::features {

struct Materialization {
  int64_t begin_us = 0;
  int64_t end_us = 0;  // 0: it hasn't ended, or the process did.
  // Rows up to `through_seq` with event times in [start_us, until_us], but for those that an
  // earlier one has brought: up to `after_seq` with event times up to `after_until_us`.
  int64_t after_seq = 0;
  int64_t through_seq = 0;
  int64_t start_us = INT64_MIN;
  int64_t until_us = INT64_MAX;
  int64_t after_until_us = INT64_MAX;
};

Status put_materialization(store::Tx& tx, const std::string& project, const std::string& view_uid,
                           const Materialization& what);
// In the order of their beginning.
Result<std::vector<Materialization>> materializations(store::Db& db, const std::string& project,
                                                      const std::string& view_uid);

// The end of the first one that brought the row; INT64_MAX: none did.
int64_t came_online(const std::vector<Materialization>& all, int64_t seq, int64_t event_us);
// Rows were coming online at that moment, or nobody knows.
bool in_motion(const std::vector<Materialization>& all, int64_t at_us);

}  // namespace slip::features
