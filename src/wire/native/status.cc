#include "wire/native/status.h"

#include "sys/clock.h"
#include "sys/process.h"
#include "wire/native/native.h"

namespace slip::wire::native {
namespace {

using codec::Json;

constexpr std::string_view kMlflowVersion = "3.17.2";

Json budget_json(const Budget& budget) {
  Json out = Json::object();
  for (size_t i = 0; i < kShareCount; ++i) {
    const Share share = static_cast<Share>(i);
    out.set(share_name(share), Json::object({{"used_bytes", budget.used(share)},
                                             {"limit_bytes", budget.limit(share)}}));
  }
  return out;
}

http::Reply status_reply(const StatusApp& app) {
  Json out = Json::object({{"version", app.version},
                           {"git", app.git},
                           {"uptime_ms", (app.clock.steady_ns() - app.started_ns) / 1'000'000},
                           {"data_dir", app.data_dir},
                           {"db", app.db},
                           {"auth", app.auth},
                           {"models_loaded", app.models_loaded ? app.models_loaded() : 0},
                           {"rss_bytes", app.process.resident_bytes()},
                           {"budget", budget_json(app.budget)}});
  if (app.redis) out.set("redis", app.redis());
  return json_reply(out);
}

http::Reply text_reply(std::string_view text, std::string_view type) {
  http::Reply reply;
  reply.content_type = type;
  reply.body = text;
  return reply;
}

http::Route page(std::string_view path, http::Permission permission, std::string_view summary) {
  http::Route row;
  row.method = http::Method::kGet;
  row.path = path;
  row.permission = permission;
  row.audit = http::Audit::kNone;
  row.summary = summary;
  return row;
}

}  // namespace

std::vector<http::Route> status_routes(StatusApp app) {
  using enum http::Right;
  std::vector<http::Route> out;
  const auto fixed = [&](std::string_view path, std::string_view text, std::string_view summary) {
    http::Route& row = out.emplace_back(page(path, {kPublic, "server"}, summary));
    row.inline_ = [text](const Ctx&, http::Request&, http::Responder respond) {
      std::move(respond)(text_reply(text, "text/plain; charset=utf-8"));
    };
  };
  fixed("/health", "OK", "200 OK while the server answers.");
  fixed("/version", kMlflowVersion, "The MLflow version spoken.");
  http::Route& status = out.emplace_back(page(at("/status"), {kRead, "server", http::On::kProject},
                                              "Version, uptime, database, memory and its shares."));
  status.blocking = [app](const Ctx&, http::Request&) -> Result<http::Reply> {
    return status_reply(app);
  };
  http::Route& metrics = out.emplace_back(
      page("/metrics", {kRead, "server", http::On::kProject}, "Metrics as Prometheus text."));
  metrics.blocking = [app](const Ctx&, http::Request&) -> Result<http::Reply> {
    return text_reply(app.metrics(), "text/plain; version=0.0.4; charset=utf-8");
  };
  return out;
}

}  // namespace slip::wire::native
