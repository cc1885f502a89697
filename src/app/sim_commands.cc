#include "app/commands.h"
#include "base/text.h"
#include "cli/print.h"
#include "rollout/guard.h"

namespace slip::app {
namespace {

using codec::Json;

// limits
constexpr int64_t kRunsMax = 100'000;
constexpr int64_t kOutcomesMax = 1'000'000;

Result<double> share(const cli::Call& call, std::string_view option, double fallback) {
  if (!call.has(option)) return fallback;
  const std::optional<double> value = parse_double(call.text(option));
  if (value && *value > 0 && *value < 1) return *value;
  return invalid("usage.number", concat({"--", option, " wants a number between 0 and 1"}));
}

Result<int64_t> count(const cli::Call& call, std::string_view option, int64_t fallback,
                      int64_t max) {
  const int64_t value = TRY(call.number(option)).value_or(fallback);
  if (value >= 1 && value <= max) return value;
  return invalid("usage.number",
                 concat({"--", option, " wants a number from 1 to ", std::to_string(max)}));
}

Result<int> aa(cli::Call& call) {
  rollout::AaSpec spec;
  spec.seed = static_cast<uint64_t>(TRY(call.number("seed")).value_or(1));
  spec.runs = TRY(count(call, "runs", spec.runs, kRunsMax));
  spec.outcomes = TRY(count(call, "labels", spec.outcomes, kOutcomesMax));
  spec.alpha = TRY(share(call, "alpha", spec.alpha));
  spec.weight = TRY(share(call, "weight", spec.weight));
  spec.error_rate = TRY(share(call, "error-rate", spec.error_rate));
  const rollout::AaResult result = rollout::simulate_aa(spec);
  cli::print_fields(call, Json::object({{"runs", result.runs},
                                        {"rolled_back", result.rolled_back},
                                        {"alpha", spec.alpha},
                                        {"labels", spec.outcomes},
                                        {"e_value_max", result.e_value_max}}));
  return 0;
}

}  // namespace

void add_sim(cli::Commands& commands) {
  commands.add({"sim aa",
                "How often the canary guard takes back a version that is as good as the other.",
                {},
                {{"runs", "N", "Simulated canaries [200]."},
                 {"seed", "N", "The same seed, the same result [1]."},
                 {"labels", "N", "Labelled predictions of one canary [2000]."},
                 {"error-rate", "P", "Of both versions [0.2]."},
                 {"weight", "SHARE", "Of the canary [0.2]."},
                 {"alpha", "P", "What the guard promises not to exceed [0.01]."}},
                aa,
                "Each is judged by the server's own guard after every label."});
}

}  // namespace slip::app
