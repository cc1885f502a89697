#pragma once

#include <vector>

#include "core/auth/auth.h"
#include "core/ledger/ledger.h"
#include "http/route.h"

// GET /ledger: who did what to which object, in order.
namespace slip::wire::native {

struct LedgerApp {
  ledger::Ledger& ledger;
  auth::Auth& auth;  // For the names of actors.
};
std::vector<http::Route> ledger_routes(LedgerApp app);

}  // namespace slip::wire::native
