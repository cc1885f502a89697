#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "http/route.h"
#include "http/router.h"

// Rows called from inside the process, as the server calls them: the same routing, the same
// handler, the same rendering of errors; no socket, no gate (the Ctx says who asks), no
// compression. Any thread that may wait.
namespace slip::http {

class Inside {
 public:
  // kInvalid `routes.invalid`.
  static Result<std::unique_ptr<Inside>> make(std::vector<Route> rows);

  struct Call {
    Method method = Method::kPost;
    std::string_view target;          // Path and query.
    std::span<const Header> headers;  // Names in lower case.
    std::string body;                 // As the handler is to see it, no longer compressed.
  };
  // Returns when the handler has answered. A reply that is no flat body is 500 `inside.streamed`.
  Reply call(const Ctx& ctx, Call call) const;

 private:
  explicit Inside(Router router) : router_(std::move(router)) {}
  Router router_;
};

}  // namespace slip::http
