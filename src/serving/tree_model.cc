#include <algorithm>
#include <cstring>

#include "base/text.h"
#include "engine/trees/executor.h"
#include "model/model.h"
#include "serving/model.h"

namespace slip::serving {
namespace {

// What a thread needs to run any forest; it keeps its room from call to call, but not that of a
// request of unusual size.
constexpr size_t kKeptFloats = 1 << 20;
struct Room {
  trees::Scratch scratch;
  std::vector<float> rows;
  std::vector<double> numbers;
};
Room& room() {
  thread_local Room of_this_thread;
  if (of_this_thread.rows.capacity() > kKeptFloats) of_this_thread = Room();
  return of_this_thread;
}

Tensor make_tensor(const TensorSpec& spec, int64_t rows) {
  Tensor t;
  t.name = spec.name;
  t.type = spec.type;
  t.shape = spec.shape;
  t.shape.front() = rows;
  t.data.resize(static_cast<size_t>(t.elements()) * data_type_bytes(t.type));
  return t;
}

class TreeModel final : public Model {
 public:
  TreeModel(trees::Executor executor, std::string_view library, const TreeOptions& options)
      : executor_(std::move(executor)), as_(options.as) {
    const trees::Forest& f = executor_.forest();
    signature_.platform = library;
    signature_.inputs.push_back(
        {options.input, DataType::kFp32, {-1, f.features}, model::given_names(f)});
    signature_.outputs.push_back({options.output, DataType::kFp32, {-1, width()}});
    if (f.classifier && !options.label.empty())
      signature_.outputs.push_back({options.label, DataType::kInt64, {-1}});
  }

  const Signature& signature() const override { return signature_; }

  Result<std::vector<Tensor>> run(std::span<const Tensor> inputs,
                                  std::span<const std::string> outputs) const override {
    TRY(check_inputs(signature_, inputs));
    TRY(check_outputs(signature_, outputs));
    const Tensor& rows = inputs.front();
    Room& r = room();
    // Text isn't aligned for floats.
    r.rows.resize(rows.data.size() / sizeof(float));
    if (!rows.data.empty()) std::memcpy(r.rows.data(), rows.data.data(), rows.data.size());
    std::vector<Tensor> out;
    if (outputs.empty()) {
      for (const TensorSpec& spec : signature_.outputs) out.push_back(answer(spec, rows.rows(), r));
      return out;
    }
    for (const std::string& name : outputs) {
      out.push_back(answer(*signature_.output(name), rows.rows(), r));
    }
    return out;
  }

 private:
  int64_t width() const {
    if (as_ == TreeOutput::kClass) return 1;
    const int64_t answers = executor_.answers();
    return as_ == TreeOutput::kProbabilities && answers == 1 ? 2 : answers;
  }

  Tensor answer(const TensorSpec& spec, int64_t rows, Room& r) const {
    const bool label = spec.type == DataType::kInt64;
    const trees::Output kind =
        label || as_ == TreeOutput::kClass ? trees::Output::kLabel : trees::Output::kAnswer;
    r.numbers.resize(static_cast<size_t>(rows) * executor_.answers(kind));
    executor_.predict(std::span<const float>(r.rows), r.numbers, r.scratch, kind);
    Tensor out = make_tensor(spec, rows);
    if (label)
      put<int64_t>(r.numbers, &out);
    else if (as_ == TreeOutput::kProbabilities && executor_.answers() == 1)
      put_pairs(r.numbers, &out);
    else
      put<float>(r.numbers, &out);
    return out;
  }

  template <class T>
  static void put(const std::vector<double>& numbers, Tensor* out) {
    char* at = out->data.data();
    for (const double number : numbers) {
      const T value = static_cast<T>(number);
      std::memcpy(at, &value, sizeof(T));
      at += sizeof(T);
    }
  }
  static void put_pairs(const std::vector<double>& numbers, Tensor* out) {
    char* at = out->data.data();
    for (const double second : numbers) {
      const float both[2] = {static_cast<float>(1 - second), static_cast<float>(second)};
      std::memcpy(at, both, sizeof(both));
      at += sizeof(both);
    }
  }

  trees::Executor executor_;
  TreeOutput as_;
  Signature signature_;
};

}  // namespace

Result<std::unique_ptr<Model>> load_trees(std::string_view bytes, const TreeOptions& options) {
  model::Model read = TRY(model::read_model(bytes));
  const std::string_view library = model::library_name(read.library);
  if (options.as != TreeOutput::kAnswer && !read.forest.classifier)
    return invalid("model.field", concat({read.objective, " is no classifier"}));
  trees::Executor executor = TRY(trees::Executor::make(std::move(read.forest)));
  return std::unique_ptr<Model>(std::make_unique<TreeModel>(std::move(executor), library, options));
}

Result<std::unique_ptr<Model>> load_model(std::string_view bytes, OnnxOptions options) {
  const bool trees =
      bytes.starts_with("{") || bytes.starts_with("tree\n") || bytes.starts_with("tree\r\n");
  if (trees) return load_trees(bytes);
  return load_onnx(bytes, options);
}

}  // namespace slip::serving
