#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "codec/table.h"
#include "features/features.h"

// Training sets as files: the rows of a file, and beside them features as they were at each row's
// time. Rows, their order and their columns stay.
//
// Errors: kInvalid `feature.time|feature.missing_key|feature.name_collision|feature.value`,
// kExhausted `feature.too_many_rows`.
namespace slip::features {

inline constexpr int64_t kEntityRowsMax = 20'000'000;

struct FileJoin {
  std::string project;
  std::shared_ptr<const ReadPlan> plan;
  std::string time;  // The column of times; "": event_timestamp, or the only one of that type.
  Features::Joining joining;
  std::vector<std::string> columns = {};  // That the entities are read with; empty: all.
};

// `as` is written with the entities' columns, then ReadPlan::outs.
Status join_file(Features& features, const FileJoin& join, codec::TableReader& entities,
                 codec::Format as, codec::ByteSink& out);

// All entities that had a row of each view between two moments, as they were at `end_us`: what is
// asked without naming entities. Columns: event_timestamp, the keys, the features. kUnsupported
// `feature.request` when the views are of different entities.
struct Snapshot {
  std::string project;
  std::shared_ptr<const ReadPlan> plan;
  int64_t start_us = 0;
  int64_t end_us = 0;
  Features::Joining joining;
};
Status join_all(Features& features, const Snapshot& what, codec::Format as, codec::ByteSink& out);

}  // namespace slip::features
