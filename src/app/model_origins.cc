#include "app/model_origins.h"

#include <tuple>

#include "base/text.h"

namespace slip::app {
namespace {

template <class T>
Result<std::optional<T>> found_or_nothing(Result<T> result) {
  if (result.ok()) return std::optional<T>(std::move(result).value());
  if (result.error().code == Code::kNotFound) return std::optional<T>();
  return std::move(result).error();
}

}  // namespace

Result<registry::Origins::Located> TrackingOrigins::locate(const Ctx& ctx,
                                                           const std::string& source) {
  constexpr std::string_view kModels = "models:/m-";
  constexpr std::string_view kRuns = "runs:/";
  if (source.starts_with(kModels)) {
    const std::string id = source.substr(kModels.size() - 2);
    const tracking::LoggedModel model = TRY(tracking_.models.get(ctx, id));
    return Located{.location = model.artifact_uri, .run_id = model.source_run_id};
  }
  if (source.starts_with(kRuns)) {
    const std::string_view rest = std::string_view(source).substr(kRuns.size());
    const size_t slash = rest.find('/');
    const tracking::Run run = TRY(tracking_.runs.get(ctx, std::string(rest.substr(0, slash))));
    if (slash == rest.npos) return Located{.location = run.artifact_uri, .run_id = run.id};
    TRY(tracking::parse_artifact_path(rest.substr(slash + 1)));
    return Located{.location = concat({run.artifact_uri, rest.substr(slash)}), .run_id = run.id};
  }
  if (const auto path = tracking::proxied_path(source)) TRY(tracking::parse_artifact_path(*path));
  return Located{.location = source, .run_id = ""};
}

Result<std::string> TrackingOrigins::digest(const Ctx& ctx, const std::string& location) {
  const auto path = tracking::proxied_path(location);
  if (!path) return std::string();
  const auto listing = TRY(found_or_nothing(tracking_.artifacts.snapshot(ctx, *path)));
  return listing ? listing->root.text() : std::string();
}

Result<std::optional<double>> TrackingOrigins::metric(const Ctx& ctx,
                                                      const registry::Version& version,
                                                      const std::string& key) {
  if (!version.run_id.empty()) {
    const auto value = TRY(found_or_nothing(tracking_.runs.latest(ctx, version.run_id, key)));
    if (value && *value) return *value;
  }
  std::optional<double> out;
  if (version.logged_model_id.empty()) return out;
  const auto model = TRY(found_or_nothing(tracking_.models.get(ctx, version.logged_model_id)));
  if (!model) return out;
  std::tuple<int64_t, int64_t> newest = {INT64_MIN, INT64_MIN};
  for (const tracking::Metric& m : model->metrics) {
    if (m.key != key || std::tuple(m.timestamp_ms, m.step) < newest) continue;
    newest = {m.timestamp_ms, m.step};
    out = m.value;
  }
  return out;
}

Result<std::vector<std::string>> TrackingOrigins::authors(const Ctx& ctx,
                                                          const registry::Version& version) {
  std::vector<std::string> out;
  if (!version.run_id.empty())
    if (const auto run = TRY(found_or_nothing(tracking_.runs.get(ctx, version.run_id))))
      out.push_back(run->author);
  if (!version.logged_model_id.empty())
    if (const auto model =
            TRY(found_or_nothing(tracking_.models.get(ctx, version.logged_model_id, true))))
      out.push_back(model->author);
  return out;
}

}  // namespace slip::app
