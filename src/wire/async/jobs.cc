#include "wire/async/jobs.h"

#include "base/text.h"
#include "codec/json.h"
#include "http/reply.h"
#include "wire/async/async.h"

namespace slip::wire::async {
namespace {

using codec::Json;
using http::Reply;
using http::Request;
using later::Job;
using later::Later;
using later::State;

constexpr std::string_view kPath = "/v2/async";

Reply json_reply(const Json& body, int status) {
  Reply reply;
  reply.status = status;
  reply.body = codec::to_json(body);
  return reply;
}

Json job_json(const Job& job, std::string_view base) {
  const std::string place = place_of(job, base);
  Json out = Json::object({{"id", job.uid},
                           {"status", later::state_name(job.state)},
                           {"target", job.target},
                           {"location", place},
                           {"attempts", job.attempts},
                           {"attempts_max", later::kAttemptsMax},
                           {"created_ms", job.created_ms},
                           {"expires_ms", job.expires_ms}});
  if (job.state == State::kQueued && job.attempts > 0) out.set("next_attempt_ms", job.next_ms);
  if (job.started_ms != 0) out.set("started_ms", job.started_ms);
  if (job.ended_ms != 0) out.set("ended_ms", job.ended_ms);
  if (job.status != 0) {
    out.set("result", concat({place, "/result"}));
    out.set("result_status", job.status);
    out.set("result_bytes", job.answer_bytes);
  }
  if (!job.error.empty()) out.set("error", job.error);
  return out;
}

// Of what a proxy or a project's name is in front, also here.
std::string base_here(const Request& request) {
  std::string_view before = request.target.substr(0, request.target.find('?'));
  if (!before.ends_with(request.path)) return {};
  before.remove_suffix(request.path.size());
  return std::string(before);
}

Reply answer(const Request& request, const Job& job) {
  return job_reply(job, base_here(request), 200);
}

Reply gone(const Ctx& ctx, std::string_view why) {
  Reply reply = http::render_problem(not_found("async.gone", std::string(why)), ctx);
  Json body = codec::parse_json(reply.body).value();
  body.set("status", 410);
  body.set("title", "Gone");
  reply.status = 410;
  reply.body = codec::to_json(body);
  return reply;
}

Result<Reply> result(Later& later, const Ctx& ctx, const Request& request) {
  Later::Outcome outcome = TRY(later.outcome(ctx, request.param("id")));
  const Job& job = outcome.job;
  if (outcome.answer) return answer_reply(std::move(*outcome.answer));
  switch (job.state) {
    case State::kExpired:
      return gone(ctx, "the answer was kept for its time, and has gone");
    case State::kCancelled:
      return gone(ctx, "the request was cancelled");
    case State::kFailed:
      return internal("async.failed", concat({"all attempts failed: ", job.error}));
    default:
      break;
  }
  const Error error =
      conflict("async.not_done", concat({"the request is ", later::state_name(job.state)}));
  Reply reply = http::render_problem(error, ctx);
  reply.headers.emplace_back("Retry-After", "1");
  return reply;
}

Result<Reply> list(Later& later, const Ctx& ctx, const Request& request) {
  Later::Query query;
  if (const std::string* status = request.query_value("status")) {
    query.state = later::parse_state(*status);
    if (!query.state) return invalid("async.status", concat({"no status `", *status, "`"}));
  }
  if (const std::string* limit = request.query_value("limit")) {
    query.limit = parse_int(*limit).value_or(0);
    if (query.limit < 1 || query.limit > later::kListMax)
      return invalid("request.limit", "limit lies between 1 and 1000");
  }
  if (const std::string* token = request.query_value("page_token")) {
    if (!is_utf8(*token) || token->find('\0') != token->npos)
      return invalid("request.page_token", "no such page");
    query.before = *token;
  }
  const std::string* all = request.query_value("all");
  query.everybodys = all != nullptr && *all != "false";
  const std::vector<Job> jobs = TRY(later.list(ctx, query));
  Json items = Json::array();
  const std::string base = base_here(request);
  for (const Job& job : jobs) {
    Json one = job_json(job, base);
    if (query.everybodys) one.set("actor", job.actor_uid);
    items.push(std::move(one));
  }
  Json out = Json::object({{"items", std::move(items)}});
  if (static_cast<int64_t>(jobs.size()) == query.limit) out.set("next_page_token", jobs.back().uid);
  return json_reply(out, 200);
}

http::Route row(http::Method method, std::string_view path, std::string_view summary,
                http::Blocking handle) {
  http::Route r;
  r.method = method;
  r.path = concat({kPath, path});
  r.permission = {http::Right::kUse, "deployment", http::On::kCaller};
  r.audit = method == http::Method::kGet ? http::Audit::kNone : http::Audit::kCounted;
  r.summary = summary;
  r.blocking = std::move(handle);
  return r;
}

}  // namespace

std::string place_of(const Job& job, std::string_view base) {
  return concat({base, kPath, "/", job.uid});
}

Reply job_reply(const Job& job, std::string_view base, int status) {
  return json_reply(job_json(job, base), status);
}

Reply answer_reply(later::Answer answer) {
  Reply reply;
  reply.status = answer.status;
  reply.content_type = std::move(answer.content_type);
  reply.headers = std::move(answer.headers);
  reply.body = std::move(answer.body);
  return reply;
}

std::vector<http::Route> job_routes(Later& later) {
  using enum http::Method;
  std::vector<http::Route> out;
  out.push_back(row(kGet, "", "Requests that are answered later: the caller's, newest first.",
                    [&later](const Ctx& ctx, Request& r) { return list(later, ctx, r); }));
  out.push_back(row(kGet, "/{id}", "How far such a request is.",
                    [&later](const Ctx& ctx, Request& r) -> Result<Reply> {
                      return answer(r, TRY(later.find(ctx, r.param("id"))));
                    }));
  out.push_back(row(kGet, "/{id}/result", "Its answer, as it would have been given at once.",
                    [&later](const Ctx& ctx, Request& r) { return result(later, ctx, r); }));
  out.push_back(
      row(kDelete, "/{id}", "Cancel it.", [&later](const Ctx& ctx, Request& r) -> Result<Reply> {
        return answer(r, TRY(later.cancel(ctx, r.param("id"))));
      }));
  out.push_back(row(kPost, "/{id}/retry", "Try again what has failed.",
                    [&later](const Ctx& ctx, Request& r) -> Result<Reply> {
                      return answer(r, TRY(later.retry(ctx, r.param("id"))));
                    }));
  return out;
}

std::vector<http::Route> Async::routes() { return job_routes(deps_.later); }

}  // namespace slip::wire::async
