#include "http/openapi.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/text.h"
#include "codec/json.h"

namespace slip::http {
namespace {

using codec::Json;

constexpr std::array<std::string_view, 6> kRights = {"unset", "public", "read",
                                                     "use",   "edit",   "manage"};
constexpr std::array<std::string_view, 6> kOns = {"object", "objects", "list",
                                                  "new",    "project", "caller"};
constexpr std::array<std::string_view, 5> kAudits = {"unset", "none", "counted", "event",
                                                     "governed"};

// "{path...}" → "{path}": OpenAPI knows no rest parameter; `x-slipway-rest` says it is one.
std::string template_of(std::string_view path) {
  std::string out(path);
  if (const size_t rest = out.find("...}"); rest != std::string::npos) out.erase(rest, 3);
  return out;
}

Json parameters(std::string_view path) {
  Json out = Json::array();
  for (size_t open = path.find('{'); open != std::string_view::npos;
       open = path.find('{', open + 1)) {
    std::string_view name = path.substr(open + 1, path.find('}', open) - open - 1);
    const bool rest = name.ends_with("...");
    if (rest) name.remove_suffix(3);
    Json parameter = Json::object({{"name", name},
                                   {"in", "path"},
                                   {"required", true},
                                   {"schema", Json::object({{"type", "string"}})}});
    if (rest) parameter.set("x-slipway-rest", true);
    out.push(std::move(parameter));
  }
  return out;
}

// "get_api_slipway_v1_models_by_name"
std::string operation_id(const Route& row) {
  std::string out = lower(method_name(row.method));
  bool gap = true;
  for (const char c : row.path) {
    const bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (c == '{') out.append("_by");
    if (word) out.append(gap ? "_" : "").push_back(c);
    gap = !word;
  }
  return out;
}

Result<Json> schema(const Route& row, std::string_view text) {
  if (text.empty()) return Json::object();
  auto parsed = codec::parse_json(text);
  if (!parsed || !parsed->is_object())
    return invalid("routes.schema", concat({method_name(row.method), " ", row.path,
                                            ": a schema isn't a JSON object"}));
  return parsed;
}

Result<Json> media_type(const Route& row, std::string_view text) {
  Json parsed = TRY(schema(row, text));
  return Json::object({{"schema", std::move(parsed)}});
}

Result<Json> operation(const Route& row) {
  Json out = Json::object({{"operationId", operation_id(row)}, {"summary", row.summary}});
  Json path_parameters = parameters(row.path);
  if (!path_parameters.items().empty()) out.set("parameters", std::move(path_parameters));
  if (row.body.kind != BodyKind::kNone) {
    const bool spool = row.body.kind == BodyKind::kSpool;
    Json media = TRY(media_type(row, row.request_schema));
    out.set("requestBody",
            Json::object(
                {{"content", Json::object({{spool ? "application/octet-stream" : "application/json",
                                            std::move(media)}})},
                 {"x-slipway-limit-bytes", row.body.limit_bytes}}));
  }
  Json ok = Json::object({{"description", "Done."}});
  if (!row.reply_schema.empty()) {
    Json media = TRY(media_type(row, row.reply_schema));
    ok.set("content", Json::object({{"application/json", std::move(media)}}));
  }
  out.set("responses",
          Json::object({{"200", std::move(ok)},
                        {"default", Json::object({{"$ref", "#/components/responses/Problem"}})}}));
  if (row.permission.right == Right::kPublic) out.set("security", Json::array());
  out.set("x-slipway-permission",
          Json::object({{"right", kRights[static_cast<size_t>(row.permission.right)]},
                        {"resource", row.permission.resource},
                        {"on", kOns[static_cast<size_t>(row.permission.on)]}}));
  out.set("x-slipway-audit", kAudits[static_cast<size_t>(row.audit)]);
  return out;
}

Json problem_schema() {
  Json properties = Json::object();
  for (const std::string_view name : {"type", "title", "detail", "code", "hint", "trace_id"})
    properties.set(name, Json::object({{"type", "string"}}));
  properties.set("status", Json::object({{"type", "integer"}}));
  properties.set("retryable", Json::object({{"type", "boolean"}}));
  return Json::object({{"type", "object"}, {"properties", std::move(properties)}});
}

Json components() {
  Json media = Json::object({{"schema", Json::object({{"$ref", "#/components/schemas/Problem"}})}});
  Json problem =
      Json::object({{"description", "Refused or failed; `code` is stable, `detail` is for people."},
                    {"content", Json::object({{"application/problem+json", std::move(media)}})}});
  Json token = Json::object({{"type", "http"}, {"scheme", "bearer"}});
  return Json::object({{"schemas", Json::object({{"Problem", problem_schema()}})},
                       {"responses", Json::object({{"Problem", std::move(problem)}})},
                       {"securitySchemes", Json::object({{"token", std::move(token)}})}});
}

}  // namespace

Result<std::string> openapi(std::span<const Route> rows, std::string_view version) {
  std::vector<const Route*> sorted;
  for (const Route& row : rows) sorted.push_back(&row);
  std::ranges::sort(sorted, [](const Route* a, const Route* b) {
    return std::pair(template_of(a->path), a->method) < std::pair(template_of(b->path), b->method);
  });
  Json paths = Json::object();
  std::string at;
  Json methods = Json::object();
  for (const Route* row : sorted) {
    std::string path = template_of(row->path);
    if (path != at && !at.empty()) paths.set(at, std::exchange(methods, Json::object()));
    at = std::move(path);
    methods.set(lower(method_name(row->method)), TRY(operation(*row)));
  }
  if (!at.empty()) paths.set(at, std::move(methods));
  const Json document = Json::object(
      {{"openapi", "3.1.0"},
       {"info", Json::object({{"title", "Slipway"}, {"version", version}})},
       {"security", Json::array({Json::object({{"token", Json::array()}}), Json::object()})},
       {"paths", std::move(paths)},
       {"components", components()}});
  return codec::to_json(document, 2) + "\n";
}

}  // namespace slip::http
