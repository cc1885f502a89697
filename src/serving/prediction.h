#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/uuid.h"
#include "serving/routing.h"
#include "serving/tensor.h"

// One answered request, as it lies in the prediction log: who answered, what came in, what went
// out, and with which probability this arm had been chosen (later statistics need it). The encoding
// is little-endian, starts with its format number, and is read by every later build.
namespace slip::serving {

struct PredictionRecord {
  std::string project;
  std::string deployment;
  std::string deployment_uid;
  Uuid id;  // Version 7; row i of the request is "<id>/<i>".
  int64_t ts_us = 0;
  int64_t model_version = 0;
  Role role = Role::kStable;
  // Share of the traffic that the canary had at that moment; 0: none ran, or the client named the
  // version, so that no chance decided.
  double canary_weight = 0;
  int64_t latency_us = 0;
  std::string client_ref;
  std::string trace_id;
  std::string actor_uid;  // Who asked; "" in records of format 1.
  std::string actor_kind;
  std::vector<Tensor> inputs;
  std::vector<Tensor> outputs;

  // Rows that share the first dimension of every input and output; 1 when they do not agree.
  int64_t rows() const;
};

// The same, pointing at what a request has in its hands: logging it copies nothing first.
struct PredictionView {
  std::string_view project;
  std::string_view deployment;
  std::string_view deployment_uid;
  Uuid id;
  int64_t ts_us = 0;
  int64_t model_version = 0;
  Role role = Role::kStable;
  double canary_weight = 0;
  int64_t latency_us = 0;
  std::string_view client_ref;
  std::string_view trace_id;
  std::string_view actor_uid;
  std::string_view actor_kind;
  std::span<const Tensor> inputs;
  std::span<const Tensor> outputs;
};

std::string encode_prediction(const PredictionView& record);
std::string encode_prediction(const PredictionRecord& record);
// kCorrupt `prediction.corrupt`.
Result<PredictionRecord> decode_prediction(std::string_view bytes);

}  // namespace slip::serving
