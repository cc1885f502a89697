#pragma once

#include <functional>

#include "cli/batch_plan.h"
#include "sys/clock.h"
#include "sys/executor.h"

// `slipway batch score`: a model's answers to all rows of a file or of a directory of files, in
// parts, by the executor that serves it online: the same bits. A part is there whole or not at all,
// and named in the folder's notes once it is on the disk; a run that was killed goes on with those
// that aren't; the manifest comes last and names every part exactly once.
//
// Works in bounded memory: for each thread one batch of rows and one row group.
namespace slip::cli {

struct BatchScored {
  int64_t rows = 0;  // Of all parts.
  int64_t parts = 0;
  int64_t resumed = 0;  // Parts that were there before.
  int64_t bytes = 0;
};
// Of rows; called by one thread at a time.
using BatchProgress = std::function<void(int64_t done, int64_t of)>;

// Errors name the file and the row: kInvalid `rows.*|batch.*`, and those of models and tables.
Result<BatchScored> batch_score(Fs& fs, Executor& executor, const BatchOptions& options,
                                const BatchProgress& progress);

}  // namespace slip::cli
