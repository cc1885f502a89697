#include "base/check.h"
#include "features/redis_layout.h"
#include "test/fuzz/fuzz.h"

// Whatever lies in Redis: read, or refused.
SLIP_FUZZ(redis_packed) {
  using namespace slip::features;
  CompiledView view;
  view.features = {{"n", {}},
                   {"s", {.type = slip::engine::Type::kText}},
                   {"l", {.type = slip::engine::Type::kList, .item = slip::engine::Type::kText}}};
  const std::vector<size_t> which = {0, 1, 2};
  const RedisAsk ask{&view, "k", {which, INT64_MAX, true}};
  slip::store::RedisReply reply;
  reply.kind = slip::store::RedisReply::Kind::kText;
  reply.text = redis_sealed_rows(slip::fuzz::as_text(data));
  EntityRead got;
  const auto read = packed_layout(1)->answer(ask, reply, &got);
  if (read.ok()) CHECK(got.cells.size() == got.statuses.size());
}
