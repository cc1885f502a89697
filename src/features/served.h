#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "features/cell.h"
#include "features/online.h"
#include "features/read_plan.h"

// A vector that was served: for whom, when, by which definitions, after which row of the history,
// and each value to the bit. It is what verify() replays. Names of keys and features are not in the
// record: a version of a service never changes what it reads, so its plan says them. Values; pure.
namespace slip::features {

struct ServedVector {
  std::string project;
  std::string service;
  int64_t service_version = 0;
  int64_t served_us = 0;
  int64_t applied_seq = 0;  // Rows up to there had been applied.
  // No row was applied between the first value's reading and the last's, and none that had been
  // applied was stamped later than served_us: served_us and applied_seq name what was seen.
  bool settled = false;
  uint64_t shape = 0;         // ReadPlan::shape.
  uint64_t engine = 0;        // engine_fingerprint() of the program that served.
  std::vector<Cell> keys;     // By ReadPlan::keys.
  std::vector<Cell> request;  // By ReadPlan::request.
  std::vector<Cell> values;   // By ReadPlan::outs, as the two below.
  std::vector<ReadStatus> statuses;
  std::vector<int64_t> event_us;
};

std::string encode_served(const ServedVector& vector);
Result<ServedVector> decode_served(std::string_view bytes);  // kCorrupt `feature.served`.

// Of this build: what computes could differ between two of them.
uint64_t engine_fingerprint();

// The same keys are always in the sample or out of it. `part` of 0 … 1.
bool sampled(const std::vector<Cell>& keys, double part);

// To the bit: 0.0 and -0.0 differ, equal NaNs are equal.
bool same_bits(const Cell& a, const Cell& b);

}  // namespace slip::features
