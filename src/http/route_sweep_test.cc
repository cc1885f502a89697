#include "test/http/route_sweep.h"

#include <gtest/gtest.h>

#include "codec/json.h"
#include "test/http/memory_blobs.h"
#include "test/http/world.h"

// The sweep itself: a set of good rows passes, and each kind of bad row is noticed. (The product's
// rows are swept by app/.)
namespace slip::http {
namespace {

using testing::MemoryBlobs;
using testing::public_row;
using testing::simple_row;
using testing::Sweep;
using testing::World;

Route guarded_row(Method method, std::string path, Body body = no_body()) {
  Route row = public_row(
      method, std::move(path),
      [](const Ctx&, Request& request) -> Result<Reply> {
        if (!request.body.empty()) TRY(codec::parse_json(request.body));
        return Reply{};
      },
      body);
  row.permission = {Right::kRead, "thing"};
  return row;
}

Sweep sweep_of(const World& world) {
  return {.port = world.port(),
          .authorization = "Bearer good",
          .foreign_authorization = "Bearer slp_foreign",
          .public_rows = {"GET /health"}};
}

TEST(RouteSweep, GoodRowsPass) {
  MemoryBlobs blobs;
  World world({simple_row("/health", "OK"), guarded_row(Method::kGet, "/things"),
               guarded_row(Method::kPost, "/things", memory(10'000)),
               guarded_row(Method::kPut, "/things/{name}/file", spool(100'000)),
               guarded_row(Method::kPost, "/v1/models/{m}:predict", memory(10'000))},
              {.blobs = &blobs});
  testing::sweep_routes(world.server().rows(), sweep_of(world));
}

}  // namespace
}  // namespace slip::http
