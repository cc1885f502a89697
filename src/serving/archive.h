#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "store/blobs.h"
#include "store/db.h"
#include "store/log.h"
#include "sys/ctx.h"

namespace slip {
class Clock;
class Log;
}  // namespace slip

// Turns closed segments of the prediction log into Parquet, one file a deployment and segment,
// filed in the deployment's tree as "predictions/<segment>.parquet". Columns: prediction_id, row,
// ts_us, model_version, role, canary_weight, latency_us, client_ref, trace_id, then in.NAME and
// out.NAME: int64, double or text for one value a row, JSON text for several.
//
// Invariant: exactly once. The tree's new root and the note that a segment is in it commit
// together; only then is the segment removed. A crash in between repeats the work to the same
// bytes. One compactor at a time; reading is for any thread.
namespace slip::serving {

struct ArchivedPart {
  int64_t segment = 0;
  std::string digest;  // Of the Parquet file, "sha256:…".
  int64_t rows = 0;
  int64_t bytes = 0;
  int64_t start_us = 0;
  int64_t end_us = 0;
};

class Archive {
 public:
  struct Deps {
    store::Db& db;
    store::Blobs& blobs;
    store::SegmentLog& log;
    Clock& clock;
    Log& notes;
  };
  explicit Archive(Deps deps) : deps_(deps) {}

  // Segments that are closed and below `before_segment` (which others have read up to). How many.
  Result<int64_t> compact(int64_t before_segment);
  // Parts that hold predictions of [from_us, to_us], by segment.
  struct Query {
    int64_t after_segment = 0;
    int64_t from_us = 0;
    int64_t to_us = INT64_MAX;
    int64_t limit = 100;
  };
  Result<std::vector<ArchivedPart>> parts(const Ctx& ctx, const std::string& deployment_uid,
                                          const Query& query);
  // kNotFound `prediction_part.not_found`.
  Result<ArchivedPart> part(const Ctx& ctx, const std::string& deployment_uid, int64_t segment);
  Result<std::unique_ptr<store::BlobReader>> open(const ArchivedPart& part);
  // Every blob that the archive needs. For the garbage collector.
  Status mark(const std::function<void(const store::Digest&)>& keep);

 private:
  struct Part;
  Result<std::vector<Part>> write_parts(int64_t segment);
  Status file_part(const Part& part);

  Deps deps_;
};

}  // namespace slip::serving
