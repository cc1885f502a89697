#include <algorithm>

#include "base/text.h"
#include "serving/batcher.h"
#include "serving/response_cache.h"
#include "serving/serving.h"
#include "sys/clock.h"
#include "sys/rng.h"
#include "sys/sync.h"

// How a request is answered: an arm is chosen, its model runs, the record is made.
namespace slip::serving {

struct Serving::Chosen {
  const Arm* arm = nullptr;
  Uuid id;
  int64_t ts_us = 0;
  int64_t start_ns = 0;
  int64_t cost_ns = 0;  // Of the model alone, once it has run.
  bool cached = false;  // It needn't.
  CacheTurn turn;
};

namespace {

int64_t rows_of(const Serving::Ask& ask) {
  return ask.inputs.empty() ? 1 : ask.inputs.front().rows();
}

// All inputs have a row for each of the request's, and there is one: it can lie beside others.
// Not too many batches full of them either: what is larger runs as it is.
bool can_join(const Serving::Ask& ask, const Signature& signature) {
  constexpr int64_t kPiecesMax = 256;
  const auto fits = [n = rows_of(ask)](const Tensor& t) {
    return !t.shape.empty() && t.rows() == n && n > 0 && t.elements() >= n;
  };
  return !ask.inputs.empty() && rows_of(ask) / kPiecesMax <= signature.max_batch &&
         std::ranges::all_of(ask.inputs, fits);
}

// The last `kept` stay as they are.
std::vector<Tensor> only(std::vector<Tensor> outputs, std::span<const std::string> wanted,
                         size_t kept) {
  if (wanted.empty()) return outputs;
  std::vector<Tensor> out;
  for (const std::string& name : wanted) {
    const auto found = std::ranges::find(outputs, name, &Tensor::name);
    if (found != outputs.end()) out.push_back(*found);  // One may be asked for twice.
  }
  out.insert(out.end(), outputs.end() - static_cast<std::ptrdiff_t>(kept), outputs.end());
  return out;
}

}  // namespace

Result<Serving::Chosen> Serving::choose(const Route& route, const Ask& ask) const {
  Chosen out;
  out.start_ns = deps_.clock.steady_ns();
  out.ts_us = deps_.clock.now_us();
  out.id = make_uuid7(out.ts_us / 1000, deps_.rng.u64(), deps_.rng.u64());
  if (ask.version != 0)
    out.arm = route.arm_of(ask.version);
  else if (!ask.client_ref.empty())
    out.arm = &route.choose(route.draw_of(ask.client_ref));
  else
    // The identity's random tail decides, so the split can be recomputed from the log.
    out.arm = &route.choose(
        static_cast<double>(out.id.bytes[15] | out.id.bytes[14] << 8 | out.id.bytes[13] << 16) /
        0x1p24);
  if (out.arm == nullptr)
    return not_found(
        "model_version.not_served",
        concat({"`", route.name, "` does not serve version ", std::to_string(ask.version)}));
  if (!out.arm->model)
    return unavailable("deployment.not_ready",
                       concat({"`", route.name, "` is not ready: ", route.error}));
  out.arm->stats->requests.fetch_add(1, std::memory_order_relaxed);
  return out;
}

Serving::Unlogged Serving::answered(const Ctx& ctx, const Route& route, const Ask& ask,
                                    const Chosen& chosen, std::vector<Tensor> outputs) const {
  const int64_t took_ns = deps_.clock.steady_ns() - chosen.start_ns;
  const Arm& arm = *chosen.arm;
  if (chosen.cached)
    arm.stats->answered_from_cache(took_ns, chosen.ts_us / 1000);
  else
    arm.stats->succeeded(took_ns, rows_of(ask), chosen.ts_us / 1000, chosen.cost_ns);
  std::vector<Tensor> laid;  // The caller's inputs, and what was looked up for them.
  if (const size_t n = arm.model->signature().looked_up.size(); n > 0) {
    laid = ask.inputs;
    const auto from = outputs.end() - static_cast<std::ptrdiff_t>(n);
    laid.insert(laid.end(), std::move_iterator(from), std::move_iterator(outputs.end()));
    outputs.erase(from, outputs.end());
  }
  Unlogged out;
  out.prediction.id = chosen.id;
  out.prediction.outputs = std::move(outputs);
  out.prediction.model_version = arm.version;
  out.prediction.platform = arm.model->signature().platform;
  PredictionView view{.project = route.project,
                      .deployment = route.name,
                      .deployment_uid = route.uid,
                      .id = chosen.id,
                      .ts_us = chosen.ts_us + took_ns / 1000,
                      .model_version = arm.version,
                      .role = arm.role,
                      .canary_weight = 0,
                      .latency_us = took_ns / 1000,
                      .client_ref = ask.client_ref,
                      .trace_id = ctx.trace_id,
                      .actor_uid = ctx.actor_uid,
                      .actor_kind = ctx.actor_kind,
                      .inputs = laid.empty() ? ask.inputs : laid,
                      .outputs = out.prediction.outputs};
  if (ask.version == 0) view.canary_weight = route.canary_weight();
  out.record = encode_prediction(view);
  return out;
}

std::optional<std::vector<Tensor>> Serving::look_in_cache(
    const Ask& ask, bool may_wait, Chosen* chosen, std::shared_ptr<CacheFlight>* other) const {
  const Arm& arm = *chosen->arm;
  if (!arm.cache) return std::nullopt;
  // Who has his own limit of waiting means the queue's.
  const bool waits = may_wait && ask.timeout_us == 0;
  ResponseCache::Looked looked = arm.cache->look({ask.inputs, ask.outputs}, arm.stats,
                                                 {.wait = waits, .priority = ask.priority});
  chosen->turn = std::move(looked.turn);
  if (other != nullptr) *other = std::move(looked.other);
  if (!looked.hit) return std::nullopt;
  chosen->cached = true;
  return *looked.hit;
}

Result<Serving::Unlogged> Serving::run_on(const Ctx& ctx, const Route& route, const Ask& ask,
                                          Chosen chosen) const {
  ArmStats& stats = *chosen.arm->stats;
  const int64_t start_ns = deps_.clock.steady_ns();
  Result<std::vector<Tensor>> ran = chosen.arm->model->run(ask.inputs, ask.outputs);
  const int64_t infer_ns = deps_.clock.steady_ns() - start_ns;
  if (!ran.ok()) {
    chosen.turn.fail(ran.error());
    stats.failed(deps_.clock.steady_ns() - chosen.start_ns);
    return std::move(ran).error();
  }
  chosen.turn.keep(*ran);
  stats.ran_alone(rows_of(ask), infer_ns);
  chosen.cost_ns = infer_ns;
  return answered(ctx, route, ask, chosen, std::move(*ran));
}

Result<Serving::Unlogged> Serving::run(const Ctx& ctx, const Route& route, const Ask& ask) {
  Chosen chosen = TRY(choose(route, ask));
  std::optional<std::vector<Tensor>> known = look_in_cache(ask, false, &chosen, nullptr);
  if (known) return answered(ctx, route, ask, chosen, std::move(*known));
  return run_on(ctx, route, ask, std::move(chosen));
}

// A request on its way through a batcher. Its inputs are needed again for the record.
struct Serving::Later {
  Ctx ctx;
  std::shared_ptr<const Route> route;
  Ask ask;
  Chosen chosen;
  Done done;
};

void Serving::give(Later& later, Result<std::vector<Tensor>> ran, const BatchTimes& times) const {
  ArmStats& stats = *later.chosen.arm->stats;
  if (!ran.ok()) {
    later.chosen.turn.fail(ran.error());
    stats.failed(deps_.clock.steady_ns() - later.chosen.start_ns);
    return later.done(std::move(ran).error());
  }
  later.chosen.cost_ns = times.infer_ns;
  stats.queue_ns.fetch_add(times.queue_ns, std::memory_order_relaxed);
  stats.input_ns.fetch_add(times.input_ns, std::memory_order_relaxed);
  stats.infer_ns.fetch_add(times.infer_ns, std::memory_order_relaxed);
  stats.output_ns.fetch_add(times.output_ns, std::memory_order_relaxed);
  std::vector<Tensor> outputs = only(std::move(*ran), later.ask.outputs,
                                     later.chosen.arm->model->signature().looked_up.size());
  later.chosen.turn.keep(outputs);
  later.done(answered(later.ctx, *later.route, later.ask, later.chosen, std::move(outputs)));
}

void Serving::run_later(const Ctx& ctx, std::shared_ptr<const Route> route, Ask ask, Done done) {
  Result<Chosen> chosen = choose(*route, ask);
  if (!chosen.ok()) return done(chosen.error());
  std::optional<std::vector<Tensor>> known = look_in_cache(ask, false, &*chosen, nullptr);
  if (known) return done(answered(ctx, *route, ask, *chosen, std::move(*known)));
  submit({ctx, std::move(route), std::move(ask), std::move(*chosen), std::move(done)});
}

void Serving::submit(Later made) {
  const Arm& arm = *made.chosen.arm;
  const Signature& signature = arm.model->signature();
  if (!arm.goes_to_batcher() || !can_join(made.ask, signature))
    return made.done(run_on(made.ctx, *made.route, made.ask, std::move(made.chosen)));
  Status fits = check_inputs(signature, made.ask.inputs);
  if (fits.ok()) fits = check_outputs(signature, made.ask.outputs);
  if (!fits.ok()) {
    made.chosen.turn.fail(fits.error());
    arm.stats->failed(deps_.clock.steady_ns() - made.chosen.start_ns);
    return made.done(fits.error());
  }
  const auto later = std::make_shared<Later>(std::move(made));
  const Ctx& ctx = later->ctx;
  BatchRequest request;
  request.inputs = later->ask.inputs;
  request.deadline_ns = ctx.deadline_ns == INT64_MAX ? 0 : ctx.deadline_ns;
  request.timeout_us = std::min(later->ask.timeout_us, kBatchTimeMaxUs);
  request.priority = later->ask.priority;
  request.tenant = ctx.actor_uid;
  if (ctx.cancel) request.cancelled = [ctx] { return ctx.cancelled(); };
  request.done = [this, later](Result<std::vector<Tensor>> ran, const BatchTimes& times) {
    give(*later, std::move(ran), times);
    const sys::Lock lock(later_mutex_);
    if (--later_ == 0) later_done_.notify_all();
  };
  {
    const sys::Lock lock(later_mutex_);
    ++later_;
  }
  arm.batcher->submit(std::move(request));
}

Status Serving::log(std::span<const std::string_view> records, Ack ack) {
  store::LogAck wanted = store::LogAck::kKernel;
  if (ack == Ack::kDisk) wanted = store::LogAck::kDisk;
  if (ack == Ack::kNone) wanted = store::LogAck::kNone;
  const Status logged = deps_.log.append(records, wanted);
  if (logged.ok() || ack == Ack::kNone) return {};
  // A full log sheds: an answer that cannot be accounted for is not given.
  return unavailable("prediction_log.unavailable", logged.error().text);
}

// What the same request of somebody else gets; nothing: it failed by no fault of the request.
Result<std::optional<std::vector<Tensor>>> Serving::await_other(const Ctx& ctx, CacheFlight& other,
                                                                const Chosen& chosen) const {
  ArmStats& stats = *chosen.arm->stats;
  const CacheFlight::Outcome outcome = other.wait(ctx.deadline_ns);
  const int64_t took_ns = deps_.clock.steady_ns() - chosen.start_ns;
  stats.looked_in_cache(outcome.outputs != nullptr, took_ns);
  if (outcome.outputs) return std::optional(*outcome.outputs);
  if (!outcome.error && !outcome.late) return std::optional<std::vector<Tensor>>();
  stats.failed(took_ns);
  if (outcome.error) return *outcome.error;
  return batch_refused(BatchRefusal::kDeadline);
}

Result<Serving::Unlogged> Serving::run_together(const Ctx& ctx, std::shared_ptr<const Route> route,
                                                Ask ask) {
  Chosen chosen = TRY(choose(*route, ask));
  std::shared_ptr<CacheFlight> other;
  std::optional<std::vector<Tensor>> known = look_in_cache(ask, true, &chosen, &other);
  if (other) {
    known = TRY(await_other(ctx, *other, chosen));
    chosen.cached = known.has_value();
  }
  if (known) return answered(ctx, *route, ask, chosen, std::move(*known));
  struct Waiting {
    sys::Mutex mutex;
    sys::CondVar came;
    std::optional<Result<Unlogged>> answer;
  };
  const auto waiting = std::make_shared<Waiting>();
  submit({ctx, std::move(route), std::move(ask), std::move(chosen),
          [waiting](Result<Unlogged> answer) {
            const sys::Lock lock(waiting->mutex);
            waiting->answer.emplace(std::move(answer));
            waiting->came.notify_all();
          }});
  sys::Lock lock(waiting->mutex);
  while (!waiting->answer) waiting->came.wait(lock);
  return std::move(*waiting->answer);
}

Result<Prediction> Serving::predict(const Ctx& ctx, std::shared_ptr<const Route> route, Ask ask) {
  const Ack ack = route->log_ack;
  Unlogged made = TRY(run_together(ctx, std::move(route), std::move(ask)));
  const std::string_view record = made.record;
  TRY(log(std::span(&record, 1), ack));
  return std::move(made.prediction);
}

}  // namespace slip::serving
