#include "app/manual.h"

#include "app/settings.h"
#include "base/error_map.h"
#include "base/text.h"
#include "base/version.h"

namespace slip::app {
namespace {

void row(std::string* out, std::initializer_list<std::string_view> cells) {
  *out += "<tr>";
  for (const std::string_view cell : cells) *out += concat({"<td>", escape_html(cell), "</td>"});
  *out += "</tr>\n";
}

std::string manual_html() {
  std::string out = concat(
      {"<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">"
       "<meta name=\"viewport\" content=\"width=device-width\"><title>Slipway manual</title>"
       "</head><body><main><h1>Slipway ",
       kVersion,
       "</h1><p>Every route of this server is described in "
       "<a href=\"openapi.json\">openapi.json</a>; <code>slipway help</code> lists the commands. "
       "MLflow's client works with <code>MLFLOW_TRACKING_URI</code> set to this address.</p>"
       "<h2>Settings</h2><p>A flag wins over a variable, a variable over slipway.toml.</p>"
       "<table><thead><tr><th>Flag</th><th>Variable</th><th>Default</th><th>Meaning</th></tr>"
       "</thead><tbody>\n"});
  for (const SettingRow& s : settings())
    row(&out, {s.flag ? flag_of(s) : std::string(), variable_of(s), s.fallback, s.doc});
  out +=
      "</tbody></table><h2>Errors</h2><p>An error has a stable reason (<code>code</code>) and one "
      "of these kinds.</p><table><thead><tr><th>Kind</th><th>HTTP</th><th>Exit code</th>"
      "<th>Retry</th></tr></thead><tbody>\n";
  for (int i = 0; i < kCodeCount; ++i) {
    const CodeRow& c = code_row(static_cast<Code>(i));
    row(&out, {c.title, std::to_string(c.http_status), std::to_string(c.cli_exit),
               c.retryable ? "yes" : "no"});
  }
  out += "</tbody></table></main></body></html>\n";
  return out;
}

}  // namespace

std::vector<http::Route> manual_routes() {
  std::vector<http::Route> out;
  http::Route& page = out.emplace_back();
  page.method = http::Method::kGet;
  page.path = "/docs";
  page.permission = {http::Right::kPublic, "server"};
  page.audit = http::Audit::kNone;
  page.summary = "The manual, as a page.";
  page.blocking = [html = manual_html()](const Ctx&, http::Request&) -> Result<http::Reply> {
    http::Reply reply;
    reply.content_type = "text/html; charset=utf-8";
    reply.body = html;
    return reply;
  };
  return out;
}

}  // namespace slip::app
