#include "grpc/inside.h"

#include <optional>

#include "base/guard.h"
#include "base/text.h"
#include "sys/sync.h"

namespace slip::grpc {
namespace {

// Keeps the answer for whoever waits.
class Waiter final : public Responder::Impl {
 public:
  explicit Waiter(const Ctx& ctx) : ctx_(ctx) {}
  void answer(Result<Reply> reply) override {
    const sys::Lock lock(mutex_);
    if (!reply_) reply_.emplace(std::move(reply));
    came_.notify_all();
  }
  bool cancelled() const override { return ctx_.cancelled(); }
  Result<Reply> wait() {
    sys::Lock lock(mutex_);
    while (!reply_) came_.wait(lock);
    return std::move(*reply_);
  }

 private:
  const Ctx& ctx_;
  sys::Mutex mutex_;
  sys::CondVar came_;
  std::optional<Result<Reply>> reply_;
};

Result<Reply> answer(const Method& row, const Ctx& ctx, Request& request) {
  if (row.blocking)
    return TRY(
        guarded(Code::kInternal, "handler.threw", [&] { return row.blocking(ctx, request); }));
  const auto waiter = std::make_shared<Waiter>(ctx);
  TRY(guarded(Code::kInternal, "handler.threw",
              [&] { row.inline_(ctx, request, Responder(waiter)); }));
  return waiter->wait();
}

}  // namespace

Inside::Inside(std::vector<Method> rows) {
  for (Method& row : rows)
    if (row.kind == Kind::kUnary && (row.blocking || row.inline_)) {
      std::string name = row.name;
      rows_.emplace(std::move(name), std::move(row));
    }
}

Result<Reply> Inside::call(const Ctx& ctx, const Call& call) const {
  const auto row = rows_.find(call.name);
  if (row == rows_.end()) return unsupported("grpc.no_method", concat({"no method ", call.name}));
  Request request;
  request.message = call.message;
  for (const auto& [name, value] : call.metadata) request.metadata.emplace_back(name, value);
  Result<Reply> made = answer(row->second, ctx, request);
  if (made.ok() || row->second.render_error == nullptr) return made;
  return row->second.render_error(made.error(), request);
}

}  // namespace slip::grpc
