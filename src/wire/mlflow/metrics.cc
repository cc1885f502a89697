// Points of metrics: a whole history, those of many runs, curves thinned for a chart.

#include <algorithm>
#include <memory>
#include <span>
#include <utility>

#include "base/text.h"
#include "tracking/tracking.h"
#include "wire/mlflow/proto_out.h"
#include "wire/mlflow/rows.h"

namespace slip::wire::mlflow {
namespace {

using http::Audit;
using http::Method;
using http::Right;

constexpr size_t kPointsAtOnce = 500;

// Metric messages without a tree: a history has tens of thousands.
void add_point(std::string* out, std::string_view key, const tracking::Point& p) {
  *out += R"({"key": )";
  codec::append_json_string(out, key);
  *out += R"(, "value": )";
  codec::append_json_double(out, clamped(p.value), codec::NonFinite::kString);
  *out += R"(, "timestamp": )";
  codec::append_json_int(out, p.timestamp_ms);
  *out += R"(, "step": )";
  codec::append_json_int(out, p.step);
}

http::Reply list_of(const std::vector<tracking::Metric>& points) {
  http::Reply reply;
  reply.body = R"({"metrics": [)";
  std::string_view separator;
  for (const tracking::Metric& m : points) {
    reply.body += std::exchange(separator, ",\n");
    add_point(&reply.body, m.key, {m.timestamp_ms, m.step, m.value});
    if (!m.run_id.empty()) {
      reply.body += R"(, "run_id": )";
      codec::append_json_string(&reply.body, m.run_id);
    }
    reply.body += '}';
  }
  reply.body += "]}";
  return reply;
}

// A history of any length, read stretch by stretch while it is sent: clients that name no
// max_results want all of it in one answer.
class HistorySource final : public http::Source {
 public:
  HistorySource(tracking::Runs& runs, const Ctx& ctx, tracking::HistoryQuery query,
                tracking::Page<tracking::Point> first)
      : runs_(runs), ctx_(ctx), query_(std::move(query)), page_(std::move(first)) {}

  Result<size_t> read(std::span<char> out) override {
    size_t done = 0;
    while (done < out.size()) {
      if (at_ == text_.size()) TRY(refill());
      if (text_.empty()) break;
      const size_t n = text_.copy(out.data() + done, out.size() - done, at_);
      at_ += n;
      done += n;
    }
    return done;
  }

  // The next part of the answer; "" behind its end.
  Status refill() {
    text_.clear();
    at_ = 0;
    if (ended_) return {};
    if (!std::exchange(begun_, true)) text_ = page_.items.empty() ? "{" : R"({"metrics": [)";
    const size_t end = std::min(page_.items.size(), next_ + kPointsAtOnce);
    for (; next_ < end; ++next_) {
      if (std::exchange(any_, true)) text_ += ",\n";
      add_point(&text_, query_.key, page_.items[next_]);
      text_ += '}';
    }
    if (next_ < page_.items.size()) return {};
    if (!query_.whole || page_.next_page_token.empty()) return end_it();
    query_.page_token = page_.next_page_token;
    page_ = {};  // Before the next one, so that there are never two.
    page_ = TRY(runs_.history(ctx_, query_));
    next_ = 0;
    return {};
  }
  const std::string& text() const { return text_; }

 private:
  Status end_it() {
    if (any_) text_ += ']';
    if (!page_.next_page_token.empty()) {
      text_ += R"(, "next_page_token": )";
      codec::append_json_string(&text_, page_.next_page_token);
    }
    text_ += '}';
    ended_ = true;
    return {};
  }

  tracking::Runs& runs_;
  Ctx ctx_;
  tracking::HistoryQuery query_;
  tracking::Page<tracking::Point> page_;
  size_t next_ = 0;  // Of the page: the first point that isn't written.
  std::string text_;
  size_t at_ = 0;
  bool begun_ = false;
  bool any_ = false;
  bool ended_ = false;
};

Result<http::Reply> history(App& app, const Ctx& ctx, http::Request& request) {
  const In in = TRY(In::of(request));
  tracking::HistoryQuery query;
  query.run_id = TRY(in.run_id());
  query.key = TRY(in.text("metric_key"));
  query.page_token = TRY(in.text_or("page_token", ""));
  const auto wanted = TRY(in.maybe_integer("max_results"));
  if (wanted) query.max_results = *wanted;
  query.whole = !wanted;
  auto page = TRY(app.tracking.runs.history(ctx, query));
  const bool is_short = page.items.size() < kPointsAtOnce;
  auto source =
      std::make_unique<HistorySource>(app.tracking.runs, ctx, std::move(query), std::move(page));
  http::Reply reply;
  if (is_short) {
    TRY(source->refill());
    reply.body = source->text();
  } else {
    reply.stream = std::move(source);
  }
  return reply;
}

Result<http::Reply> bulk(App& app, const Ctx& ctx, http::Request& request) {
  const In in = TRY(In::of(request));
  std::vector<std::string> ids = TRY(in.texts("run_id"));
  if (ids.empty())
    return invalid("mlflow.missing",
                   "GetMetricHistoryBulk request must specify at least one run_id.");
  if (ids.size() > tracking::kBulkRunsMax)
    return invalid("mlflow.too_many",
                   concat({"GetMetricHistoryBulk request cannot specify more than ",
                           std::to_string(tracking::kBulkRunsMax), " run_ids. Received ",
                           std::to_string(ids.size()), " run_ids."}));
  const auto key = TRY(in.maybe_text("metric_key"));
  if (!key)
    return invalid("mlflow.missing", "GetMetricHistoryBulk request must specify a metric_key.");
  const int64_t limit = std::min(TRY(in.integer_or("max_results", tracking::kHistoryPageMax)),
                                 tracking::kHistoryPageMax);
  return list_of(TRY(app.tracking.runs.points_of(ctx, std::move(ids), *key, limit)));
}

Result<std::optional<std::pair<int64_t, int64_t>>> step_range(const In& in) {
  const auto first = TRY(in.maybe_integer("start_step"));
  const auto last = TRY(in.maybe_integer("end_step"));
  if (!first && !last) return std::optional<std::pair<int64_t, int64_t>>();
  if (!first || !last)
    return invalid("mlflow.steps",
                   "If either start step or end step are specified, both must be specified.");
  if (*first > *last)
    return invalid("mlflow.steps",
                   concat({"end_step must be greater than start_step. Found start_step=",
                           std::to_string(*first), " and end_step=", std::to_string(*last), "."}));
  return std::optional(std::pair(*first, *last));
}

constexpr std::string_view kSeeDocs =
    " See the API docs for more information about request parameters.";

Result<http::Reply> interval(App& app, const Ctx& ctx, http::Request& request) {
  const In in = TRY(In::of(request));
  tracking::ThinQuery query;
  query.run_ids = TRY(in.texts("run_ids"));
  if (!in.has("run_ids")) TRY(in.text("run_ids"));  // Says that it is missing.
  if (query.run_ids.size() > tracking::kBulkRunsMax)
    return invalid("mlflow.too_many",
                   concat({"GetMetricHistoryBulkInterval request must specify at most ",
                           std::to_string(tracking::kBulkRunsMax), " run_ids. Received ",
                           std::to_string(query.run_ids.size()), " run_ids.", kSeeDocs}));
  query.key = TRY(in.text("metric_key"));
  query.steps = TRY(step_range(in));
  query.points_per_run = TRY(in.integer_or("max_results", tracking::kSampledPointsMax));
  if (query.points_per_run < 1 || query.points_per_run > tracking::kSampledPointsMax)
    return invalid("page.limit",
                   concat({"max_results must be between 1 and ",
                           std::to_string(tracking::kSampledPointsMax), ".", kSeeDocs}));
  const auto points = TRY(app.tracking.runs.thinned(ctx, query));
  if (!points.empty()) return list_of(points);
  http::Reply none;
  none.body = "{}";
  return none;
}

constexpr http::Permission kRead{Right::kRead, "run"};

using WholeReply = Result<http::Reply> (*)(App& app, const Ctx& ctx, http::Request& request);

struct WholeRow {
  std::string_view path;
  std::string_view summary;
  WholeReply handler;
  FindNeeds find;
};

void add_row(std::vector<http::Route>* out, const App& app, const WholeRow& whole) {
  http::Route row;
  row.method = Method::kGet;
  row.permission = kRead;
  row.audit = Audit::kNone;
  row.body = http::memory();
  row.summary = whole.summary;
  row.needs = needs_of(app, whole.find, Right::kRead);
  row.blocking = [app, handler = whole.handler](const Ctx& ctx, http::Request& request) {
    App own = app;
    return handler(own, ctx, request);
  };
  add_twins(out, std::move(row), whole.path);
}

}  // namespace

void add_metrics(std::vector<http::Route>* out, const App& app) {
  add_row(out, app,
          {"2.0/mlflow/metrics/get-history-bulk", "Read the points of a metric in several runs",
           bulk, runs_of});
  add_row(out, app,
          {"2.0/mlflow/metrics/get-history-bulk-interval",
           "Read evenly spaced points of a metric in several runs", interval, runs_of});
  add_row(out, app,
          {"2.0/mlflow/metrics/get-history", "Read all points of a metric", history, run_of});
}

}  // namespace slip::wire::mlflow
