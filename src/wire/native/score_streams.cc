#include "wire/native/score_streams.h"

#include "scoring/streams.h"
#include "wire/native/native.h"
#include "wire/native/stream_json.h"

namespace slip::wire::native {
namespace {

using codec::Json;
using scoring::ScoreStreams;

Json stream_json(const ScoreStreams::Told& one) {
  const scoring::ScoreStatus& s = one.status;
  Json out = Json::object({{"name", one.stream.name},
                           {"state", s.state},
                           {"error", s.error},
                           {"lag", 0},  // Its place; add_partitions() sums.
                           {"records", s.records},
                           {"dead_letters_count", s.dead},
                           {"batches", s.batches},
                           {"failures", s.failures},
                           {"last_ms", s.last_ms},
                           {"group", one.stream.group()},
                           {"created_ms", one.created_ms},
                           {"updated_ms", one.updated_ms}});
  out.set("stream", scoring::document_of(one.stream));
  add_partitions(&out, s.partitions);
  return out;
}

Result<http::Reply> list(const ScoreStreamsApp& app, const Ctx& ctx, http::Request& request) {
  const Page page = TRY(page_of(request));
  std::vector<Json> items;
  std::string last;
  bool more = false;
  for (const ScoreStreams::Told& one : TRY(app.streams.list(ctx.project.text))) {
    if (one.stream.name <= page.after) continue;
    if (static_cast<int64_t>(items.size()) == page.limit) {
      more = true;
      break;
    }
    items.push_back(stream_json(one));
    last = one.stream.name;
  }
  return json_reply(page_json(std::move(items), more ? last : ""));
}

Result<http::Reply> show(const ScoreStreamsApp& app, const Ctx& ctx, http::Request& request) {
  return json_reply(stream_json(TRY(app.streams.show(ctx, request.param("name")))));
}

Result<http::Reply> put(const ScoreStreamsApp& app, const Ctx& ctx, http::Request& request) {
  const Json document = TRY(body_object(request));
  TRY(app.streams.put(ctx, request.param("name"), document));
  return show(app, ctx, request);
}

Result<http::Reply> remove(const ScoreStreamsApp& app, const Ctx& ctx, http::Request& request) {
  TRY(app.streams.remove(ctx, request.param("name")));
  return json_reply(Json::object());
}

Result<http::Reply> pause(const ScoreStreamsApp& app, const Ctx& ctx, http::Request& request) {
  TRY(app.streams.set_paused(ctx, request.param("name"), true));
  return show(app, ctx, request);
}

Result<http::Reply> resume(const ScoreStreamsApp& app, const Ctx& ctx, http::Request& request) {
  TRY(app.streams.set_paused(ctx, request.param("name"), false));
  return show(app, ctx, request);
}

using Handler = Result<http::Reply> (*)(const ScoreStreamsApp&, const Ctx&, http::Request&);
struct Row {
  http::Method method;
  std::string_view path;
  http::Right right;
  http::Body body;
  Handler handler;
  std::string_view summary;
};

}  // namespace

std::vector<http::Route> score_stream_routes(ScoreStreamsApp app) {
  using http::Method;
  using http::Right;
  const Row rows[] = {
      {Method::kGet, "/score-streams", Right::kRead, http::no_body(), list,
       "Topics that are scored into others: state, lag, what was answered."},
      {Method::kGet, "/score-streams/{name}", Right::kRead, http::no_body(), show, "One of them."},
      {Method::kPut, "/score-streams/{name}", Right::kManage, http::memory(), put,
       "Score a topic of Kafka with a deployment, exactly once."},
      {Method::kDelete, "/score-streams/{name}", Right::kManage, http::no_body(), remove,
       "Score it no more; its topics stay."},
      {Method::kPost, "/score-streams/{name}/pause", Right::kManage, http::memory(), pause,
       "Scores no further until it is resumed, also after a restart."},
      {Method::kPost, "/score-streams/{name}/resume", Right::kManage, http::memory(), resume,
       "Goes on where it was paused."},
  };
  std::vector<http::Route> out;
  for (const Row& r : rows) {
    http::Route& row = out.emplace_back();
    row.method = r.method;
    row.path = at(r.path);
    row.permission = {r.right, "deployment", http::On::kProject};
    row.audit = r.method == Method::kGet ? http::Audit::kNone : http::Audit::kEvent;
    row.body = r.body;
    row.summary = r.summary;
    row.blocking = [app, handler = r.handler](const Ctx& ctx, http::Request& request) {
      return handler(app, ctx, request);
    };
  }
  return out;
}

}  // namespace slip::wire::native
