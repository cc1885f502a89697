#pragma once

#include <optional>
#include <string>
#include <vector>

#include "data/data.h"

// The tables of data/. All inside the caller's transaction.
namespace slip::data::sql {

struct Repository {
  std::string uid;
  std::string name;
  int64_t head = 0;  // Version that `main` stands at; 0: none.
  int64_t created_ms = 0;
  int64_t updated_ms = 0;
  std::string created_by;
};

Result<std::optional<Repository>> find_repository(store::Tx& tx, const std::string& project,
                                                  const std::string& name);
Status insert_repository(store::Tx& tx, const std::string& project, const Repository& repository);
// Moves `main` from `repository.head` to `to`. kConflict `dataset.moved` when it is elsewhere.
Status move_main(store::Tx& tx, const std::string& project, const Repository& repository,
                 const Version& to);
Result<std::vector<Repository>> list_repositories(store::Tx& tx, const Ctx& ctx,
                                                  std::string_view after, int64_t limit);

Status insert_version(store::Tx& tx, const std::string& project, const std::string& repository_uid,
                      const Version& version);
Result<std::optional<Version>> find_version(store::Tx& tx, const std::string& project,
                                            const Repository& repository, int64_t number);
Result<std::optional<Version>> find_content(store::Tx& tx, const std::string& project,
                                            const Repository& repository, const std::string& digest,
                                            codec::Format format);
Result<std::vector<Version>> list_versions(store::Tx& tx, const std::string& project,
                                           const Repository& repository, int64_t after,
                                           int64_t limit);
// Roots of trees after `after`, in order.
Result<std::vector<std::string>> list_roots(store::Tx& tx, const std::string& after, int64_t limit);

std::string schema_json(const std::vector<codec::Field>& schema);

}  // namespace slip::data::sql
