#include "features/features.h"
#include "features/redis_mirror.h"
#include "sys/clock.h"
#include "sys/log.h"

// Reading for a service, and the log of what was served.
namespace slip::features {
namespace {

constexpr int kSettleTries = 4;
constexpr int64_t kServedKeepBytes = int64_t{1} << 30;  // Then the oldest segments go.

const std::vector<Cell>& column(const RequestColumns& request, const FeatureField& field) {
  return request.columns.find(field.name)->second;  // read() has asked for it.
}

std::vector<Cell> cells_at(const std::vector<FeatureField>& fields, const RequestColumns& request,
                           size_t row) {
  std::vector<Cell> out;
  for (const FeatureField& f : fields) {
    Result<Cell> fitted = fit(column(request, f)[row], f.type);
    out.push_back(fitted.ok() ? std::move(*fitted) : Cell());
  }
  return out;
}

// Rows of the future come due while others read: what one saw may be newer than its moment.
// (Windows hold events of the future, and count them when their time has come.)
bool within(const ReadPlan& plan, const OnlineReply& reply, int64_t now_us) {
  for (size_t i = 0; i < plan.outs.size(); ++i) {
    if (plan.outs[i].computed || plan.reads[plan.outs[i].from].view->plan) continue;
    for (const int64_t t : reply.event_us[i])
      if (t > now_us) return false;
  }
  return true;
}

}  // namespace

Status Features::serve(const Ctx& ctx, const ReadPlan& plan, const RequestColumns& request,
                       OnlineReply* out) {
  if (plan.log_sample <= 0) return read(plan, request, {.ignore_ttl = deps_.ignore_ttl}, out);
  ServedVector as;
  for (int i = 0; i < kSettleTries && !as.settled; ++i) {
    const int64_t ended = turns_.ended();
    const bool still =
        turns_.begun() == ended && (deps_.mirror == nullptr || deps_.mirror->settled());
    as.applied_seq = applied_seq();
    const int64_t arrived_us = turns_.applied_ingest_us();
    as.served_us = deps_.clock.now_us();
    TRY(read(plan, request, {.ignore_ttl = deps_.ignore_ttl, .now_us = as.served_us}, out));
    as.settled = still && turns_.begun() == ended && arrived_us <= as.served_us &&
                 within(plan, *out, as.served_us);
  }
  as.project = ctx.project.text;
  const Status logged = log_served(plan, request, *out, as);
  if (!logged.ok() && unlogged_.fetch_add(1, std::memory_order_relaxed) == 0)
    deps_.notes.warn("served features are not logged",
                     {{"service", std::string_view(plan.service)},
                      {"reason", std::string_view(logged.error().reason)}});
  return {};
}

Status Features::log_served(const ReadPlan& plan, const RequestColumns& request,
                            const OnlineReply& reply, const ServedVector& as) {
  std::vector<std::string> records;
  for (size_t row = 0; row < static_cast<size_t>(request.rows); ++row) {
    std::vector<Cell> keys = cells_at(plan.keys, request, row);
    if (!sampled(keys, plan.log_sample)) continue;
    ServedVector one = as;
    one.service = plan.service;
    one.service_version = plan.service_version;
    one.shape = plan.shape;
    one.engine = engine_fingerprint();
    one.keys = std::move(keys);
    one.request = cells_at(plan.request, request, row);
    for (size_t i = 0; i < plan.outs.size(); ++i) {
      one.values.push_back(reply.values[i][row]);
      one.statuses.push_back(reply.statuses[i][row]);
      one.event_us.push_back(reply.event_us[i][row]);
    }
    records.push_back(encode_served(one));
  }
  if (records.empty()) return {};
  const std::vector<std::string_view> views(records.begin(), records.end());
  return deps_.served.append(views, store::LogAck::kKernel);
}

Status Features::drop_old_served() {
  int64_t bytes = 0;
  for (const store::LogSegment& s : deps_.served.segments()) bytes += s.bytes;
  for (const store::LogSegment& s : deps_.served.segments()) {
    if (bytes <= kServedKeepBytes || !s.closed) return {};
    TRY(deps_.served.remove(s.number));
    bytes -= s.bytes;
  }
  return {};
}

}  // namespace slip::features
