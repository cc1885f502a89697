#include "model/model.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

#include "base/text.h"
#include "engine/trees/executor.h"
#include "rt/said.h"

// Models of the C library; what a thread needs to run one is kept from call to call.

struct slipway_rt_model {
  std::string library, objective, kernel;
  slip::trees::Executor executor;
};

namespace slip::rt {
namespace {

constexpr size_t kRowsAtOnce = 4096;
constexpr size_t kKeptNumbers = 1 << 20;

struct Room {
  trees::Scratch scratch;
  std::vector<double> numbers;
};
Room& room() {
  thread_local Room of_this_thread;
  if (of_this_thread.numbers.capacity() > kKeptNumbers) of_this_thread = Room();
  return of_this_thread;
}

Result<std::unique_ptr<slipway_rt_model>> load(std::string_view bytes) {
  model::Model read = TRY(model::read_model(bytes));
  std::string objective = std::move(read.objective);
  trees::Executor executor = TRY(trees::Executor::make(std::move(read.forest)));
  std::string kernel(trees::kernel_name(executor.kernel()));
  return std::make_unique<slipway_rt_model>(
      slipway_rt_model{std::string(model::library_name(read.library)), std::move(objective),
                       std::move(kernel), std::move(executor)});
}

std::optional<trees::Output> output_of(slipway_rt_output output) {
  switch (output) {
    case SLIPWAY_RT_ANSWER:
      return trees::Output::kAnswer;
    case SLIPWAY_RT_RAW:
      return trees::Output::kRaw;
    case SLIPWAY_RT_LABEL:
      return trees::Output::kLabel;
  }
  return std::nullopt;
}

template <class Ask>
Result<trees::Output> check(const slipway_rt_model* model, const Ask* a) {
  if (model == nullptr) return missing("model").error();
  if (a == nullptr) return missing("ask").error();
  const std::optional<trees::Output> output = output_of(a->output);
  if (!output) return invalid("rt.output", "no such output");
  const trees::Executor& e = model->executor;
  if (*output == trees::Output::kLabel && !e.forest().classifier)
    return invalid("rt.output", concat({model->objective, " is no classifier"}));
  if (a->features != e.forest().features)
    return invalid("rt.shape", concat({"the model has ", std::to_string(e.forest().features),
                                       " features, not ", std::to_string(a->features)}));
  const size_t wide = std::max<size_t>({a->features, e.answers(*output), 1});
  if (a->rows > std::numeric_limits<ptrdiff_t>::max() / (wide * sizeof(double)))
    return exhausted("rt.shape", "more rows than memory has");
  if (a->out_size != a->rows * e.answers(*output))
    return invalid("rt.shape", concat({"the answer has ", std::to_string(a->rows), " * ",
                                       std::to_string(e.answers(*output)), " numbers, not ",
                                       std::to_string(a->out_size)}));
  if (a->rows > 0 && a->features > 0 && a->values == nullptr) return missing("values").error();
  if (a->out_size > 0 && a->out == nullptr) return missing("out").error();
  return *output;
}

template <class T, class Ask>
Status predict(const slipway_rt_model* model, const Ask* a) {
  const trees::Output output = TRY(check(model, a));
  const trees::Executor& e = model->executor;
  const size_t answers = e.answers(output);
  Room& r = room();
  for (size_t row = 0; row < a->rows; row += kRowsAtOnce) {
    const size_t n = std::min(kRowsAtOnce, a->rows - row);
    r.numbers.resize(n * answers);
    e.predict(std::span<const T>(a->values + row * a->features, n * a->features), r.numbers,
              r.scratch, output);
    T* to = a->out + row * answers;
    for (const double x : r.numbers) *to++ = static_cast<T>(x);
  }
  return {};
}

}  // namespace
}  // namespace slip::rt

extern "C" {

slipway_rt_status slipway_rt_model_load(const void* bytes, size_t size, slipway_rt_model** out) {
  return slip::rt::enter([&]() -> slip::Status {
    if (out == nullptr) return slip::rt::missing("out");
    if (bytes == nullptr) return slip::rt::missing("bytes");
    *out = TRY(slip::rt::load({static_cast<const char*>(bytes), size})).release();
    return {};
  });
}
void slipway_rt_model_free(slipway_rt_model* model) {
  const std::unique_ptr<slipway_rt_model> last(model);
}

const char* slipway_rt_model_library(const slipway_rt_model* model) {
  return model == nullptr ? "" : model->library.c_str();
}
const char* slipway_rt_model_objective(const slipway_rt_model* model) {
  return model == nullptr ? "" : model->objective.c_str();
}
const char* slipway_rt_model_kernel(const slipway_rt_model* model) {
  return model == nullptr ? "" : model->kernel.c_str();
}
uint32_t slipway_rt_model_features(const slipway_rt_model* model) {
  return model == nullptr ? 0 : model->executor.forest().features;
}
int slipway_rt_model_is_classifier(const slipway_rt_model* model) {
  return model != nullptr && model->executor.forest().classifier ? 1 : 0;
}
uint32_t slipway_rt_model_outputs(const slipway_rt_model* model, slipway_rt_output output) {
  const auto which = slip::rt::output_of(output);
  return model == nullptr || !which ? 0 : model->executor.answers(*which);
}
const char* slipway_rt_model_feature_name(const slipway_rt_model* model, uint32_t index) {
  if (model == nullptr || index >= model->executor.forest().feature_names.size()) return "";
  return model->executor.forest().feature_names[index].c_str();
}
const char* slipway_rt_model_class_name(const slipway_rt_model* model, uint32_t index) {
  if (model == nullptr || index >= model->executor.forest().class_names.size()) return "";
  return model->executor.forest().class_names[index].c_str();
}

slipway_rt_status slipway_rt_predict_f32(const slipway_rt_model* model,
                                         const slipway_rt_ask_f32* ask) {
  return slip::rt::enter([&] { return slip::rt::predict<float>(model, ask); });
}
slipway_rt_status slipway_rt_predict_f64(const slipway_rt_model* model,
                                         const slipway_rt_ask_f64* ask) {
  return slip::rt::enter([&] { return slip::rt::predict<double>(model, ask); });
}

}  // extern "C"
