#include <algorithm>
#include <cstring>

#include <triton/model_config.pb.h>

#include "base/text.h"
#include "serving/loaded_internal.h"
#include "serving/model_config_internal.h"
#include "sys/clock.h"

namespace slip::serving {
namespace {

constexpr int kWarmupsMax = 1000;

bool same(const std::vector<TensorSpec>& a, const std::vector<TensorSpec>& b) {
  return std::ranges::equal(a, b, [](const TensorSpec& x, const TensorSpec& y) {
    return x.name == y.name && x.type == y.type && x.shape == y.shape;
  });
}

// A model as its configuration shows it: fewer outputs perhaps, narrower shapes, [n, 1] for [n].
class Configured final : public Model {
 public:
  Configured(std::unique_ptr<Model> inner, Signature told)
      : inner_(std::move(inner)), told_(std::move(told)) {
    as_it_is_ = same(told_.inputs, inner_->signature().inputs) &&
                same(told_.outputs, inner_->signature().outputs);
    for (const TensorSpec& spec : told_.outputs) names_.push_back(spec.name);
  }

  const Signature& signature() const override { return told_; }
  bool repeats() const override { return inner_->repeats(); }

  Result<std::vector<Tensor>> run(std::span<const Tensor> inputs,
                                  std::span<const std::string> outputs) const override {
    if (as_it_is_) return inner_->run(inputs, outputs);
    std::vector<Tensor> reshaped;
    for (const Tensor& t : inputs) {
      const TensorSpec* told = told_.input(t.name);
      if (told == nullptr) continue;  // The model says so.
      TRY(check_tensor(t, *told));
      if (told->shape.size() > inner_->signature().input(t.name)->shape.size())
        reshaped.assign(inputs.begin(), inputs.end());
    }
    for (Tensor& t : reshaped)
      if (const TensorSpec* own = inner_->signature().input(t.name))
        t.shape.resize(std::min(t.shape.size(), own->shape.size()));
    TRY(check_outputs(told_, outputs));
    std::vector<Tensor> out =
        TRY(inner_->run(reshaped.empty() ? inputs : std::span<const Tensor>(reshaped),
                        outputs.empty() ? std::span<const std::string>(names_) : outputs));
    const size_t shown = out.size() - told_.looked_up.size();
    for (size_t i = 0; i < shown; ++i)
      if (out[i].shape.size() < told_.output(out[i].name)->shape.size()) out[i].shape.push_back(1);
    return out;
  }

 private:
  std::unique_ptr<Model> inner_;
  Signature told_;
  bool as_it_is_ = false;
  std::vector<std::string> names_;
};

Result<TreeOptions> tree_options(const ModelConfig& config) {
  TreeOptions out;
  out.label.clear();
  const inference::ModelConfig& c = config.message();
  out.input = c.input_size() > 0 ? c.input(0).name() : "input__0";
  out.output = c.output_size() > 0 ? c.output(0).name() : "output__0";
  const auto on = [&](std::string_view name) {
    const std::string* value = config.parameter(name);
    return value != nullptr && iequals(*value, "true");
  };
  if (on("predict_proba"))
    out.as = TreeOutput::kProbabilities;
  else if (on("output_class"))
    out.as = TreeOutput::kClass;
  const std::string* threshold = config.parameter("threshold");
  if (threshold != nullptr && parse_double(*threshold).value_or(0.5) != 0.5)
    return unsupported("model_config.unsupported", "parameters.threshold: only 0.5 is supported");
  return out;
}

Result<std::unique_ptr<Model>> load_by(const LoadWorld& world, std::string_view bytes,
                                       const ModelConfig& config) {
  OnnxOptions onnx;
  if (const std::string* threads = config.parameter("intra_op_thread_count")) {
    const std::optional<int64_t> n = parse_int(*threads);
    if (!n || *n < 0 || *n > 64)
      return invalid("model_config.field", "parameters.intra_op_thread_count: 0 to 64");
    onnx.threads = std::max(1, static_cast<int>(*n));
  }
  switch (config.backend()) {
    case Backend::kByFile:
      return load_model(bytes, onnx);
    case Backend::kOnnx:
      return load_onnx(bytes, onnx);
    case Backend::kTrees:
      return load_trees(bytes, TRY(tree_options(config)));
    case Backend::kEnsemble:
      if (world.find) return make_ensemble(config, world.find, world.clock);
      break;
  }
  return unsupported("model_config.unsupported",
                     "ensemble_scheduling: a model repository is needed");
}

// Bytes that repeat nothing short, the same at every start.
void fill_random(Tensor* t) {
  uint64_t state = 0x9e3779b97f4a7c15;
  for (char& c : t->data) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    // Small numbers of any type, never NaN.
    c = static_cast<char>(state & (t->type == DataType::kBool ? 0x01 : 0x3f));
  }
}

Result<Tensor> warmup_tensor(const std::string& name, const inference::ModelWarmup::Input& input,
                             uint32_t batch) {
  Tensor t;
  t.name = name;
  const std::optional<DataType> type = tensor_type(input.data_type());
  if (!type)
    return invalid("model_config.field", concat({"model_warmup: `", name, "` has no data_type"}));
  if (input.input_data_type_case() == inference::ModelWarmup::Input::kInputDataFile)
    return unsupported("model_config.unsupported", "model_warmup.input_data_file isn't supported");
  t.type = *type;
  if (batch > 0) t.shape.push_back(batch);
  t.shape.insert(t.shape.end(), input.dims().begin(), input.dims().end());
  TRY(make_room(&t));
  if (input.random_data()) fill_random(&t);
  return t;
}

}  // namespace

Status run_warmups(const Model& model, const ModelConfig& config) {
  for (const inference::ModelWarmup& w : config.message().model_warmup()) {
    const uint32_t batch = config.max_batch() > 0 ? std::max(w.batch_size(), 1U) : 0;
    std::vector<Tensor> inputs;
    for (const auto& [name, input] : w.inputs())
      inputs.push_back(TRY(warmup_tensor(name, input, batch)));
    const int count = std::clamp(static_cast<int>(w.count()), 1, kWarmupsMax);
    for (int i = 0; i < count; ++i) {
      const auto ran = model.run(inputs, {});
      if (!ran.ok()) return Error(ran.error()).within(concat({"model_warmup `", w.name(), "`"}));
    }
  }
  return {};
}

namespace {

// As its configuration says, else once. What one warm run takes, ns.
Result<int64_t> warm(const LoadWorld& world, const Model& model, const ModelConfig& config) {
  if (config.message().model_warmup_size() > 0)
    TRY(run_warmups(model, config));
  else
    TRY(warm_up(model));
  const int64_t start = world.clock.steady_ns();
  TRY(warm_up(model));
  return world.clock.steady_ns() - start;
}

Result<std::unique_ptr<Model>> with_rules(const LoadWorld& world, std::unique_ptr<Model> own,
                                          const LookupRules& rules) {
  if (world.lookups == nullptr)
    return unsupported("lookup.unavailable", "feature_service: there is no feature store here");
  auto lookup = world.lookups->open(world.project, rules.service, rules.version);
  if (lookup.ok()) return with_features(std::move(own), std::move(*lookup), rules);
  // The model is there; what it names isn't.
  if (lookup.error().code == Code::kNotFound)
    return invalid("lookup.rule", concat({"feature_service: ", lookup.error().text}));
  return std::move(lookup).error().within("feature_service");
}

}  // namespace

Result<std::shared_ptr<LoadedModel>> load_configured(LoadWorld world, std::string_view name,
                                                     std::string_view bytes, ModelConfig config) {
  auto out = std::make_shared<LoadedModel>();
  // The graph, its weights and the arena of a run: about three times the file.
  out->memory = TRY(world.budget.reserve(Share::kModels, 3 * static_cast<int64_t>(bytes.size())));
  std::unique_ptr<Model> own = TRY(load_by(world, bytes, config));
  const std::optional<LookupRules> rules = TRY(lookup_rules(config));
  if (rules && config.cache_ttl_ms() > 0)
    return invalid("model_config.field",
                   "response_cache: what a feature_service gives changes, and answers with it");
  if (rules) {
    // Before: what the lookup finds for zeros is nobody's.
    out->cost_ns = TRY(warm(world, *own, config));
    own = TRY(with_rules(world, std::move(own), *rules));
  }
  TRY(config.complete(name, own->signature()));
  Signature told = config.signature(own->signature());
  out->model = std::make_unique<Configured>(std::move(own), std::move(told));
  if (!rules) out->cost_ns = TRY(warm(world, *out->model, config));
  out->config = std::make_shared<const ModelConfig>(std::move(config));
  return out;
}

}  // namespace slip::serving
