#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

// What the runs of one group have in common: the text of a param, tag or attribute, a stretch of a
// metric's values, or that there is none. Every run has exactly one key, and an id reads back as
// the key it was made of, so a group stays what it was while runs come and go. Pure; any thread.
//
// Errors: kInvalid `run_groups.group`.
namespace slip::tracking {

inline constexpr int64_t kGroupBucketsMax = 100;
inline constexpr int64_t kGroupBucketsDefault = 10;

struct GroupKey {
  enum class Kind : uint8_t { kText, kBelow, kStretch, kAbove, kNan, kAbsent };
  Kind kind = Kind::kAbsent;
  std::string text;  // kText.
  double low = 0;    // kStretch: what it holds is at or above this …
  double high = 0;   // … and below that; of the greatest number there is, it holds that as well.

  bool operator==(const GroupKey&) const = default;
  // "=adam", "0.1..0.2", "-Infinity", "Infinity", "NaN", "none".
  std::string id() const;
};

Result<GroupKey> parse_group_key(std::string_view id, bool of_metric);

// Below 0 when `a` stands before `b`: numbers by size, then other texts bytewise; NaN and absence
// are last whichever way the values run.
int compare(const GroupKey& a, const GroupKey& b, bool ascending);

// Cuts the values between `least` and `most`, both finite, into about `wanted` stretches of one
// round width (1, 2 or 5 times a power of ten). Where cuts lie depends on the width alone.
class Stretches {
 public:
  Stretches(double least, double most, int64_t wanted);
  GroupKey of(double value) const;  // Infinities and NaN have keys of their own.

 private:
  double edge(double index) const;

  int mantissa_ = 1;
  int exponent_ = 0;
};

}  // namespace slip::tracking
