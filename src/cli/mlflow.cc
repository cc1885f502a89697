#include "cli/mlflow.h"

#include <algorithm>

#include "base/text.h"
#include "cli/files.h"
#include "sys/fs.h"

namespace slip::cli {
namespace {

using codec::Json;

constexpr std::string_view kApi = "/api/2.0/mlflow/";
constexpr std::string_view kProxy = "/api/2.0/mlflow-artifacts/artifacts/";
constexpr std::string_view kProxied = "mlflow-artifacts:/";
constexpr int64_t kPage = 1000;
constexpr size_t kTextsAtOnce = 100;
constexpr size_t kRunIdLength = 32;
constexpr size_t kPrefixMin = 4;

// [{"key", "value"}] → {key: value}.
Json by_key(const Json* items) {
  Json out = Json::object();
  if (items == nullptr || !items->is_array()) return out;
  for (const Json& item : items->items()) {
    const Json* value = item.find("value");
    out.set(text_of(item, "key"), value == nullptr ? Json("") : *value);
  }
  return out;
}

// int64 is text in proto JSON.
Json number_of(const Json& object, std::string_view key) {
  const Json* value = object.find(key);
  if (value == nullptr) return {};
  if (!value->is_string()) return *value;
  const std::optional<int64_t> parsed = parse_int(value->as_string());
  return parsed ? Json(*parsed) : Json();
}

Result<std::vector<Json>> all_pages(Remote& remote, std::string_view path, Json body,
                                    std::string_view member, int64_t limit) {
  std::vector<Json> out;
  while (static_cast<int64_t>(out.size()) < limit) {
    body.set("max_results", std::min(kPage, limit - static_cast<int64_t>(out.size())));
    const Json page = TRY(mlflow_post(remote, path, body));
    if (const Json* items = page.find(member); items != nullptr && items->is_array())
      out.insert(out.end(), items->items().begin(), items->items().end());
    const std::string token = text_of(page, "next_page_token");
    if (token.empty()) break;
    body.set("page_token", token);
  }
  return out;
}

Error no_run(std::string_view ref) {
  return not_found("run.not_found", concat({"no run '", ref, "'"}))
      .with_hint("slipway runs list shows them");
}

Result<std::string> address(const Json& run, std::string_view path) {
  const std::string uri = text_of(run, "artifact_uri");
  if (!uri.starts_with(kProxied))
    return unsupported("run.foreign_artifacts",
                       concat({"the artifacts of run ", text_of(run, "run_id"), " lie at ", uri}));
  std::string out(kProxy);
  bool first = true;
  for (const std::string_view whole : {std::string_view(uri).substr(kProxied.size()), path})
    for (const std::string_view part : split(whole, '/')) {
      if (part.empty()) continue;
      out += concat({first ? "" : "/", percent_encode(part)});
      first = false;
    }
  return out;
}

}  // namespace

std::string text_of(const Json& object, std::string_view key) {
  const Json* value = object.find(key);
  return value != nullptr && value->is_string() ? value->as_string() : std::string();
}

Result<Json> mlflow_get(Remote& remote, std::string_view path, const Query& query) {
  return codec::parse_json(
      TRY(remote.raw(http::Method::kGet, concat({kApi, path, query_of(query)}), "")));
}

Result<Json> mlflow_post(Remote& remote, std::string_view path, const Json& body) {
  return codec::parse_json(
      TRY(remote.raw(http::Method::kPost, concat({kApi, path}), codec::to_json(body))));
}

Json flat_run(const Json& run) {
  const Json none = Json::object();
  const Json* info = run.find("info");
  const Json* data = run.find("data");
  if (info == nullptr) info = &none;
  if (data == nullptr) data = &none;
  return Json::object({{"run_id", text_of(*info, "run_id")},
                       {"name", text_of(*info, "run_name")},
                       {"experiment_id", text_of(*info, "experiment_id")},
                       {"status", text_of(*info, "status")},
                       {"start_ms", number_of(*info, "start_time")},
                       {"end_ms", number_of(*info, "end_time")},
                       {"user_id", text_of(*info, "user_id")},
                       {"lifecycle_stage", text_of(*info, "lifecycle_stage")},
                       {"artifact_uri", text_of(*info, "artifact_uri")},
                       {"params", by_key(data->find("params"))},
                       {"metrics", by_key(data->find("metrics"))},
                       {"tags", by_key(data->find("tags"))}});
}

Json flat_experiment(const Json& e) {
  return Json::object({{"experiment_id", text_of(e, "experiment_id")},
                       {"name", text_of(e, "name")},
                       {"artifact_location", text_of(e, "artifact_location")},
                       {"lifecycle_stage", text_of(e, "lifecycle_stage")},
                       {"created_ms", number_of(e, "creation_time")},
                       {"updated_ms", number_of(e, "last_update_time")},
                       {"tags", by_key(e.find("tags"))}});
}

Result<std::vector<Json>> search_runs(Remote& remote, const RunList& wanted) {
  Json ids = Json::array();
  for (const std::string& id : wanted.experiment_ids) ids.push(id);
  Json body = Json::object({{"experiment_ids", std::move(ids)}, {"run_view_type", wanted.view}});
  if (!wanted.filter.empty()) body.set("filter", wanted.filter);
  if (!wanted.order_by.empty()) body.set("order_by", Json::array({Json(wanted.order_by)}));
  std::vector<Json> out;
  for (const Json& run : TRY(all_pages(remote, "runs/search", body, "runs", wanted.limit)))
    out.push_back(flat_run(run));
  return out;
}

Result<std::vector<Json>> search_experiments(Remote& remote, std::string_view view) {
  std::vector<Json> out;
  const Json body = Json::object({{"view_type", view}});
  for (const Json& e :
       TRY(all_pages(remote, "experiments/search", body, "experiments", kPage * kPagesMax)))
    out.push_back(flat_experiment(e));
  return out;
}

Result<Json> find_run(Remote& remote, const std::string& ref) {
  if (ref.size() >= kRunIdLength) {
    const Result<Json> found = mlflow_get(remote, "runs/get", {{"run_id", ref}});
    if (!found.ok())
      return found.error().code == Code::kNotFound ? no_run(ref) : Error(found.error());
    const Json* run = found->find("run");
    return flat_run(run == nullptr ? Json::object() : *run);
  }
  const bool is_hex = ref.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (!is_hex || ref.size() < kPrefixMin) return no_run(ref);
  RunList wanted;
  for (const Json& e : TRY(search_experiments(remote, "ALL")))
    wanted.experiment_ids.push_back(text_of(e, "experiment_id"));
  wanted.filter = concat({"attributes.run_id LIKE '", ref, "%'"});
  wanted.limit = 2;
  wanted.view = "ALL";
  const std::vector<Json> found = TRY(search_runs(remote, wanted));
  if (found.empty()) return no_run(ref);
  if (found.size() > 1)
    return invalid("usage.ambiguous", concat({"several runs begin with ", ref}));
  return found.front();
}

Result<Json> find_experiment(Remote& remote, const std::string& ref) {
  const bool number = parse_int(ref).has_value();
  const Json answer =
      number ? TRY(mlflow_get(remote, "experiments/get", {{"experiment_id", ref}}))
             : TRY(mlflow_get(remote, "experiments/get-by-name", {{"experiment_name", ref}}));
  const Json* found = answer.find("experiment");
  return flat_experiment(found == nullptr ? Json::object() : *found);
}

Status log_texts(Remote& remote, const std::string& run_id, std::string_view kind,
                 const Texts& texts) {
  auto at = texts.begin();
  while (at != texts.end()) {
    Json items = Json::array();
    for (size_t n = 0; n < kTextsAtOnce && at != texts.end(); ++n, ++at)
      items.push(Json::object({{"key", at->first}, {"value", at->second}}));
    TRY(mlflow_post(remote, "runs/log-batch",
                    Json::object({{"run_id", run_id}, {std::string(kind), std::move(items)}})));
  }
  return {};
}

Status put_artifact(Remote& remote, const Json& run, std::string_view path, std::string_view text) {
  TextSource source(text);
  return remote.put(TRY(address(run, path)), source, static_cast<int64_t>(text.size()));
}

Status put_file(Remote& remote, const Json& run, std::string_view path, Fs& fs,
                const std::string& file) {
  const std::unique_ptr<File> opened = TRY(fs.open(file, OpenMode::kRead));
  const int64_t bytes = TRY(opened->size());
  FileSource source(*opened);
  return remote.put(TRY(address(run, path)), source, bytes);
}

Result<std::string> get_artifact(Remote& remote, const Json& run, std::string_view path) {
  std::string out;
  TRY(remote.fetch(TRY(address(run, path)), [&](std::string_view piece) -> Status {
    out += piece;
    return {};
  }));
  return out;
}

}  // namespace slip::cli
