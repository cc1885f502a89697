#pragma once

#include <string>
#include <vector>

#include "codec/json.h"

// What two runs differ in. Pure.
namespace slip::cli {

struct RunSide {
  codec::Json run;       // Flat, as cli/mlflow.h makes it.
  codec::Json capture;   // Its record; null when nothing was captured.
  std::string packages;  // Lines of packages.txt.
};

// {"section", "name", "a", "b"} for each value that isn't the same, null where a side has none.
// Sections: params, metrics, tags, code, environment, packages, data, outputs, exit.
std::vector<codec::Json> diff_runs(const RunSide& a, const RunSide& b);

}  // namespace slip::cli
