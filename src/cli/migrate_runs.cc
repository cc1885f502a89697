#include <algorithm>
#include <array>
#include <cfloat>
#include <cmath>
#include <set>
#include <utility>

#include "base/text.h"
#include "cli/migrate.h"
#include "cli/mlflow.h"

// Experiments, runs with their points, logged models.
namespace slip::cli {
namespace {

using codec::Json;
using Items = Comparison::Items;

constexpr size_t kPointsAtOnce = 1000;
constexpr int64_t kReady = 2;  // Of a logged model's states.
constexpr std::string_view kHistoryPage = "25000";

int64_t int_of(const Json& object, std::string_view key) {
  const Json* value = object.find(key);
  if (value == nullptr) return 0;
  if (value->is_string()) return parse_int(value->as_string()).value_or(0);
  return value->is_int() ? value->as_int() : 0;
}

double double_of(const Json& object, std::string_view key) {
  const Result<double> value = codec::want_double(object, key, codec::NonFinite::kString);
  return value.ok() ? *value : std::nan("");
}

// Neither server keeps infinities apart from the largest number on its wire.
std::string number_text(double value) {
  if (std::isnan(value)) return "NaN";
  return format_double(std::clamp(value, -DBL_MAX, DBL_MAX));
}

const Json& member(const Json& object, std::string_view key) {
  static const Json nothing = Json::object();
  const Json* value = object.find(key);
  return value != nullptr ? *value : nothing;
}

void move_address(const Mover& m, Json* item, std::string_view key) {
  const Json* uri = item->find(key);
  if (uri != nullptr && uri->is_string() && m.moves_files(uri->as_string())) item->erase(key);
}

std::string address_in(const Json& answer) {
  const Result<std::string> here = codec::string_or(answer, "artifacts", "");
  return here.ok() ? *here : std::string();
}

// The experiment's number here; empty when it is not here.
std::optional<int64_t> here_of(const Mover& m, const Json& item) {
  const auto found = m.experiments.find(int_of(item, "experiment_id"));
  if (found == m.experiments.end()) return std::nullopt;
  return found->second;
}

// ---- points
struct Tally {
  int64_t nan = 0;
  int64_t infinite = 0;
  void add(double value) {
    if (std::isnan(value)) ++nan;
    if (std::abs(value) >= DBL_MAX) ++infinite;
  }
};

std::string point_id(int64_t step, int64_t timestamp_ms, double value) {
  return concat({"step ", std::to_string(step), " at ", std::to_string(timestamp_ms), " = ",
                 number_text(value)});
}

Status read_history(Mover& m, const std::string& run_id, const std::string& key, Items* out,
                    Tally* tally) {
  std::string token;
  do {
    const Json page = TRY(mlflow_get(m.server, "metrics/get-history",
                                     {{"run_id", run_id},
                                      {"metric_key", key},
                                      {"max_results", std::string(kHistoryPage)},
                                      {"page_token", token}}));
    if (const Json* metrics = page.find("metrics"); metrics != nullptr && metrics->is_array())
      for (const Json& p : metrics->items()) {
        const double value = double_of(p, "value");
        tally->add(value);
        (*out)[point_id(int_of(p, "step"), int_of(p, "timestamp"), value)] = "";
      }
    token = text_of(page, "next_page_token");
  } while (!token.empty());
  return {};
}

Status verify_points(Mover& m, const std::string& run_id,
                     const std::set<std::string>& server_keys) {
  Tally theirs;
  Tally ours;
  std::set<std::string> seen;
  std::string key;
  Items points;
  const auto close = [&]() -> Status {
    if (points.empty()) return {};
    Items here;
    TRY(read_history(m, run_id, key, &here, &ours));
    m.comparison.compare("points", concat({"run ", run_id, ", ", key}), points, here);
    seen.insert(key);
    points.clear();
    return {};
  };
  TRY(m.source.each_point(run_id, [&](const Json& p) -> Status {
    const std::string& of = p.find("key")->as_string();
    if (of != key) TRY(close());
    key = of;
    const double value = p.find("value")->as_double();
    theirs.add(value);
    points[point_id(int_of(p, "step"), int_of(p, "timestamp_ms"), value)] = "";
    return {};
  }));
  TRY(close());
  for (const std::string& other : server_keys)
    if (!seen.contains(other)) {
      Items here;
      TRY(read_history(m, run_id, other, &here, &ours));
      m.comparison.compare("points", concat({"run ", run_id, ", ", other}), {}, here);
    }
  m.comparison.count("points_nan", theirs.nan, ours.nan);
  m.comparison.count("points_infinite", theirs.infinite, ours.infinite);
  return {};
}

// ---- runs
Items datasets(const Json& list, bool of_server) {
  Items out;
  if (!list.is_array()) return out;
  for (const Json& item : list.items()) {
    const Json& d = of_server ? member(item, "dataset") : item;
    const Items tags = of_server ? items_of_list(item.find("tags")) : items_of(item.find("tags"));
    std::string text = normal_fields(d, {"source_type", "source", "schema", "profile"});
    for (const auto& [key, value] : tags) text += concat({" ", key, "=", value});
    out[concat({text_of(d, "name"), "@", text_of(d, "digest")})] = text;
  }
  return out;
}

Items links(const Json& list, bool with_step) {
  Items out;
  if (!list.is_array()) return out;
  for (const Json& item : list.items())
    out[concat({text_of(item, "model_id"), " ",
                with_step ? std::to_string(int_of(item, "step")) : std::string()})] = "";
  return out;
}

std::string head_of_run(const Json& run, int64_t experiment) {
  Json out = Json::object({{"experiment", experiment},
                           {"name", text_of(run, "name")},
                           {"user", text_of(run, "user_id")},
                           {"status", text_of(run, "status")},
                           {"start", int_of(run, "start_ms")},
                           {"end", int_of(run, "end_ms")},
                           {"state", text_of(run, "lifecycle_stage")}});
  return normal_text(out);
}

std::string head_of_server_run(const Json& info) {
  Json out = Json::object({{"experiment", int_of(info, "experiment_id")},
                           {"name", text_of(info, "run_name")},
                           {"user", text_of(info, "user_id")},
                           {"status", text_of(info, "status")},
                           {"start", int_of(info, "start_time")},
                           {"end", int_of(info, "end_time")},
                           {"state", text_of(info, "lifecycle_stage")}});
  return normal_text(out);
}

Status verify_run(Mover& m, const std::string& id) {
  const Json run = TRY(m.source.run(id));
  const std::string scope = concat({"run ", id});
  Json found = Json::object();
  Items here;
  const Result<Json> got = mlflow_get(m.server, "runs/get", {{"run_id", id}});
  if (!got.ok() && got.error().code != Code::kNotFound) return got.error();
  if (got.ok()) {
    found = member(*got, "run");
    here[id] = head_of_server_run(member(found, "info"));
  }
  Comparison& c = m.comparison;
  c.compare("runs", scope, {{id, head_of_run(run, here_of(m, run).value_or(-1))}}, here);
  const Json& data = member(found, "data");
  c.compare("params", scope, items_of(run.find("params")), items_of_list(data.find("params")));
  c.compare("tags", scope, items_of(run.find("tags")), items_of_list(data.find("tags")));
  const Json& inputs = member(found, "inputs");
  c.compare("dataset_inputs", scope, datasets(member(run, "datasets"), false),
            datasets(member(inputs, "dataset_inputs"), true));
  c.compare("model_inputs", scope, links(member(run, "model_inputs"), false),
            links(member(inputs, "model_inputs"), false));
  c.compare("model_outputs", scope, links(member(run, "model_outputs"), true),
            links(member(member(found, "outputs"), "model_outputs"), true));
  std::set<std::string> keys;
  if (const Json* metrics = data.find("metrics"); metrics != nullptr && metrics->is_array())
    for (const Json& metric : metrics->items()) keys.insert(text_of(metric, "key"));
  return verify_points(m, id, keys);
}

// ---- logged models
std::string head_of_model(const Json& model, int64_t experiment) {
  Json out = Json::object({{"experiment", experiment},
                           {"name", text_of(model, "name")},
                           {"type", text_of(model, "model_type")},
                           {"run", text_of(model, "source_run_id")},
                           {"status", int_of(model, "status")},
                           {"message", text_of(model, "status_message")},
                           {"created", int_of(model, "created_ms")},
                           {"updated", int_of(model, "updated_ms")}});
  return normal_text(out);
}

std::string head_of_server_model(const Json& info) {
  constexpr std::array<std::string_view, 4> kStatuses = {
      "LOGGED_MODEL_STATUS_UNSPECIFIED", "LOGGED_MODEL_PENDING", "LOGGED_MODEL_READY",
      "LOGGED_MODEL_UPLOAD_FAILED"};
  const std::string status = text_of(info, "status");
  int64_t number = -1;
  for (size_t i = 0; i < kStatuses.size(); ++i)
    if (status == kStatuses[i]) number = static_cast<int64_t>(i);
  Json out = Json::object({{"experiment", int_of(info, "experiment_id")},
                           {"name", text_of(info, "name")},
                           {"type", text_of(info, "model_type")},
                           {"run", text_of(info, "source_run_id")},
                           {"status", number},
                           {"message", text_of(info, "status_message")},
                           {"created", int_of(info, "creation_timestamp_ms")},
                           {"updated", int_of(info, "last_updated_timestamp_ms")}});
  return normal_text(out);
}

Items model_points(const Json& list, std::string_view timestamp) {
  Items out;
  if (!list.is_array()) return out;
  for (const Json& p : list.items())
    out[concat({text_of(p, "run_id"), " ", text_of(p, "key"), " ",
                std::to_string(int_of(p, "step")), " ", std::to_string(int_of(p, timestamp))})] =
        concat({number_text(double_of(p, "value")), " ", text_of(p, "dataset_name"), " ",
                text_of(p, "dataset_digest")});
  return out;
}

Status verify_model(Mover& m, const Json& model) {
  const std::string id = text_of(model, "model_id");
  const std::string scope = concat({"logged model ", id});
  Json found = Json::object();
  Items here;
  const Result<Json> got =
      mlflow_get(m.server, concat({"logged-models/", id}), {{"allow_deleted", "true"}});
  if (!got.ok() && got.error().code != Code::kNotFound) return got.error();
  if (got.ok()) {
    found = member(*got, "model");
    here[id] = head_of_server_model(member(found, "info"));
  }
  Comparison& c = m.comparison;
  c.compare("logged_models", scope, {{id, head_of_model(model, here_of(m, model).value_or(-1))}},
            here);
  const Json& data = member(found, "data");
  c.compare("logged_model_params", scope, items_of(model.find("params")),
            items_of_list(data.find("params")));
  c.compare("logged_model_tags", scope, items_of(model.find("tags")),
            items_of_list(member(found, "info").find("tags")));
  const Json theirs = Json::array(TRY(m.source.model_metrics(id)));
  c.compare("logged_model_metrics", scope, model_points(theirs, "timestamp_ms"),
            model_points(member(data, "metrics"), "timestamp"));
  return {};
}

Status send_model_metrics(Mover& m, const std::string& id) {
  std::vector<Json> waiting;
  std::string run_id;
  std::vector<Json> all = TRY(m.source.model_metrics(id));
  for (Json& p : all) {
    const std::string of = text_of(p, "run_id");
    if (of != run_id || waiting.size() == kPointsAtOnce)
      TRY(m.send_points("logged_model_metrics", run_id, &waiting));
    run_id = of;
    waiting.push_back(std::move(p));
  }
  return m.send_points("logged_model_metrics", run_id, &waiting);
}

}  // namespace

Status send_experiments(Mover& m) {
  std::vector<Json> all = TRY(m.source.experiments());
  for (Json& e : all) {
    const int64_t there = int_of(e, "experiment_id");
    const std::string name = text_of(e, "name");
    move_address(m, &e, "artifact_location");
    const Json done = TRY(m.send("experiments", name, std::move(e)));
    if (m.dry)
      m.experiments[there] = there;
    else if (!done.is_null())
      m.experiments[there] = TRY(codec::want_int(done, "experiment_id"));
  }
  return {};
}

Status send_runs(Mover& m) {
  const std::vector<std::string> ids = TRY(m.source.run_ids());
  int64_t done = 0;
  for (const std::string& id : ids) {
    m.progress("runs", ++done, static_cast<int64_t>(ids.size()));
    Json run = TRY(m.source.run(id));
    FileTree tree{.owner = concat({"run ", id}),
                  .source = text_of(run, "artifact_uri"),
                  .below = concat({id, "/artifacts"}),
                  .experiment = int_of(run, "experiment_id"),
                  .here = {},
                  .has_files = false};
    const auto here = here_of(m, run);
    if (!here) continue;  // The experiment was refused, and said so.
    run.set("experiment_id", *here);
    move_address(m, &run, "artifact_uri");
    const Json answer = TRY(m.send("runs", id, std::move(run)));
    if (answer.is_null() && !m.dry) continue;
    tree.here = address_in(answer);
    m.add_tree(std::move(tree));
    std::vector<Json> waiting;
    TRY(m.source.each_point(id, [&](Json p) -> Status {
      waiting.push_back(std::move(p));
      if (waiting.size() < kPointsAtOnce) return {};
      return m.send_points("points", id, &waiting);
    }));
    TRY(m.send_points("points", id, &waiting));
  }
  return {};
}

Status send_logged_models(Mover& m) {
  std::vector<Json> all = TRY(m.source.logged_models());
  int64_t done = 0;
  for (Json& model : all) {
    m.progress("logged models", ++done, static_cast<int64_t>(all.size()));
    const std::string id = text_of(model, "model_id");
    FileTree tree{.owner = concat({"logged model ", id}),
                  .source = text_of(model, "artifact_uri"),
                  .below = concat({"models/", id, "/artifacts"}),
                  .experiment = int_of(model, "experiment_id"),
                  .here = {},
                  .has_files = false};
    tree.has_files =
        int_of(model, "status") == kReady && text_of(model, "lifecycle_stage") == "active";
    const auto here = here_of(m, model);
    if (!here) continue;
    model.set("experiment_id", *here);
    move_address(m, &model, "artifact_uri");
    const Json answer = TRY(m.send("logged_models", id, std::move(model)));
    if (answer.is_null() && !m.dry) continue;
    tree.here = address_in(answer);
    m.add_tree(std::move(tree));
    TRY(send_model_metrics(m, id));
  }
  return {};
}

Status verify_experiments(Mover& m) {
  for (const Json& e : TRY(m.source.experiments())) {
    const std::string name = text_of(e, "name");
    const Result<Json> got =
        mlflow_get(m.server, "experiments/get-by-name", {{"experiment_name", name}});
    if (!got.ok() && got.error().code != Code::kNotFound) return got.error();
    Json found = got.ok() ? member(*got, "experiment") : Json::object();
    Items here;
    if (got.ok()) here[name] = text_of(found, "lifecycle_stage");
    const std::string scope = concat({"experiment ", name});
    m.comparison.compare("experiments", scope, {{name, text_of(e, "lifecycle_stage")}}, here);
    m.comparison.compare("experiment_tags", scope, items_of(e.find("tags")),
                         items_of_list(found.find("tags")));
  }
  return {};
}

Status verify_runs(Mover& m) {
  const std::vector<std::string> ids = TRY(m.source.run_ids());
  int64_t done = 0;
  for (const std::string& id : ids) {
    m.progress("reading back runs", ++done, static_cast<int64_t>(ids.size()));
    TRY(verify_run(m, id));
  }
  return {};
}

Status verify_logged_models(Mover& m) {
  const std::vector<Json> all = TRY(m.source.logged_models());
  for (const Json& model : all) TRY(verify_model(m, model));
  return {};
}

}  // namespace slip::cli
