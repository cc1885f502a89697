#include "wire/mlflow/grants.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "base/text.h"
#include "registry/check.h"
#include "registry/registry.h"

namespace slip::wire::mlflow {
namespace {

using auth::NamedRole;
using auth::Permission;
using codec::Json;

struct Type {
  std::string_view name;  // MLflow's.
  std::string_view kind;  // Ours.
  bool by_name = false;   // Single ones are named; we keep uids.
};
constexpr std::array<Type, 18> kTypes = {{
    {"assessment", "assessment"},
    {"experiment", "experiment"},
    {"gateway_endpoint", "gateway_endpoint"},
    {"gateway_model_definition", "gateway_model_definition"},
    {"gateway_secret", "gateway_secret"},
    {"logged_model", "logged_model"},
    {"mcp_server", "mcp_server"},
    {"mcp_server_version", "mcp_server_version"},
    {"prompt", "prompt", true},
    {"prompt_version", "prompt_version"},
    {"registered_model", "model", true},
    {"registered_model_version", "model_version"},
    {"review_queue", "review_queue"},
    {"run", "run"},
    {"scorer", "scorer"},
    {"scorer_version", "scorer_version"},
    {"trace", "trace"},
    {"workspace", auth::kMember},
}};

struct Level {
  std::string_view name;
  auth::Role role;
  bool deny = false;
};
constexpr std::array<Level, 6> kLevels = {{
    {"READ", auth::Role::kRead},
    {"USE", auth::Role::kUse},
    {"EDIT", auth::Role::kEdit},
    {"MANAGE", auth::Role::kManage},
    {"NO_PERMISSIONS", auth::Role::kNone},
    {"DENY", auth::Role::kNone, true},
}};

// ('a', 'b'), as MLflow prints them.
template <class Rows>
std::string tuple_of(const Rows& rows) {
  std::string out = "(";
  for (const auto& row : rows) out += concat({out.size() > 1 ? ", '" : "'", row.name, "'"});
  return out + ")";
}

const Type* type_of_kind(std::string_view kind) {
  for (const Type& type : kTypes)
    if (type.kind == kind) return &type;
  return nullptr;
}

bool is_own(const NamedRole& role) { return role.name.starts_with(auth::kOwnRolePrefix); }

// Every user of the server is a member of `default` from the start.
bool is_everybodys(const NamedRole& role, const Permission& p) {
  return is_own(role) && role.project == kDefaultProject && p.kind == auth::kMember;
}

// By project and uid: the names of the models and prompts that grants are on.
using Names = std::map<std::string, std::map<std::string, std::string>>;

Result<Names> names_in(App& app, const Ctx& ctx, const std::vector<NamedRole>& roles) {
  std::map<std::string, std::vector<std::string>> uids;
  for (const NamedRole& role : roles)
    for (const Permission& p : role.permissions) {
      const Type* type = type_of_kind(p.kind);
      if (type && type->by_name && p.object != auth::kAny) uids[role.project].push_back(p.object);
    }
  Names out;
  for (const auto& [project, wanted] : uids) {
    const Ctx there = app.directory.in_project(ctx, project);
    out[project] = TRY(app.registry.model_names(there, wanted));
  }
  return out;
}

std::optional<Json> permission_message(const NamedRole& role, const Permission& p, Names& names) {
  const Type* type = type_of_kind(p.kind);
  if (!type || is_everybodys(role, p)) return std::nullopt;
  std::string pattern = p.object;
  if (type->by_name && pattern != auth::kAny) {
    const auto at = names[role.project].find(pattern);
    if (at == names[role.project].end()) return std::nullopt;
    pattern = at->second;
  }
  return Json::object({{"id", p.number},
                       {"role_id", role.number},
                       {"resource_type", type->name},
                       {"resource_pattern", pattern},
                       {"permission", level_name(p.role, p.deny)}});
}

}  // namespace

Result<std::string_view> kind_of_type(const std::string& name) {
  for (const Type& type : kTypes)
    if (type.name == name) return type.kind;
  return invalid(
      "mlflow.resource_type",
      concat({"Invalid resource type '", name, "'. Valid resource types are: ", tuple_of(kTypes)}));
}

std::string_view level_name(auth::Role role, bool deny) {
  for (const Level& level : kLevels)
    if (level.deny == deny && (deny || level.role == role)) return level.name;
  return "NO_PERMISSIONS";
}

Status read_level(const std::string& name, std::string_view kind, Permission* out) {
  const auto at = std::find_if(kLevels.begin(), kLevels.end(),
                               [&](const Level& level) { return level.name == name; });
  if (at == kLevels.end())
    return invalid("mlflow.permission", concat({"Invalid permission '", name,
                                                "'. Valid permissions are: ", tuple_of(kLevels)}));
  const bool member = kind == auth::kMember;
  const bool good = member ? at->role == auth::Role::kUse || at->role == auth::Role::kManage
                           : at->deny || at->role != auth::Role::kNone;
  if (!good)
    return invalid("mlflow.permission",
                   concat({"Invalid permission '", name, "' for resource_type='",
                           type_of_kind(kind)->name, "'. ",
                           member ? "Workspace-wide grants accept only: ('MANAGE', 'USE')."
                                  : "Resource-level grants accept only: ('DENY', 'EDIT', 'MANAGE',"
                                    " 'READ', 'USE')."}));
  out->role = at->role;
  out->deny = at->deny;
  return {};
}

Result<Permission> read_grant(App& app, const Ctx& ctx, const std::string& type,
                              const std::string& pattern) {
  Permission out;
  out.kind = TRY(kind_of_type(type));
  out.object = pattern;
  if (pattern == auth::kAny) return out;
  if (!auth::find_kind(out.kind)->objects)
    return invalid("mlflow.resource_pattern",
                   concat({"Invalid resource_pattern '", pattern, "' for resource_type='", type,
                           "'. This resource type supports only wildcard ('*') grants."}));
  if (!type_of_kind(out.kind)->by_name) return out;
  const registry::Model model = TRY(app.registry.get_model(ctx, pattern));
  if (registry::is_prompt(model.tags) != (out.kind == "prompt"))
    return not_found("model.not_found", concat({pattern, " is no ", type}));
  out.object = model.uid;
  return out;
}

Json message_of(const auth::User& user) {
  return Json::object({{"id", user.number}, {"username", user.name}, {"is_admin", user.is_admin}});
}

Result<std::vector<Json>> messages_of(App& app, const Ctx& ctx,
                                      const std::vector<NamedRole>& roles) {
  Names names = TRY(names_in(app, ctx, roles));
  std::vector<Json> out;
  for (const NamedRole& role : roles) {
    Json permissions = Json::array();
    for (const Permission& p : role.permissions)
      if (std::optional<Json> message = permission_message(role, p, names))
        permissions.push(*std::move(message));
    if (is_own(role) && permissions.items().empty()) continue;
    Json message =
        Json::object({{"id", role.number}, {"name", role.name}, {"workspace", role.project}});
    message.set("description", role.description ? Json(*role.description) : Json());
    message.set("permissions", std::move(permissions));
    out.push_back(std::move(message));
  }
  return out;
}

Result<Json> message_of(App& app, const Ctx& ctx, const NamedRole& role) {
  std::vector<Json> messages = TRY(messages_of(app, ctx, {role}));
  return std::move(messages.front());
}

Result<Json> message_of(App& app, const Ctx& ctx, const auth::Directory::OfRole& of) {
  NamedRole role = of.role;
  role.permissions = {of.permission};
  Names names = TRY(names_in(app, ctx, {role}));
  std::optional<Json> message = permission_message(role, of.permission, names);
  if (!message) return not_found("grant.not_found", "what this permission was on is gone");
  return *std::move(message);
}

}  // namespace slip::wire::mlflow
