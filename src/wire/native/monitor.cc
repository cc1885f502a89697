#include "wire/native/monitor.h"

#include "base/text.h"
#include "codec/json.h"
#include "monitor/monitor.h"
#include "wire/native/native.h"

namespace slip::wire::native {
namespace {

using codec::Json;
using http::Reply;
using http::Request;

Result<Reply> put_monitor(const MonitorApp& app, const Ctx& ctx, const Request& request) {
  monitor::Config config = TRY(monitor::Config::from_json(TRY(body_object(request))));
  config.deployment = request.param("name");
  return json_reply(TRY(app.monitor.configure(ctx, std::move(config))).to_json());
}

Result<Reply> get_monitor(const MonitorApp& app, const Ctx& ctx, const Request& request) {
  return json_reply(TRY(app.monitor.find(ctx, request.param("name"))).to_json());
}

Json window_json(const monitor::Window& w) {
  Json versions = Json::array();
  for (const auto& [version, rows] : w.versions) versions.push(version);
  Json features = Json::array();
  for (const monitor::Distance& d : w.features)
    features.push(Json::object({{"name", d.name},
                                {"psi", d.psi},
                                {"js", d.js},
                                {"threshold", d.psi_threshold},
                                {"js_threshold", d.js_threshold},
                                {"alarm", d.alarm}}));
  return Json::object(
      {{"window", w.number},
       {"start_us", w.start_us},
       {"end_us", w.end_us},
       {"n", w.rows},
       {"closed", w.closed},
       {"model_versions", std::move(versions)},
       {"confidence_mean", w.rows == 0 ? 0.0 : w.score_sum / static_cast<double>(w.rows)},
       {"features", std::move(features)},
       {"alarm", w.alarm}});
}

// Newest windows, oldest first; older ones by ?limit=.
Result<Reply> get_drift(const MonitorApp& app, const Ctx& ctx, const Request& request) {
  const Page page = TRY(page_of(request));
  std::vector<Json> items;
  for (const monitor::Window& w : TRY(app.monitor.windows(ctx, request.param("name"), page.limit)))
    items.push_back(window_json(w));
  return json_reply(page_json(std::move(items), ""));
}

double share(int64_t part, int64_t all) {
  return all == 0 ? 0 : static_cast<double>(part) / static_cast<double>(all);
}

// Sums of several (version, labeled, correct).
struct Tally {
  int64_t labeled = 0;
  int64_t correct = 0;
  int64_t event_ms_max = 0;
  int64_t delay_ms_sum = 0;
  int64_t delay_n = 0;
  std::map<int64_t, std::pair<int64_t, int64_t>> by_version;

  void add(const monitor::Performance& p) {
    labeled += p.labeled;
    correct += p.correct;
    event_ms_max = std::max(event_ms_max, p.event_ms_max);
    delay_ms_sum += p.delay_ms_sum;
    delay_n += p.delay_n;
    by_version[p.version].first += p.labeled;
    by_version[p.version].second += p.correct;
  }
  void into(Json* out) const {
    Json versions = Json::object();
    for (const auto& [version, counts] : by_version)
      versions.set(
          std::to_string(version),
          Json::object({{"n", counts.first}, {"accuracy", share(counts.second, counts.first)}}));
    out->set("n_labeled", labeled);
    out->set("accuracy", share(correct, labeled));
    out->set("by_version", std::move(versions));
    if (delay_n == 0) return;
    out->set("event_ms_max", event_ms_max);
    out->set("label_delay_ms_mean", share(delay_ms_sum, delay_n));
  }
};

Result<Reply> get_performance(const MonitorApp& app, const Ctx& ctx, const Request& request) {
  const Page page = TRY(page_of(request));
  const std::vector<monitor::Performance> rows =
      TRY(app.monitor.performance(ctx, request.param("name"), page.limit));
  Tally overall;
  std::vector<Json> items;
  for (size_t i = 0; i < rows.size();) {
    const monitor::Performance& first = rows[i];
    Tally tally;
    for (; i < rows.size() && rows[i].window == first.window; ++i) {
      tally.add(rows[i]);
      overall.add(rows[i]);
    }
    Json item = Json::object(
        {{"window", first.window}, {"start_us", first.start_us}, {"end_us", first.end_us}});
    tally.into(&item);
    items.push_back(std::move(item));
  }
  Json total = Json::object();
  overall.into(&total);
  Json reply = page_json(std::move(items), "");
  // The windows are those of the predictions; when their labels came true is said beside.
  reply.set("time", "prediction");
  reply.set("overall", std::move(total));
  return json_reply(reply);
}

constexpr int kCatchUpSteps = 16;  // A backlog beyond that joins when the duty has read it.

// What was answered before this call is in the log: reads that far.
Status catch_up(const MonitorApp& app, const Ctx& ctx) {
  for (int i = 0; i < kCatchUpSteps && TRY(app.monitor.ingest(ctx)); ++i) {}
  return {};
}

Result<Reply> post_labels(const MonitorApp& app, const Ctx& ctx, const Request& request) {
  const Json body = TRY(body_object(request));
  const std::string deployment = TRY(codec::want_string(body, "deployment"));
  const Json* list = body.find("labels");
  if (list == nullptr || !list->is_array())
    return invalid("labels.shape", "`labels` is a list of {prediction_id or client_ref, label}");
  std::vector<monitor::Label> labels;
  for (const Json& item : list->items()) {
    monitor::Label l;
    l.prediction_id = TRY(codec::string_or(item, "prediction_id", ""));
    l.client_ref = TRY(codec::string_or(item, "client_ref", ""));
    const Json* value = item.find("label");
    // A class may be a number; it is compared as the text that a prediction is.
    if (value != nullptr && value->is_int())
      l.label = std::to_string(value->as_int());
    else
      l.label = TRY(codec::want_string(item, "label"));
    if (const Json* event = item.find("event_ms"); event != nullptr && !event->is_null())
      l.event_ms = TRY(codec::want_int(item, "event_ms"));
    labels.push_back(std::move(l));
  }
  TRY(catch_up(app, ctx));  // So that labels of what was just answered join now.
  const monitor::LabelCounts counts = TRY(app.monitor.add_labels(ctx, deployment, labels));
  Json out = Json::object({{"joined", counts.joined},
                           {"pending", counts.pending},
                           {"duplicates", counts.duplicates},
                           {"expired", counts.expired}});
  if (counts.expired > 0) {
    out.set("expired_before_ms", counts.expired_before_ms);
    out.set("detail", "predictions from before expired_before_ms are kept in the archive only");
  }
  return json_reply(out);
}

Result<Reply> get_prediction(const MonitorApp& app, const Ctx& ctx, const Request& request) {
  TRY(catch_up(app, ctx));
  const monitor::LoggedRow r = TRY(app.monitor.prediction(ctx, request.param("id")));
  Json out = Json::object({{"prediction_id", r.prediction_id},
                           {"row", r.row},
                           {"deployment_uid", r.deployment_uid},
                           {"ts_us", r.ts_us},
                           {"model_version", r.model_version},
                           {"role", r.on_canary ? "canary" : "stable"},
                           {"client_ref", r.client_ref},
                           {"predicted", r.predicted},
                           {"score", r.score},
                           {"window", r.window}});
  if (r.label) {
    out.set("label", r.label->label);
    out.set("event_ms", r.label->event_ms);
    out.set("labeled_us", r.label->labeled_us);
  }
  return json_reply(out);
}

Result<Reply> get_alerts(const MonitorApp& app, const Ctx& ctx, const Request& request) {
  const Page page = TRY(page_of(request));
  std::vector<Json> items;
  std::string last;
  for (const monitor::Alert& a :
       TRY(app.monitor.alerts(ctx, query_text(request, "deployment"), page.after, page.limit))) {
    Json item = Json::object({{"id", a.id},
                              {"deployment", a.deployment},
                              {"kind", a.kind},
                              {"feature", a.feature},
                              {"value", a.value},
                              {"threshold", a.threshold},
                              {"window", a.window},
                              {"fired_us", a.fired_us}});
    if (a.resolved_us != 0) item.set("resolved_us", a.resolved_us);
    if (a.event_seq != 0) item.set("event_seq", a.event_seq);
    items.push_back(std::move(item));
    last = a.id;
  }
  const bool full = static_cast<int64_t>(items.size()) == page.limit;
  return json_reply(page_json(std::move(items), full ? last : ""));
}

using Needs = std::vector<http::Need>;

Result<Needs> of_deployment(const MonitorApp& app, const Ctx& ctx, http::Right right,
                            const std::string& name) {
  return http::one_need(right, "deployment", TRY(app.deployment_uid(ctx, name)));
}

Result<Needs> needs(const MonitorApp& app, const Ctx& ctx, http::Right right,
                    const Request& request) {
  return of_deployment(app, ctx, right, request.param("name"));
}

// Also the datasets that it is watched against.
Result<Needs> watch_needs(const MonitorApp& app, const Ctx& ctx, http::Right right,
                          const Request& request) {
  Needs out = TRY(needs(app, ctx, right, request));
  const monitor::Config config = TRY(monitor::Config::from_json(TRY(body_object(request))));
  std::vector<std::string> datasets = {config.dataset};
  for (const auto& [input, from] : config.vocabularies) datasets.push_back(from.dataset);
  for (const std::string& name : datasets) {
    std::string uid = TRY(app.dataset_uid(ctx, name));
    out.push_back({.right = http::Right::kRead, .kind = "dataset", .uid = std::move(uid)});
  }
  return out;
}

Result<Needs> label_needs(const MonitorApp& app, const Ctx& ctx, http::Right right,
                          const Request& request) {
  const Json body = TRY(body_object(request));
  return of_deployment(app, ctx, right, TRY(codec::want_string(body, "deployment")));
}

Result<Needs> prediction_needs(const MonitorApp& app, const Ctx& ctx, http::Right right,
                               const Request& request) {
  TRY(catch_up(app, ctx));
  const monitor::LoggedRow row = TRY(app.monitor.prediction(ctx, request.param("id")));
  return http::one_need(right, "deployment", row.deployment_uid);
}

using FindNeeds = Result<Needs> (*)(const MonitorApp&, const Ctx&, http::Right, const Request&);
using Handle = Result<Reply> (*)(const MonitorApp&, const Ctx&, const Request&);

struct Row {
  http::Method method;
  std::string_view path;
  http::Right right;
  std::string_view summary;
  Handle handle;
  FindNeeds find = needs;
  http::On on = http::On::kObject;
};

http::Route row(MonitorApp app, const Row& it) {
  http::Route r;
  r.method = it.method;
  r.path = at(it.path);
  r.permission = {it.right, "deployment", it.on};
  r.needs = [app, find = it.find, right = it.right](const Ctx& ctx, const Request& request) {
    return find(app, ctx, right, request);
  };
  r.audit = it.method == http::Method::kGet ? http::Audit::kNone : http::Audit::kEvent;
  r.summary = it.summary;
  if (it.method != http::Method::kGet) r.body = http::memory();
  r.blocking = [app, handle = it.handle](const Ctx& ctx, Request& request) {
    return handle(app, ctx, request);
  };
  return r;
}

}  // namespace

std::vector<http::Route> monitor_routes(MonitorApp app) {
  using enum http::Method;
  using http::Right;
  std::vector<http::Route> out;
  out.push_back(row(app, {kPut, "/deployments/{name}/monitor", Right::kManage,
                          "Watch a deployment against a reference dataset.", put_monitor,
                          watch_needs, http::On::kObjects}));
  out.push_back(row(app, {kGet, "/deployments/{name}/monitor", Right::kRead,
                          "What is watched, against what.", get_monitor}));
  out.push_back(row(app, {kGet, "/deployments/{name}/drift", Right::kRead,
                          "Drift per feature and window.", get_drift}));
  out.push_back(row(
      app, {kGet, "/deployments/{name}/performance", Right::kRead,
            "Accuracy per window and version, by the time of the predictions.", get_performance}));
  out.push_back(row(app, {kGet, "/alerts", Right::kRead, "Alerts, newest first.", get_alerts, needs,
                          http::On::kList}));
  out.push_back(
      row(app, {kGet, "/predictions/{id...}", Right::kRead, "One logged prediction and its label.",
                get_prediction, prediction_needs}));
  http::Route labels = row(app, {kPost, "/labels", Right::kUse,
                                 "Join labels to predictions, by id or by the client's reference.",
                                 post_labels, label_needs});
  labels.audit = http::Audit::kCounted;
  labels.body = http::memory(kLabelsBodyBytesMax);
  out.push_back(std::move(labels));
  return out;
}

}  // namespace slip::wire::native
