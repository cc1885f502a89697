#pragma once

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "codec/hash.h"
#include "core/auth/auth.h"
#include "core/auth/auth_store.h"
#include "sys/sync.h"

// What identify() and check() read. Immutable once published; only used_ms moves (relaxed, and
// shared by successive snapshots). Private to core/auth.
namespace slip::auth {

struct Auth::TokenRec {
  sql::TokenRow row;
  codec::Sha256 secret;  // The row's, for comparing.
  std::shared_ptr<std::atomic<int64_t>> used_ms;
};

struct Auth::PrincipalRec {
  sql::PrincipalRow row;
  std::vector<Grant> grants;          // Standing ones (auth_store.h), its roles' too.
  std::vector<std::string> grantees;  // Whose grants count: its own uid and its roles'.

  // Membership of a project is a role on everything in it: the one that members have, or `manage`.
  void take(const Grant& grant, Role member_role) {
    grants.push_back(grant);
    if (grant.kind != kMember || grant.deny) return;
    Grant floor = grant;
    floor.kind = kAny;
    floor.role = grant.role == Role::kManage ? Role::kManage : member_role;
    if (grant.role >= Role::kUse && floor.role != Role::kNone) grants.push_back(std::move(floor));
  }
};

struct Auth::State {
  int64_t epoch = 0;
  std::unordered_map<std::string, TokenRec> tokens;          // By id.
  std::unordered_map<std::string, PrincipalRec> principals;  // By uid.
  std::map<std::string, std::string> uid_by_name;
};

// Of one caller in one state: the grants that count and the most that its token lets through.
struct Auth::Rights {
  const PrincipalRec* who = nullptr;  // Null: nobody, no right at all.
  std::string_view project;
  bool all = false;
  Role most = Role::kManage;

  Role role(std::string_view kind, std::string_view object) const {
    if (all) return Role::kManage;
    return who ? std::min(most, auth::role_on(who->grants, project, kind, object)) : Role::kNone;
  }
  Role role_with(std::vector<Grant> more, std::string_view kind, std::string_view object) const {
    more.insert(more.end(), who->grants.begin(), who->grants.end());
    return std::min(most, auth::role_on(more, project, kind, object));
  }
};

struct PasswordTries {
  int64_t minute = 0;
  int64_t n = 0;
};

// That a password has passed against a stored hash, so that the slow hash is computed once a
// process and a changed password is noticed.
struct PasswordProof {
  std::string stored;
  codec::Sha256 salted;  // Of the process's salt and the password.
};

struct Auth::Memory {
  std::string salt;
  sys::Mutex publishing;  // So that what was read earlier never replaces what was read later.
  sys::Guarded<std::unordered_map<std::string, PasswordProof>> proofs;  // By principal.
  sys::Guarded<std::unordered_map<std::string, PasswordTries>> tries;
  sys::Guarded<std::unordered_map<std::string, int64_t>> flushed;  // Time of use by token id.
};

}  // namespace slip::auth
