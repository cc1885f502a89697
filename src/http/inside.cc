#include "http/inside.h"

#include <optional>

#include "base/guard.h"
#include "base/text.h"
#include "http/reply.h"
#include "http/target.h"
#include "sys/sync.h"

namespace slip::http {
namespace {

// Keeps the answer for whoever waits.
class Waiter final : public Responder::Impl {
 public:
  explicit Waiter(const Ctx& ctx) : ctx_(ctx) {}
  void answer(Reply reply) override {
    const sys::Lock lock(mutex_);
    if (!reply_) reply_ = std::move(reply);
    came_.notify_all();
  }
  bool cancelled() const override { return ctx_.cancelled(); }
  Reply wait() {
    sys::Lock lock(mutex_);
    while (!reply_) came_.wait(lock);
    return std::move(*reply_);
  }

 private:
  const Ctx& ctx_;
  sys::Mutex mutex_;
  sys::CondVar came_;
  std::optional<Reply> reply_;
};

Result<Reply> answer_inline(const Route& route, const Ctx& ctx, Request& request) {
  const auto waiter = std::make_shared<Waiter>(ctx);
  TRY(guarded(Code::kInternal, "handler.threw",
              [&] { route.inline_(ctx, request, Responder(waiter)); }));
  return waiter->wait();
}

}  // namespace

Result<std::unique_ptr<Inside>> Inside::make(std::vector<Route> rows) {
  return std::unique_ptr<Inside>(new Inside(TRY(Router::make(std::move(rows)))));
}

Reply Inside::call(const Ctx& ctx, Call call) const {
  Request request;
  request.method = call.method;
  request.target = call.target;
  const size_t question = call.target.find('?');
  request.path = call.target.substr(0, question);
  for (const auto& [name, value] : call.headers) request.headers.emplace_back(name, value);
  request.body = std::move(call.body);
  const Route* route = nullptr;
  const auto answer = [&]() -> Result<Reply> {
    if (question != call.target.npos)
      TRY(parse_query(call.target.substr(question + 1), &request.query));
    route = TRY(router_.find(request.method, request.path, &request.params)).route;
    if (route == nullptr)
      return not_found("http.no_route", concat({"nothing answers at ", request.path}));
    if (route->inline_) return answer_inline(*route, ctx, request);
    return TRY(
        guarded(Code::kInternal, "handler.threw", [&] { return route->blocking(ctx, request); }));
  };
  Result<Reply> result = answer();
  if (!result.ok()) return render_error(route, result.error(), ctx, false);
  if (result->blob || result->stream || result->events)
    return render_error(route, internal("inside.streamed", "the answer is a stream"), ctx, false);
  return std::move(*result);
}

}  // namespace slip::http
