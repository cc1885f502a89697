#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "sys/executor.h"
#include "sys/fs.h"

// `slipway feature join`: the point-in-time join of two Parquet files into a third, without a
// server. The output is there whole or not at all. One thread calls.
namespace slip::cli {

struct FeatureJoin {
  std::string entities;  // Paths.
  std::string source;
  std::string out;
  std::vector<std::string> keys;      // Of both files.
  std::vector<std::string> features;  // Of the source.
  std::string event_time;             // Of the source.
  std::string entity_time;
  std::string created_time;       // Empty: none.
  std::string sequence;           // int64 of the source; empty: the row's number.
  std::string tombstone;          // bool of the source; empty: no row takes its key back.
  std::optional<int64_t> ttl_us;  // None: for ever.
  int64_t time_unit_ns = 0;       // Of times that are integers; 0: there are none.
  bool as_known = false;
  bool strict = false;
  int64_t memory_bytes = int64_t{2}
                         << 30;  // Of the entity frame; beyond it the source is read again.
  size_t threads = 1;
};
struct FeatureJoined {
  int64_t rows = 0;
  int64_t found = 0;   // Rows that got features.
  int64_t passes = 0;  // Readings of the source.
};
// kInvalid `feature.column|feature.key_type|feature.time_type|feature.collision|feature.created|
// feature.column_type`.
Result<FeatureJoined> join_features(Fs& fs, Executor& executor, const FeatureJoin& join);

// "7d", "12h", "30m", "45s", "500ms", "1w"; kInvalid `usage.duration`.
Result<int64_t> parse_duration_us(std::string_view text);

}  // namespace slip::cli
