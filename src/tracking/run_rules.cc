#include "tracking/run_rules.h"

#include "base/text.h"

namespace slip::tracking {

Error no_run(std::string_view run_id) {
  return not_found("run.not_found", concat({"Run with id=", run_id, " not found"}));
}

Status check_active(std::string_view run_id, Lifecycle lifecycle) {
  if (lifecycle == Lifecycle::kActive) return {};
  return invalid(
      "run.not_active",
      concat({"The run ", run_id, " must be in the 'active' state. Current state is deleted."}));
}

ledger::Draft run_event(std::string_view verb, std::string_view run_id, int64_t experiment_id) {
  ledger::Draft draft;
  draft.verb = std::string(verb);
  draft.subject.kind = "run";
  draft.subject.uid = std::string(run_id);
  draft.body = codec::Json::object({{"experiment_id", std::to_string(experiment_id)}});
  return draft;
}

Result<sql::RunRef> must_find_ref(store::Tx& tx, std::string_view project,
                                  std::string_view run_id) {
  const auto found = TRY(sql::find_run_ref(tx, project, run_id));
  if (!found) return no_run(run_id);
  return *found;
}

}  // namespace slip::tracking
