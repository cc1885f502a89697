#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

// A curve of any length as no more buckets than a chart has pixels. Each keeps its first, lowest,
// highest and last point, so a spike of one point among a million is still drawn. NaN and the
// infinities have no place between the others: they are counted beside them, never dropped.
// The order in which points are added changes nothing. Pure; one thread.
namespace slip::tracking {

struct CurvePoint {
  int64_t x = 0;    // The step, or the time.
  int64_t tie = 0;  // What tells points of one x apart: the time, or the step.
  double value = 0;
};

struct Bucket {
  int64_t x_first = 0;  // Of all its points, NaN and the infinities too.
  int64_t x_last = 0;
  int64_t finite = 0;  // How many points `first` to `last` stand for; 0: they mean nothing.
  CurvePoint first;
  CurvePoint low;
  CurvePoint high;
  CurvePoint last;
  int64_t nan = 0;
  int64_t above = 0;  // +∞
  int64_t below = 0;  // −∞
};

class Envelope {
 public:
  // Of points whose x lies between `low` and `high`, both counted.
  Envelope(int64_t low, int64_t high, int64_t buckets_max);

  void add(const CurvePoint& p);
  // Those that have points, by x.
  std::vector<Bucket> take() &&;

 private:
  size_t bucket_of(int64_t x) const;

  int64_t low_;
  int64_t high_;
  uint64_t width_;  // Of a bucket, in x.
  std::vector<std::optional<Bucket>> buckets_;
};

}  // namespace slip::tracking
