#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>

#include <dlfcn.h>
#include <onnxruntime_c_api.h>

#include "base/check.h"
#include "base/text.h"
#include "serving/model.h"
#include "sys/process.h"
#include "sys/sync.h"

namespace slip::serving {
namespace {

struct TypeRow {
  DataType ours;
  ONNXTensorElementDataType theirs;
};
constexpr std::array<TypeRow, kDataTypeCount> kTypes = {{
    {DataType::kBool, ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL},
    {DataType::kUint8, ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8},
    {DataType::kUint16, ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT16},
    {DataType::kUint32, ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT32},
    {DataType::kUint64, ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT64},
    {DataType::kInt8, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8},
    {DataType::kInt16, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT16},
    {DataType::kInt32, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32},
    {DataType::kInt64, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64},
    {DataType::kFp16, ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16},
    {DataType::kFp32, ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT},
    {DataType::kFp64, ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE},
    {DataType::kBytes, ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING},
    {DataType::kBf16, ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16},
}};

ONNXTensorElementDataType to_onnx(DataType type) {
  return kTypes[static_cast<size_t>(type)].theirs;
}

std::optional<DataType> from_onnx(ONNXTensorElementDataType type) {
  for (const TypeRow& row : kTypes)
    if (row.theirs == type) return row.ours;
  return std::nullopt;
}

// The library, its function table and its process-wide environment; opened once, never closed.
struct Runtime {
  const OrtApi* api = nullptr;
  OrtEnv* env = nullptr;
  OrtMemoryInfo* memory = nullptr;
  std::string problem;  // Why it cannot be used.
};

Runtime open_runtime() {
  Runtime rt;
  forbid_library_telemetry();
  void* library = dlopen("libonnxruntime.so", RTLD_NOW | RTLD_LOCAL);  // Beside the binary.
  if (library == nullptr) {
    rt.problem = dlerror();
    return rt;
  }
  const auto base = reinterpret_cast<const OrtApiBase* (*)()>(dlsym(library, "OrtGetApiBase"));
  rt.api = base == nullptr ? nullptr : base()->GetApi(ORT_API_VERSION);
  if (rt.api == nullptr) {
    rt.problem = "libonnxruntime.so is older than this program needs";
    return rt;
  }
  OrtStatus* failed = rt.api->CreateEnv(ORT_LOGGING_LEVEL_FATAL, "slipway", &rt.env);
  if (failed == nullptr) {
    OrtStatus* telemetry = rt.api->DisableTelemetryEvents(rt.env);
    if (telemetry != nullptr) rt.api->ReleaseStatus(telemetry);
    failed = rt.api->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &rt.memory);
  }
  if (failed != nullptr) {
    rt.problem = rt.api->GetErrorMessage(failed);
    rt.api->ReleaseStatus(failed);
  }
  return rt;
}

Result<const Runtime*> runtime() {
  static const Runtime rt = open_runtime();
  if (!rt.problem.empty())
    return unavailable("onnx.missing", "ONNX Runtime cannot be used: " + rt.problem)
        .with_hint("keep libonnxruntime.so in the folder of the slipway binary");
  return &rt;
}

Status done(const OrtApi& api, OrtStatus* status, Code code, std::string_view reason) {
  if (status == nullptr) return {};
  Error e{code, std::string(reason), api.GetErrorMessage(status), {}};
  api.ReleaseStatus(status);
  return e;
}

// Whatever ONNX Runtime hands out, given back by its own function.
template <class T>
struct Owned {
  using Release = void(ORT_API_CALL*)(T*);
  explicit Owned(Release r) : release(r) {}
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  Owned(Owned&& other) noexcept : p(std::exchange(other.p, nullptr)), release(other.release) {}
  ~Owned() {
    if (p != nullptr) release(p);
  }
  T* p = nullptr;
  Release release;
};

constexpr size_t kBoundMax = 16;             // Of one model; as many as run at once, mostly.
constexpr size_t kBoundBytesMax = 16 << 10;  // Of one; larger requests hardly notice the rest.

class OnnxModel final : public Model {
 public:
  OnnxModel(const Runtime& rt) : rt_(rt), api_(*rt.api), session_(rt.api->ReleaseSession) {}

  Status load(std::string_view bytes, OnnxOptions options) {
    Owned<OrtSessionOptions> setup(api_.ReleaseSessionOptions);
    TRY(load_step(api_.CreateSessionOptions(&setup.p)));
    TRY(load_step(api_.SetIntraOpNumThreads(setup.p, options.threads)));
    TRY(load_step(api_.SetInterOpNumThreads(setup.p, 1)));
    TRY(load_step(api_.SetSessionExecutionMode(setup.p, ORT_SEQUENTIAL)));
    TRY(load_step(api_.AddSessionConfigEntry(setup.p, "session.intra_op.allow_spinning", "0")));
    TRY(load_step(
        api_.CreateSessionFromArray(rt_.env, bytes.data(), bytes.size(), setup.p, &session_.p)));
    signature_.platform = "onnxruntime_onnx";
    size_t n = 0;
    TRY(load_step(api_.SessionGetInputCount(session_.p, &n)));
    for (size_t i = 0; i < n; ++i) signature_.inputs.push_back(TRY(read_spec(i, true)));
    TRY(load_step(api_.SessionGetOutputCount(session_.p, &n)));
    for (size_t i = 0; i < n; ++i) signature_.outputs.push_back(TRY(read_spec(i, false)));
    return {};
  }

  const Signature& signature() const override { return signature_; }

  Result<std::vector<Tensor>> run(std::span<const Tensor> inputs,
                                  std::span<const std::string> outputs) const override {
    std::vector<const Tensor*> ordered;
    TRY(match_inputs(inputs, &ordered));
    if (!outputs.empty() || !bindable_.load(std::memory_order_relaxed))
      return run_plain(ordered, outputs);
    std::unique_ptr<Bound> bound = take_bound(ordered);
    if (bound && run_bound(*bound, ordered)) {
      std::vector<Tensor> out = bound->outputs;
      keep_bound(std::move(bound));
      return out;
    }
    std::vector<Tensor> out = TRY(run_plain(ordered, outputs));
    // What only a bound run can't do has an output whose shape depends on the values.
    if (bound)
      bindable_.store(false, std::memory_order_relaxed);
    else
      keep_bound(bind(ordered, out));
    return out;
  }

 private:
  Status load_step(OrtStatus* status) const {
    return done(api_, status, Code::kInvalid, "onnx.load");
  }
  Status run_step(OrtStatus* status) const {
    return done(api_, status, Code::kInternal, "model.failed");
  }

  Result<TensorSpec> read_spec(size_t index, bool input) const {
    OrtAllocator* allocator = nullptr;
    TRY(load_step(api_.GetAllocatorWithDefaultOptions(&allocator)));
    char* name = nullptr;
    TRY(load_step(input ? api_.SessionGetInputName(session_.p, index, allocator, &name)
                        : api_.SessionGetOutputName(session_.p, index, allocator, &name)));
    TensorSpec spec;
    spec.name = name;
    TRY(load_step(api_.AllocatorFree(allocator, name)));
    Owned<OrtTypeInfo> type(api_.ReleaseTypeInfo);
    TRY(load_step(input ? api_.SessionGetInputTypeInfo(session_.p, index, &type.p)
                        : api_.SessionGetOutputTypeInfo(session_.p, index, &type.p)));
    const OrtTensorTypeAndShapeInfo* info = nullptr;
    TRY(load_step(api_.CastTypeInfoToTensorInfo(type.p, &info)));
    ONNXTensorElementDataType element = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
    if (info != nullptr) TRY(load_step(api_.GetTensorElementType(info, &element)));
    const std::optional<DataType> ours = from_onnx(element);
    if (!ours)
      return unsupported("onnx.type",
                         concat({"`", spec.name, "` is not a tensor that can be served"}))
          .with_hint("a scikit-learn classifier must be exported with zipmap=False");
    spec.type = *ours;
    size_t rank = 0;
    TRY(load_step(api_.GetDimensionsCount(info, &rank)));
    spec.shape.resize(rank);
    TRY(load_step(api_.GetDimensions(info, spec.shape.data(), rank)));
    for (int64_t& d : spec.shape) d = d <= 0 ? -1 : d;
    return spec;
  }

  // In the order of the signature.
  Status match_inputs(std::span<const Tensor> inputs, std::vector<const Tensor*>* ordered) const {
    TRY(check_inputs(signature_, inputs));
    ordered->reserve(signature_.inputs.size());
    for (const TensorSpec& spec : signature_.inputs)
      ordered->push_back(&*std::ranges::find(inputs, spec.name, &Tensor::name));
    return {};
  }

  Result<std::vector<Tensor>> run_plain(const std::vector<const Tensor*>& inputs,
                                        std::span<const std::string> outputs) const {
    std::vector<const char*> in_names;
    std::vector<Owned<OrtValue>> in_values;
    std::vector<OrtValue*> raw_in;
    for (size_t i = 0; i < inputs.size(); ++i) {
      in_names.push_back(signature_.inputs[i].name.c_str());
      in_values.push_back(TRY(to_value(*inputs[i])));
      raw_in.push_back(in_values.back().p);
    }
    TRY(check_outputs(signature_, outputs));
    std::vector<const TensorSpec*> wanted;
    for (const std::string& name : outputs) {
      wanted.push_back(signature_.output(name));
    }
    if (outputs.empty())
      for (const TensorSpec& spec : signature_.outputs) wanted.push_back(&spec);
    std::vector<const char*> out_names;
    std::vector<Owned<OrtValue>> out_values;
    for (const TensorSpec* spec : wanted) {
      out_names.push_back(spec->name.c_str());
      out_values.emplace_back(api_.ReleaseValue);
    }
    std::vector<OrtValue*> raw_out(out_values.size(), nullptr);
    const Status ran =
        run_step(api_.Run(session_.p, nullptr, in_names.data(), raw_in.data(), raw_in.size(),
                          out_names.data(), out_names.size(), raw_out.data()));
    for (size_t i = 0; i < raw_out.size(); ++i) out_values[i].p = raw_out[i];
    TRY(ran);
    std::vector<Tensor> out;
    for (size_t i = 0; i < wanted.size(); ++i)
      out.push_back(TRY(to_tensor(wanted[i]->name, *out_values[i].p)));
    return out;
  }

  // ---- bound runs

  // Inputs and outputs of one shape at addresses that stay, so that a run makes nothing: it costs
  // half of a plain one of a small model. Used by one run at a time.
  struct Bound {
    explicit Bound(const OrtApi& api) : binding(api.ReleaseIoBinding) {}
    std::vector<Tensor> inputs;
    std::vector<Tensor> outputs;
    std::vector<Owned<OrtValue>> values;
    Owned<OrtIoBinding> binding;
  };

  static bool same_shapes(const Bound& bound, const std::vector<const Tensor*>& inputs) {
    for (size_t i = 0; i < inputs.size(); ++i)
      if (bound.inputs[i].shape != inputs[i]->shape) return false;
    return true;
  }

  std::unique_ptr<Bound> take_bound(const std::vector<const Tensor*>& inputs) const {
    return idle_.with([&](auto& idle) -> std::unique_ptr<Bound> {
      for (size_t i = idle.size(); i-- > 0;) {
        if (!same_shapes(*idle[i], inputs)) continue;
        std::swap(idle[i], idle.back());
        std::unique_ptr<Bound> out = std::move(idle.back());
        idle.pop_back();
        return out;
      }
      return nullptr;
    });
  }

  void keep_bound(std::unique_ptr<Bound> bound) const {
    if (!bound) return;
    const std::unique_ptr<Bound> oldest = idle_.with([&](auto& idle) {
      std::unique_ptr<Bound> out;
      if (idle.size() == kBoundMax) {
        out = std::move(idle.front());
        idle.erase(idle.begin());
      }
      idle.push_back(std::move(bound));
      return out;
    });
  }

  bool run_bound(Bound& bound, const std::vector<const Tensor*>& inputs) const {
    for (size_t i = 0; i < inputs.size(); ++i)
      std::memcpy(bound.inputs[i].data.data(), inputs[i]->data.data(), inputs[i]->data.size());
    return run_step(api_.RunWithBinding(session_.p, nullptr, bound.binding.p)).ok();
  }

  // Null when it would hold much memory, or can't be done.
  std::unique_ptr<Bound> bind(const std::vector<const Tensor*>& inputs,
                              const std::vector<Tensor>& outputs) const {
    size_t bytes = 0;
    const auto fits = [&](const Tensor& t) {
      bytes += t.data.size();
      return t.type != DataType::kBytes && !t.data.empty() && bytes <= kBoundBytesMax;
    };
    for (const Tensor* t : inputs)
      if (!fits(*t)) return nullptr;
    for (const Tensor& t : outputs)
      if (!fits(t)) return nullptr;
    auto bound = std::make_unique<Bound>(api_);
    for (const Tensor* t : inputs) bound->inputs.push_back(*t);
    bound->outputs = outputs;
    if (run_step(api_.CreateIoBinding(session_.p, &bound->binding.p)).ok() &&
        bind_all(*bound, &bound->inputs, api_.BindInput).ok() &&
        bind_all(*bound, &bound->outputs, api_.BindOutput).ok())
      return bound;
    return nullptr;
  }

  using Bind = decltype(OrtApi::BindInput);
  Status bind_all(Bound& bound, std::vector<Tensor>* tensors, Bind bind_one) const {
    for (Tensor& t : *tensors) {
      Owned<OrtValue> value = TRY(to_value(t));
      TRY(run_step(bind_one(bound.binding.p, t.name.c_str(), value.p)));
      bound.values.push_back(std::move(value));
    }
    return {};
  }

  // ---- values

  Result<Owned<OrtValue>> to_value(const Tensor& t) const {
    Owned<OrtValue> value(api_.ReleaseValue);
    if (t.type != DataType::kBytes) {
      // ONNX Runtime wants a mutable pointer and only reads through it.
      TRY(run_step(api_.CreateTensorWithDataAsOrtValue(rt_.memory, const_cast<char*>(t.data.data()),
                                                       t.data.size(), t.shape.data(),
                                                       t.shape.size(), to_onnx(t.type), &value.p)));
      return value;
    }
    OrtAllocator* allocator = nullptr;
    TRY(run_step(api_.GetAllocatorWithDefaultOptions(&allocator)));
    TRY(run_step(api_.CreateTensorAsOrtValue(allocator, t.shape.data(), t.shape.size(),
                                             ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING, &value.p)));
    // Into buffers of its own: a text handed over as a C string would end at a NUL.
    for (size_t i = 0; i < t.strings.size(); ++i) {
      char* buffer = nullptr;
      TRY(run_step(
          api_.GetResizedStringTensorElementBuffer(value.p, i, t.strings[i].size(), &buffer)));
      std::memcpy(buffer, t.strings[i].data(), t.strings[i].size());
    }
    return value;
  }

  Result<Tensor> to_tensor(const std::string& name, OrtValue& value) const {
    Owned<OrtTensorTypeAndShapeInfo> info(api_.ReleaseTensorTypeAndShapeInfo);
    TRY(run_step(api_.GetTensorTypeAndShape(&value, &info.p)));
    ONNXTensorElementDataType element = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
    TRY(run_step(api_.GetTensorElementType(info.p, &element)));
    const std::optional<DataType> type = from_onnx(element);
    CHECK(type);  // The signature was checked when the model was loaded.
    Tensor t{.name = name, .type = *type, .shape = {}, .data = {}, .strings = {}};
    size_t rank = 0;
    TRY(run_step(api_.GetDimensionsCount(info.p, &rank)));
    t.shape.resize(rank);
    TRY(run_step(api_.GetDimensions(info.p, t.shape.data(), rank)));
    const auto n = static_cast<size_t>(t.elements());
    if (*type != DataType::kBytes) {
      void* data = nullptr;
      TRY(run_step(api_.GetTensorMutableData(&value, &data)));
      t.data.assign(static_cast<const char*>(data), n * data_type_bytes(*type));
      return t;
    }
    for (size_t i = 0; i < n; ++i) {
      size_t size = 0;
      TRY(run_step(api_.GetStringTensorElementLength(&value, i, &size)));
      std::string text(size, '\0');
      TRY(run_step(api_.GetStringTensorElement(&value, size, i, text.data())));
      t.strings.push_back(std::move(text));
    }
    return t;
  }

  const Runtime& rt_;
  const OrtApi& api_;
  Owned<OrtSession> session_;
  Signature signature_;
  mutable std::atomic<bool> bindable_{true};
  mutable sys::Guarded<std::vector<std::unique_ptr<Bound>>> idle_;
};

}  // namespace

Result<std::unique_ptr<Model>> load_onnx(std::string_view bytes, OnnxOptions options) {
  auto model = std::make_unique<OnnxModel>(*TRY(runtime()));
  TRY(model->load(bytes, options));
  return model;
}

Status write_ort(std::string_view onnx, const std::string& path) {
  const Runtime& rt = *TRY(runtime());
  const OrtApi& api = *rt.api;
  const auto step = [&](OrtStatus* s) { return done(api, s, Code::kInvalid, "onnx.load"); };
  Owned<OrtSessionOptions> setup(api.ReleaseSessionOptions);
  Owned<OrtSession> session(api.ReleaseSession);
  TRY(step(api.CreateSessionOptions(&setup.p)));
  TRY(step(api.SetIntraOpNumThreads(setup.p, 1)));
  TRY(step(api.SetSessionGraphOptimizationLevel(setup.p, ORT_ENABLE_BASIC)));
  TRY(step(api.SetOptimizedModelFilePath(setup.p, path.c_str())));
  TRY(step(api.AddSessionConfigEntry(setup.p, "session.save_model_format", "ORT")));
  return step(api.CreateSessionFromArray(rt.env, onnx.data(), onnx.size(), setup.p, &session.p));
}

}  // namespace slip::serving
