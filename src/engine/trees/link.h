#pragma once

#include <span>

#include "engine/trees/forest.h"

// What happens to a row's sums: averages, base scores, links. In floats where the forest adds
// floats, else in doubles; one code for every kernel. Pure.
namespace slip::trees {

// Sums are divided, and get the base scores that weren't there first, in place.
void finish_sums(const Forest& forest, std::span<double> sums);
// What they then are becomes the answer; `out` has forest.answers() places.
void apply_link(const Forest& forest, std::span<const double> raw, std::span<double> out);
// Or the class that they mean: the first of those with the greatest sum.
size_t class_of(const Forest& forest, std::span<const double> sums);

// The inverse of the normal distribution as ONNX's PROBIT has it (S. Winitzki's approximation).
float probit(float x);

}  // namespace slip::trees
