#include "wire/native/imports.h"

#include <array>

#include "base/text.h"
#include "tracking/tracking.h"
#include "wire/native/native.h"

namespace slip::wire::native {
namespace {

using codec::Json;
using tracking::Imported;

constexpr std::array<std::string_view, 4> kStates = {"imported", "same", "differs", "updated"};
constexpr std::array<std::string_view, 6> kStatuses = {"",         "RUNNING", "SCHEDULED",
                                                       "FINISHED", "FAILED",  "KILLED"};

Result<const std::vector<Json>*> list_of(const Json& body, std::string_view key) {
  const Json* items = body.find(key);
  if (items == nullptr || !items->is_array())
    return invalid("request.wrong_type", concat({key, " must be a list"}));
  if (items->items().size() > tracking::kBatchMetricsMax)
    return invalid("request.too_many", concat({key, " may have 1000 entries at most"}));
  return &items->items();
}

// {"key": "value", …}
Result<std::vector<tracking::Tag>> read_pairs(const Json& item, std::string_view key) {
  std::vector<tracking::Tag> out;
  const Json* pairs = item.find(key);
  if (pairs == nullptr) return out;
  if (!pairs->is_object())
    return invalid("request.wrong_type", concat({key, " must be an object"}));
  for (const auto& [name, value] : pairs->members()) {
    if (!value.is_string())
      return invalid("request.wrong_type", concat({key, ".", name, " must be a string"}));
    out.push_back({name, value.as_string()});
  }
  return out;
}

Result<tracking::Lifecycle> read_lifecycle(const Json& item) {
  const std::string text = TRY(codec::string_or(item, "lifecycle_stage", "active"));
  if (text == "active") return tracking::Lifecycle::kActive;
  if (text == "deleted") return tracking::Lifecycle::kDeleted;
  return invalid("request.lifecycle_stage", "lifecycle_stage is active or deleted");
}

Result<tracking::RunStatus> read_status(const Json& item) {
  const std::string text = TRY(codec::want_string(item, "status"));
  for (size_t i = 1; i < kStatuses.size(); ++i)
    if (text == kStatuses[i]) return static_cast<tracking::RunStatus>(i);
  return invalid("request.status", "status is RUNNING, SCHEDULED, FINISHED, FAILED or KILLED");
}

Json outcome_json(const tracking::ImportOutcome& outcome) {
  Json out = Json::object({{"state", kStates[static_cast<size_t>(outcome.state)]},
                           {"experiment_id", outcome.experiment_id}});
  if (!outcome.differing.empty()) out.set("differing", outcome.differing);
  return out;
}

Result<tracking::Experiment> read_experiment(const Json& item) {
  tracking::Experiment e;
  e.id = TRY(codec::want_int(item, "experiment_id"));
  e.name = TRY(codec::want_string(item, "name"));
  e.artifact_location = TRY(codec::want_string(item, "artifact_location"));
  e.lifecycle = TRY(read_lifecycle(item));
  e.created_ms = TRY(codec::int_or(item, "created_ms", 0));
  e.updated_ms = TRY(codec::int_or(item, "updated_ms", e.created_ms));
  e.tags = TRY(read_pairs(item, "tags"));
  return e;
}

Result<tracking::Run> read_run(const Json& item) {
  tracking::Run run;
  run.id = TRY(codec::want_string(item, "run_id"));
  run.experiment_id = TRY(codec::want_int(item, "experiment_id"));
  run.name = TRY(codec::string_or(item, "name", ""));
  run.user_id = TRY(codec::string_or(item, "user_id", ""));
  run.status = TRY(read_status(item));
  run.start_ms = TRY(codec::int_or(item, "start_ms", 0));
  if (item.find("end_ms") != nullptr) run.end_ms = TRY(codec::want_int(item, "end_ms"));
  run.lifecycle = TRY(read_lifecycle(item));
  run.artifact_uri = TRY(codec::want_string(item, "artifact_uri"));
  run.params = TRY(read_pairs(item, "params"));
  run.tags = TRY(read_pairs(item, "tags"));
  return run;
}

// All rows are read before the first is written.
template <class T, class Read, class Take>
Result<http::Reply> take_all(http::Request& request, const Read& read, const Take& take) {
  const Json body = TRY(body_object(request));
  const bool update = TRY(codec::bool_or(body, "update", false));
  std::vector<T> wanted;
  for (const Json& item : *TRY(list_of(body, "items"))) wanted.push_back(TRY(read(item)));
  Json out = Json::array();
  for (const T& row : wanted) out.push(outcome_json(TRY(take(row, update))));
  return json_reply(Json::object({{"items", std::move(out)}}));
}

Result<http::Reply> experiments(const ImportsApp& app, const Ctx& ctx, http::Request& request) {
  return take_all<tracking::Experiment>(request, read_experiment,
                                        [&](const tracking::Experiment& e, bool update) {
                                          return app.tracking.imports.experiment(ctx, e, update);
                                        });
}

Result<http::Reply> runs(const ImportsApp& app, const Ctx& ctx, http::Request& request) {
  return take_all<tracking::Run>(request, read_run, [&](const tracking::Run& run, bool update) {
    return app.tracking.imports.run(ctx, run, update);
  });
}

Result<http::Reply> points(const ImportsApp& app, const Ctx& ctx, http::Request& request) {
  const Json body = TRY(body_object(request));
  const std::string run_id = TRY(codec::want_string(body, "run_id"));
  std::vector<tracking::Metric> wanted;
  for (const Json& item : *TRY(list_of(body, "points"))) {
    tracking::Metric& m = wanted.emplace_back();
    m.key = TRY(codec::want_string(item, "key"));
    m.value = TRY(codec::want_double(item, "value", codec::NonFinite::kString));
    m.timestamp_ms = TRY(codec::want_int(item, "timestamp_ms"));
    m.step = TRY(codec::want_int(item, "step"));
  }
  const tracking::PointsOutcome done = TRY(app.tracking.imports.points(ctx, run_id, wanted));
  return json_reply(Json::object({{"imported", done.imported}, {"same", done.same}}));
}

using Handler = Result<http::Reply> (*)(const ImportsApp&, const Ctx&, http::Request&);

http::Route route(const ImportsApp& app, std::string_view path, Handler handler,
                  std::string_view summary) {
  http::Route row;
  row.method = http::Method::kPost;
  row.path = at(path);
  row.permission = {http::Right::kManage, "project", http::On::kProject};
  row.audit = http::Audit::kEvent;
  row.summary = summary;
  row.body = http::memory();
  row.blocking = [app, handler](const Ctx& ctx, http::Request& request) {
    return handler(app, ctx, request);
  };
  return row;
}

}  // namespace

std::vector<http::Route> import_routes(ImportsApp app) {
  std::vector<http::Route> out;
  out.push_back(route(app, "/imports/mlflow/experiments", experiments,
                      "Takes over experiments of an MLflow server, by name."));
  out.push_back(route(app, "/imports/mlflow/runs", runs,
                      "Takes over runs of an MLflow server with parameters and tags, by id."));
  out.push_back(
      route(app, "/imports/mlflow/metrics", points, "Takes over points of metrics of one run."));
  return out;
}

}  // namespace slip::wire::native
