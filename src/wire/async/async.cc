#include "wire/async/async.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "codec/hash.h"
#include "http/replays.h"
#include "http/reply.h"
#include "sys/clock.h"
#include "sys/executor.h"
#include "wire/async/jobs.h"
#include "wire/async/prefer.h"

// Taking requests, and answering them.
namespace slip::wire::async {
namespace {

using http::Reply;
using http::Request;

constexpr int64_t kNsPerSecond = 1'000'000'000;

// Of the connection, of this one exchange, or credentials.
constexpr std::array<std::string_view, 22> kNotKept = {"accept-encoding",
                                                       "authorization",
                                                       "connection",
                                                       "content-encoding",
                                                       "content-length",
                                                       "cookie",
                                                       "expect",
                                                       "host",
                                                       "idempotency-key",
                                                       "keep-alive",
                                                       "origin",
                                                       "prefer",
                                                       "proxy-authorization",
                                                       "proxy-connection",
                                                       "referer",
                                                       "te",
                                                       "trailer",
                                                       "transfer-encoding",
                                                       "upgrade",
                                                       "x-forwarded-for",
                                                       "x-request-id",
                                                       "x-slipway-project"};

std::string_view query_of(std::string_view target) {
  const size_t at = target.find('?');
  return at == target.npos ? "" : target.substr(at);
}

later::Asked asked_of(const Request& request) {
  later::Asked out;
  out.method = http::method_name(request.method);
  out.target = concat({request.path, query_of(request.target)});
  for (const auto& [name, value] : request.headers)
    if (is_kept(name)) out.headers.emplace_back(name, value);
  out.body = request.body;
  return out;
}

Result<later::Later::Key> key_of(const Request& request, const later::Asked& asked) {
  later::Later::Key out;
  out.text = request.header("idempotency-key");
  TRY(http::check_idempotency_key(out.text));
  out.fingerprint =
      codec::sha256(
          concat({asked.method, "\n", asked.target, "\n", request.header("content-type"), "\n",
                  request.header("inference-header-content-length"), "\n", asked.body}))
          .hex();
  return out;
}

// Where the request came by, up to its path: a proxy's prefix, a project.
std::string base_of(const Ctx& ctx, const Request& request) {
  std::string_view before = request.target.substr(0, request.target.find('?'));
  if (before.ends_with(request.path))
    before.remove_suffix(request.path.size());
  else
    before = {};
  const bool named = before.find("/~") != before.npos;
  if (named || ctx.project.text == kDefaultProject) return std::string(before);
  return concat({before, "/~", ctx.project.text});
}

}  // namespace

bool is_kept(std::string_view lower_name) {
  return std::ranges::find(kNotKept, lower_name) == kNotKept.end();
}

bool is_transient(int http_status) {
  return http_status == 408 || http_status == 429 || http_status == 499 || http_status == 500 ||
         (http_status >= 502 && http_status <= 504);
}

bool predicts(const http::Route& row) {
  return row.method == http::Method::kPost && row.permission.right == http::Right::kUse &&
         row.audit == http::Audit::kCounted && row.body.kind == http::BodyKind::kMemory &&
         (row.path.starts_with("/v1/models/") || row.path.starts_with("/v2/models/") ||
          row.path == "/invocations");
}

Result<std::optional<later::Answer>> Async::await(const Ctx& ctx, const later::Job& job,
                                                  int64_t wait_s) {
  std::optional<later::Answer> none;
  if (waiters_.fetch_add(1) >= kWaitersMax) {
    waiters_.fetch_sub(1);
    return none;
  }
  const int64_t until_ns = deps_.clock.steady_ns() + wait_s * kNsPerSecond;
  const Result<later::Job> now =
      deps_.later.wait(ctx, job.uid, std::min(until_ns, ctx.deadline_ns));
  waiters_.fetch_sub(1);
  if (!now.ok()) return now.error();
  if (now->state != later::State::kDone && now->state != later::State::kFailed) return none;
  return TRY(deps_.later.outcome(ctx, job.uid)).answer;
}

Result<Reply> Async::answer_later(const Ctx& ctx, const Request& request) {
  const Preferences wanted = preferences_of(request.headers);
  const later::Asked asked = asked_of(request);
  const later::Later::Key key = TRY(key_of(request, asked));
  const later::Later::Accepted accepted = TRY(deps_.later.accept(ctx, asked, key));
  if (wanted.wait_s > 0) {
    std::optional<later::Answer> answer = TRY(await(ctx, accepted.job, wanted.wait_s));
    if (answer) {
      Reply reply = answer_reply(std::move(*answer));
      reply.headers.emplace_back("Preference-Applied",
                                 concat({"wait=", std::to_string(wanted.wait_s)}));
      return reply;
    }
  }
  const std::string base = base_of(ctx, request);
  Reply reply = job_reply(accepted.job, base, 202);
  reply.headers.emplace_back("Location", place_of(accepted.job, base));
  reply.headers.emplace_back("Preference-Applied", "respond-async");
  return reply;
}

void Async::wrap(std::vector<http::Route>* rows) {
  for (http::Route& row : *rows) {
    if (!predicts(row)) continue;
    const auto wants = [this](const Request& request) {
      return !request.header("prefer").empty() && deps_.later.on() &&
             preferences_of(request.headers).respond_async;
    };
    http::Route like;  // For errors in the protocol's own form.
    like.render_error = row.render_error;
    // Callers with all rights pass the guard unseen: that there is such a model is asked here.
    const auto take = [this, needs = row.needs](const Ctx& ctx,
                                                const Request& request) -> Result<Reply> {
      if (needs) TRY(needs(ctx, request));
      return answer_later(ctx, request);
    };
    if (row.blocking) {
      row.blocking = [wants, take, inner = std::move(row.blocking)](
                         const Ctx& ctx, Request& request) -> Result<Reply> {
        return wants(request) ? take(ctx, request) : inner(ctx, request);
      };
      continue;
    }
    row.inline_ = [this, wants, take, like, inner = std::move(row.inline_)](
                      const Ctx& ctx, Request& request, http::Responder respond) {
      if (!wants(request)) return inner(ctx, request, std::move(respond));
      const auto waiting = std::make_shared<http::Responder>(std::move(respond));
      const auto refuse = [like, &ctx](const Error& error) {
        return http::render_error(&like, error, ctx, false);
      };
      const Status queued = deps_.pool().submit([take, waiting, refuse, &ctx, &request] {
        Result<Reply> reply = take(ctx, request);
        std::move (*waiting)(reply.ok() ? std::move(*reply) : refuse(reply.error()));
      });
      if (!queued.ok()) std::move (*waiting)(refuse(queued.error()));
    };
  }
}

Status Async::serve(const std::vector<http::Route>& rows) {
  std::vector<http::Route> called;
  std::ranges::copy_if(rows, std::back_inserter(called), predicts);
  inside_ = TRY(http::Inside::make(std::move(called)));
  return {};
}

later::Later::Run Async::runner() const {
  return [this](const Ctx& ctx, const later::Asked& asked) {
    return asked.method == kGrpcMethod ? run_call(ctx, asked) : run_row(ctx, asked);
  };
}

later::Answer Async::run_row(const Ctx& ctx, const later::Asked& asked) const {
  http::Inside::Call call;
  call.target = asked.target;
  call.headers = asked.headers;
  call.body = asked.body;
  Reply reply = inside_->call(ctx, std::move(call));
  later::Answer out;
  out.status = reply.status;
  out.content_type = std::move(reply.content_type);
  out.headers = std::move(reply.headers);
  out.body = std::move(reply.body);
  out.transient = is_transient(out.status);
  return out;
}

}  // namespace slip::wire::async
