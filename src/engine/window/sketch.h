#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/window/kernel.h"

// The approximate halves of the kernels, in arithmetic that every machine does alike (no libm but
// sqrt, which IEEE 754 fixes). Pure functions of their arguments.
namespace slip::window {

uint64_t hash_bytes(std::string_view bytes);

inline constexpr int kHllBits = 12;  // 4096 registers: standard error 1.04 / 64 = 1.6 %.
void hll_add(std::vector<uint8_t>& registers, uint64_t hash);
double hll_estimate(const std::vector<uint8_t>& registers);

inline constexpr int kCmRows = 4;
inline constexpr int kCmColumns = 1024;  // Over by more than e/1024 of n: at most e^-4 of keys.
void cm_add(std::vector<int64_t>& cells, uint64_t hash, int64_t times);
int64_t cm_count(const std::vector<int64_t>& cells, uint64_t hash);

// DDSketch (Masson, Rim, Lee 2019) with the cubically interpolated mapping: buckets of positive
// normal doubles such that bucket_value() is within `accuracy` of all that fall into one.
int32_t bucket_of(double x, double accuracy);
double bucket_value(int32_t bucket, double accuracy);
int32_t sketch_bucket(double x, double accuracy);  // Of |x|; 0 of what has none.
void sketch_add(Sketch& s, double x, int32_t bucket, int64_t times);
double sketch_quantile(const Sketch& s, double q, double accuracy);

}  // namespace slip::window
