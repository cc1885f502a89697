#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/later/later.h"
#include "grpc/inside.h"
#include "grpc/method.h"
#include "http/inside.h"
#include "http/route.h"

namespace slip {
class Clock;
class Pool;
}  // namespace slip

// `Prefer: respond-async` on a row that predicts: the request is put into the queue of core/later
// and answered 202 with the place of its answer, below /v2/async. A runner then calls that same row
// inside the process with that same request, so there is one way to answer, and the answer that is
// kept is the one that would have been given. With `wait=N` the answer itself comes when it is
// there in time.
//
// Invariants: rights are checked by the row's own guard, when it is asked and again when it is
// answered; what carries credentials or speaks of the connection isn't kept.
namespace slip::wire::async {

// Requests at a time that wait for their answers; others are told where it will be at once.
inline constexpr int kWaitersMax = 16;

class Async {
 public:
  struct Deps {
    later::Later& later;
    Clock& clock;
    std::function<Pool&()> pool;
  };
  explicit Async(Deps deps) : deps_(std::move(deps)) {}

  // Below /v2/async. This must outlive all rows.
  std::vector<http::Route> routes();
  // Makes rows that predict take the preference. Before their guards are put around them.
  void wrap(std::vector<http::Route>* rows);
  // Finds among all rows, guarded, those that are called later.
  Status serve(const std::vector<http::Route>& rows);
  // The same for ModelInfer of gRPC.
  void wrap_methods(std::vector<grpc::Method>* rows);
  void serve_methods(const std::vector<grpc::Method>& rows);
  // For Later::start(), after both.
  later::Later::Run runner() const;

 private:
  Result<http::Reply> answer_later(const Ctx& ctx, const http::Request& request);
  // The answer, if it is there in time.
  Result<std::optional<later::Answer>> await(const Ctx& ctx, const later::Job& job, int64_t wait_s);
  Result<grpc::Reply> accept_call(const Ctx& ctx, const grpc::Request& request);
  Result<grpc::Reply> fetch(const Ctx& ctx, const std::string& uid);
  later::Answer run_row(const Ctx& ctx, const later::Asked& asked) const;
  later::Answer run_call(const Ctx& ctx, const later::Asked& asked) const;

  const Deps deps_;
  std::unique_ptr<http::Inside> inside_;
  std::unique_ptr<grpc::Inside> inside_calls_;
  std::atomic<int> waiters_{0};
};

// Whether a row predicts, so that it may be answered later.
bool predicts(const http::Route& row);

}  // namespace slip::wire::async
