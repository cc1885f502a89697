#include "base/text.h"
#include "codec/json.h"
#include "wire/oip/control.h"
#include "wire/oip/rest.h"

// Trace and log settings over REST.
namespace slip::wire::oip {
namespace {

using codec::Json;
using http::Reply;
using http::Request;

Json as_json(const TraceSettings::Values& values) {
  Json out = Json::object();
  for (const auto& [name, texts] : values) {
    if (!TraceSettings::is_list(name)) {
      out.set(name, texts.front());
      continue;
    }
    Json list = Json::array();
    for (const std::string& text : texts) list.push(text);
    out.set(name, std::move(list));
  }
  return out;
}

// Numbers are taken as the texts they are written by.
Result<std::string> text_of(std::string_view name, const Json& value) {
  if (value.is_string()) return value.as_string();
  if (value.is_int()) return std::to_string(value.as_int());
  return invalid("settings.value", concat({"Unable to parse '", name, "': want a text"}));
}

Result<TraceSettings::Change> trace_change(const Json& body) {
  TraceSettings::Change out;
  for (const auto& [name, value] : body.members()) {
    if (value.is_null()) {
      out[name] = std::nullopt;
      continue;
    }
    std::vector<std::string> texts;
    if (value.is_array()) {
      for (const Json& item : value.items()) texts.push_back(TRY(text_of(name, item)));
    } else {
      texts.push_back(TRY(text_of(name, value)));
    }
    out[name] = std::move(texts);
  }
  return out;
}

// "": of all. The routes of one model have it in their path.
Result<std::string> traced_model(const App& app, const Ctx& ctx, const Request& request) {
  if (request.params.empty()) return std::string();
  return traced_model_named(app, ctx, request.param("model"));
}

Result<Reply> trace(App& app, const Ctx& ctx, const Request& request) {
  const std::string model = TRY(traced_model(app, ctx, request));
  TraceSettings& settings = app.control->trace;
  if (request.method == http::Method::kPost) {
    TRY(check_server_scope(ctx));
    TRY(settings.update(model, TRY(trace_change(TRY(body_object(request))))));
  }
  return json_reply(as_json(settings.get(model)));
}

Json as_json(const LogSettings::Values& values) {
  Json out = Json::object();
  for (const auto& [name, value] : values) {
    if (const bool* b = std::get_if<bool>(&value)) out.set(name, *b);
    if (const uint32_t* n = std::get_if<uint32_t>(&value)) out.set(name, static_cast<int64_t>(*n));
    if (const std::string* s = std::get_if<std::string>(&value)) out.set(name, *s);
  }
  return out;
}

Result<LogSettings::Values> log_change(const Json& body) {
  LogSettings::Values out;
  for (const auto& [name, value] : body.members()) {
    if (value.is_bool())
      out[name] = value.as_bool();
    else if (value.is_string())
      out[name] = value.as_string();
    else if (value.is_int() && value.as_int() >= 0 && value.as_int() <= UINT32_MAX)
      out[name] = static_cast<uint32_t>(value.as_int());
    else
      return invalid("settings.value", concat({"Unable to parse '", name, "'"}));
  }
  return out;
}

Result<Reply> logging(App& app, const Ctx& ctx, const Request& request) {
  LogSettings& settings = app.control->log;
  if (request.method == http::Method::kPost) {
    TRY(check_server_scope(ctx));
    TRY(settings.update(TRY(log_change(TRY(body_object(request))))));
  }
  return json_reply(as_json(settings.get()));
}

using Answer = Result<Reply> (*)(App&, const Ctx&, const Request&);

void add(App& app, const std::string& path, Answer answer, std::string_view what,
         std::vector<http::Route>* out) {
  const http::Blocking handle = [&app, answer](const Ctx& ctx, Request& request) {
    return answer(app, ctx, request);
  };
  const bool of_model = path.find("{model}") != path.npos;
  out->push_back(rest_get(path, http::Right::kRead, concat({"The ", what, " settings."}), handle));
  if (of_model) guard(app, &out->back());
  http::Route post =
      rest_post(path, http::Right::kManage, concat({"Changes the ", what, " settings."}), handle);
  post.permission.on = http::On::kProject;
  if (of_model) guard(app, &post);
  post.audit = http::Audit::kEvent;
  out->push_back(std::move(post));
}

}  // namespace

std::vector<http::Route> setting_routes(App& app) {
  control_of(app);
  std::vector<http::Route> out;
  add(app, "/v2/trace/setting", trace, "trace", &out);
  add(app, "/v2/models/{model}/trace/setting", trace, "model's trace", &out);
  add(app, "/v2/logging", logging, "log", &out);
  return out;
}

}  // namespace slip::wire::oip
