#pragma once

#include <functional>
#include <vector>

#include "core/auth/auth.h"
#include "grpc/method.h"
#include "http/gate.h"
#include "http/route.h"
#include "sys/executor.h"

// core/auth behind the server's door, in two steps. The gate sees a request's head, on an I/O
// thread, and answers from memory: it refuses who could have the right on no object of the row's
// kind. Where the right hangs on the object, the row itself has been wrapped: on the pool it asks
// the row which objects the request is about (Route::needs) and checks each before the handler
// runs. Who may do everything pays for neither. Any thread.
namespace slip::app {

class AuthGate final : public http::Gate {
 public:
  explicit AuthGate(auth::Auth& auth) : auth_(auth) {}

  Result<Ctx> authenticate(const http::Credentials& credentials) override;
  Status authorize(const Ctx& ctx, const http::Permission& permission) override;

 private:
  auth::Auth& auth_;
};

// Wraps the handlers of every row whose right hangs on objects. kInvalid `routes.unguarded` when a
// row names objects and doesn't say how they are found. An inline handler whose caller must be
// looked at runs on `pool()`. Once, before the rows are served.
Status guard_rows(auth::Auth& auth, std::function<Pool&()> pool, std::vector<http::Route>* rows);
// The same for rows of gRPC, whose inline handlers need no rendering of errors. kInvalid
// `methods.unguarded`.
Status guard_methods(auth::Auth& auth, std::function<Pool&()> pool,
                     std::vector<grpc::Method>* rows);

}  // namespace slip::app
