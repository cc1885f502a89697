#include "app/local_models.h"

#include "app/world.h"
#include "base/text.h"

namespace slip::app {
namespace {

// --model promises a model: a server without it would be ready in vain.
Status check_files(const std::vector<std::string>& files, const serving::LocalModels& models) {
  for (const serving::LocalVersion& v : models.index(false))
    for (const std::string& name : files)
      if (v.model == name && v.state != "READY")
        return invalid("config.model", concat({"--model ", name, ": ", v.reason}));
  return {};
}

}  // namespace

Result<std::unique_ptr<serving::LocalModels>> open_local_models(World& w) {
  const std::optional<serving::Ack> ack = serving::parse_ack(w.config.text("model_log"));
  auto out = std::make_unique<serving::LocalModels>(serving::LocalModels::Deps{
      w.sys.fs, w.budget, w.sys.clock, w.sys.log, ack.value(), w.batching.get(),
      w.feature_lookups.get(), w.response_cache.get()});
  std::vector<std::string> files;
  for (const std::string& item : w.config.list("model")) {
    const size_t equals = item.find('=');
    if (equals == item.npos)
      return invalid("config.model", concat({"model = '", item, "': want NAME=FILE"}));
    files.push_back(item.substr(0, equals));
    TRY(out->add_file(files.back(), item.substr(equals + 1)));
  }
  for (const std::string& dir : w.config.list("model_repository")) {
    const Status added = out->add_repository(dir);
    if (!added.ok()) return Error(added.error()).within("model_repository");
  }
  TRY(out->open());
  TRY(check_files(files, *out));
  return out;
}

Status check_local_names(World& w) {
  const Ctx ctx;
  for (const serving::LocalVersion& v : w.local_models->index(false)) {
    const auto taken = w.serving->find(ctx, v.model);
    if (taken.ok())
      return conflict("local_model.is_deployment",
                      concat({"`", v.model, "` is a deployment, and a local model too"}))
          .with_hint("give the local model another name, or remove the deployment");
    if (taken.error().code != Code::kNotFound) return taken.error();
  }
  return {};
}

}  // namespace slip::app
