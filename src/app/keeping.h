#pragma once

#include <string>

#include "core/hold/hold.h"
#include "core/jobs/jobs.h"
#include "tracking/purge.h"

// What keeps things from being purged, across domains, and the job that purges. Any thread.
namespace slip::app {

struct World;

// Registered versions need the runs and logged models that they were made of.
class RegistryClaims final : public tracking::Claims {
 public:
  Result<std::string> claimant(store::Tx& tx, const std::string& project,
                               const Thing& thing) override;
};

// experiment, run, logged_model and trace of tracking, model and model_version of the registry.
class HeldObjects final : public hold::Objects {
 public:
  Result<hold::Object> find(store::Tx& tx, const std::string& project,
                            const hold::Reference& ref) override;
};

// The kind of job that purges, and the duty that starts one a day in each project with rules.
void add_purging(World& w);
// The job's uid. `key` not empty: at most one unfinished of that name.
Result<std::string> start_purge(World& w, const Ctx& ctx, const tracking::PurgeSpec& spec,
                                std::string_view key = "");

struct BlobUse {
  int64_t blobs = 0;  // All.
  int64_t bytes = 0;
  int64_t live_blobs = 0;  // Something refers to them.
  int64_t live_bytes = 0;
  int64_t stored_bytes = 0;  // On the disk.
};
// A look at what the next sweeps would find; reads what the sweep reads.
Result<BlobUse> blob_use(World& w);
// Everything that something refers to, for sweeps.
Status mark_blobs(World& w, const std::function<void(const store::Digest&)>& keep);

// Takes away all that a project holds: runs, logged models, traces, experiments, registered models.
// kConflict `project.not_empty` when it holds what is never deleted, `hold.held` under a hold.
Status empty_project(World& w, const Ctx& ctx);

}  // namespace slip::app
