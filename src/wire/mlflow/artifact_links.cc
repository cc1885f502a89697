// Uploads in parts and links to single files. The links lead back to this server and carry their
// own right (signed_links.h): the client sends them no credentials.

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "sys/clock.h"
#include "tracking/tracking.h"
#include "wire/mlflow/artifact_files.h"
#include "wire/mlflow/signed_links.h"

namespace slip::wire::mlflow {
namespace {

using codec::Json;
using http::Method;

constexpr std::string_view kPartPath = "/api/2.0/mlflow-artifacts/mpu/part";
constexpr std::string_view kFilePath = "/api/2.0/mlflow-artifacts/signed/";

int64_t now_s(App& app) { return app.clock.now_ms() / 1000; }

std::string query_value(const http::Request& request, std::string_view name) {
  const std::string* value = request.query_value(name);
  return value ? *value : std::string();
}

int64_t expiry_of(const http::Request& request) {
  return parse_int(query_value(request, "expires")).value_or(0);
}

// Slashes stay.
std::string encode_path(std::string_view path) {
  std::string out;
  for (const std::string_view part : split(path, '/'))
    out += concat({out.empty() ? "" : "/", percent_encode(part)});
  return out;
}

// ---- uploads in parts
// Clients give the directory in the address and their own path to the file, of which the name
// counts.
Result<std::string> destination(const http::Request& request, const In& in) {
  const std::string file = TRY(in.text("path"));
  const size_t cut = file.find_last_of("/\\");
  const std::string name = cut == file.npos ? file : file.substr(cut + 1);
  if (name.empty()) return invalid("artifact.path", "Invalid path");
  const std::string& dir = request.param("directory");
  TRY(tracking::parse_artifact_path(dir));
  TRY(tracking::parse_artifact_path(name));
  return join_path(dir, name);
}

Result<http::Reply> begin(App& app, const Ctx& ctx, http::Request& request) {
  const In in = TRY(In::of(request));
  const std::string path = TRY(destination(request, in));
  const int64_t parts = TRY(in.integer_or("num_parts", 1));
  const std::string id = TRY(app.tracking.uploads.begin(ctx, path, parts));
  const std::string base = app.links->base_of(request);
  const int64_t expires_s = now_s(app) + kPartLinkS;
  Json credentials = Json::array();
  for (int64_t number = 1; number <= parts; ++number) {
    const std::string n = std::to_string(number);
    const std::string signature =
        app.links->sign({.what = "part", .fields = {id, n}, .expires_s = expires_s});
    const std::string url =
        concat({base, kPartPath, "?upload_id=", id, "&part_number=", n,
                "&expires=", std::to_string(expires_s), "&signature=", signature});
    credentials.push(
        Json::object({{"url", url}, {"part_number", number}, {"headers", Json::object()}}));
  }
  return json_reply(Json::object({{"upload_id", id}, {"credentials", std::move(credentials)}}));
}

Result<http::Reply> complete(App& app, const Ctx& ctx, http::Request& request) {
  const In in = TRY(In::of(request));
  const std::string path = TRY(destination(request, in));
  std::vector<tracking::UploadPart> parts;
  for (const In& part : TRY(in.list("parts"))) {
    const int64_t number = TRY(part.integer("part_number"));
    std::string etag = TRY(part.text("etag"));
    parts.push_back({.number = number, .etag = std::move(etag)});
  }
  if (parts.empty()) TRY(in.text("parts"));
  TRY(app.tracking.uploads.complete(ctx, path, TRY(in.text("upload_id")), parts));
  return json_reply(Json::object());
}

Result<http::Reply> abort(App& app, const Ctx& ctx, http::Request& request) {
  const In in = TRY(In::of(request));
  const std::string path = TRY(destination(request, in));
  TRY(app.tracking.uploads.abort(ctx, path, TRY(in.text("upload_id"))));
  return json_reply(Json::object());
}

Status admit_part(App& app, const http::Request& request) {
  return app.links->check(
      {.what = "part",
       .fields = {query_value(request, "upload_id"), query_value(request, "part_number")},
       .expires_s = expiry_of(request)},
      query_value(request, "signature"), now_s(app));
}

Result<http::Reply> put_part(App& app, const Ctx&, http::Request& request) {
  const int64_t number = parse_int(query_value(request, "part_number")).value_or(0);
  const std::string etag =
      TRY(app.tracking.uploads.put_part(query_value(request, "upload_id"), number, *request.draft));
  http::Reply reply = json_reply(Json::object());
  reply.headers.emplace_back("ETag", concat({"\"", etag, "\""}));
  return reply;
}

// ---- links to files
struct Signed {  // What a link to a file says, whether its signature is good or not.
  std::string project;
  std::string digest;  // Of a download: those bytes, whatever becomes of the path.
  std::string actor;   // Of an upload: on whose behalf.
  std::string kind;
  std::string path;
  int64_t expires_s = 0;
};

std::string sign(App& app, std::string_view what, const Signed& s) {
  return app.links->sign({.what = what,
                          .fields = {s.project, s.digest, s.actor, s.kind, s.path},
                          .expires_s = s.expires_s});
}

std::string link_to(App& app, const http::Request& request, std::string_view what,
                    const Signed& s) {
  std::string out =
      concat({app.links->base_of(request), kFilePath, encode_path(s.path),
              "?project=", percent_encode(s.project), "&expires=", std::to_string(s.expires_s)});
  if (!s.digest.empty()) out += "&digest=" + s.digest;
  if (!s.actor.empty())
    out += concat({"&actor=", percent_encode(s.actor), "&kind=", percent_encode(s.kind)});
  return out + "&signature=" + sign(app, what, s);
}

Signed signed_of(const http::Request& request) {
  return {.project = query_value(request, "project"),
          .digest = query_value(request, "digest"),
          .actor = query_value(request, "actor"),
          .kind = query_value(request, "kind"),
          .path = request.param("path"),
          .expires_s = expiry_of(request)};
}

Status admit_file(App& app, std::string_view what, const http::Request& request, Ctx* ctx) {
  const Signed s = signed_of(request);
  TRY(app.links->check({.what = what,
                        .fields = {s.project, s.digest, s.actor, s.kind, s.path},
                        .expires_s = s.expires_s},
                       query_value(request, "signature"), now_s(app)));
  ctx->project.text = s.project;
  if (!s.actor.empty()) ctx->actor_uid = s.actor;
  if (!s.kind.empty()) ctx->actor_kind = s.kind;
  return {};
}

Result<http::Reply> get_signed(App& app, const Ctx&, http::Request& request) {
  const Signed s = signed_of(request);
  const auto digest = TRY(codec::parse_sha256(s.digest));
  return entry_reply(app, {.path = s.path, .digest = digest, .size = 0, .meta = {}});
}

Result<http::Reply> put_signed(App& app, const Ctx& ctx, http::Request& request) {
  TRY(app.tracking.artifacts.put(ctx, request.param("path"), *request.draft));
  return json_reply(Json::object());
}

Json file_link(App& app, const http::Request& request, const Ctx& ctx,
               const store::tree::Entry& entry, std::pair<std::string_view, Signed> named) {
  Signed& s = named.second;
  s.project = ctx.project.text;
  s.digest = entry.digest.hex();
  return Json::object({{std::string(named.first), link_to(app, request, "get", s)},
                       {"headers", Json::object()},
                       {"file_size", entry.size}});
}

Result<http::Reply> link_of_path(App& app, const Ctx& ctx, http::Request& request) {
  const std::string& path = request.param("path");
  const store::tree::Entry entry = TRY(app.tracking.artifacts.find(ctx, path));
  Signed s;
  s.path = path;
  s.expires_s = now_s(app) + kLinkS;
  return json_reply(file_link(app, request, ctx, entry, {"url", std::move(s)}));
}

Result<int64_t> lifetime(const In& in) {
  const int64_t out = TRY(in.integer_or("expiration", kLinkS));
  if (out >= 1 && out <= kLinkMaxS) return out;
  return invalid("link.expiration",
                 concat({"expiration must be between 1 and ", std::to_string(kLinkMaxS),
                         " seconds (got ", std::to_string(out), ")."}));
}

// As MLflow: no links into a store that this server can't sign for.
Result<std::string> path_to_sign(std::string_view uri, const std::string& rest) {
  Result<std::string> path = path_below(uri, rest);
  if (path.ok() || path.error().reason != "artifact.not_ours") return path;
  return unsupported(path.error().reason, path.error().text);
}

struct Target {  // One of the two.
  std::string run_id;
  std::string model_id;
};
Result<Target> target_of(const In& in) {
  Target out;
  out.run_id = TRY(in.text_or("run_id", ""));
  out.model_id = TRY(in.text_or("model_id", ""));
  if (out.run_id.empty() != out.model_id.empty()) return out;
  return invalid("link.target", "Exactly one of run_id and model_id must be provided.");
}

Result<http::Reply> link_for_upload(App& app, const Ctx& ctx, http::Request& request) {
  const In in = TRY(In::of(request));
  const auto [run_id, model_id] = TRY(target_of(in));
  const std::string path = TRY(in.text("path"));
  TRY(tracking::parse_artifact_path(path));
  const int64_t seconds = TRY(lifetime(in));
  const std::string uri = run_id.empty() ? TRY(app.tracking.models.get(ctx, model_id)).artifact_uri
                                         : TRY(app.tracking.runs.get(ctx, run_id)).artifact_uri;
  const std::string below = TRY(path_to_sign(uri, path));
  const Signed s{.project = ctx.project.text,
                 .digest = {},
                 .actor = ctx.actor_uid,
                 .kind = ctx.actor_kind,
                 .path = below,
                 .expires_s = now_s(app) + seconds};
  return json_reply(Json::object(
      {{"presigned_url", link_to(app, request, "put", s)}, {"headers", Json::object()}}));
}

Result<http::Reply> link_for_download(App& app, const Ctx& ctx, http::Request& request) {
  const In in = TRY(In::of(request));
  const std::string run_id = TRY(in.run_id());
  const std::string path = TRY(in.text("path"));
  TRY(tracking::parse_artifact_path(path));
  const int64_t seconds = TRY(lifetime(in));
  const tracking::Run run = TRY(app.tracking.runs.get(ctx, run_id));
  Signed s;
  s.path = TRY(path_to_sign(run.artifact_uri, path));
  s.expires_s = now_s(app) + seconds;
  const store::tree::Entry entry = TRY(app.tracking.artifacts.find(ctx, s.path));
  return json_reply(file_link(app, request, ctx, entry, {"presigned_url", std::move(s)}));
}

// ---- whose files a request is about
Result<Needs> at_destination(App& app, const Ctx& ctx, http::Right right,
                             const http::Request& request) {
  return artifact_needs(app, ctx, right, TRY(destination(request, TRY(In::of(request)))));
}

Result<Needs> at_path(App& app, const Ctx& ctx, http::Right right, const http::Request& request) {
  return artifact_needs(app, ctx, right, request.param("path"));
}

Result<Needs> of_target(App& app, const Ctx& ctx, http::Right right, const http::Request& request) {
  const Target target = TRY(target_of(TRY(In::of(request))));
  if (target.run_id.empty()) return logged_model_needs(app, ctx, right, target.model_id);
  return run_needs(app, ctx, right, target.run_id);
}

Result<Needs> of_run(App& app, const Ctx& ctx, http::Right right, const http::Request& request) {
  return run_needs(app, ctx, right, TRY(TRY(In::of(request)).run_id()));
}

}  // namespace

void add_artifact_links(std::vector<http::Route>* out, const App& app) {
  const std::string root = "2.0/mlflow-artifacts/";
  const auto add = [&](const Door& door, const std::string& path) {
    add_twins(out, artifact_route(app, door), path);
  };
  add({Method::kPost, "Begin an upload in parts", begin, at_destination},
      root + "mpu/create/{directory...}");
  add({Method::kPost, "End an upload in parts", complete, at_destination},
      root + "mpu/complete/{directory...}");
  add({Method::kPost, "Give up an upload in parts", abort, at_destination},
      root + "mpu/abort/{directory...}");
  add({Method::kGet, "Get a link to download an artifact by", link_of_path, at_path},
      root + "presigned/{path...}");
  add({Method::kPost, "Get a link to upload an artifact by", link_for_upload, of_target},
      "2.0/mlflow/artifacts/presigned-upload-url");
  add({Method::kPost, "Get a link to a run's artifact", link_for_download, of_run,
       http::Right::kRead},
      "2.0/mlflow/artifacts/presigned-download-url");

  const auto add_signed = [&](const Door& door, std::string path, http::Admit admit) {
    http::Route route = artifact_route(app, door);
    route.path = std::move(path);
    route.admit = std::move(admit);
    out->push_back(std::move(route));
  };
  add_signed({Method::kPut, "Upload a part, by a signed link", put_part, nullptr},
             std::string(kPartPath), [app](const http::Request& request, Ctx*) {
               App own = app;
               return admit_part(own, request);
             });
  for (const bool reads : {true, false}) {
    const Door door =
        reads ? Door{Method::kGet, "Download a file, by a signed link", get_signed, nullptr}
              : Door{Method::kPut, "Upload a file, by a signed link", put_signed, nullptr};
    add_signed(door, concat({kFilePath, "{path...}"}),
               [app, what = reads ? "get" : "put"](const http::Request& request, Ctx* ctx) {
                 App own = app;
                 return admit_file(own, what, request, ctx);
               });
  }
}

}  // namespace slip::wire::mlflow
