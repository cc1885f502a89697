#include "bundle/bundle.h"

#include <algorithm>

#include "base/text.h"
#include "bundle/manifest_internal.h"
#include "codec/hash.h"
#include "model/model.h"
#include "model/onnx_write.h"

extern const char slipway_index_html_begin[];
extern const char slipway_index_html_end[];
extern const char slipway_run_mjs_begin[];
extern const char slipway_run_mjs_end[];
extern const char slipway_rt_header_begin[];
extern const char slipway_rt_header_end[];

namespace slip::bundle {
namespace {

using codec::Json;
using serving::Signature;
using serving::TensorSpec;

constexpr std::array<std::string_view, 4> kTargets = {"onnx", "ort", "web", "cabi"};

// LightGBM's text, XGBoost's JSON and UBJSON; what else there is, is ONNX.
std::string_view name_of(std::string_view bytes) {
  if (bytes.starts_with("tree\n") || bytes.starts_with("tree\r\n")) return "model.txt";
  if (!bytes.starts_with("{")) return "model.onnx";
  return bytes.size() > 1 && (bytes[1] == '"' || bytes[1] == '\n' || bytes[1] == ' ') ? "model.json"
                                                                                      : "model.ubj";
}

Json specs_json(const std::vector<TensorSpec>& specs) {
  Json out = Json::array();
  for (const TensorSpec& spec : specs) {
    Json shape = Json::array();
    for (const int64_t d : spec.shape) shape.push(d);
    Json one =
        Json::object({{"name", spec.name}, {"datatype", serving::data_type_name(spec.type)}});
    one.set("shape", std::move(shape));
    out.push(std::move(one));
  }
  return out;
}

// In the model's order: names of its columns, of its inputs otherwise.
Json features_json(const Signature& s, const trees::Forest* forest) {
  Json out = Json::array();
  if (forest != nullptr && s.inputs.size() == 1)
    for (const std::string& name : model::given_names(*forest)) out.push(name);
  if (out.items().empty())
    for (const TensorSpec& spec : s.inputs) out.push(spec.name);
  return out;
}

class Maker {
 public:
  Maker(const Source& source, const sign::Signer& signer) : source_(source), signer_(signer) {}

  Result<Files> run() {
    TRY(read());
    TRY(add_model());
    const Golden golden = TRY(make_golden(*executor_, forest(), source_.logged, seed()));
    TRY(decide());
    files_["golden.json"] = codec::to_json(golden_json(golden)) + "\n";
    if (!source_.transforms.is_null())
      files_["transforms.json"] = codec::to_json(source_.transforms, 2) + "\n";
    if (source_.target == Target::kWeb) {
      files_["index.html"] = std::string(index_html());
      files_["run.mjs"] = std::string(run_mjs());
    }
    if (source_.target == Target::kCabi) {
      files_["slipway_rt.h"] = std::string(rt_header());
      files_["libslipway_rt.so"] = TRY(source_.library());
    }
    files_[std::string(kPublicKey)] = signer_.public_pem();
    files_[std::string(kManifest)] = codec::to_json(manifest(golden), 2) + "\n";
    files_[std::string(kEnvelope)] = signer_.sign(statement()) + "\n";
    return std::move(files_);
  }

 private:
  const trees::Forest* forest() const { return read_ ? &read_->forest : nullptr; }

  Status read() {
    executor_ = TRY(executor_of(source_.target, source_.bytes));
    Result<model::Model> model = model::read_model(source_.bytes);
    if (model.ok()) read_ = std::move(*model);
    return {};
  }

  Status add_model() {
    const bool onnx = name_of(source_.bytes) == "model.onnx";
    if (source_.target == Target::kCabi) {
      model_file_ = name_of(source_.bytes);
      files_[model_file_] = source_.bytes;
      return {};
    }
    std::string graph = onnx ? source_.bytes : TRY(model::write_onnx(*read_));
    model_file_ = source_.target == Target::kOrt ? "model.ort" : "model.onnx";
    files_[model_file_] = source_.target == Target::kOrt ? TRY(source_.to_ort(graph)) : graph;
    return {};
  }

  uint64_t seed() const { return codec::xxh3(source_.bytes); }

  Status decide() {
    if (!source_.threshold) return {};
    for (const TensorSpec& out : executor_->signature().outputs) {
      const bool wanted = source_.threshold_output.empty() ? serving::is_real(out.type)
                                                           : source_.threshold_output == out.name;
      if (!wanted) continue;
      const int64_t width = out.shape.size() == 2 ? std::max<int64_t>(out.shape[1], 1) : 1;
      decision_ = Decision{out.name, width - 1, *source_.threshold};
      return {};
    }
    return invalid("export.threshold", concat({"slipway.decision_output: the model has no output `",
                                               source_.threshold_output, "`"}));
  }

  Json made() const {
    Json out = Json::object({{"tool", source_.tool}, {"git", source_.git}});
    out.set("at_ms", source_.made_ms);
    return out;
  }

  Json runtime() const {
    if (source_.target == Target::kCabi)
      return Json::object({{"library", "libslipway_rt.so"}, {"abi", 1}, {"machine", "x86_64"}});
    Json out =
        Json::object({{"opset_min", model::kOnnxOpset}, {"ml_opset_min", model::kOnnxMlOpset}});
    if (source_.target != Target::kWeb) return out;
    out = Json::object({{"package", kWebPackage}, {"version", kWebVersion}});
    Json files = Json::array();
    for (const WebFile& f : kWebFiles)
      files.push(Json::object({{"path", concat({"ort/", f.name})}, {"sha256", f.sha256}}));
    out.set("files", std::move(files));
    return out;
  }

  Json manifest(const Golden& golden) const {
    Json out = Json::object({{"format", kFormat}, {"target", target_name(source_.target)}});
    Json model = Json::object({{"project", source_.project}, {"name", source_.model}});
    model.set("version", source_.version);
    model.set("digest", source_.digest);
    model.set("platform", executor_->signature().platform);
    model.set("file", model_file_);
    out.set("model", std::move(model));
    out.set("made", made());
    out.set("runtime", runtime());
    out.set("inputs", specs_json(executor_->signature().inputs));
    out.set("outputs", specs_json(executor_->signature().outputs));
    out.set("features", features_json(executor_->signature(), forest()));
    Json lookup = Json::object();
    for (const auto& [name, value] : source_.lookup) lookup.set(name, value);
    if (!source_.lookup.empty()) out.set("feature_lookup", std::move(lookup));
    if (decision_)
      out.set("decision", Json::object({{"output", decision_->output},
                                        {"column", decision_->column},
                                        {"threshold", decision_->threshold}}));
    const Tolerance t;
    out.set("golden", Json::object({{"file", "golden.json"},
                                    {"rows", golden.rows},
                                    {"from", golden.from},
                                    {"atol", t.atol},
                                    {"rtol", t.rtol}}));
    Json files = Json::array();
    for (const auto& [name, bytes] : files_)
      files.push(Json::object({{"path", name},
                               {"bytes", static_cast<int64_t>(bytes.size())},
                               {"sha256", codec::sha256(bytes).hex()}}));
    out.set("files", std::move(files));
    return out;
  }

  // The manifest names the rest.
  Json statement() const {
    const std::string& text = files_.at(std::string(kManifest));
    Json about = Json::object({{"format", kFormat}, {"model", source_.model}});
    about.set("version", source_.version);
    about.set("target", target_name(source_.target));
    return sign::statement({{std::string(kManifest), codec::sha256(text).hex()}}, kPredicateType,
                           std::move(about));
  }

  const Source& source_;
  const sign::Signer& signer_;
  Files files_;
  std::string model_file_;
  std::unique_ptr<serving::Model> executor_;
  std::optional<model::Model> read_;
  std::optional<Decision> decision_;
};

}  // namespace

std::string_view target_name(Target target) { return kTargets[static_cast<size_t>(target)]; }

Result<Target> parse_target(std::string_view name) {
  for (size_t i = 0; i < kTargets.size(); ++i)
    if (kTargets[i] == name) return static_cast<Target>(i);
  return invalid("export.target", concat({"'", name, "' is none of onnx, ort, web, cabi"}));
}

Result<std::unique_ptr<serving::Model>> executor_of(Target target, std::string_view bytes) {
  if (target == Target::kCabi) return serving::load_trees(bytes);
  return serving::load_model(bytes);
}

Result<Files> make(const Source& source, const sign::Signer& signer) {
  return Maker(source, signer).run();
}

std::string_view index_html() {
  return {slipway_index_html_begin,
          static_cast<size_t>(slipway_index_html_end - slipway_index_html_begin)};
}
std::string_view run_mjs() {
  return {slipway_run_mjs_begin, static_cast<size_t>(slipway_run_mjs_end - slipway_run_mjs_begin)};
}
std::string_view rt_header() {
  return {slipway_rt_header_begin,
          static_cast<size_t>(slipway_rt_header_end - slipway_rt_header_begin)};
}

}  // namespace slip::bundle
