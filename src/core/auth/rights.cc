#include "core/auth/rights.h"

#include <algorithm>
#include <array>

namespace slip::auth {
namespace {

constexpr std::array<std::string_view, 5> kNames = {"none", "read", "use", "edit", "manage"};

bool covers(std::string_view pattern, std::string_view value) {
  return pattern == kAny || pattern == value;
}

bool concerns(const Grant& grant, std::string_view project, std::string_view kind) {
  return covers(grant.project, project) && covers(grant.kind, kind);
}

}  // namespace

std::string_view role_name(Role role) { return kNames[static_cast<size_t>(role)]; }

std::optional<Role> parse_role(std::string_view name) {
  for (size_t i = 1; i < kNames.size(); ++i)
    if (kNames[i] == name) return static_cast<Role>(i);
  return std::nullopt;
}

Role role_on(std::span<const Grant> grants, std::string_view project, std::string_view kind,
             std::string_view object) {
  Role best = Role::kNone;
  for (const Grant& g : grants) {
    if (!concerns(g, project, kind) || !covers(g.object, object)) continue;
    if (g.deny) return Role::kNone;
    best = std::max(best, g.role);
  }
  return best;
}

bool has_object_grants(std::span<const Grant> grants, std::string_view project,
                       std::string_view kind) {
  return std::any_of(grants.begin(), grants.end(), [&](const Grant& g) {
    return g.object != kAny && concerns(g, project, kind);
  });
}

Predicate list_predicate(std::span<const Grant> grants, std::string_view project,
                         std::string_view kind, std::string_view column) {
  const bool all = role_on(grants, project, kind, "") >= Role::kRead;
  bool denied = false;
  std::vector<std::string> objects;
  for (const Grant& g : grants) {
    if (!concerns(g, project, kind)) continue;
    if (g.object == kAny)
      denied = denied || g.deny;
    else if (all ? g.deny : role_on(grants, project, kind, g.object) >= Role::kRead)
      objects.push_back(g.object);
  }
  if (denied) return {" AND 1 = 0", {}};
  if (all && objects.empty()) return {};
  if (objects.empty()) return {" AND 1 = 0", {}};
  Predicate out;
  out.sql = " AND ";
  out.sql += column;
  out.sql += all ? " NOT IN (" : " IN (";
  for (size_t i = 0; i < objects.size(); ++i) out.sql += i ? ", ?" : "?";
  out.sql += ')';
  out.args = std::move(objects);
  return out;
}

}  // namespace slip::auth
