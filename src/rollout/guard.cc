#include "rollout/guard.h"

#include <array>

#include "base/text.h"
#include "codec/hash.h"
#include "rollout/guard_store.h"
#include "serving/serving.h"

namespace slip::rollout {
namespace {

using codec::Json;

// What was drawn once: a client's reference, else the request, however many rows it had.
std::string draw_of(const Outcome& o) {
  return o.client_ref.empty() ? "id:" + o.prediction_id : "ref:" + o.client_ref;
}

}  // namespace

GuardState::GuardState() : errors_(2) {}

void GuardState::add(const Outcome& o) {
  ++n_;
  n_canary_ += o.on_canary ? 1 : 0;
  const std::string line =
      concat({digest_, "\n", o.prediction_id, "/", std::to_string(o.row), " ",
              std::to_string(o.model_version), " ", o.on_canary ? "canary " : "stable ",
              format_double(o.canary_weight), o.correct ? " right" : " wrong"});
  digest_ = codec::sha256(line).hex();
  if (o.correct) return;
  const std::array<double, 2> theta = {1 - o.canary_weight, o.canary_weight};
  errors_.add(o.on_canary ? kCanaryArm : 0, theta);
}

Json GuardState::verdict(double alpha) const {
  const std::vector<int64_t>& errors = errors_.counts();
  const std::string reason = concat(
      {"the canary made ", std::to_string(errors[1]), " of ", std::to_string(errors_.events()),
       " errors on ", format_double(errors_.expected_share(kCanaryArm)), " of the traffic"});
  return Json::object({{"decision", condemns(alpha) ? "rollback" : "continue"},
                       {"n", n_},
                       {"n_canary", n_canary_},
                       {"n_repeated", n_repeated_},
                       {"errors", Json::object({{"stable", errors[0]}, {"canary", errors[1]}})},
                       {"e_value", errors_.e_value()},
                       {"threshold", 1 / alpha},
                       {"alpha", alpha},
                       {"expected_share", errors_.expected_share(kCanaryArm)},
                       {"observed_share", errors_.observed_share(kCanaryArm)},
                       {"data_digest", "sha256:" + digest_},
                       {"reason", reason}});
}

Json GuardState::to_json() const {
  return Json::object({{"v", 1},
                       {"n", n_},
                       {"n_canary", n_canary_},
                       {"n_repeated", n_repeated_},
                       {"digest", digest_},
                       {"stable", errors_.counts()[0]},
                       {"canary", errors_.counts()[1]},
                       {"expected", errors_.expected_share(kCanaryArm)},
                       {"log_e", errors_.log_e()},
                       {"log_e_max", errors_.log_e_max()}});
}

Result<GuardState> GuardState::from_json(const Json& json) {
  GuardState state;
  state.n_ = TRY(codec::want_int(json, "n"));
  state.n_canary_ = TRY(codec::want_int(json, "n_canary"));
  state.n_repeated_ = TRY(codec::int_or(json, "n_repeated", 0));
  state.digest_ = TRY(codec::want_string(json, "digest"));
  const int64_t stable = TRY(codec::want_int(json, "stable"));
  const int64_t canary = TRY(codec::want_int(json, "canary"));
  const double expected = TRY(codec::want_double(json, "expected"));
  if (stable < 0 || canary < 0)
    return corrupt("guard.corrupt", "the guard's memory holds negative counts");
  const auto all = static_cast<double>(stable + canary);
  state.errors_ = stats::EProcess::restore({stable, canary}, {(1 - expected) * all, expected * all},
                                           TRY(codec::want_double(json, "log_e")),
                                           TRY(codec::want_double(json, "log_e_max")));
  return state;
}

Result<bool> Guard::on_outcomes(store::Tx& tx, const Ctx& ctx, const std::string& deployment_uid,
                                std::span<const Outcome> outcomes) {
  const std::optional<serving::Canary> canary =
      TRY(deps_.serving.running_canary(tx, deployment_uid));
  if (!canary || canary->alpha <= 0) return false;
  const sql::Key key{ctx.project.text, deployment_uid, canary->started_ms};
  GuardState state = TRY(sql::find(tx, key));
  bool learned = false;
  for (const Outcome& o : outcomes) {
    // Predictions from before the canary, or of another one, say nothing about it.
    if (o.canary_weight <= 0 || (o.on_canary && o.model_version != canary->version)) continue;
    learned = true;
    if (!TRY(sql::insert_draw(tx, key, draw_of(o)))) {
      state.add_repeated();
      continue;
    }
    state.add(o);
    if (state.condemns(canary->alpha)) break;
  }
  if (!learned) return false;
  TRY(sql::put(tx, key, state));
  if (!state.condemns(canary->alpha)) return false;
  return deps_.serving.roll_back_canary(tx, ctx, deployment_uid, canary->version,
                                        state.verdict(canary->alpha));
}

Result<int64_t> Guard::forget_draws(store::Tx& tx) {
  for (const sql::Key& key : TRY(sql::keys_with_draws(tx))) {
    const std::optional<serving::Canary> now =
        TRY(deps_.serving.running_canary(tx, key.deployment_uid));
    if (now && now->started_ms == key.canary_started_ms) continue;
    if (const int64_t n = TRY(sql::drop_draws(tx, key, store::kWriteRowsMax)); n > 0) return n;
    TRY(sql::note_draws_gone(tx, key));
  }
  return int64_t{0};
}

Result<Json> Guard::evidence(store::Tx& tx, const Ctx& ctx, const std::string& deployment_uid,
                             const serving::Canary& canary) const {
  const GuardState state =
      TRY(sql::find(tx, {ctx.project.text, deployment_uid, canary.started_ms}));
  return state.verdict(canary.alpha);
}

AaResult simulate_aa(const AaSpec& spec) {
  // splitmix64, so that a seed is a result everywhere.
  uint64_t state = spec.seed;
  const auto uniform = [&] {
    state += 0x9e3779b97f4a7c15;
    uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-53;
  };
  AaResult result;
  for (int64_t run = 0; run < spec.runs; ++run) {
    GuardState guard;
    for (int64_t i = 0; i < spec.outcomes && !guard.condemns(spec.alpha); ++i) {
      Outcome o;
      o.row = i;
      o.canary_weight = spec.weight;
      o.on_canary = uniform() < spec.weight;
      o.correct = uniform() >= spec.error_rate;
      guard.add(o);
      result.e_value_max = std::max(result.e_value_max, guard.e_value());
    }
    ++result.runs;
    result.rolled_back += guard.condemns(spec.alpha) ? 1 : 0;
  }
  return result;
}

}  // namespace slip::rollout
