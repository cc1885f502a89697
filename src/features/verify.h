#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "features/cell.h"

// Whether training would see what serving saw: logged vectors (served.h) are computed again from
// the history, as known at the moment at which they were served, and compared to the bit. A
// difference is 0 by construction and is named when there is one: one that the data explain (the
// first five causes) breaks no promise, the others do.
namespace slip::features {

enum class Cause : uint8_t {
  kInFlight,  // A row had been stamped and was not yet applied: training sees it, serving didn't.
  kLateData,  // A file that was loaded later says its rows had been known by then.
  kOneSided,  // Rows were in the history and not yet online, or were pushed past the history.
  kErased,    // An entity was erased since; its rows may have been counted.
  kFunction,  // Somebody's Python: it may say another thing each time.
  kTtl,       // Equal but for what was withheld as too old.
  kEngine,    // Served by another build.
  kUnexplained,
};
inline constexpr int kCauses = 8;
std::string_view cause_name(Cause cause);  // "in_flight", "late_data", …
bool breaks_parity(Cause cause);

struct VerifyWanted {
  std::string service;
  int64_t since_us = INT64_MIN;  // Served at or after it,
  int64_t until_us = INT64_MAX;  // and before it.
  int64_t limit = 100'000;       // Vectors; the newest ones.
};

// limits
inline constexpr int64_t kVerifyVectorsMax = 200'000;
inline constexpr size_t kVerifyExamplesMax = 20;
inline constexpr size_t kVerifySeqsMax = 64;  // Moments at which differences are looked into.

struct FeatureParity {
  std::string feature;
  std::string view;
  int64_t values = 0;
  int64_t equal = 0;
  std::map<Cause, int64_t> differ;
};

struct Difference {
  std::string feature;
  Cause cause = Cause::kUnexplained;
  int64_t served_us = 0;
  int64_t service_version = 0;
  std::vector<std::pair<std::string, Cell>> keys;
  Cell served;
  Cell replayed;
};

struct VerifyReport {
  int64_t vectors = 0;    // Replayed.
  int64_t unsettled = 0;  // Rows were applied while they were read: no one moment describes them.
  int64_t redefined = 0;  // What the service read then has another meaning now, or is gone.
  int64_t values = 0;
  int64_t equal = 0;
  int64_t broken = 0;  // Differences that break parity.
  int64_t oldest_us = 0;
  int64_t newest_us = 0;
  std::vector<FeatureParity> features;  // By version and place in the service.
  std::vector<Difference> examples;     // The first ones, the gravest causes first.
};

}  // namespace slip::features
