#pragma once

#include <string>
#include <vector>

#include "features/features.h"

// A batch after its source's contract was asked.
namespace slip::features {

struct Features::Screened {
  Batch batch;                // The rows that go on, values nulled where the contract says so.
  std::vector<bool> goes_on;  // Which of the rows that came do; empty: all.
  std::vector<Quarantined> apart;
  std::vector<std::string> warnings;
};

// kInvalid `feature.computed`: rows that only a query makes aren't pushed or loaded.
Status check_given(const Source& source, const std::string& name);

}  // namespace slip::features
