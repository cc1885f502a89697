#include "tracking/artifact_uploads.h"

#include <utility>

#include "base/text.h"
#include "base/uuid.h"
#include "sys/clock.h"
#include "sys/rng.h"
#include "tracking/artifact_store.h"

namespace slip::tracking {
namespace {

constexpr int64_t kForgottenAtOnce = 50;        // Uploads, or
constexpr int64_t kPartsForgottenAtOnce = 900;  // parts of one, in a transaction.
constexpr int64_t kDoneKeptMs = 3'600'000;
constexpr size_t kCopyBytes = 1 << 20;

Error no_upload(std::string_view id) {
  return not_found("upload.not_found", concat({"No upload '", id, "' is in progress here"}));
}

std::string_view unquoted(std::string_view etag) {
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"')
    return etag.substr(1, etag.size() - 2);
  return etag;
}

Result<sql::Upload> own_upload(store::Tx& tx, const Ctx& ctx, std::string_view path,
                               std::string_view id) {
  auto found = TRY(sql::find_upload(tx, id));
  if (!found || found->state == sql::UploadState::kAbandoned ||
      found->project != ctx.project.text || found->author != ctx.actor_uid || found->path != path)
    return no_upload(id);
  return std::move(*found);
}

Status check_parts(const std::vector<UploadPart>& given, const std::vector<sql::Part>& kept,
                   int64_t wanted) {
  if (static_cast<int64_t>(given.size()) != wanted)
    return invalid("upload.parts", concat({"The upload has ", std::to_string(wanted),
                                           " parts, not ", std::to_string(given.size())}));
  for (size_t i = 0; i < given.size(); ++i) {
    const auto number = static_cast<int64_t>(i) + 1;
    if (given[i].number != number)
      return invalid("upload.parts", "The parts must be listed in order, from 1, without gaps");
    if (i >= kept.size() || kept[i].number != number)
      return invalid("upload.parts",
                     concat({"Part ", std::to_string(number), " has not been uploaded"}));
    if (unquoted(given[i].etag) != kept[i].digest)
      return invalid("upload.etag", concat({"Part ", std::to_string(number),
                                            " is not the one that this etag belongs to"}));
  }
  return {};
}

Status append(store::Blobs& blobs, const sql::Part& part, store::BlobDraft* out) {
  const auto reader = TRY(blobs.open(TRY(codec::parse_sha256(part.digest))));
  std::string buffer(kCopyBytes, '\0');
  for (int64_t at = 0;;) {
    const size_t n = TRY(reader->read_at(at, std::span(buffer.data(), buffer.size())));
    if (n == 0) return {};
    TRY(out->write(std::string_view(buffer).substr(0, n)));
    at += static_cast<int64_t>(n);
  }
}

}  // namespace

Result<std::string> ArtifactUploads::begin(const Ctx& ctx, const std::string& path, int64_t parts) {
  const ArtifactPath where = TRY(parse_artifact_path(path));
  if (where.rest.empty()) return invalid("artifact.path", "Invalid path");
  TRY(store::tree::check_path(where.rest));
  if (parts < 1 || parts > kUploadPartsMax)
    return invalid("upload.parts", concat({"An upload has 1 to ", std::to_string(kUploadPartsMax),
                                           " parts, not ", std::to_string(parts)}));
  const std::string id = make_uuid4(deps_.rng.u64(), deps_.rng.u64()).hex();
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    return sql::insert_upload(tx, {.id = id,
                                   .project = ctx.project.text,
                                   .path = path,
                                   .author = ctx.actor_uid,
                                   .parts = parts,
                                   .state = sql::UploadState::kOpen,
                                   .expires_ms = deps_.clock.now_ms() + kUploadKeptMs});
  }));
  return id;
}

Result<std::string> ArtifactUploads::put_part(const std::string& upload_id, int64_t number,
                                              store::BlobDraft& draft) {
  const auto check = [&](store::Tx& tx) -> Status {
    const auto found = TRY(sql::find_upload(tx, upload_id));
    if (!found || found->state != sql::UploadState::kOpen) return no_upload(upload_id);
    if (number < 1 || number > found->parts)
      return invalid("upload.number", concat({"The upload has no part ", std::to_string(number)}));
    return {};
  };
  TRY(deps_.db.read(check));
  const int64_t size = draft.size();
  const std::string digest = TRY(draft.commit()).hex();
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    TRY(check(tx));  // It may have been given up meanwhile.
    TRY(sql::put_part(tx, upload_id, {.number = number, .digest = digest, .size = size}));
    return sql::extend_upload(tx, upload_id, deps_.clock.now_ms() + kUploadKeptMs);
  }));
  return digest;
}

Status ArtifactUploads::complete(const Ctx& ctx, const std::string& path,
                                 const std::string& upload_id,
                                 const std::vector<UploadPart>& parts) {
  sql::Upload upload;
  std::vector<sql::Part> kept;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    upload = TRY(own_upload(tx, ctx, path, upload_id));
    kept = TRY(sql::parts_of(tx, upload_id));
    return {};
  }));
  if (upload.state == sql::UploadState::kDone) return {};
  TRY(check_parts(parts, kept, upload.parts));
  const auto draft = TRY(deps_.blobs.create());
  for (const sql::Part& part : kept) TRY(append(deps_.blobs, part, draft.get()));
  TRY(artifacts_.put(ctx, path, *draft));
  // A crash before this leaves the upload open: completing it again writes the same bytes.
  return deps_.db.write([&](store::Tx& tx) -> Status {
    return sql::close_upload(tx, upload_id, sql::UploadState::kDone,
                             deps_.clock.now_ms() + kDoneKeptMs);
  });
}

Status ArtifactUploads::abort(const Ctx& ctx, const std::string& path,
                              const std::string& upload_id) {
  return deps_.db.write([&](store::Tx& tx) -> Status {
    const Result<sql::Upload> upload = own_upload(tx, ctx, path, upload_id);
    if (!upload.ok() && upload.error().code == Code::kNotFound) return {};
    TRY(upload);
    if (upload->state == sql::UploadState::kDone) return {};
    return sql::close_upload(tx, upload_id, sql::UploadState::kAbandoned, deps_.clock.now_ms());
  });
}

Result<int64_t> ArtifactUploads::expire() {
  int64_t total = 0;
  for (bool more = true; more;) {
    int64_t gone = 0;
    TRY(deps_.db.write([&](store::Tx& tx) -> Status {
      gone = 0;
      more = false;
      int64_t parts_left = kPartsForgottenAtOnce;
      const auto ids = TRY(sql::expired_uploads(tx, deps_.clock.now_ms(), kForgottenAtOnce));
      for (const std::string& id : ids) {
        parts_left -= TRY(sql::delete_parts(tx, id, parts_left));
        if (parts_left <= 0) {  // The upload goes when its last part has.
          more = true;
          return {};
        }
        TRY(sql::delete_upload(tx, id));
        ++gone;
      }
      more = static_cast<int64_t>(ids.size()) == kForgottenAtOnce;
      return {};
    }));
    total += gone;
  }
  return total;
}

Status ArtifactUploads::mark(const std::function<void(const store::Digest&)>& keep) {
  Status parsed;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    return sql::each_part(tx, [&](std::string_view hex) {
      const Result<store::Digest> digest = codec::parse_sha256(hex);
      if (digest.ok())
        keep(*digest);
      else
        parsed = digest.error();
    });
  }));
  return parsed;
}

}  // namespace slip::tracking
