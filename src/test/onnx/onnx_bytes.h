#pragma once

#include <string>
#include <vector>

// Small ONNX models for tests, written field by field in protobuf wire form (IR version 8, opset
// 13), so that tests need no Python. Dimension -1: open.
namespace slip::test {

// y[n,3] = x[n,3] + {a, b, c}, FP32.
std::string onnx_add(float a, float b, float c);
// label[n,1] = Identity(text[n,1]), strings.
std::string onnx_echo();
// score[n,1] = x[n,width] · weights[width], FP32.
std::string onnx_dot(const std::vector<float>& weights);

// where[2,k] = NonZero(x[n,width]), INT64: how many columns there are depends on the values.
std::string onnx_non_zero(int64_t width);

}  // namespace slip::test
