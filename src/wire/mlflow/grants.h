#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "codec/json.h"
#include "core/auth/directory.h"
#include "wire/mlflow/app.h"

// Grants as MLflow's clients name them: READ … MANAGE, DENY; resource types; registered models and
// prompts by name, where the server keeps uids, so that a right ends with what it is on.
namespace slip::wire::mlflow {

// A resource type, as it was given. kInvalid `mlflow.resource_type`.
Result<std::string_view> kind_of_type(const std::string& type);
// A level that may be granted on the kind, into `out`. kInvalid `mlflow.permission`.
Status read_level(const std::string& level, std::string_view kind, auth::Permission* out);
std::string_view level_name(auth::Role role, bool deny);

// The grant that (type, pattern) names, without its level; in the project of the Ctx.
// kInvalid `mlflow.resource_type|mlflow.resource_pattern`, kNotFound `model.not_found`.
Result<auth::Permission> read_grant(App& app, const Ctx& ctx, const std::string& type,
                                    const std::string& pattern);

codec::Json message_of(const auth::User& user);
// One message each, in order. What MLflow has no name for is left out, grants on what is gone and
// everybody's membership of `default` too; then a user's own role without any.
Result<std::vector<codec::Json>> messages_of(App& app, const Ctx& ctx,
                                             const std::vector<auth::NamedRole>& roles);
Result<codec::Json> message_of(App& app, const Ctx& ctx, const auth::NamedRole& role);
// `role` carries the number only.
Result<codec::Json> message_of(App& app, const Ctx& ctx, const auth::Directory::OfRole& permission);

}  // namespace slip::wire::mlflow
