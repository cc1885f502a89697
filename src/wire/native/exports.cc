#include "wire/native/exports.h"

#include "base/text.h"
#include "wire/native/native.h"
#include "wire/native/requests.h"

namespace slip::wire::native {

std::vector<http::Route> exports_routes(ExportsApp app) {
  std::vector<http::Route> out;
  http::Route& row = out.emplace_back();
  row.method = http::Method::kGet;
  row.path = at("/models/{name}/versions/{version}/bundle");
  row.permission = {http::Right::kRead, "model_version", http::On::kObjects};
  row.needs = model_needs(app.registry, http::Right::kRead, true);
  row.audit = http::Audit::kNone;
  row.summary =
      "The version as a signed bundle for a device, a tar: ?target=onnx|ort|web|cabi, "
      "golden=generated|traffic.";
  row.blocking = [app](const Ctx& ctx, http::Request& request) -> Result<http::Reply> {
    ExportAsk ask;
    ask.model = request.param("name");
    ask.version = TRY(param_int(request, "version"));
    ask.target = query_text(request, "target");
    const std::string golden = query_text(request, "golden");
    if (!golden.empty() && golden != "generated" && golden != "traffic")
      return invalid("request.query", "golden: `traffic` or `generated` is wanted");
    ask.from_traffic = golden == "traffic";
    http::Reply reply;
    reply.body = TRY(app.bundle(ctx, ask));
    reply.content_type = "application/x-tar";
    reply.headers.emplace_back(
        "Content-Disposition",
        concat({"attachment; filename=\"bundle-", std::to_string(ask.version), ".tar\""}));
    return reply;
  };
  return out;
}

}  // namespace slip::wire::native
