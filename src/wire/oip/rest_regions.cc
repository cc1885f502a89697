#include "base/text.h"
#include "codec/json.h"
#include "wire/oip/control.h"
#include "wire/oip/rest.h"

// Shared memory over REST: the system's, and what is said about CUDA's.
namespace slip::wire::oip {
namespace {

using codec::Json;
using http::Reply;
using http::Request;

std::string region_in(const Request& request) {
  return request.params.empty() ? std::string() : request.param("region");
}

Result<Reply> status(App& app, const Ctx& ctx, const Request& request) {
  TRY(check_server_scope(ctx));
  Json out = Json::array();
  for (const auto& region : TRY(app.control->regions.list(region_in(request))))
    out.push(Json::object({{"name", region->name},
                           {"key", region->key},
                           {"offset", static_cast<int64_t>(region->offset)},
                           {"byte_size", static_cast<int64_t>(region->bytes)}}));
  return json_reply(out);
}

Result<uint64_t> count_in(const Json& body, std::string_view name, bool needed) {
  const Json* value = body.find(name);
  if (value == nullptr && !needed) return uint64_t{0};
  if (value == nullptr)
    return invalid("shared_memory.request",
                   concat({"Shared memory register request has no '", name, "' field"}));
  if (!value->is_int() || value->as_int() < 0)
    return invalid("shared_memory.request", concat({"Unable to parse '", name, "'"}));
  return static_cast<uint64_t>(value->as_int());
}

Result<Reply> add_region(App& app, const Ctx& ctx, const Request& request) {
  TRY(check_server_scope(ctx));
  const Json body = TRY(body_object(request));
  const Json* key = body.find("key");
  if (key == nullptr || !key->is_string())
    return invalid("shared_memory.request", "Shared memory register request has no 'key' field");
  const uint64_t offset = TRY(count_in(body, "offset", false));
  const uint64_t bytes = TRY(count_in(body, "byte_size", true));
  TRY(app.control->regions.add(request.param("region"), key->as_string(), offset, bytes));
  return json_reply(Json::object());
}

Result<Reply> remove_regions(App& app, const Ctx& ctx, const Request& request) {
  TRY(check_server_scope(ctx));
  TRY(app.control->regions.remove(region_in(request)));
  return json_reply(Json::object());
}

Result<Reply> cuda_status(App&, const Ctx&, const Request& request) {
  const std::string name = region_in(request);
  if (!name.empty()) return no_cuda_region(name);
  return json_reply(Json::array());
}

Result<Reply> cuda_add(App&, const Ctx&, const Request& request) {
  return no_cuda(request.param("region"));
}

Result<Reply> cuda_remove(App&, const Ctx&, const Request&) { return json_reply(Json::object()); }

using Answer = Result<Reply> (*)(App&, const Ctx&, const Request&);

http::Blocking bound(App& app, Answer answer) {
  return [&app, answer](const Ctx& ctx, Request& request) { return answer(app, ctx, request); };
}

void add_status(App& app, std::string path, Answer answer, std::vector<http::Route>* out) {
  out->push_back(rest_get(std::move(path), http::Right::kRead, "Registered shared memory.",
                          bound(app, answer)));
  out->back().permission.on = http::On::kProject;
}

void add_change(App& app, std::string path, Answer answer, std::vector<http::Route>* out) {
  http::Route r =
      rest_post(std::move(path), http::Right::kManage,
                "Registers shared memory of a client, or gives it up.", bound(app, answer));
  r.permission.on = http::On::kProject;
  r.audit = http::Audit::kEvent;
  out->push_back(std::move(r));
}

}  // namespace

std::vector<http::Route> region_routes(App& app) {
  control_of(app);
  std::vector<http::Route> out;
  const std::string system = "/v2/systemsharedmemory";
  add_status(app, system + "/status", status, &out);
  add_status(app, system + "/region/{region}/status", status, &out);
  add_change(app, system + "/region/{region}/register", add_region, &out);
  add_change(app, system + "/region/{region}/unregister", remove_regions, &out);
  add_change(app, system + "/unregister", remove_regions, &out);
  const std::string cuda = "/v2/cudasharedmemory";
  add_status(app, cuda + "/status", cuda_status, &out);
  add_status(app, cuda + "/region/{region}/status", cuda_status, &out);
  add_change(app, cuda + "/region/{region}/register", cuda_add, &out);
  add_change(app, cuda + "/region/{region}/unregister", cuda_remove, &out);
  add_change(app, cuda + "/unregister", cuda_remove, &out);
  return out;
}

}  // namespace slip::wire::oip
