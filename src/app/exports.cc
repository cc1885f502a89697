#include "app/exports.h"

#include <algorithm>
#include <set>

#include "app/model_source.h"
#include "app/world.h"
#include "base/text.h"
#include "base/version.h"
#include "bundle/bundle.h"
#include "features/read_plan.h"
#include "serving/feature_lookup.h"
#include "serving/prediction.h"
#include "sys/clock.h"
#include "sys/fs.h"
#include "sys/program.h"
#include "sys/rng.h"

namespace slip::app {
namespace {

using codec::Json;
using serving::Tensor;

constexpr int64_t kLibraryBytesMax = 64 << 20;
constexpr size_t kLoggedMax = 4096;  // Requests that are looked at.

// A transform is one feature of an on-demand view: its expression over columns by name.
void add_transforms(const features::CompiledOnDemand& view, Json* out) {
  for (size_t i = 0; i < view.programs.size(); ++i) {
    const engine::expr::Program& program = view.programs[i];
    Json inputs = Json::array();
    for (const engine::expr::Field& f : program.inputs())
      inputs.push(Json::object({{"name", f.name}, {"type", engine::expr::type_text(f.type)}}));
    Json one = Json::object({{"view", view.name}, {"view_version", view.version}});
    one.set("feature", view.features[i].name);
    one.set("expression", program.text());
    one.set("inputs", std::move(inputs));
    one.set("type", engine::expr::type_text(program.output_type()));
    one.set("hash", program.hash());
    out->push(std::move(one));
  }
}

Result<Json> transforms_of(World& w, const Ctx& ctx,
                           const std::map<std::string, std::string>& parameters) {
  const auto named = parameters.find("feature_service");
  if (named == parameters.end()) return Json();
  const size_t mark = named->second.rfind('@');
  const std::optional<int64_t> version =
      mark == std::string::npos ? std::optional<int64_t>(0)
                                : parse_int(std::string_view(named->second).substr(mark + 1));
  if (!version) return invalid("lookup.rule", "feature_service: NAME or NAME@VERSION is wanted");
  const auto shelf = w.features->catalog().shelf(ctx.project.text);
  const features::ReadPlan plan =
      TRY(features::plan_service(*shelf, named->second.substr(0, mark), *version, false));
  Json out = Json::array();
  std::set<std::string> done;
  for (const features::ReadPlan::Computed& c : plan.computed) {
    if (c.what->programs.empty())
      return unsupported("export.python",
                         concat({"the feature view `", c.what->name,
                                 "` is a function in Python, which no device has"}));
    if (done.insert(c.what->name).second) add_transforms(*c.what, &out);
  }
  return out;
}

// What requests to deployments of this version brought, and was laid in for them: for each input of
// the model the last tensor of its name. Of segments that aren't in the archive yet.
Result<std::vector<std::vector<Tensor>>> logged_inputs(World& w, const Ctx& ctx,
                                                       const wire::native::ExportAsk& ask) {
  std::set<std::string> uids;
  const auto table = w.serving->table().load();
  for (const auto& [key, route] : table->routes)
    if (!route->local && route->project == ctx.project.text && route->model == ask.model &&
        w.auth->check(ctx, auth::Role::kRead, "deployment", route->uid).ok())
      uids.insert(route->uid);
  std::vector<std::vector<Tensor>> out;
  if (uids.empty()) return out;
  std::vector<store::LogSegment> segments = w.predictions->segments();
  std::ranges::reverse(segments);
  for (const store::LogSegment& s : segments) {
    const auto read =
        w.predictions->read(s.number, 0, [&](std::string_view payload, int64_t) -> Result<bool> {
          const serving::PredictionRecord r = TRY(serving::decode_prediction(payload));
          if (!uids.contains(r.deployment_uid) || r.model_version != ask.version) return true;
          std::vector<Tensor> inputs;
          for (const Tensor& t : r.inputs) {
            std::erase_if(inputs, [&](const Tensor& seen) { return seen.name == t.name; });
            inputs.push_back(t);
          }
          out.push_back(std::move(inputs));
          return out.size() < kLoggedMax;
        });
    if (!read.ok() && read.error().code != Code::kNotFound) return read.error();
    if (out.size() >= kLoggedMax) break;
  }
  return out;
}

Result<std::string> to_ort(World& w, std::string_view onnx) {
  const std::string folder = w.data_dir + "/exports";
  TRY(w.sys.fs.make_dirs(folder));
  const std::string path = concat({folder, "/", new_uuid7(w.sys.clock, w.sys.rng).text(), ".ort"});
  const Status written = serving::write_ort(onnx, path);
  Result<std::string> bytes =
      written.ok() ? read_file(w.sys.fs, path, serving::kModelBytesMax) : written.error();
  ignore(w.sys.fs.remove(path), "the next start's, or nobody's");
  return bytes;
}

Status read_tags(const registry::Version& version, bundle::Source* out) {
  for (const registry::Tag& tag : version.tags) {
    if (tag.key == "slipway.decision_output") out->threshold_output = tag.value;
    if (tag.key != "slipway.decision_threshold") continue;
    out->threshold = parse_double(tag.value);
    if (!out->threshold)
      return invalid("export.threshold",
                     concat({"slipway.decision_threshold: '", tag.value, "' is no number"}));
  }
  return {};
}

}  // namespace

Result<std::string> make_bundle(World& w, const Ctx& ctx, const wire::native::ExportAsk& ask) {
  bundle::Source source;
  source.target = TRY(bundle::parse_target(ask.target));
  const registry::Bundle files = TRY(w.registry->open_bundle(ctx, ask.model, ask.version));
  const store::tree::Entry file = TRY(servable_file(files));
  const Budget::Lease lease = TRY(w.budget.reserve(Share::kModels, 4 * file.size));
  source.bytes = TRY(w.blobs->get(file.digest, serving::kModelBytesMax));
  source.project = ctx.project.text;
  source.model = ask.model;
  source.version = ask.version;
  source.digest = files.version.digest;
  source.lookup = TRY(w.model_source->parameters(ctx, ask.model, ask.version));
  source.transforms = TRY(transforms_of(w, ctx, source.lookup));
  TRY(read_tags(files.version, &source));
  if (ask.from_traffic) source.logged = TRY(logged_inputs(w, ctx, ask));
  source.made_ms = w.sys.clock.now_ms();
  source.tool = concat({"slipway ", kVersion});
  source.git = git_revision();
  source.library = [&w]() -> Result<std::string> {
    Result<std::string> read =
        read_file(w.sys.fs, program_folder() + "/libslipway_rt.so", kLibraryBytesMax);
    if (read.ok()) return read;
    return unavailable("export.library",
                       concat({"libslipway_rt.so can't be read: ", read.error().text}))
        .with_hint("keep it in the folder of the slipway binary");
  };
  source.to_ort = [&w](std::string_view onnx) { return to_ort(w, onnx); };
  return bundle::pack(TRY(bundle::make(source, *w.signer)));
}

}  // namespace slip::app
