#include "serving/ensemble.h"

#include <algorithm>
#include <map>
#include <set>

#include <triton/model_config.pb.h>

#include "base/text.h"
#include "serving/model_config_internal.h"
#include "serving/response_cache.h"
#include "sys/clock.h"

namespace slip::serving {
namespace {

constexpr int kStepsMax = 1000;

Error bad_step(size_t step, std::string_view what) {
  return invalid("model_config.field",
                 concat({"ensemble_scheduling: step ", std::to_string(step + 1), ": ", what}));
}

struct Wire {
  std::string of_model;  // Name of the member's tensor.
  std::string of_whole;  // Name of the ensemble's.
};

struct Step {
  std::string model;
  int64_t version = -1;
  std::vector<Wire> inputs, outputs;
};

class Ensemble final : public Model {
 public:
  Ensemble(Signature signature, std::vector<Step> steps, FindMember find, Clock& clock)
      : signature_(std::move(signature)),
        steps_(std::move(steps)),
        find_(std::move(find)),
        clock_(clock) {}

  const Signature& signature() const override { return signature_; }
  // As its members are now.
  bool repeats() const override {
    return std::ranges::all_of(steps_, [&](const Step& step) {
      const std::optional<Member> member = find_(step.model, step.version);
      return !member || member->arm->model->repeats();
    });
  }

  Result<std::vector<Tensor>> run(std::span<const Tensor> inputs,
                                  std::span<const std::string> outputs) const override {
    TRY(check_inputs(signature_, inputs));
    TRY(check_outputs(signature_, outputs));
    std::map<std::string, Tensor, std::less<>> there;
    for (const Tensor& t : inputs) there.emplace(t.name, t);
    for (const Step& step : steps_) TRY(run_step(step, &there));
    std::vector<Tensor> out;
    if (outputs.empty())
      for (const TensorSpec& spec : signature_.outputs) out.push_back(there.at(spec.name));
    for (const std::string& name : outputs) out.push_back(there.at(name));
    return out;
  }

 private:
  Status run_step(const Step& step, std::map<std::string, Tensor, std::less<>>* there) const {
    const std::optional<Member> member = find_(step.model, step.version);
    if (!member)
      return unavailable("ensemble.member", concat({"the step `", step.model, "` isn't served"}));
    std::vector<Tensor> in;
    for (const Wire& w : step.inputs) {
      in.push_back(there->at(w.of_whole));
      in.back().name = w.of_model;
    }
    std::vector<std::string> wanted;
    for (const Wire& w : step.outputs) wanted.push_back(w.of_model);
    Result<std::vector<Tensor>> ran = ask(*member->arm, in, wanted);
    if (!ran.ok()) return std::move(ran).error().within(concat({"step `", step.model, "`"}));
    for (size_t i = 0; i < step.outputs.size(); ++i) {
      Tensor& t = (*ran)[i];
      t.name = step.outputs[i].of_whole;
      (*there)[t.name] = std::move(t);
    }
    return {};
  }

  // A member keeps its answers as it does for those who ask it directly.
  Result<std::vector<Tensor>> ask(const Arm& arm, const std::vector<Tensor>& in,
                                  const std::vector<std::string>& wanted) const {
    ArmStats& stats = *arm.stats;
    const int64_t start = clock_.steady_ns();
    stats.requests.fetch_add(1, std::memory_order_relaxed);
    ResponseCache::Looked looked;
    if (arm.cache) looked = arm.cache->look({in, wanted}, arm.stats, {});
    if (looked.hit) {
      stats.answered_from_cache(clock_.steady_ns() - start, clock_.now_ms());
      return *looked.hit;
    }
    const int64_t rows = in.empty() ? 1 : in.front().rows();
    const int64_t begun = clock_.steady_ns();
    Result<std::vector<Tensor>> ran = arm.model->run(in, wanted);
    const int64_t took = clock_.steady_ns() - begun;
    if (!ran.ok()) {
      stats.failed(took);
      return ran;
    }
    looked.turn.keep(*ran);
    stats.succeeded(took, rows, clock_.now_ms(), took);
    stats.ran_alone(rows, took);
    return ran;
  }

  Signature signature_;
  std::vector<Step> steps_;
  FindMember find_;
  Clock& clock_;
};

// Checks the graph and brings its steps into an order that can be run.
class Planner {
 public:
  Planner(const ModelConfig& config, const FindMember& find) : config_(config), find_(find) {}

  bool waits() const { return waits_; }  // Of what plan() has seen.

  Result<std::vector<Step>> plan(const Signature& whole) {
    for (const TensorSpec& t : whole.inputs) known_[t.name] = t.type;
    TRY(read_steps());
    std::vector<Step> ordered;
    std::vector<bool> done(steps_.size(), false);
    for (bool moved = true; moved;) {
      moved = false;
      for (size_t i = 0; i < steps_.size(); ++i) {
        if (done[i] || !fed(steps_[i])) continue;
        TRY(check(i));
        done[i] = moved = true;
        ordered.push_back(steps_[i]);
      }
    }
    for (size_t i = 0; i < steps_.size(); ++i)
      if (!done[i])
        return bad_step(
            i, concat({"nothing that can run before it makes `", missing_of(steps_[i]), "`"}));
    for (const TensorSpec& t : whole.outputs) {
      const auto made = known_.find(t.name);
      if (made == known_.end())
        return invalid("model_config.field", concat({"output `", t.name, "`: no step makes it"}));
      if (made->second != t.type)
        return invalid("model_config.field",
                       concat({"output `", t.name, "`: is ", data_type_name(made->second)}));
    }
    return ordered;
  }

 private:
  Status read_steps() {
    const inference::ModelEnsembling& e = config_.message().ensemble_scheduling();
    if (e.step().empty() || e.step_size() > kStepsMax)
      return invalid("model_config.field", "ensemble_scheduling: 1 to 1000 steps are wanted");
    std::set<std::string> made;
    for (const inference::ModelEnsembling::Step& s : e.step()) {
      const size_t at = steps_.size();
      Step step;
      step.model = s.model_name();
      step.version = s.model_version() == 0 ? -1 : s.model_version();
      if (!s.model_namespace().empty()) return bad_step(at, "model_namespace isn't supported");
      for (const auto& [mine, whole] : s.input_map()) step.inputs.push_back({mine, whole});
      for (const auto& [mine, whole] : s.output_map()) {
        step.outputs.push_back({mine, whole});
        if (known_.contains(whole) || !made.insert(whole).second)
          return bad_step(at, concat({"`", whole, "` is made twice"}));
      }
      if (step.outputs.empty()) return bad_step(at, "output_map is empty");
      const auto by_name = [](const Wire& a, const Wire& b) { return a.of_model < b.of_model; };
      std::ranges::sort(step.inputs, by_name);
      std::ranges::sort(step.outputs, by_name);
      steps_.push_back(std::move(step));
    }
    return {};
  }

  bool fed(const Step& step) const {
    return std::ranges::all_of(step.inputs,
                               [&](const Wire& w) { return known_.contains(w.of_whole); });
  }
  std::string missing_of(const Step& step) const {
    for (const Wire& w : step.inputs)
      if (!known_.contains(w.of_whole)) return w.of_whole;
    return "";
  }

  Status check(size_t at) {
    const Step& step = steps_[at];
    const std::optional<Member> member = find_(step.model, step.version);
    if (!member)
      return unavailable("ensemble.member", concat({"ensemble_scheduling: the model `", step.model,
                                                    "` isn't served"}));
    const Signature& s = member->arm->model->signature();
    waits_ = waits_ || s.waits;
    if (config_.max_batch() > 0 && (s.max_batch == 0 || s.max_batch < config_.max_batch()))
      return bad_step(at,
                      concat({"`", step.model, "` takes batches of ", std::to_string(s.max_batch),
                              ", the ensemble of ", std::to_string(config_.max_batch())}));
    for (const Wire& w : step.inputs) {
      const TensorSpec* spec = s.input(w.of_model);
      if (spec == nullptr)
        return bad_step(at, concat({"`", step.model, "` has no input `", w.of_model, "`"}));
      if (spec->type != known_.at(w.of_whole))
        return bad_step(at,
                        concat({"input `", w.of_model, "` is ", data_type_name(spec->type), ", `",
                                w.of_whole, "` is ", data_type_name(known_.at(w.of_whole))}));
    }
    if (step.inputs.size() != s.inputs.size())
      return bad_step(at, concat({"`", step.model, "` has ", std::to_string(s.inputs.size()),
                                  " inputs, input_map ", std::to_string(step.inputs.size())}));
    for (const Wire& w : step.outputs) {
      const TensorSpec* spec = s.output(w.of_model);
      if (spec == nullptr)
        return bad_step(at, concat({"`", step.model, "` has no output `", w.of_model, "`"}));
      known_[w.of_whole] = spec->type;
    }
    return {};
  }

  const ModelConfig& config_;
  const FindMember& find_;
  std::map<std::string, DataType> known_;  // Tensors that are there by now.
  std::vector<Step> steps_;
  bool waits_ = false;
};

}  // namespace

std::vector<std::string> ensemble_members(const ModelConfig& config) {
  std::set<std::string> out;
  for (const auto& step : config.message().ensemble_scheduling().step())
    out.insert(step.model_name());
  return {out.begin(), out.end()};
}

Result<std::unique_ptr<Model>> make_ensemble(const ModelConfig& config, FindMember find,
                                             Clock& clock) {
  Signature whole = config.signature({});
  whole.platform = "ensemble";
  whole.max_batch = config.max_batch();
  if (whole.inputs.empty() || whole.outputs.empty())
    return invalid("model_config.field", "an ensemble names its input and output");
  for (const auto& t : config.message().input())
    if (!tensor_type(t.data_type()))
      return invalid("model_config.field", concat({"input `", t.name(), "` has no data_type"}));
  for (const auto& t : config.message().output())
    if (!tensor_type(t.data_type()))
      return invalid("model_config.field", concat({"output `", t.name(), "` has no data_type"}));
  Planner planner(config, find);
  std::vector<Step> steps = TRY(planner.plan(whole));
  whole.waits = planner.waits();
  return std::unique_ptr<Model>(
      std::make_unique<Ensemble>(std::move(whole), std::move(steps), std::move(find), clock));
}

}  // namespace slip::serving
