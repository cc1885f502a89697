#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "features/batch.h"
#include "store/kafka/kafka.h"

// What a stream hands to the feature store at once. Rows and marks become one record of the
// history: whoever goes on at the marks takes each message in once. Messages that are no row of the
// source, that no view can compute or that the contract keeps apart go to the quarantine and stop
// nothing; one that is handed over again is there once.
//
// Errors: nothing was taken in, the same may be handed over again: kConflict `feature.stream` (the
// source reads no topic), and those of the log and the database.
namespace slip::features {

struct Intake {
  std::string source;
  std::span<const kafka::Record> records;  // At most kBatchRowsMax.
  std::vector<StreamMark> marks;
  std::string unfit;  // Why none of them can be a row here; "": they are looked at.
};

struct Intaken {
  int64_t rows = 0;
  int64_t strays = 0;    // No rows.
  int64_t rejected = 0;  // By the contract, or by a view that can't compute them.
  int64_t warned = 0;
  std::string reason;   // Of the first that was kept apart.
  std::string trouble;  // The rows are kept; online they are whole after a restart.
};

}  // namespace slip::features
