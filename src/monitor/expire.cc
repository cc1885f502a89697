#include "monitor/joins.h"
#include "monitor/monitor.h"
#include "monitor/monitor_store.h"
#include "sys/clock.h"

namespace slip::monitor {

constexpr int64_t kDayUs = int64_t{86'400} * 1'000'000;

int64_t kept_from_us(int64_t retention_days, int64_t now_us) {
  return now_us - retention_days * kDayUs;
}

Result<int64_t> Monitor::expire(const Ctx&) {
  std::vector<sql::Kept> all;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    all = TRY(sql::retentions(tx));
    return {};
  }));
  const int64_t now_us = deps_.clock.now_us();
  int64_t total = 0;
  for (const sql::Kept& kept : all) {
    const int64_t before_us = kept_from_us(kept.retention_days, now_us);
    for (const auto& expire : {&sql::expire_rows, &sql::expire_pending})
      for (int64_t n = store::kWriteRowsMax; n == store::kWriteRowsMax; total += n)
        TRY(deps_.db.write([&](store::Tx& tx) -> Status {
          n = TRY(expire(tx, kept, before_us, store::kWriteRowsMax));
          return {};
        }));
  }
  return total;
}

}  // namespace slip::monitor
