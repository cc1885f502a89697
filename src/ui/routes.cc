#include "ui/routes.h"

#include <string>
#include <utility>

namespace slip::ui {
namespace {

Result<http::Reply> reply_of(const Console& console, std::string_view path,
                             const http::Request& request) {
  Asset asset =
      console.find(path, request.header("accept-encoding"), request.header("if-none-match"));
  if (asset.status == 404) return not_found("ui.not_found", "the console has no such file");
  http::Reply reply;
  reply.status = asset.status;
  reply.content_type = std::string(asset.content_type);
  reply.body = std::string(asset.body);
  reply.headers = std::move(asset.headers);
  return reply;
}

http::Route row(std::string path, std::string summary, http::Blocking handler) {
  http::Route route;
  route.method = http::Method::kGet;
  route.path = std::move(path);
  route.permission = {http::Right::kPublic, "console"};
  route.audit = http::Audit::kNone;
  route.body = http::no_body();
  route.summary = std::move(summary);
  route.blocking = std::move(handler);
  return route;
}

}  // namespace

std::vector<http::Route> routes(std::shared_ptr<const Console> console) {
  std::vector<http::Route> rows;
  rows.push_back(row("/", "The console for browsers, a sign of life for everybody else.",
                     [console](const Ctx&, http::Request& request) -> Result<http::Reply> {
                       http::Reply reply;
                       reply.body = R"({"status":"alive"})";
                       if (request.header("accept").find("text/html") != std::string_view::npos) {
                         reply = TRY(reply_of(*console, "", request));
                       }
                       reply.headers.emplace_back("Vary", "Accept");
                       return reply;
                     }));
  rows.push_back(row("/p/{path...}", "The console, opened at one of its pages.",
                     [console](const Ctx&, http::Request& request) {
                       return reply_of(*console, "p/" + request.param("path"), request);
                     }));
  rows.push_back(row("/assets/{path...}", "A file of the console.",
                     [console](const Ctx&, http::Request& request) {
                       return reply_of(*console, "assets/" + request.param("path"), request);
                     }));
  rows.push_back(
      row("/favicon.ico", "The console's icon.", [console](const Ctx&, http::Request& request) {
        return reply_of(*console, "favicon.ico", request);
      }));
  return rows;
}

}  // namespace slip::ui
