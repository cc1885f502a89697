#pragma once

#include <cstdint>
#include <string>

namespace slip::features {

// A row that is kept apart from its source's history.
struct Quarantined {
  std::string uid;
  int64_t created_ms = 0;
  std::string reason;
  std::string record;  // A JSON object as a push takes it.
};

}  // namespace slip::features
