#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// Who may do what: pure rules over grants. A grant names a project, a kind and an object, each of
// which may be "*"; objects are uids, never names, so a deleted name leaves no right behind. Deny
// overrides, the default is deny, a higher role contains the lower ones. No I/O; any thread.
namespace slip::auth {

enum class Role : uint8_t { kNone, kRead, kUse, kEdit, kManage };
std::string_view role_name(Role role);
std::optional<Role> parse_role(std::string_view name);  // Not "none".

inline constexpr std::string_view kAny = "*";

struct Grant {
  std::string project;  // Or "*".
  std::string principal_uid;
  std::string kind;    // "model", … or "*".
  std::string object;  // A uid or "*".
  Role role = Role::kNone;
  bool deny = false;  // Then `role` says nothing.
};

// The role that `grants` (of one principal) give on an object. `object` "" asks for the project as
// a whole: grants on single objects don't count then.
Role role_on(std::span<const Grant> grants, std::string_view project, std::string_view kind,
             std::string_view object);

// Does any grant name single objects of this kind? Then a route must look at its object.
bool has_object_grants(std::span<const Grant> grants, std::string_view project,
                       std::string_view kind);

// A condition for WHERE on the column that holds the object's uid, so that lists are filtered in
// SQL: "" when all may be seen, else " AND …" with its arguments.
struct Predicate {
  std::string sql;
  std::vector<std::string> args;
};
Predicate list_predicate(std::span<const Grant> grants, std::string_view project,
                         std::string_view kind, std::string_view column);

}  // namespace slip::auth
