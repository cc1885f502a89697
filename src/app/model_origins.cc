#include "app/model_origins.h"

#include <tuple>

#include "base/text.h"
#include "tracking/sources.h"

namespace slip::app {
namespace {

template <class T>
Result<std::optional<T>> found_or_nothing(Result<T> result) {
  if (result.ok()) return std::optional<T>(std::move(result).value());
  if (result.error().code == Code::kNotFound) return std::optional<T>();
  return std::move(result).error();
}

// Whom the run's tags name: MLflow's user, and the commit's authors and committers as the client
// recorded them, names or addresses, divided by commas.
std::vector<std::string> named_in(const std::vector<tracking::Tag>& tags) {
  std::vector<std::string> out;
  for (const tracking::Tag& tag : tags) {
    if (tag.key != "mlflow.user" && tag.key != "slipway.git.authors") continue;
    for (const std::string_view name : split(tag.value, ','))
      if (!trim(name).empty()) out.emplace_back(trim(name));
  }
  return out;
}

// "ann", "ann@example.com" and "Ann <ann@example.com>" are the principal ann.
bool is_called(std::string_view principal, std::string_view name) {
  const size_t open = name.rfind('<');
  if (open != name.npos && name.ends_with('>'))
    name = name.substr(open + 1, name.size() - open - 2);
  return iequals(principal, name) || iequals(principal, name.substr(0, name.find('@')));
}

}  // namespace

Result<registry::Origins::Located> TrackingOrigins::locate(const Ctx& ctx,
                                                           const registry::NewVersion& wanted) {
  tracking::SourceFound found = TRY(tracking::find_source(
      tracking_, ctx,
      {.source = wanted.source, .run_id = wanted.run_id, .model_id = wanted.logged_model_id}));
  return Located{.location = std::move(found.location), .run_id = std::move(found.run_id)};
}

Result<std::string> TrackingOrigins::digest(const Ctx& ctx, const std::string& location) {
  const auto listing = TRY(found_or_nothing(tracking_.artifacts.snapshot_at(ctx, location)));
  return listing && *listing ? (*listing)->root.text() : std::string();
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
  std::vector<std::string> names;
  if (!version.run_id.empty())
    if (const auto run = TRY(found_or_nothing(tracking_.runs.get(ctx, version.run_id)))) {
      out.push_back(run->author);
      names = named_in(run->tags);
      if (!run->user_id.empty()) names.push_back(run->user_id);
    }
  if (!version.logged_model_id.empty())
    if (const auto model =
            TRY(found_or_nothing(tracking_.models.get(ctx, version.logged_model_id, true))))
      out.push_back(model->author);
  if (names.empty() || !auth_) return out;
  for (const auth::Principal& principal : TRY(auth_->principals()))
    for (const std::string& name : names)
      if (is_called(principal.name, name)) out.push_back(principal.uid);
  return out;
}

}  // namespace slip::app
