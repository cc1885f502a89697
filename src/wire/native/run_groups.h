#pragma once

#include "http/route.h"
#include "wire/native/run_pages.h"

// Runs in groups as JSON. Any thread.
namespace slip::wire::native {

Result<http::Reply> run_groups(const RunsApp& app, const Ctx& ctx, http::Request& request);

}  // namespace slip::wire::native
