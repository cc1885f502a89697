#include <algorithm>

#include "base/error_map.h"
#include "base/text.h"
#include "codec/hash.h"
#include "http/replays.h"
#include "sys/clock.h"
#include "sys/executor.h"
#include "wire/async/async.h"
#include "wire/async/jobs.h"
#include "wire/async/prefer.h"

// The same over gRPC. A call has one kind of reply: what is accepted is answered by an otherwise
// empty ModelInferResponse whose id is the request's, and a later call with its id as metadata
// gets the message that is kept.
namespace slip::wire::async {
namespace {

constexpr std::string_view kMethod = "inference.GRPCInferenceService/ModelInfer";
constexpr std::string_view kFetchKey = "slipway-async";
constexpr std::string_view kMessageType = "application/x-protobuf";
constexpr const char* kCodeHeader = "x-slipway-code";
constexpr const char* kReasonHeader = "x-slipway-reason";

// inference.ModelInferResponse with `id` (field 3) alone; an id has fewer than 128 bytes.
std::string response_with_id(const std::string& id) {
  return concat({"\x1a", std::string(1, static_cast<char>(id.size())), id});
}

later::Asked asked_of(const grpc::Request& request) {
  later::Asked out;
  out.method = kGrpcMethod;
  out.target = concat({"/", kMethod});
  for (const auto& [name, value] : request.metadata)
    if (is_kept(name) && !name.starts_with("grpc-") && !name.starts_with(":"))
      out.headers.emplace_back(name, value);
  out.body = request.message;
  return out;
}

later::Answer answer_of(Result<grpc::Reply> reply) {
  later::Answer out;
  if (reply.ok()) {
    out.status = 200;
    out.content_type = kMessageType;
    out.headers = std::move(reply->trailing);
    out.body = std::move(reply->message);
    return out;
  }
  const CodeRow& code = code_row(reply.error().code);
  out.status = code.http_status;
  out.content_type = "text/plain";
  out.headers = {{kCodeHeader, std::string(code.name)}, {kReasonHeader, reply.error().reason}};
  out.body = reply.error().text;
  out.transient = is_transient(out.status);
  return out;
}

Result<grpc::Reply> reply_of(later::Answer answer) {
  Error error;
  bool failed = false;
  for (const auto& [name, value] : answer.headers) {
    if (name == kReasonHeader) error.reason = value;
    if (name != kCodeHeader) continue;
    failed = true;
    for (int i = 0; i < kCodeCount; ++i)
      if (code_row(static_cast<Code>(i)).name == value) error.code = static_cast<Code>(i);
  }
  if (failed) {
    error.text = std::move(answer.body);
    return error;
  }
  grpc::Reply out;
  out.message = std::move(answer.body);
  out.trailing = std::move(answer.headers);
  return out;
}

}  // namespace

Result<grpc::Reply> Async::fetch(const Ctx& ctx, const std::string& uid) {
  later::Later::Outcome outcome = TRY(deps_.later.outcome(ctx, uid));
  if (outcome.job.method != kGrpcMethod)
    return invalid("async.not_grpc", "that request came over HTTP: its answer is there");
  if (outcome.answer) return reply_of(std::move(*outcome.answer));
  const std::string_view state = later::state_name(outcome.job.state);
  if (!later::has_ended(outcome.job.state))
    return unavailable("async.not_done", concat({"the request is ", state}));
  return not_found("async.gone", concat({"the request is ", state, ", and has no answer"}));
}

Result<grpc::Reply> Async::accept_call(const Ctx& ctx, const grpc::Request& request) {
  const Preferences wanted = preferences_of(request.metadata);
  const later::Asked asked = asked_of(request);
  later::Later::Key key;
  key.text = request.header("idempotency-key");
  TRY(http::check_idempotency_key(key.text));
  key.fingerprint = codec::sha256(concat({asked.target, "\n", asked.body})).hex();
  const later::Later::Accepted accepted = TRY(deps_.later.accept(ctx, asked, key));
  if (wanted.wait_s > 0) {
    std::optional<later::Answer> answer = TRY(await(ctx, accepted.job, wanted.wait_s));
    if (answer) return reply_of(std::move(*answer));
  }
  grpc::Reply reply;
  reply.message = response_with_id(accepted.job.uid);
  reply.trailing = {{"location", place_of(accepted.job, "")},
                    {"preference-applied", "respond-async"}};
  return reply;
}

void Async::wrap_methods(std::vector<grpc::Method>* rows) {
  for (grpc::Method& row : *rows) {
    if (row.name != kMethod || !row.inline_) continue;
    const auto wants = [this](const grpc::Request& request) {
      return !request.header("prefer").empty() && deps_.later.on() &&
             preferences_of(request.metadata).respond_async;
    };
    const auto take = [this, needs = row.needs](
                          const Ctx& ctx, const grpc::Request& request) -> Result<grpc::Reply> {
      const std::string fetched(request.header(kFetchKey));
      if (!fetched.empty()) return fetch(ctx, fetched);
      if (needs) TRY(needs(ctx, request));
      return accept_call(ctx, request);
    };
    row.inline_ = [this, wants, take, inner = std::move(row.inline_)](
                      const Ctx& ctx, grpc::Request& request, grpc::Responder respond) {
      if (request.header(kFetchKey).empty() && !wants(request))
        return inner(ctx, request, std::move(respond));
      const auto waiting = std::make_shared<grpc::Responder>(std::move(respond));
      const Status queued = deps_.pool().submit(
          [take, waiting, &ctx, &request] { std::move (*waiting)(take(ctx, request)); });
      if (!queued.ok()) std::move (*waiting)(queued.error());
    };
  }
}

void Async::serve_methods(const std::vector<grpc::Method>& rows) {
  std::vector<grpc::Method> called;
  std::ranges::copy_if(rows, std::back_inserter(called),
                       [](const grpc::Method& row) { return row.name == kMethod; });
  inside_calls_ = std::make_unique<grpc::Inside>(std::move(called));
}

later::Answer Async::run_call(const Ctx& ctx, const later::Asked& asked) const {
  return answer_of(inside_calls_->call(ctx, {kMethod, asked.headers, asked.body}));
}

}  // namespace slip::wire::async
