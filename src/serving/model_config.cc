#include "serving/model_config.h"

#include <algorithm>
#include <array>

#include <triton/model_config.pb.h>

#include "base/text.h"
#include "codec/proto_text.h"
#include "serving/batch_settings.h"
#include "serving/model_config_internal.h"
#include "serving/response_cache.h"

namespace slip::serving {
namespace {

Error bad_field(std::string_view field, std::string_view what) {
  return invalid("model_config.field", concat({field, ": ", what}));
}
Error refused(std::string_view field, std::string_view what = "isn't supported") {
  return unsupported("model_config.unsupported", concat({field, " ", what}));
}

// ---- what is refused

Status check_tensors(const inference::ModelConfig& c) {
  for (const inference::ModelInput& t : c.input()) {
    if (t.has_reshape()) return refused("input.reshape");
    if (t.is_shape_tensor()) return refused("input.is_shape_tensor");
    if (t.allow_ragged_batch()) return refused("input.allow_ragged_batch");
    if (t.optional()) return refused("input.optional");
    if (t.is_non_linear_format_io()) return refused("input.is_non_linear_format_io");
    if (t.name().empty()) return bad_field("input.name", "is missing");
  }
  for (const inference::ModelOutput& t : c.output()) {
    if (t.has_reshape()) return refused("output.reshape");
    if (t.is_shape_tensor()) return refused("output.is_shape_tensor");
    if (t.is_non_linear_format_io()) return refused("output.is_non_linear_format_io");
    if (t.name().empty()) return bad_field("output.name", "is missing");
    if (t.label_filename().find('/') != std::string::npos)
      return bad_field("output.label_filename", "is the name of a file beside config.pbtxt");
  }
  return {};
}

Status check_instances(const inference::ModelConfig& c) {
  for (const inference::ModelInstanceGroup& g : c.instance_group()) {
    if (g.kind() == inference::ModelInstanceGroup::KIND_GPU || g.gpus_size() > 0)
      return refused("instance_group.kind", "KIND_GPU isn't supported: models run on the CPU");
    if (g.count() < 0) return bad_field("instance_group.count", "is negative");
    if (g.passive()) return refused("instance_group.passive");
    if (g.secondary_devices_size() > 0) return refused("instance_group.secondary_devices");
    if (g.profile_size() > 0) return refused("instance_group.profile");
  }
  return {};
}

Status check_batching(const inference::ModelDynamicBatching& d, int64_t max_batch) {
  for (const int32_t size : d.preferred_batch_size())
    if (size <= 0 || size > max_batch)
      return bad_field("dynamic_batching.preferred_batch_size",
                       concat({std::to_string(size), " isn't between 1 and max_batch_size"}));
  if (d.priority_levels() > static_cast<uint64_t>(kPriorityLevelsMax))
    return bad_field("dynamic_batching.priority_levels", "there are at most 64");
  if (d.default_priority_level() > d.priority_levels() ||
      (d.priority_levels() > 0 && d.default_priority_level() == 0))
    return bad_field("dynamic_batching.default_priority_level",
                     "lies between 1 and priority_levels");
  for (const auto& [level, policy] : d.priority_queue_policy())
    if (level == 0 || level > d.priority_levels())
      return bad_field("dynamic_batching.priority_queue_policy",
                       concat({"there is no priority ", std::to_string(level)}));
  return {};
}

Status check_supported(const inference::ModelConfig& c) {
  if (!c.runtime().empty()) return refused("runtime");
  if (c.max_batch_size() < 0) return bad_field("max_batch_size", "is negative");
  if (c.batch_input_size() > 0) return refused("batch_input");
  if (c.batch_output_size() > 0) return refused("batch_output");
  if (c.has_sequence_batching()) return refused("sequence_batching");
  if (c.cc_model_filenames_size() > 0) return refused("cc_model_filenames");
  if (c.model_operations().op_library_filename_size() > 0) return refused("model_operations");
  if (c.model_transaction_policy().decoupled())
    return refused("model_transaction_policy.decoupled");
  if (c.model_repository_agents().agents_size() > 0) return refused("model_repository_agents");
  const auto& accelerators = c.optimization().execution_accelerators();
  if (accelerators.gpu_execution_accelerator_size() > 0)
    return refused("optimization.execution_accelerators.gpu_execution_accelerator");
  if (accelerators.cpu_execution_accelerator_size() > 0)
    return refused("optimization.execution_accelerators.cpu_execution_accelerator");
  TRY(check_tensors(c));
  return check_instances(c);
}

constexpr std::string_view kTtlParameter = "response_cache_ttl_ms";

std::optional<int64_t> said_ttl_ms(const ModelConfig& config) {
  const std::string* said = config.parameter(kTtlParameter);
  if (said == nullptr) return kCacheTtlMsMax;
  const std::optional<int64_t> ms = parse_int(*said);
  return ms && *ms > 0 && *ms <= kCacheTtlMsMax ? ms : std::nullopt;
}

Status check_cache(const ModelConfig& config) {
  if (said_ttl_ms(config)) return {};
  return bad_field(concat({"parameters.", kTtlParameter}), "is no time of at least 1 ms");
}

Result<Backend> backend_of(const inference::ModelConfig& c) {
  if (c.platform() == "ensemble" || c.has_ensemble_scheduling()) {
    if (!c.backend().empty()) return bad_field("backend", "an ensemble has none");
    return Backend::kEnsemble;
  }
  if (c.backend() == "onnxruntime" || c.platform() == "onnxruntime_onnx") return Backend::kOnnx;
  if (c.backend() == "fil") return Backend::kTrees;
  if (!c.backend().empty())
    return refused("backend", concat({"`", c.backend(), "` isn't supported; there are ",
                                      "onnxruntime and fil"}));
  if (!c.platform().empty())
    return refused("platform", concat({"`", c.platform(), "` isn't supported; there are ",
                                       "onnxruntime_onnx and ensemble"}));
  return Backend::kByFile;
}

// ---- completing

template <class T>
inference::DataType type_of(const T& spec) {
  return config_type(spec.type);
}

std::string dims_text(const google::protobuf::RepeatedField<int64_t>& dims) {
  std::vector<std::string> parts;
  for (const int64_t d : dims) parts.push_back(std::to_string(d));
  return concat({"[", join(parts, ","), "]"});
}

bool takes_batches(const Signature& s) {
  const auto open = [](const TensorSpec& t) { return !t.shape.empty() && t.shape.front() < 0; };
  return !s.inputs.empty() && std::ranges::all_of(s.inputs, open) &&
         std::ranges::all_of(s.outputs, open);
}

google::protobuf::RepeatedField<int64_t> dims_of(const TensorSpec& spec, bool batches) {
  google::protobuf::RepeatedField<int64_t> out;
  for (size_t i = batches ? 1 : 0; i < spec.shape.size(); ++i) out.Add(spec.shape[i]);
  return out;
}

// One tensor of the configuration against the model's.
template <class T>
Status match(std::string_view what, const TensorSpec& spec, bool batches, T* told) {
  const std::string field = concat({what, " `", told->name(), "`"});
  if (batches && (spec.shape.empty() || spec.shape.front() >= 0))
    return bad_field("max_batch_size",
                     concat({field, " of the model has no open first dimension to batch by"}));
  if (told->data_type() == inference::TYPE_INVALID) told->set_data_type(type_of(spec));
  if (told->data_type() != type_of(spec))
    return bad_field(field, concat({"data_type is ", DataType_Name(told->data_type()),
                                    ", the model has ", DataType_Name(type_of(spec))}));
  const auto own = dims_of(spec, batches);
  if (told->dims_size() == 0 && own.size() > 0) {
    *told->mutable_dims() = own;
    return {};
  }
  bool fits = told->dims_size() == own.size();
  for (int i = 0; fits && i < own.size(); ++i)
    fits = told->dims(i) >= -1 && (own[i] < 0 || own[i] == told->dims(i));
  // [1] stands for a scalar: one value a row.
  const bool scalar = own.empty() && told->dims_size() == 1 && told->dims(0) == 1;
  if (!fits && !scalar)
    return bad_field(
        field, concat({"dims are ", dims_text(told->dims()), ", the model has ", dims_text(own)}));
  return {};
}

template <class T>
Status match_all(std::string_view what, const std::vector<TensorSpec>& specs, bool all,
                 bool batches, google::protobuf::RepeatedPtrField<T>* told) {
  if (told->empty()) {
    for (const TensorSpec& spec : specs) {
      T& t = *told->Add();
      t.set_name(spec.name);
      TRY(match(what, spec, batches, &t));
    }
    return {};
  }
  for (int i = 0; i < told->size(); ++i) {
    T& t = (*told)[i];
    const auto spec = std::ranges::find(specs, t.name(), &TensorSpec::name);
    if (spec == specs.end())
      return bad_field(what, concat({"the model has no ", what, " `", t.name(), "`"}));
    for (int k = 0; k < i; ++k)
      if ((*told)[k].name() == t.name())
        return bad_field(what, concat({"`", t.name(), "` occurs twice"}));
    TRY(match(what, *spec, batches, &t));
  }
  if (all && told->size() != static_cast<int>(specs.size()))
    return bad_field(what, concat({"the model has ", std::to_string(specs.size()), " of them, ",
                                   std::to_string(told->size()), " are given"}));
  return {};
}

TensorSpec told_spec(std::string_view name, inference::DataType type,
                     const google::protobuf::RepeatedField<int64_t>& dims, bool batches) {
  TensorSpec out;
  out.name = name;
  out.type = tensor_type(type).value_or(DataType::kFp32);
  if (batches) out.shape.push_back(-1);
  out.shape.insert(out.shape.end(), dims.begin(), dims.end());
  return out;
}

}  // namespace

inference::DataType config_type(DataType type) {
  switch (type) {
    case DataType::kBool:
      return inference::TYPE_BOOL;
    case DataType::kUint8:
      return inference::TYPE_UINT8;
    case DataType::kUint16:
      return inference::TYPE_UINT16;
    case DataType::kUint32:
      return inference::TYPE_UINT32;
    case DataType::kUint64:
      return inference::TYPE_UINT64;
    case DataType::kInt8:
      return inference::TYPE_INT8;
    case DataType::kInt16:
      return inference::TYPE_INT16;
    case DataType::kInt32:
      return inference::TYPE_INT32;
    case DataType::kInt64:
      return inference::TYPE_INT64;
    case DataType::kFp16:
      return inference::TYPE_FP16;
    case DataType::kFp32:
      return inference::TYPE_FP32;
    case DataType::kFp64:
      return inference::TYPE_FP64;
    case DataType::kBytes:
      return inference::TYPE_STRING;
    case DataType::kBf16:
      return inference::TYPE_BF16;
  }
  return inference::TYPE_INVALID;
}

std::optional<DataType> tensor_type(inference::DataType type) {
  for (int i = 0; i < kDataTypeCount; ++i)
    if (config_type(static_cast<DataType>(i)) == type) return static_cast<DataType>(i);
  return std::nullopt;
}

ModelConfig::ModelConfig() : message_(std::make_unique<inference::ModelConfig>()) {}
ModelConfig::ModelConfig(const ModelConfig& other)
    : labels(other.labels),
      message_(std::make_unique<inference::ModelConfig>(*other.message_)),
      given_(other.given_),
      asks_for_batches_(other.asks_for_batches_),
      said_instances_(other.said_instances_) {}
ModelConfig::ModelConfig(ModelConfig&&) noexcept = default;
ModelConfig& ModelConfig::operator=(ModelConfig other) noexcept {
  labels = std::move(other.labels);
  message_ = std::move(other.message_);
  given_ = other.given_;
  asks_for_batches_ = other.asks_for_batches_;
  said_instances_ = other.said_instances_;
  return *this;
}
ModelConfig::~ModelConfig() = default;

Result<ModelConfig> ModelConfig::parse(std::string_view text,
                                       Status (*read)(std::string_view,
                                                      google::protobuf::Message*)) {
  if (text.size() > kConfigBytesMax)
    return invalid("model_config.syntax", "a configuration has at most 1 MiB");
  ModelConfig out;
  const Status got = read(text, out.message_.get());
  if (!got.ok()) return invalid("model_config.syntax", got.error().text);
  out.given_ = true;
  out.asks_for_batches_ = out.message_->has_dynamic_batching();
  for (const inference::ModelInstanceGroup& g : out.message_->instance_group())
    out.said_instances_ += std::max<int32_t>(g.count(), 1);
  TRY(check_supported(*out.message_));
  TRY(check_cache(out));
  TRY(backend_of(*out.message_));
  return out;
}

Result<ModelConfig> ModelConfig::parse_text(std::string_view pbtxt) {
  return parse(pbtxt, codec::parse_proto_text);
}
Result<ModelConfig> ModelConfig::parse_json(std::string_view json) {
  return parse(json, codec::parse_proto_json);
}

const std::string& ModelConfig::name() const { return message_->name(); }
Backend ModelConfig::backend() const {
  const Result<Backend> backend = backend_of(*message_);
  return backend.ok() ? *backend : Backend::kByFile;
}
int64_t ModelConfig::max_batch() const { return message_->max_batch_size(); }

int64_t ModelConfig::instances() const { return said_instances_; }

std::map<std::string, std::string> ModelConfig::label_files() const {
  std::map<std::string, std::string> out;
  for (const inference::ModelOutput& t : message_->output())
    if (!t.label_filename().empty()) out[t.name()] = t.label_filename();
  return out;
}

void ModelConfig::set_parameter(const std::string& name, std::string value) {
  (*message_->mutable_parameters())[name].set_string_value(std::move(value));
}

int64_t ModelConfig::cache_ttl_ms() const {
  return message_->response_cache().enable() ? said_ttl_ms(*this).value_or(0) : 0;
}

const std::string* ModelConfig::parameter(std::string_view name) const {
  const auto found = message_->parameters().find(std::string(name));
  return found == message_->parameters().end() ? nullptr : &found->second.string_value();
}

std::string ModelConfig::file() const {
  if (!message_->default_model_filename().empty()) return message_->default_model_filename();
  if (backend() == Backend::kOnnx) return "model.onnx";
  if (backend() != Backend::kTrees) return "";
  const std::string* type = parameter("model_type");
  if (type == nullptr || *type == "xgboost") return "xgboost.model";
  if (*type == "xgboost_json") return "xgboost.json";
  if (*type == "xgboost_ubj") return "xgboost.ubj";
  return *type == "lightgbm" ? "model.txt" : "checkpoint.tl";
}

std::vector<int64_t> ModelConfig::choose(std::vector<int64_t> there) const {
  std::ranges::sort(there);
  const inference::ModelVersionPolicy& policy = message_->version_policy();
  if (policy.has_all()) return there;
  if (policy.has_specific()) {
    const auto& wanted = policy.specific().versions();
    std::erase_if(there, [&](int64_t v) {
      return std::find(wanted.begin(), wanted.end(), v) == wanted.end();
    });
    return there;
  }
  const size_t latest =
      policy.has_latest() ? std::max<uint32_t>(policy.latest().num_versions(), 1) : 1;
  if (there.size() > latest)
    there.erase(there.begin(), there.end() - static_cast<std::ptrdiff_t>(latest));
  return there;
}

Status ModelConfig::complete(std::string_view name, const Signature& of_file) {
  inference::ModelConfig& c = *message_;
  if (!c.name().empty() && c.name() != name)
    return bad_field("name", concat({"is `", c.name(), "`, and the model is called `", name, "`"}));
  c.set_name(std::string(name));
  const bool silent =
      !given_ || (c.max_batch_size() == 0 && c.input().empty() && c.output().empty());
  if (silent && takes_batches(of_file))
    c.set_max_batch_size(static_cast<int32_t>(kDefaultMaxBatch));
  const bool batches = c.max_batch_size() > 0;
  TRY(match_all("input", of_file.inputs, true, batches, c.mutable_input()));
  TRY(match_all("output", of_file.outputs, false, batches, c.mutable_output()));
  if (batches && silent &&
      c.scheduling_choice_case() == inference::ModelConfig::SCHEDULING_CHOICE_NOT_SET)
    c.mutable_dynamic_batching();
  if (c.has_dynamic_batching()) {
    if (!batches) return bad_field("dynamic_batching", "needs a max_batch_size");
    TRY(check_batching(c.dynamic_batching(), c.max_batch_size()));
  }
  if (c.platform().empty() && c.backend().empty()) c.set_platform(of_file.platform);
  if (c.backend().empty() && of_file.platform == "onnxruntime_onnx") c.set_backend("onnxruntime");
  if (c.platform().empty() && c.backend() == "onnxruntime") c.set_platform("onnxruntime_onnx");
  if (c.version_policy().policy_choice_case() ==
      inference::ModelVersionPolicy::POLICY_CHOICE_NOT_SET)
    c.mutable_version_policy()->mutable_latest()->set_num_versions(1);
  if (c.instance_group().empty()) {
    inference::ModelInstanceGroup& g = *c.add_instance_group();
    g.set_name(std::string(name));
    g.set_kind(inference::ModelInstanceGroup::KIND_CPU);
    g.set_count(1);
  }
  return {};
}

Signature ModelConfig::signature(const Signature& of_file) const {
  const bool batches = message_->max_batch_size() > 0;
  Signature out;
  out.platform = of_file.platform;
  out.max_batch = message_->max_batch_size();
  out.looked_up = of_file.looked_up;
  out.waits = of_file.waits;
  for (const inference::ModelInput& t : message_->input())
    out.inputs.push_back(told_spec(t.name(), t.data_type(), t.dims(), batches));
  for (TensorSpec& spec : out.inputs)
    if (const TensorSpec* own = of_file.input(spec.name)) spec.columns = own->columns;
  for (const inference::ModelOutput& t : message_->output())
    out.outputs.push_back(told_spec(t.name(), t.data_type(), t.dims(), batches));
  return out;
}

std::string ModelConfig::bytes() const { return message_->SerializeAsString(); }
std::string ModelConfig::json() const { return codec::to_json(codec::proto_json(*message_)); }

}  // namespace slip::serving
