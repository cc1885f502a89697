#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/blobs.h"
#include "sys/ctx.h"
#include "tracking/artifacts.h"
#include "tracking/deps.h"

// Uploads in parts: begun for one path by one actor, parts in any order and any number of times,
// then completed, when the parts become the artifact in one step, or given up. Parts are blobs and
// rows, so an upload goes on after a restart; one that nobody completes expires.
//
// Invariants: only who began an upload can complete or give it up, and only for the path that it
// was begun for; whoever else asks learns nothing. Nothing of an upload is visible at its path
// before it is completed. Completing again changes nothing. Any thread.
//
// Errors: kInvalid `upload.parts|upload.etag|upload.number` and those of Artifacts, kNotFound
// `upload.not_found`.
namespace slip::tracking {

inline constexpr int64_t kUploadPartsMax = 10'000;
inline constexpr int64_t kUploadKeptMs = int64_t{24} * 3'600'000;  // After the last part came.

struct UploadPart {
  int64_t number = 0;  // From 1.
  std::string etag;    // As put_part answered, with or without quotes.
};

class ArtifactUploads {
 public:
  ArtifactUploads(Deps deps, Artifacts& artifacts) : deps_(deps), artifacts_(artifacts) {}

  // The id of the upload: 128 random bits, so that it can't be guessed.
  Result<std::string> begin(const Ctx& ctx, const std::string& path, int64_t parts);
  // Keeps the draft as that part; the etag. Whoever has the id may; links to it are signed.
  Result<std::string> put_part(const std::string& upload_id, int64_t number,
                               store::BlobDraft& draft);
  // All parts, in order, with the etags that they got.
  Status complete(const Ctx& ctx, const std::string& path, const std::string& upload_id,
                  const std::vector<UploadPart>& parts);
  // Fine when there is none any more.
  Status abort(const Ctx& ctx, const std::string& path, const std::string& upload_id);

  // Forgets what has expired; how many.
  Result<int64_t> expire();
  // Every blob that uploads in progress need. For the garbage collector.
  Status mark(const std::function<void(const store::Digest&)>& keep);

 private:
  Deps deps_;
  Artifacts& artifacts_;
};

}  // namespace slip::tracking
