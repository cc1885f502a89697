#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "serving/model.h"

namespace google::protobuf {
class Message;
}
namespace inference {
class ModelConfig;
}

// How a model is to be served, in Triton's words (api/proto/triton/model_config.proto): what a
// config.pbtxt says, or, where there is none, what follows from the model's own signature. A value;
// immutable once complete.
//
// Of its fields these act: name, platform and backend (onnxruntime, fil; empty: by the file),
// version_policy, max_batch_size, input, output (checked against the file: names, types,
// dimensions), instance_group.count, default_model_filename, dynamic_batching, model_warmup (zero
// and random data), parameters of fil, ensemble_scheduling, response_cache. These are taken and
// change nothing here: optimization but for accelerators, metric_tags, model_metrics,
// instance_group's kind AUTO, CPU or MODEL, host_policy, rate_limiter, input.format. Everything
// else is refused by its name rather than ignored: `model_config.unsupported`.
//
// Errors: kInvalid `model_config.syntax` (with line and column), kInvalid `model_config.field`,
// kUnsupported `model_config.unsupported`.
namespace slip::serving {

inline constexpr size_t kConfigBytesMax = 1 << 20;
// Rows a batch where the model takes any number and nobody said how many.
inline constexpr int64_t kDefaultMaxBatch = 1024;

enum class Backend : uint8_t {
  kByFile,
  kOnnx,      // ONNX Runtime.
  kTrees,     // Triton's "fil".
  kEnsemble,  // No file: steps over other models.
};

class ModelConfig {
 public:
  ModelConfig();
  ModelConfig(const ModelConfig& other);
  ModelConfig(ModelConfig&&) noexcept;
  ModelConfig& operator=(ModelConfig) noexcept;
  ~ModelConfig();

  static Result<ModelConfig> parse_text(std::string_view pbtxt);
  // As Triton's clients send it with a load: proto3's JSON.
  static Result<ModelConfig> parse_json(std::string_view json);

  const std::string& name() const;
  Backend backend() const;
  std::string file() const;  // default_model_filename, or what the backend calls it by default.
  int64_t max_batch() const;
  int64_t instances() const;  // 0: nothing is said.
  // Somebody wrote dynamic_batching: requests wait as it says, however cheap the model is.
  bool asks_for_batches() const { return asks_for_batches_; }
  // response_cache { enable: true }: how long answers are given again, for ever but for the
  // parameter `response_cache_ttl_ms`; 0: they are not.
  int64_t cache_ttl_ms() const;
  std::map<std::string, std::string> label_files() const;     // Output → name beside config.pbtxt.
  const std::string* parameter(std::string_view name) const;  // Null: not there.
  void set_parameter(const std::string& name, std::string value);

  // Which of the versions that are there are served; ascending.
  std::vector<int64_t> choose(std::vector<int64_t> there) const;

  // Fills what is missing from the model itself and checks what is there against it. `name`: of the
  // model; a config that names another is refused.
  Status complete(std::string_view name, const Signature& of_file);
  // What a client is told: the file's tensors, the first dimension open where the model batches.
  // Call it on what is complete.
  Signature signature(const Signature& of_file) const;

  // inference.ModelConfig, serialized; as JSON with the names of the .proto.
  std::string bytes() const;
  std::string json() const;

  // Of outputs whose label_filename says so: a name a class. Filled by whoever reads the files.
  std::map<std::string, std::vector<std::string>, std::less<>> labels;

  const inference::ModelConfig& message() const { return *message_; }

 private:
  static Result<ModelConfig> parse(std::string_view text,
                                   Status (*read)(std::string_view, google::protobuf::Message*));

  std::unique_ptr<inference::ModelConfig> message_;
  bool given_ = false;  // Somebody wrote it.
  bool asks_for_batches_ = false;
  int64_t said_instances_ = 0;
};

}  // namespace slip::serving
