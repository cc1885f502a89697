#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/db.h"

// SQL of artifact trees' roots and of uploads in parts; no policy. Private to tracking/. Roots and
// digests are 64 hex digits.
namespace slip::tracking::sql {

Result<std::optional<std::string>> find_root(store::Tx& tx, std::string_view project,
                                             std::string_view base);
struct Swap {
  std::string_view base;
  std::optional<std::string> before;  // Absent: there is none yet.
  std::string after;
};
// False when the root is no longer `before`.
Result<bool> swap_root(store::Tx& tx, std::string_view project, const Swap& swap, int64_t now_ms);
// Bases that start with `prefix`, in order.
Result<std::vector<std::string>> bases_below(store::Tx& tx, std::string_view project,
                                             std::string_view prefix, int64_t limit);
// Of the run, logged model or trace with that id: its experiment and where its files are.
struct Keeper {
  std::string_view kind;
  int64_t experiment_id = 0;
  std::string uri;
};
Result<std::optional<Keeper>> find_keeper(store::Tx& tx, std::string_view project,
                                          std::string_view id);
Status each_root(store::Tx& tx, const std::function<void(std::string_view)>& on_root);

enum class UploadState : uint8_t { kOpen = 0, kDone = 1, kAbandoned = 2 };
struct Upload {
  std::string id;
  std::string project;
  std::string path;
  std::string author;
  int64_t parts = 0;
  UploadState state = UploadState::kOpen;
  int64_t expires_ms = 0;
};
struct Part {
  int64_t number = 0;
  std::string digest;
  int64_t size = 0;
};
Status insert_upload(store::Tx& tx, const Upload& upload);
Result<std::optional<Upload>> find_upload(store::Tx& tx, std::string_view id);
Status extend_upload(store::Tx& tx, std::string_view id, int64_t expires_ms);
Status close_upload(store::Tx& tx, std::string_view id, UploadState state, int64_t expires_ms);
Status put_part(store::Tx& tx, std::string_view id, const Part& part);
Result<std::vector<Part>> parts_of(store::Tx& tx, std::string_view id);  // By number.
Result<std::vector<std::string>> expired_uploads(store::Tx& tx, int64_t now_ms, int64_t limit);
// How many are gone.
Result<int64_t> delete_parts(store::Tx& tx, std::string_view id, int64_t limit);
Status delete_upload(store::Tx& tx, std::string_view id);
// Digests of the parts of open uploads.
Status each_part(store::Tx& tx, const std::function<void(std::string_view)>& on_digest);

}  // namespace slip::tracking::sql
