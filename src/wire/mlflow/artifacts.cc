// Artifacts: the proxy's PUT, GET, DELETE and list by path; lists and files by run, logged model,
// model version and trace. Uploads in parts and links: artifact_links.cc.

#include <array>
#include <utility>

#include "base/text.h"
#include "registry/registry.h"
#include "tracking/tracking.h"
#include "wire/mlflow/artifact_files.h"
#include "wire/mlflow/proto_out.h"
#include "wire/mlflow/rows.h"
#include "wire/mlflow/span_messages.h"

namespace slip::wire::mlflow {
namespace {

using codec::Json;
using http::Audit;
using http::Method;
using http::Right;

constexpr int64_t kPageUploadBytesMax = 10 << 20;  // What a page of MLflow's may upload.

Json file_list(const std::vector<tracking::FileInfo>& files, std::string_view below) {
  std::vector<Json> items;
  for (const tracking::FileInfo& f : files) {
    Json item = Json::object(
        {{"path", below.empty() ? f.path : concat({below, "/", f.path})}, {"is_dir", f.is_dir}});
    if (!f.is_dir) item.set("file_size", f.size);
    items.push_back(std::move(item));
  }
  Json out = Json::object();
  set_list(&out, "files", std::move(items));
  return out;
}

// ---- the proxy
Result<http::Reply> upload(App& app, const Ctx& ctx, http::Request& request) {
  TRY(app.tracking.artifacts.put(ctx, request.param("path"), *request.draft));
  return json_reply(Json::object());
}

Result<http::Reply> download(App& app, const Ctx& ctx, http::Request& request) {
  return file_reply(app, ctx, request.param("path"));
}

Result<http::Reply> remove(App& app, const Ctx& ctx, http::Request& request) {
  TRY(app.tracking.artifacts.remove(ctx, request.param("path")));
  return json_reply(Json::object());
}

Result<Json> list_proxied(App& app, const Ctx& ctx, const In& in) {
  const std::string path = TRY(in.text_or("path", ""));
  return file_list(TRY(app.tracking.artifacts.list(ctx, path)), "");
}

// ---- by run, by logged model
Result<Json> directory(App& app, const Ctx& ctx, const std::string& uri, std::string path) {
  while (path.ends_with('/')) path.pop_back();
  if (!path.empty()) TRY(tracking::parse_artifact_path(path));  // Whatever the root is.
  Json out = file_list(TRY(list_below(app, ctx, uri, path)), path);
  out.set("root_uri", uri);
  return out;
}

Result<Json> list_of_run(App& app, const Ctx& ctx, const In& in) {
  const tracking::Run run = TRY(app.tracking.runs.get(ctx, TRY(in.run_id())));
  return directory(app, ctx, run.artifact_uri, TRY(in.text_or("path", "")));
}

Result<Json> list_of_model(App& app, const Ctx& ctx, const In& in) {
  const auto model = TRY(app.tracking.models.get(ctx, TRY(in.text("model_id"))));
  return directory(app, ctx, model.artifact_uri, TRY(in.text_or("artifact_directory_path", "")));
}

Result<http::Reply> file_of_run(App& app, const Ctx& ctx, http::Request& request) {
  const std::string run_id = TRY(wanted(request, "run_id"));
  const std::string path = TRY(wanted(request, "path"));
  TRY(tracking::parse_artifact_path(path));
  const tracking::Run run = TRY(app.tracking.runs.get(ctx, run_id));
  return reply_below(app, ctx, run.artifact_uri, path);
}

Result<http::Reply> file_of_model(App& app, const Ctx& ctx, http::Request& request) {
  const std::string path = TRY(wanted(request, "artifact_file_path"));
  TRY(tracking::parse_artifact_path(path));
  const auto model = TRY(app.tracking.models.get(ctx, request.param("model_id")));
  return reply_below(app, ctx, model.artifact_uri, path);
}

Result<http::Reply> file_of_version(App& app, const Ctx& ctx, http::Request& request) {
  const std::string name = TRY(wanted(request, "name"));
  const std::string path = TRY(wanted(request, "path"));
  TRY(tracking::parse_artifact_path(path));
  const auto number = parse_int(TRY(wanted(request, "version")));
  if (!number) return invalid("model_version.number", "Parameter 'version' must be an integer.");
  const registry::Version v = TRY(app.registry.get_version(ctx, name, *number));
  return reply_below(app, ctx, v.location, path);
}

Error too_large() {
  return invalid("artifact.page_upload", "Artifact size is too large. Max size is 10MB.");
}

// A small file from a page, into a run.
Result<std::string> page_run_of(const http::Request& request) {
  const std::string* run_id = request.query_value("run_uuid");
  if (run_id && !run_id->empty()) return *run_id;
  return invalid("artifact.page_upload", "Request must specify run_uuid.");
}

Result<http::Reply> upload_to_run(App& app, const Ctx& ctx, http::Request& request) {
  const std::string run_id = TRY(page_run_of(request));
  const std::string* path = request.query_value("path");
  if (!path || path->empty()) return invalid("artifact.page_upload", "Request must specify path.");
  TRY(tracking::parse_artifact_path(*path));
  if (request.draft->size() > kPageUploadBytesMax) return too_large();
  if (request.draft->size() == 0)
    return invalid("artifact.page_upload", "Request must specify data.");
  const tracking::Run run = TRY(app.tracking.runs.get(ctx, run_id));
  TRY(put_below(app, ctx, run.artifact_uri, {*path, request.draft.get()}));
  return json_reply(Json::object());
}

// ---- by trace
std::string location_of(const tracking::Trace& trace) {
  for (const tracking::Tag& tag : trace.tags)
    if (tag.key == "mlflow.artifactLocation") return tag.value;
  return {};
}

// The spans as a data file, or an attachment by name.
Result<http::Reply> file_of_trace(App& app, const Ctx& ctx, http::Request& request) {
  const std::string id = TRY(wanted(request, "request_id"));
  const std::string* path = request.query_value("path");
  if (path && !path->empty()) TRY(tracking::parse_artifact_path(*path));
  const tracking::Trace trace = TRY(app.tracking.traces.get(ctx, id));
  if (path && !path->empty())
    return reply_below(app, ctx, location_of(trace), "attachments/" + *path);
  const auto spans = TRY(app.tracking.traces.spans(ctx, id));
  if (spans.empty()) return reply_below(app, ctx, location_of(trace), "traces.json");
  http::Reply reply;
  reply.content_type = "application/octet-stream";
  reply.headers.emplace_back("Content-Disposition", disposition("traces.json"));
  reply.body = codec::to_json(trace_data(spans), 0, codec::NonFinite::kToken);
  return reply;
}

// ---- whose files a request is about
Result<Needs> at_path(App& app, const Ctx& ctx, Right right, const http::Request& request) {
  return artifact_needs(app, ctx, right, request.param("path"));
}

Result<Needs> of_run(App& app, const Ctx& ctx, Right right, const http::Request& request) {
  return run_needs(app, ctx, right, TRY(wanted(request, "run_id")));
}

Result<Needs> of_page_run(App& app, const Ctx& ctx, Right right, const http::Request& request) {
  return run_needs(app, ctx, right, TRY(page_run_of(request)));
}

Result<Needs> of_model(App& app, const Ctx& ctx, Right right, const http::Request& request) {
  return logged_model_needs(app, ctx, right, request.param("model_id"));
}

Result<Needs> of_version(App& app, const Ctx& ctx, Right right, const http::Request& request) {
  return version_needs(app, ctx, right, TRY(wanted(request, "name")));
}

Result<Needs> of_trace(App& app, const Ctx& ctx, Right right, const http::Request& request) {
  return trace_needs(app, ctx, right, TRY(wanted(request, "request_id")));
}

constexpr http::Permission kRead{Right::kRead, "artifact"};

constexpr std::array<Row, 3> kRows = {{
    {Method::kGet, "2.0/mlflow-artifacts/artifacts", kRead, Audit::kNone, list_proxied,
     "List a directory of artifacts", artifact_at_path},
    {Method::kGet, "2.0/mlflow/artifacts/list", kRead, Audit::kNone, list_of_run,
     "List a directory of a run's artifacts", run_of},
    {Method::kGet, "2.0/mlflow/logged-models/{model_id}/artifacts/directories", kRead, Audit::kNone,
     list_of_model, "List a directory of a logged model's artifacts", logged_model_of},
}};

}  // namespace

void add_artifacts(std::vector<http::Route>* out, const App& app) {
  add_rows(out, app, kRows);
  constexpr std::string_view kProxy = "2.0/mlflow-artifacts/artifacts/{path...}";
  const auto make = [&](const Door& door) { return artifact_route(app, door); };
  add_twins(out, make({Method::kPut, "Upload an artifact", upload, at_path}), kProxy);
  add_twins(out, make({Method::kGet, "Download an artifact", download, at_path}), kProxy);
  add_twins(out, make({Method::kDelete, "Delete an artifact or a directory", remove, at_path}),
            kProxy);
  add_twins(out, make({Method::kGet, "Download a file of a logged model", file_of_model, of_model}),
            "2.0/mlflow/logged-models/{model_id}/artifacts/files");
  http::Route page =
      make({Method::kPost, "Upload a small file to a run", upload_to_run, of_page_run});
  page.body = http::spool(64 << 20);  // What is too large gets MLflow's own answer.
  add_twins(out, std::move(page), "2.0/mlflow/upload-artifact");
  for (const char* path : {"2.0/mlflow/get-trace-artifact", "3.0/mlflow/get-trace-artifact"})
    add_twins(out, make({Method::kGet, "Download a trace's spans", file_of_trace, of_trace}), path);
  http::Route run_file = make({Method::kGet, "Download a run's artifact", file_of_run, of_run});
  run_file.path = "/get-artifact";
  out->push_back(std::move(run_file));
  http::Route version_file =
      make({Method::kGet, "Download a file of a model version", file_of_version, of_version});
  version_file.permission.resource = "model_version";
  version_file.path = "/model-versions/get-artifact";
  out->push_back(std::move(version_file));
}

}  // namespace slip::wire::mlflow
