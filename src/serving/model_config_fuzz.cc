#include "serving/model_config.h"

#include "base/check.h"
#include "test/fuzz/fuzz.h"

// Whatever is understood is printed so that it is understood again, the same.
SLIP_FUZZ(model_config) {
  using namespace slip::serving;
  const auto config = ModelConfig::parse_text(slip::fuzz::as_text(data));
  if (!config.ok()) return;
  const auto again = ModelConfig::parse_json(config->json());
  CHECK(!again.ok() || again->json() == config->json());
}
