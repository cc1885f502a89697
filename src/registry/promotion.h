#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "registry/types.h"

// The rules of promotion, pure: no database, no clock.
namespace slip::registry {

struct Candidate {
  const Version& version;
  std::vector<std::string> authors;  // Who registered it, owns its run, made its files.
  int64_t champion = 0;              // The version that holds Production now; 0: none.
};

// May this version take Production? It needs a gate that passed on these very bytes and, where the
// gate compared with a champion, against the one that reigns now; and an approval of these bytes by
// someone who is no author, with no rejection standing.
// A version whose files lie elsewhere has no digest to bind them to.
// kConflict `model_version.no_digest|gate_missing|gate_failed|not_approved`.
Status may_promote(const Candidate& candidate);

// kForbidden `model_version.own_work` when `actor` is among the authors.
Status may_judge(std::string_view actor, const std::vector<std::string>& authors);

// One check against what was measured.
struct Measured {
  std::optional<double> value;
  int64_t champion = 0;
  std::optional<double> champion_value;
};
CheckResult evaluate(const Check& check, const Measured& measured);

// The tenure that a rollback from `current` brings back: follows back_n past versions that are
// gone. Null: there is none.
const Tenure* rollback_target(const std::vector<Tenure>& tenures, const Tenure& current,
                              const std::vector<int64_t>& living_versions);

}  // namespace slip::registry
