#include "wire/feast/feast.h"

#include <algorithm>

#include "base/text.h"
#include "features/features.h"
#include "features/files.h"
#include "sys/executor.h"
#include "wire/feast/errors.h"
#include "wire/feast/feature_calls.h"
#include "wire/feast/frames.h"
#include "wire/feast/registry.h"

namespace slip::wire::feast {
namespace {

using codec::Json;
using http::Reply;
using http::Request;

constexpr int64_t kFrameBytesMax = int64_t{64} << 20;

Reply text_reply(std::string body, int status = 200) {
  Reply reply;
  reply.status = status;
  reply.body = std::move(body);
  return reply;
}

// Clients send NaN as a bare token, as Python writes it.
Result<Json> body_of(const Request& request) {
  Json body = TRY(codec::parse_json(request.body, codec::NonFinite::kToken));
  if (!body.is_object()) return invalid("request.body_not_object", "a JSON object is wanted");
  return body;
}

Result<OnlineAsk> ask_of(const Json& body) {
  OnlineAsk out;
  out.full_names = TRY(codec::bool_or(body, "full_feature_names", false));
  const Json* service = body.find("feature_service");
  if (service != nullptr && service->is_string()) {
    out.service = service->as_string();
    return out;
  }
  const Json* list = body.find("features");
  if (list == nullptr || !list->is_array())
    return invalid("feature.request", "features, or feature_service, is wanted");
  for (const Json& one : list->items()) {
    if (!one.is_string()) return invalid("feature.request", "features: texts are wanted");
    out.references.push_back(one.as_string());
  }
  return out;
}

struct Online {
  Json body;
  std::shared_ptr<const features::ReadPlan> plan;
};
Result<Online> asked(const App& app, const Ctx& ctx, const Request& request) {
  Online out;
  out.body = TRY(body_of(request));
  out.plan = TRY(plan_for(app.features, ctx, TRY(ask_of(out.body))));
  return out;
}

Result<Reply> get_online(const App& app, const Ctx& ctx, const Online& online) {
  const Json* entities = online.body.find("entities");
  if (entities == nullptr) return invalid("feature.request", "entities: {key: [values]} is wanted");
  const features::RequestColumns columns = TRY(request_of(*entities, *online.plan));
  features::OnlineReply reply;
  TRY(app.features.serve(ctx, *online.plan, columns, &reply));
  return text_reply(reply_text(*entities, *online.plan, columns, reply));
}

void answer(const Ctx& ctx, Result<Reply> reply, http::Responder respond) {
  std::move(respond)(reply.ok() ? std::move(*reply) : render_error(reply.error(), ctx));
}

// On the caller's thread, unless a function is waited for, or another process that holds the rows.
void serve_online(const App& app, const Ctx& ctx, const Request& request, http::Responder respond) {
  Result<Online> online = asked(app, ctx, request);
  if (!online.ok()) return answer(ctx, online.error(), std::move(respond));
  const bool waits = online->plan->waits();
  if (!waits && !app.features.reads_elsewhere())
    return answer(ctx, get_online(app, ctx, *online), std::move(respond));
  struct Pending {
    Ctx ctx;
    Online online;
    http::Responder respond;
  };
  auto pending = std::make_shared<Pending>(Pending{ctx, std::move(*online), std::move(respond)});
  const Status queued = (waits ? app.waiting : app.reading).submit([app, pending] {
    if (pending->respond.cancelled()) return;  // The client has gone; nobody wants the answer.
    answer(pending->ctx, get_online(app, pending->ctx, pending->online),
           std::move(pending->respond));
  });
  if (!queued.ok()) answer(ctx, queued.error(), std::move(pending->respond));
}

const Json* frame_of(const Json& body) {
  static const Json kNone = Json::object();
  const Json* df = body.find("df");
  return df == nullptr || df->is_null() ? &kNone : df;
}

Result<Reply> push(const App& app, const Ctx& ctx, Request& request) {
  const Json body = TRY(body_of(request));
  const std::string name = TRY(codec::want_string(body, "push_source_name"));
  const std::string to = TRY(codec::string_or(body, "to", "online"));
  TRY(push_rows(app.features, ctx, name, TRY(to_of(to)), [&](const features::Source& source) {
    return batch_of_frame(*frame_of(body), source);
  }));
  return text_reply("\"\"");
}

Result<Reply> write_online(const App& app, const Ctx& ctx, Request& request) {
  const Json body = TRY(body_of(request));
  const std::string name = TRY(codec::want_string(body, "feature_view_name"));
  TRY(write_rows(app.features, ctx, name, [&](const features::Source& source) {
    return batch_of_frame(*frame_of(body), source);
  }));
  return text_reply("null");
}

Result<std::vector<std::string>> views_of(const Json& body) {
  std::vector<std::string> out;
  const Json* views = body.find("feature_views");
  if (views == nullptr || views->is_null()) return out;
  if (!views->is_array()) return invalid("feature.request", "feature_views: a list is wanted");
  for (const Json& one : views->items()) {
    if (!one.is_string()) return invalid("feature.request", "feature_views: texts are wanted");
    out.push_back(one.as_string());
  }
  return out;
}

// On-demand views are computed when they are read: what they read is brought online.
std::vector<std::string> views_read(const features::Shelf& shelf,
                                    const std::vector<std::string>& names) {
  std::vector<std::string> out;
  const auto add = [&](const std::string& name) {
    if (std::find(out.begin(), out.end(), name) == out.end()) out.push_back(name);
  };
  for (const std::string& name : names) {
    const auto on_demand = shelf.view(name) == nullptr ? shelf.find_on_demand(name, 0) : nullptr;
    if (on_demand == nullptr || on_demand->definition.inputs.empty()) add(name);
    if (on_demand == nullptr) continue;
    for (const features::OnDemand::Input& input : on_demand->definition.inputs) add(input.of.view);
  }
  return out;
}

Result<Reply> materialize(const App& app, const Ctx& ctx, Request& request, bool incremental) {
  const Json body = TRY(body_of(request));
  features::Features::Materializing wanted;
  wanted.views = TRY(views_of(body));
  const bool all_time = TRY(codec::bool_or(body, "disable_event_timestamp", false));
  if (!all_time || incremental) {
    const std::string end = TRY(codec::want_string(body, "end_ts"));
    wanted.end_us = TRY(features::parse_time_us(end));
  }
  if (!incremental) {
    wanted.start_us = INT64_MIN;
    if (!all_time) {
      const std::string start = TRY(codec::want_string(body, "start_ts"));
      wanted.start_us = TRY(features::parse_time_us(start));
    }
  }
  wanted.views = views_read(*app.features.catalog().shelf(ctx.project.text), wanted.views);
  TRY(app.files.refresh_views(ctx, wanted.views));
  TRY(app.features.materialize(ctx, wanted));
  return text_reply("null");
}

// Definitions as documents, for whoever applies them; nothing is changed here.
Result<Reply> import(const Ctx&, Request& request) {
  const std::string* project = request.query_value("project");
  const Imported made = TRY(import_registry(request.body, project == nullptr ? "" : *project));
  Json documents = Json::array();
  Json left_out = Json::array();
  for (const std::string& text : made.left_out) left_out.push(text);
  for (const features::Definition& d : made.definitions) {
    Json document = d.document();
    const Result<features::Definition> fine = features::parse_definition(document);
    if (fine.ok())
      documents.push(std::move(document));
    else
      left_out.push(concat({features::kind_name(d.kind), " ", d.name, ": ", fine.error().text}));
  }
  Json files = Json::array();
  for (const DataFile& f : made.files)
    files.push(Json::object({{"source", f.source}, {"uri", f.uri}}));
  Json out = Json::object();
  out.set("definitions", std::move(documents));
  out.set("files", std::move(files));
  out.set("left_out", std::move(left_out));
  return text_reply(codec::to_json(out));
}

http::Route row_of(std::string_view path, http::Right right, http::Audit audit,
                   std::string_view summary) {
  http::Route r;
  r.method = http::Method::kPost;
  r.path = path;
  r.permission = {right, "feature", http::On::kProject};
  r.audit = audit;
  r.body = http::memory(kFrameBytesMax);
  r.summary = summary;
  r.render_error = render_error;
  return r;
}

}  // namespace

Reply render_error(const Error& error, const Ctx&) {
  std::string body;
  codec::append_json_string(&body, error_detail(error));
  Reply reply = text_reply(std::move(body), error_status(error));
  if (reply.status == 429 || reply.status == 503) reply.headers.emplace_back("Retry-After", "1");
  return reply;
}

std::vector<http::Route> routes(App app) {
  using http::Audit;
  using http::Right;
  std::vector<http::Route> out;
  http::Route get = row_of("/get-online-features", Right::kRead, Audit::kNone,
                           "Feast: features of entities, as they are served now.");
  get.inline_ = [app](const Ctx& ctx, Request& request, http::Responder respond) {
    serve_online(app, ctx, request, std::move(respond));
  };
  out.push_back(std::move(get));
  const auto add = [&](std::string_view path, Audit audit, std::string_view summary,
                       http::Blocking handler) {
    http::Route row = row_of(path, Right::kEdit, audit, summary);
    row.blocking = std::move(handler);
    out.push_back(std::move(row));
  };
  add("/push", Audit::kCounted, "Feast: rows of a push source.",
      [app](const Ctx& ctx, Request& r) { return push(app, ctx, r); });
  add("/write-to-online-store", Audit::kCounted, "Feast: rows of one feature view.",
      [app](const Ctx& ctx, Request& r) { return write_online(app, ctx, r); });
  add("/materialize", Audit::kEvent, "Feast: brings a span of history online.",
      [app](const Ctx& ctx, Request& r) { return materialize(app, ctx, r, false); });
  add("/materialize-incremental", Audit::kEvent, "Feast: brings what has arrived online.",
      [app](const Ctx& ctx, Request& r) { return materialize(app, ctx, r, true); });
  http::Route row = row_of("/api/slipway/v1/features:import-feast", Right::kRead, Audit::kNone,
                           "Feast's registry file as our definitions, to be applied: ?project=.");
  row.render_error = nullptr;
  row.blocking = [](const Ctx& ctx, Request& r) { return import(ctx, r); };
  out.push_back(std::move(row));
  return out;
}

}  // namespace slip::wire::feast
