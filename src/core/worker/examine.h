#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "core/worker/worker.h"

// What a worker really can't do here: a function that tries is run in one.
namespace slip::worker {

struct Attempt {
  std::string what;    // "open a network socket"
  bool held = false;   // It was refused.
  std::string answer;  // "PermissionError", or that it went well.
};

// As call().
Result<std::vector<Attempt>> examine(Workers& workers, const Ctx& ctx);

}  // namespace slip::worker
