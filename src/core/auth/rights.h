#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// Who may do what: pure rules over grants. A grant names a project, a kind and an object, each of
// which may be "*"; objects are uids, never names, so a deleted name leaves no right behind. Deny
// overrides, the default is deny, a higher role contains the lower ones.
//
// Some kinds are parts of others: runs, traces and logged models of their experiment, versions of
// their model. Grants name no single part. Where any grant names the kind of a part, it decides
// alone (upwards and downwards) for whoever may read the container; else the container's role is
// the part's. A grant on every kind ("*") is a floor below both. No I/O; any thread.
namespace slip::auth {

enum class Role : uint8_t { kNone, kRead, kUse, kEdit, kManage };
std::string_view role_name(Role role);
std::optional<Role> parse_role(std::string_view name);  // Not "none".

inline constexpr std::string_view kAny = "*";
// Membership: who has role `use` on this kind may make experiments, models and datasets.
inline constexpr std::string_view kMember = "workspace";

struct Kind {
  std::string_view name;
  std::string_view parent = {};  // Of a part.
  bool objects = false;          // Grants may name single ones.
};
std::span<const Kind> kinds();
const Kind* find_kind(std::string_view name);          // Null when unknown.
std::string_view container_of(std::string_view kind);  // "experiment" of "run"; else itself.

struct Grant {
  std::string project;  // Or "*".
  std::string principal_uid;
  std::string kind;    // "model", … or "*".
  std::string object;  // A uid or "*".
  Role role = Role::kNone;
  bool deny = false;  // Then `role` says nothing.
};

// The role that `grants` (of one principal) give on an object; of a part, on those of the container
// `object`. "" asks for the project as a whole: grants on single objects don't count then.
Role role_on(std::span<const Grant> grants, std::string_view project, std::string_view kind,
             std::string_view object);

// Is the whole kind denied, or every kind?
bool denies_kind(std::span<const Grant> grants, std::string_view project, std::string_view kind);
// Is any single object of this kind, or of its container, denied?
bool denies_objects(std::span<const Grant> grants, std::string_view project, std::string_view kind);

// `want` on everything in the project, whatever its kind.
bool has_everything(std::span<const Grant> grants, std::string_view project, Role want);

bool is_member(std::span<const Grant> grants, std::string_view project);

}  // namespace slip::auth
