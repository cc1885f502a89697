#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/auth/auth.h"
#include "core/auth/auth_store.h"
#include "sys/sync.h"

// What identify() and check() read. Immutable once published; only used_ms moves (relaxed, and
// shared by successive snapshots). Private to core/auth.
namespace slip::auth {

struct Auth::TokenRec {
  sql::TokenRow row;
  std::shared_ptr<std::atomic<int64_t>> used_ms;
};

struct Auth::PrincipalRec {
  sql::PrincipalRow row;
  std::vector<Grant> grants;
};

struct Auth::State {
  int64_t epoch = 0;
  std::unordered_map<std::string, TokenRec> tokens;          // By id.
  std::unordered_map<std::string, PrincipalRec> principals;  // By uid.
  std::map<std::string, std::string> uid_by_name;
};

struct PasswordTries {
  int64_t minute = 0;
  int64_t n = 0;
};

struct Auth::Memory {
  // By principal: SHA-256 over the stored hash and a password that has passed, so that the slow
  // hash is computed once a process and a changed password is noticed.
  sys::Guarded<std::unordered_map<std::string, std::string>> proofs;
  sys::Guarded<std::unordered_map<std::string, PasswordTries>> tries;
  sys::Guarded<std::unordered_map<std::string, int64_t>> flushed;  // Time of use by token id.
};

}  // namespace slip::auth
