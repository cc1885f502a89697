#pragma once

// Elementary functions that give the same bits on every machine: plain IEEE operations in a fixed
// order, no FMA, no table of the C library (glibc's choose code by CPU). Each is computed as an
// unevaluated sum of two doubles with a relative error below 2^-90 and rounded once, so it is the
// correctly rounded value but for arguments whose exact result lies within 2^-36 ulp of the middle
// between two doubles; subnormal results of exp and pow may be off by one more subnormal step.
// Special values as in C99, annex F. Pure; any thread.
namespace slip::engine::expr::elementary {

double exp(double x);
double log(double x);
double log2(double x);
double log10(double x);
double pow(double x, double y);
double cbrt(double x);
double sin(double x);
double cos(double x);
double tan(double x);
double asin(double x);
double acos(double x);
double atan(double x);
double atan2(double y, double x);
double sinh(double x);
double cosh(double x);
double tanh(double x);

}  // namespace slip::engine::expr::elementary
