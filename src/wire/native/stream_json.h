#pragma once

#include <cstdint>
#include <vector>

#include "codec/json.h"

namespace slip::wire::native {

// How far each partition of a stream is: `lag` of all of them, then `partitions`. Partition:
// {partition, next, end, lag}, as readers and scorers of topics tell it.
template <class Partition>
void add_partitions(codec::Json* out, const std::vector<Partition>& all) {
  codec::Json partitions = codec::Json::array();
  int64_t lag = 0;
  for (const Partition& p : all) {
    codec::Json at =
        codec::Json::object({{"partition", static_cast<int64_t>(p.partition)}, {"next", p.next}});
    at.set("end", p.end ? codec::Json(*p.end) : codec::Json());
    at.set("lag", p.lag);
    lag += p.lag;
    partitions.push(std::move(at));
  }
  out->set("lag", lag);
  out->set("partitions", std::move(partitions));
}

}  // namespace slip::wire::native
