#pragma once

#include <vector>

#include "http/route.h"
#include "wire/native/runs.h"

// What pages about runs read: experiments with their use, the table of runs and its columns, one
// run, curves. Reads only; numbers that JSON has no word for are "NaN", "Infinity", "-Infinity".
namespace slip::wire::native {

std::vector<http::Route> run_page_routes(RunsApp app);

}  // namespace slip::wire::native
