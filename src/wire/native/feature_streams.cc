#include "wire/native/feature_streams.h"

#include "base/text.h"
#include "features/streams.h"
#include "wire/native/native.h"
#include "wire/native/stream_json.h"

namespace slip::wire::native {
namespace {

using codec::Json;
using features::Streams;

Json stream_json(const Streams::Told& one) {
  const features::StreamStatus& s = one.status;
  Json brokers = Json::array();
  for (const std::string& b : one.brokers) brokers.push(b);
  Json out = Json::object({{"source", one.source},
                           {"topic", one.topic},
                           {"state", s.state},
                           {"error", s.error},
                           {"lag", 0},  // Its place; add_partitions() sums.
                           {"messages", s.messages},
                           {"bytes", s.bytes},
                           {"rows", s.rows},
                           {"strays", s.strays},
                           {"rejected", s.rejected},
                           {"warned", s.warned},
                           {"batches", s.batches},
                           {"assignments", s.assignments},
                           {"resets", s.resets},
                           {"last_message_us", s.last_message_us}});
  out.set("brokers", std::move(brokers));
  add_partitions(&out, s.partitions);
  return out;
}

Result<http::Reply> list(const FeatureStreamsApp& app, const Ctx& ctx, http::Request& request) {
  const Page page = TRY(page_of(request));
  std::vector<Json> items;
  std::string last;
  bool more = false;
  for (const Streams::Told& one : app.streams.list(ctx.project.text)) {
    if (one.source <= page.after) continue;
    if (static_cast<int64_t>(items.size()) == page.limit) {
      more = true;
      break;
    }
    items.push_back(stream_json(one));
    last = one.source;
  }
  return json_reply(page_json(std::move(items), more ? last : ""));
}

Result<http::Reply> show(const FeatureStreamsApp& app, const Ctx& ctx, http::Request& request) {
  return json_reply(stream_json(TRY(app.streams.show(ctx, request.param("name")))));
}

Result<http::Reply> pause(const FeatureStreamsApp& app, const Ctx& ctx, http::Request& request) {
  TRY(app.streams.pause(ctx, request.param("name")));
  return show(app, ctx, request);
}

Result<http::Reply> resume(const FeatureStreamsApp& app, const Ctx& ctx, http::Request& request) {
  TRY(app.streams.resume(ctx, request.param("name")));
  return show(app, ctx, request);
}

// {"to": "earliest" | "latest"}
Result<http::Reply> reset(const FeatureStreamsApp& app, const Ctx& ctx, http::Request& request) {
  const Json body = TRY(body_object(request));
  const std::string to = TRY(codec::want_string(body, "to"));
  if (to != "earliest" && to != "latest")
    return invalid("feature_stream.reset", "`to` is earliest or latest");
  TRY(app.streams.reset(
      ctx, request.param("name"),
      to == "earliest" ? features::KafkaFrom::kEarliest : features::KafkaFrom::kLatest));
  return show(app, ctx, request);
}

using Handler = Result<http::Reply> (*)(const FeatureStreamsApp&, const Ctx&, http::Request&);
struct Row {
  http::Method method;
  std::string_view path;
  http::Right right;
  http::Audit audit;
  http::Body body;
  Handler handler;
  std::string_view summary;
};

}  // namespace

std::vector<http::Route> feature_stream_routes(FeatureStreamsApp app) {
  using http::Audit;
  using http::Method;
  using http::Right;
  const Row rows[] = {
      {Method::kGet, "/feature-streams", Right::kRead, Audit::kNone, http::no_body(), list,
       "Sources that read a topic: state, offsets, lag, what came and what was kept apart."},
      {Method::kGet, "/feature-streams/{name}", Right::kRead, Audit::kNone, http::no_body(), show,
       "One of them."},
      {Method::kPost, "/feature-streams/{name}/pause", Right::kEdit, Audit::kEvent, http::memory(),
       pause, "Reads no further until it is resumed, also after a restart."},
      {Method::kPost, "/feature-streams/{name}/resume", Right::kEdit, Audit::kEvent, http::memory(),
       resume, "Goes on where it was paused."},
      {Method::kPost, "/feature-streams/{name}/reset", Right::kManage, Audit::kEvent,
       http::memory(), reset,
       "Goes on at the topic's beginning or end: {\"to\": \"earliest\"|\"latest\"}."},
  };
  std::vector<http::Route> out;
  for (const Row& r : rows) {
    http::Route& row = out.emplace_back();
    row.method = r.method;
    row.path = at(r.path);
    row.permission = {r.right, "feature", http::On::kProject};
    row.audit = r.audit;
    row.body = r.body;
    row.summary = r.summary;
    row.blocking = [app, handler = r.handler](const Ctx& ctx, http::Request& request) {
      return handler(app, ctx, request);
    };
  }
  return out;
}

}  // namespace slip::wire::native
