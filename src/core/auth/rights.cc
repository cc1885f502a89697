#include "core/auth/rights.h"

#include <algorithm>
#include <array>

namespace slip::auth {
namespace {

constexpr std::array<std::string_view, 5> kNames = {"none", "read", "use", "edit", "manage"};

// The last rows belong to services of MLflow's that this server doesn't offer; grants on them are
// kept for clients that manage them.
constexpr std::array<Kind, 27> kKinds = {{
    {.name = "experiment", .objects = true},
    {.name = "run", .parent = "experiment"},
    {.name = "logged_model", .parent = "experiment"},
    {.name = "trace", .parent = "experiment"},
    {.name = "assessment", .parent = "trace"},
    {.name = "artifact", .parent = "experiment"},
    {.name = "model", .objects = true},
    {.name = "model_version", .parent = "model"},
    {.name = "prompt", .objects = true},
    {.name = "prompt_version", .parent = "prompt"},
    {.name = "dataset", .objects = true},
    {.name = "deployment", .objects = true},
    {.name = "ledger"},
    {.name = "server"},
    {.name = "project"},
    {.name = "token"},
    {.name = "principal"},
    {.name = "grant"},
    {.name = kMember},
    {.name = "scorer", .objects = true},
    {.name = "scorer_version", .parent = "scorer"},
    {.name = "mcp_server", .objects = true},
    {.name = "mcp_server_version", .parent = "mcp_server"},
    {.name = "gateway_secret", .objects = true},
    {.name = "gateway_endpoint", .objects = true},
    {.name = "gateway_model_definition", .objects = true},
    {.name = "review_queue", .parent = "experiment"},
}};

bool covers(std::string_view pattern, std::string_view value) {
  return pattern == kAny || pattern == value;
}

struct Cell {
  bool any = false;  // Some grant speaks.
  bool deny = false;
  Role role = Role::kNone;
};

// Of the grants that name exactly this kind.
Cell fold(std::span<const Grant> grants, std::string_view project, std::string_view kind,
          std::string_view object) {
  Cell cell;
  for (const Grant& g : grants) {
    if (g.kind != kind || !covers(g.project, project) || !covers(g.object, object)) continue;
    cell.any = true;
    cell.deny = cell.deny || g.deny;
    if (!g.deny) cell.role = std::max(cell.role, g.role);
  }
  return cell;
}

}  // namespace

std::string_view role_name(Role role) { return kNames[static_cast<size_t>(role)]; }

std::optional<Role> parse_role(std::string_view name) {
  for (size_t i = 1; i < kNames.size(); ++i)
    if (kNames[i] == name) return static_cast<Role>(i);
  return std::nullopt;
}

std::span<const Kind> kinds() { return kKinds; }

const Kind* find_kind(std::string_view name) {
  for (const Kind& kind : kKinds)
    if (kind.name == name) return &kind;
  return nullptr;
}

std::string_view container_of(std::string_view kind) {
  for (const Kind* k = find_kind(kind); k && !k->parent.empty(); k = find_kind(kind))
    kind = k->parent;
  return kind;
}

Role role_on(std::span<const Grant> grants, std::string_view project, std::string_view kind,
             std::string_view object) {
  const Cell floor = fold(grants, project, kAny, object);
  const Kind* known = find_kind(kind);
  const bool part = known && !known->parent.empty();
  const Cell own = fold(grants, project, kind, part ? std::string_view() : object);
  if (floor.deny || own.deny) return Role::kNone;
  const Role here = std::max(floor.role, own.role);
  if (!part) return here;
  const Role above = role_on(grants, project, known->parent, object);
  return above < Role::kRead || !own.any ? above : here;
}

bool denies_kind(std::span<const Grant> grants, std::string_view project, std::string_view kind) {
  return std::any_of(grants.begin(), grants.end(), [&](const Grant& g) {
    return g.deny && g.object == kAny && covers(g.project, project) && covers(g.kind, kind);
  });
}

bool denies_objects(std::span<const Grant> grants, std::string_view project,
                    std::string_view kind) {
  const std::string_view container = container_of(kind);
  return std::any_of(grants.begin(), grants.end(), [&](const Grant& g) {
    return g.deny && g.object != kAny && covers(g.project, project) && covers(g.kind, container);
  });
}

bool has_everything(std::span<const Grant> grants, std::string_view project, Role want) {
  if (fold(grants, project, kAny, "").role < want) return false;
  return std::none_of(grants.begin(), grants.end(), [&](const Grant& g) {
    if (!covers(g.project, project)) return false;
    const Kind* kind = find_kind(g.kind);
    return g.deny || (g.role < want && kind && !kind->parent.empty());
  });
}

bool is_member(std::span<const Grant> grants, std::string_view project) {
  const Cell cell = fold(grants, project, kMember, "");
  return !cell.deny && cell.role >= Role::kUse;
}

}  // namespace slip::auth
