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
  reply.items.emplace_back();
  reply.items[0].kind = slip::store::RedisReply::Kind::kText;
  reply.items[0].text = redis_sealed_rows(slip::fuzz::as_text(data));
  std::vector<EntityRead> got;
  const auto read = packed_layout(1)->answer({&ask, 1}, {&reply, 1}, &got);
  if (read.ok()) CHECK(got.size() == 1 && got[0].cells.size() == got[0].statuses.size());
}
