#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "features/definition.h"

// The `tests:` of views: given events, the values that are expected at a moment, computed by the
// code that serves. Pure; any thread.
namespace slip::features {

struct ExampleResult {
  std::string view;
  std::string name;                // Of the test, or its number.
  std::vector<std::string> wrong;  // "spend_1h: expected 3.0, got 4.0"; empty: passed.
};
// Of every view in `definitions`; sources and entities they name are among them. kInvalid as
// compile_view's, and for events that the source doesn't take.
Result<std::vector<ExampleResult>> run_examples(const std::vector<Definition>& definitions);

}  // namespace slip::features
