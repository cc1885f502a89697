// Artifacts: the proxy's PUT, GET, DELETE and list by path; lists and files by run, logged model
// and model version.

#include <array>
#include <utility>

#include "base/text.h"
#include "registry/registry.h"
#include "tracking/tracking.h"
#include "wire/mlflow/proto_out.h"
#include "wire/mlflow/rows.h"

namespace slip::wire::mlflow {
namespace {

using codec::Json;
using http::Audit;
using http::Method;
using http::Right;

constexpr int64_t kArtifactBytesMax = int64_t{1} << 40;

struct Mime {
  std::string_view end;
  std::string_view type;
};
constexpr std::array<Mime, 20> kMimes = {{
    {".txt", "text/plain"},
    {".log", "text/plain"},
    {".md", "text/plain"},
    {".yaml", "text/plain"},
    {".yml", "text/plain"},
    {".py", "text/plain"},
    {"MLmodel", "text/plain"},
    {".json", "application/json"},
    {".csv", "text/csv"},
    {".html", "text/html"},
    {".png", "image/png"},
    {".jpg", "image/jpeg"},
    {".jpeg", "image/jpeg"},
    {".svg", "image/svg+xml"},
    {".gif", "image/gif"},
    {".pdf", "application/pdf"},
    {".xml", "text/xml"},
    {".js", "text/javascript"},
    {".parquet", "application/vnd.apache.parquet"},
    {".zip", "application/zip"},
}};

std::string_view type_of(std::string_view name) {
  for (const Mime& m : kMimes)
    if (name.ends_with(m.end)) return m.type;
  return "application/octet-stream";
}

std::string_view base_name(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == path.npos ? path : path.substr(slash + 1);
}

// RFC 6266: plain names as they are, others by filename*. Always a download: nothing that a user
// stored is ever run by the browser in our origin.
std::string disposition(std::string_view name) {
  bool plain = true;
  for (const char c : name)
    plain = plain && static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '\\' &&
            static_cast<unsigned char>(c) < 0x7f;
  if (plain) return concat({"attachment; filename=\"", name, "\""});
  return concat({"attachment; filename*=UTF-8''", percent_encode(name)});
}

Result<http::Reply> file_reply(App& app, const Ctx& ctx, const std::string& path) {
  const store::tree::Entry entry = TRY(app.tracking.artifacts.find(ctx, path));
  http::Reply reply;
  reply.blob = TRY(app.tracking.artifacts.open(entry));
  reply.blob_etag = entry.digest.hex();
  reply.content_type = std::string(type_of(entry.path));
  reply.headers.emplace_back("Content-Disposition", disposition(base_name(entry.path)));
  return reply;
}

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

std::string join_path(std::string_view base, std::string_view rest) {
  while (rest.ends_with('/')) rest.remove_suffix(1);
  return rest.empty() ? std::string(base) : concat({base, "/", rest});
}

// A path that a caller gives below a root must stay below it.
Result<std::string> below(std::string_view uri, const std::string& rest) {
  TRY(tracking::parse_artifact_path(rest));
  const auto root = tracking::proxied_path(uri);
  if (!root)
    return invalid("artifact.not_ours",
                   concat({"The artifacts are stored at ", uri, ", not on this server"}));
  return join_path(*root, rest);
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

Result<Json> no_multipart(App&, const Ctx&, const In&) {
  // Clients look for the beginning of this sentence and then upload in one piece.
  return unsupported("artifact.no_multipart",
                     "Multipart upload is not supported for the current artifact repository");
}

// ---- by run, by logged model
Result<Json> list_below(App& app, const Ctx& ctx, const std::string& uri, std::string path) {
  while (path.ends_with('/')) path.pop_back();
  Json out;
  if (tracking::proxied_path(uri)) {
    const std::string at = TRY(below(uri, path));
    out = file_list(TRY(app.tracking.artifacts.list(ctx, at)), path);
  } else {
    out = Json::object();
  }
  Json reply = Json::object({{"root_uri", uri}});
  if (const Json* files = out.find("files")) reply.set("files", *files);
  return reply;
}

Result<Json> list_of_run(App& app, const Ctx& ctx, const In& in) {
  const tracking::Run run = TRY(app.tracking.runs.get(ctx, TRY(in.run_id())));
  return list_below(app, ctx, run.artifact_uri, TRY(in.text_or("path", "")));
}

Result<Json> list_of_model(App& app, const Ctx& ctx, const In& in) {
  const auto model = TRY(app.tracking.models.get(ctx, TRY(in.text("model_id"))));
  return list_below(app, ctx, model.artifact_uri, TRY(in.text_or("artifact_directory_path", "")));
}

Result<std::string> wanted(const http::Request& request, std::string_view name) {
  const std::string* value = request.query_value(name);
  if (value && !value->empty()) return *value;
  return invalid("mlflow.missing",
                 concat({"Missing value for required parameter '", name,
                         "'. See the API docs for more information about request parameters."}));
}

Result<http::Reply> file_of_run(App& app, const Ctx& ctx, http::Request& request) {
  const bool old_name = request.query_value("run_id") == nullptr;
  const std::string run_id = TRY(wanted(request, old_name ? "run_uuid" : "run_id"));
  const tracking::Run run = TRY(app.tracking.runs.get(ctx, run_id));
  return file_reply(app, ctx, TRY(below(run.artifact_uri, TRY(wanted(request, "path")))));
}

Result<http::Reply> file_of_model(App& app, const Ctx& ctx, http::Request& request) {
  const auto model = TRY(app.tracking.models.get(ctx, request.param("model_id")));
  return file_reply(app, ctx,
                    TRY(below(model.artifact_uri, TRY(wanted(request, "artifact_file_path")))));
}

Result<http::Reply> file_of_version(App& app, const Ctx& ctx, http::Request& request) {
  const std::string name = TRY(wanted(request, "name"));
  const auto number = parse_int(TRY(wanted(request, "version")));
  if (!number) return invalid("model_version.number", "Parameter 'version' must be an integer.");
  const registry::Version v = TRY(app.registry.get_version(ctx, name, *number));
  return file_reply(app, ctx, TRY(below(v.location, TRY(wanted(request, "path")))));
}

constexpr http::Permission kRead{Right::kRead, "artifact"};
constexpr http::Permission kEdit{Right::kEdit, "artifact"};

constexpr std::array<Row, 6> kRows = {{
    {Method::kGet, "2.0/mlflow-artifacts/artifacts", kRead, Audit::kNone, list_proxied,
     "List a directory of artifacts"},
    {Method::kGet, "2.0/mlflow/artifacts/list", kRead, Audit::kNone, list_of_run,
     "List a directory of a run's artifacts"},
    {Method::kGet, "2.0/mlflow/logged-models/{model_id}/artifacts/directories", kRead, Audit::kNone,
     list_of_model, "List a directory of a logged model's artifacts"},
    {Method::kPost, "2.0/mlflow-artifacts/mpu/create/{path...}", kEdit, Audit::kNone, no_multipart,
     "Begin an upload in parts (not supported yet)"},
    {Method::kPost, "2.0/mlflow-artifacts/mpu/complete/{path...}", kEdit, Audit::kNone,
     no_multipart, "End an upload in parts (not supported yet)"},
    {Method::kPost, "2.0/mlflow-artifacts/mpu/abort/{path...}", kEdit, Audit::kNone, no_multipart,
     "Give up an upload in parts (not supported yet)"},
}};

using Call = Result<http::Reply> (*)(App&, const Ctx&, http::Request&);

http::Route make(const App& app, Method method, std::string_view summary, Call call) {
  http::Route route;
  route.method = method;
  route.summary = summary;
  route.permission = method == Method::kGet ? kRead : kEdit;
  route.audit = method == Method::kGet ? Audit::kNone : Audit::kEvent;
  if (method == Method::kPut) route.body = http::spool(kArtifactBytesMax);
  if (method == Method::kDelete) route.body = http::memory();
  route.render_error = render_error;
  route.blocking = [app, call](const Ctx& ctx, http::Request& request) {
    App own = app;
    return call(own, ctx, request);
  };
  return route;
}

}  // namespace

void add_artifacts(std::vector<http::Route>* out, const App& app) {
  add_rows(out, app, kRows);
  constexpr std::string_view kProxy = "2.0/mlflow-artifacts/artifacts/{path...}";
  add_twins(out, make(app, Method::kPut, "Upload an artifact", upload), kProxy);
  add_twins(out, make(app, Method::kGet, "Download an artifact", download), kProxy);
  add_twins(out, make(app, Method::kDelete, "Delete an artifact or a directory", remove), kProxy);
  add_twins(out, make(app, Method::kGet, "Download a file of a logged model", file_of_model),
            "2.0/mlflow/logged-models/{model_id}/artifacts/files");
  http::Route of_run = make(app, Method::kGet, "Download a run's artifact", file_of_run);
  of_run.path = "/get-artifact";
  out->push_back(std::move(of_run));
  http::Route of_version =
      make(app, Method::kGet, "Download a file of a model version", file_of_version);
  of_version.path = "/model-versions/get-artifact";
  out->push_back(std::move(of_version));
}

}  // namespace slip::wire::mlflow
