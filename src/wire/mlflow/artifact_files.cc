#include "wire/mlflow/artifact_files.h"

#include <array>
#include <utility>

#include "base/text.h"
#include "tracking/tracking.h"

namespace slip::wire::mlflow {
namespace {

// Ends of names that are shown as text, as MLflow's pages expect it.
constexpr std::array<std::string_view, 27> kTexts = {
    "txt",  "log",   "err",  "cfg",  "conf", "cnf",   "cf",      "ini",       "properties",
    "prop", "hocon", "toml", "yaml", "yml",  "xml",   "json",    "js",        "py",
    "py3",  "csv",   "tsv",  "md",   "rst",  "ipynb", "MLmodel", "MLproject", "mlproject"};

struct Mime {
  std::string_view end;
  std::string_view type;
};
constexpr std::array<Mime, 18> kMimes = {{
    {"html", "text/html"},
    {"htm", "text/html"},
    {"css", "text/css"},
    {"png", "image/png"},
    {"jpg", "image/jpeg"},
    {"jpeg", "image/jpeg"},
    {"gif", "image/gif"},
    {"svg", "image/svg+xml"},
    {"webp", "image/webp"},
    {"bmp", "image/bmp"},
    {"pdf", "application/pdf"},
    {"zip", "application/zip"},
    {"tar", "application/x-tar"},
    {"mp3", "audio/mpeg"},
    {"wav", "audio/x-wav"},
    {"mp4", "video/mp4"},
    {"webm", "video/webm"},
    {"parquet", "application/vnd.apache.parquet"},
}};

std::string_view base_name(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == path.npos ? path : path.substr(slash + 1);
}

std::string_view type_of(std::string_view path) {
  const std::string_view name = base_name(path);
  const size_t dot = name.rfind('.');
  const std::string_view end = dot == name.npos ? name : name.substr(dot + 1);
  for (const std::string_view text : kTexts)
    if (end == text) return "text/plain";
  const std::string folded = lower(end);
  for (const Mime& m : kMimes)
    if (folded == m.end && dot != name.npos) return m.type;
  return "application/octet-stream";
}

bool is_token(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

}  // namespace

// RFC 6266: an ASCII name for those who know no other, and the true one by RFC 5987.
std::string disposition(std::string_view name) {
  std::string plain;
  bool same = true;
  bool token = !name.empty();
  for (const char c : name) {
    const auto u = static_cast<unsigned char>(c);
    const bool good = u >= 0x20 && u < 0x7f && c != '"' && c != '\\';
    if (good) plain += c;
    same = same && good;
    token = token && is_token(c);
  }
  if (token) return concat({"attachment; filename=", name});
  if (same) return concat({"attachment; filename=\"", name, "\""});
  if (trim(plain).empty() || plain.starts_with('.')) plain = "download" + plain;
  return concat({"attachment; filename=\"", plain, "\"; filename*=UTF-8''", percent_encode(name)});
}

void name_file(http::Reply* reply, std::string_view path) {
  reply->content_type = std::string(type_of(path));
  reply->headers.emplace_back("Content-Disposition", disposition(base_name(path)));
}

Result<http::Reply> entry_reply(App& app, const store::tree::Entry& entry) {
  http::Reply reply;
  reply.blob = TRY(app.tracking.artifacts.open(entry));
  reply.blob_etag = entry.digest.hex();
  name_file(&reply, entry.path);
  return reply;
}

Result<http::Reply> file_reply(App& app, const Ctx& ctx, const std::string& path) {
  return entry_reply(app, TRY(app.tracking.artifacts.find(ctx, path)));
}

std::string join_path(std::string_view base, std::string_view rest) {
  while (rest.ends_with('/')) rest.remove_suffix(1);
  while (base.ends_with('/')) base.remove_suffix(1);
  if (base.empty()) return std::string(rest);
  return rest.empty() ? std::string(base) : concat({base, "/", rest});
}

Result<std::string> path_below(std::string_view uri, const std::string& rest) {
  TRY(tracking::parse_artifact_path(rest));
  const auto root = tracking::proxied_path(uri);
  if (!root)
    return invalid("artifact.not_ours",
                   concat({"The artifacts are stored at ", uri, ", not on this server"}));
  return join_path(*root, rest);
}

namespace {

// The clean path below the operator's directory; empty when `uri` is not there.
Result<std::optional<std::string>> local_path(App& app, std::string_view uri,
                                              const std::string& rest) {
  const tracking::ArtifactPath below = TRY(tracking::parse_artifact_path(rest));
  const auto root = app.tracking.artifacts.local().relative(uri);
  if (!root) return std::optional<std::string>();
  return std::optional(join_path(*root, join_path(below.base, below.rest)));
}

}  // namespace

Result<http::Reply> reply_below(App& app, const Ctx& ctx, std::string_view uri,
                                const std::string& rest) {
  const auto local = TRY(local_path(app, uri, rest));
  if (!local) return file_reply(app, ctx, TRY(path_below(uri, rest)));
  http::Reply reply;
  auto opened = app.tracking.artifacts.local().open(*local);
  if (!opened.ok() && opened.error().code == Code::kNotFound)
    return not_found("artifact.not_found", concat({"No artifact '", rest, "'"}));
  reply.blob = TRY(std::move(opened));
  name_file(&reply, rest);
  return reply;
}

Result<std::vector<tracking::FileInfo>> list_below(App& app, const Ctx& ctx, std::string_view uri,
                                                   const std::string& rest) {
  const auto local = TRY(local_path(app, uri, rest));
  if (local) return app.tracking.artifacts.local().list(*local);
  if (!tracking::proxied_path(uri)) return std::vector<tracking::FileInfo>();
  return app.tracking.artifacts.list(ctx, TRY(path_below(uri, rest)));
}

Status put_below(App& app, const Ctx& ctx, std::string_view uri,
                 std::pair<std::string, store::BlobDraft*> file) {
  const auto local = TRY(local_path(app, uri, file.first));
  if (local) return app.tracking.artifacts.put_local(*local, *file.second);
  return app.tracking.artifacts.put(ctx, TRY(path_below(uri, file.first)), *file.second);
}

Result<std::string> wanted(const http::Request& request, std::string_view name) {
  const std::string* value = request.query_value(name);
  if (!value && name == "run_id") value = request.query_value("run_uuid");
  if (value && !value->empty()) return *value;
  return invalid("mlflow.bad_request",
                 concat({"Request must include the \"", name, "\" query parameter."}));
}

http::Route artifact_route(const App& app, const Door& door) {
  using http::Method;
  using http::Right;
  const bool reads = door.method == Method::kGet;
  http::Route route;
  route.method = door.method;
  route.summary = door.summary;
  route.permission = {door.right, "artifact"};
  if (!door.find)
    route.permission.right = Right::kPublic;
  else if (door.right == Right::kUnset)
    route.permission.right = reads                            ? Right::kRead
                             : door.method == Method::kDelete ? Right::kManage
                                                              : Right::kEdit;
  route.audit =
      route.permission.right == Right::kRead || reads ? http::Audit::kNone : http::Audit::kEvent;
  if (door.method == Method::kPut) route.body = http::spool(kArtifactBytesMax);
  if (door.method == Method::kDelete || door.method == Method::kPost) route.body = http::memory();
  route.render_error = render_error;
  route.hides_as_missing = false;
  route.blocking = [app, call = door.call](const Ctx& ctx, http::Request& request) {
    App own = app;
    return call(own, ctx, request);
  };
  if (door.find)
    route.needs = [app, find = door.find, right = route.permission.right](
                      const Ctx& ctx, const http::Request& request) {
      App own = app;
      return find(own, ctx, right, request);
    };
  return route;
}

}  // namespace slip::wire::mlflow
