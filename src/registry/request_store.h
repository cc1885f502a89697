#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "registry/governance_types.h"
#include "registry/registry_store.h"
#include "store/db.h"

// SQL of stages, policies, requests, comments, waivers and reviews; no policy here. Private to
// registry/.
namespace slip::registry::sql {

// Whose rows: a model of a project.
struct Of {
  std::string_view project;
  std::string_view model_uid;
};

// ---- stages, policies
Result<std::vector<std::string>> stages(store::Tx& tx, Of of);  // By name.
Status put_stage(store::Tx& tx, Of of, std::string_view name, std::string_view actor,
                 int64_t now_ms);
Status drop_stage(store::Tx& tx, Of of, std::string_view name);
struct PolicyRow {
  std::string target;
  std::string body;
};
Result<std::vector<PolicyRow>> policies(store::Tx& tx, Of of);  // By target.
Result<std::optional<std::string>> policy(store::Tx& tx, Of of, std::string_view target);
// Both keep policy_tenure too.
Status put_policy(store::Tx& tx, Of of, const PolicyRow& row, const Turn& turn);
Status drop_policy(store::Tx& tx, Of of, std::string_view target, int64_t now_ms);

// ---- requests
Status insert_request(store::Tx& tx, Of of, const Request& request);
// State, plan, times, how it was closed.
Status update_request(store::Tx& tx, std::string_view project, const Request& request);
// With approvals; Request::model is left empty.
Result<std::optional<Request>> open_request(store::Tx& tx, Of of, int64_t version,
                                            std::string_view target);
// Newest first; `version` 0: of all versions.
Result<std::vector<Request>> requests(store::Tx& tx, Of of, int64_t version, bool open_only);
// Of every model, conditions on aliases r and m; Request::model is set.
Result<Page<Request>> search_requests(store::Tx& tx, std::string_view project,
                                      const search::PageQuery& query);
Status add_approval(store::Tx& tx, std::string_view project, std::string_view request_uid,
                    const RequestApproval& approval);
// Approvals of the request (`only` empty: every one that is not void) that bind to something else
// than `binding` become void; how many.
Result<int64_t> void_approvals(store::Tx& tx, std::string_view project,
                               std::string_view request_uid, std::string_view binding,
                               int64_t now_ms);

// What duties look for, in every project.
struct Due {
  std::string project;
  std::string model_uid;
  std::string model;
  int64_t version = 0;
  std::string target;
  std::string uid;
};
Result<std::vector<Due>> expired_requests(store::Tx& tx, int64_t now_ms, int64_t limit);
Result<std::vector<Due>> stale_plans(store::Tx& tx, int64_t checked_before_ms, int64_t limit);
Result<std::optional<Request>> find_request(store::Tx& tx, std::string_view project,
                                            std::string_view uid);

// ---- comments
Status put_comment(store::Tx& tx, Of of, const Comment& comment);
Result<std::optional<Comment>> find_comment(store::Tx& tx, std::string_view project,
                                            std::string_view uid, std::string* model_uid);
Result<std::vector<Comment>> comments(store::Tx& tx, Of of, int64_t version);
Status drop_comment(store::Tx& tx, std::string_view project, std::string_view uid);

// ---- waivers
Status put_waiver(store::Tx& tx, Of of, const Waiver& waiver);
Result<std::vector<Waiver>> waivers(store::Tx& tx, Of of, int64_t version);

// ---- reviews
Status put_review(store::Tx& tx, Of of, const Review& review);  // Without items.
Status put_review_item(store::Tx& tx, std::string_view project, std::string_view review_uid,
                       const ReviewItem& item);
Result<std::vector<Review>> reviews(store::Tx& tx, Of of, int64_t version);  // Newest first.

// ---- predictions on holdouts
struct Evidence {
  std::string dataset;  // The holdout.
  int64_t dataset_version = 0;
  std::string predictions_dataset;
  int64_t predictions_version = 0;
};
struct Told {
  std::string_view actor;
  int64_t ms = 0;
};
Status put_evidence(store::Tx& tx, Of of, int64_t version, const Evidence& evidence, Told told);
Result<std::vector<Evidence>> evidence(store::Tx& tx, Of of, int64_t version);

// ---- scans
struct ScanRow {
  int64_t scanner = 0;
  int64_t verdict = 0;
  std::string report;
  int64_t scanned_ms = 0;
};
Result<std::optional<ScanRow>> scan(store::Tx& tx, std::string_view project,
                                    std::string_view digest);
Status put_scan(store::Tx& tx, std::string_view project, std::string_view digest,
                const ScanRow& row);

}  // namespace slip::registry::sql
