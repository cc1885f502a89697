#include "app/monitor_sources.h"

#include <cmath>

#include "codec/json.h"

namespace slip::app {
namespace {

double number_of(const codec::Json* value) {
  if (value == nullptr) return std::nan("");
  if (value->is_number()) return value->as_double();
  if (value->is_bool()) return value->as_bool() ? 1 : 0;
  return std::nan("");
}

std::string text_of(const codec::Json* value) {
  if (value == nullptr || value->is_null()) return "";
  return value->is_string() ? value->as_string() : codec::to_json(*value);
}

}  // namespace

Result<std::map<std::string, monitor::InputValues>> DatasetReference::read(
    const Ctx& ctx, const std::string& dataset, int64_t version,
    const std::map<std::string, monitor::InputKind>& columns, int64_t rows_max) {
  const data::Version found = TRY(data_.version(ctx, dataset, version));
  std::vector<std::string> names;
  for (const auto& [name, kind] : columns) names.push_back(name);
  std::map<std::string, monitor::InputValues> out;
  TRY(data_.each_row(found, names, rows_max, [&](const codec::Json& row) -> Status {
    for (const auto& [name, kind] : columns) {
      const codec::Json* value = row.find(name);
      if (kind == monitor::InputKind::kNumeric)
        out[name].numbers.push_back(number_of(value));
      else
        out[name].texts.push_back(text_of(value));
    }
    return {};
  }));
  return out;
}

Result<std::string> ServedDeployments::uid_of(const Ctx& ctx, const std::string& deployment) {
  return TRY(serving_.find(ctx, deployment)).uid;
}

Result<bool> GuardedOutcomes::on_outcomes(store::Tx& tx, const Ctx& ctx,
                                          const std::string& deployment_uid,
                                          std::span<const monitor::Labelled> outcomes) {
  std::vector<rollout::Outcome> told;
  for (const monitor::Labelled& o : outcomes)
    told.push_back({.prediction_id = o.prediction_id,
                    .row = o.row,
                    .model_version = o.model_version,
                    .on_canary = o.on_canary,
                    .canary_weight = o.canary_weight,
                    .client_ref = o.client_ref,
                    .correct = o.correct});
  // The guard decides as itself, whoever brought the labels.
  Ctx own = ctx;
  own.actor_uid = "rollout.guard";
  own.actor_kind = "system";
  return guard_.on_outcomes(tx, own, deployment_uid, told);
}

}  // namespace slip::app
