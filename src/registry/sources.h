#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "codec/json.h"
#include "codec/table.h"
#include "sys/ctx.h"

// What gates and rollback plans ask of the registry's neighbours; app/ fills both. Any thread.
namespace slip::registry {

// Rows of committed datasets, for gates that judge on a holdout; app/ fills it from data.
class Holdouts {
 public:
  struct Rows {
    std::string digest;  // Of the dataset version's file.
    codec::Table table;  // The columns that were asked for.
  };
  virtual ~Holdouts() = default;
  // kExhausted `gate.holdout_rows` for more than `rows_max`; no columns: only whether it is there.
  virtual Result<Rows> read(const Ctx& ctx, const std::string& dataset, int64_t version,
                            const std::vector<std::string>& columns, int64_t rows_max) = 0;
};

struct Bundle;
// A version's files, run as they would be served; app/ fills it from serving.
class Trials {
 public:
  struct Latency {
    double p50_ms = 0;
    double p90_ms = 0;
    double p95_ms = 0;
    double p99_ms = 0;
    int64_t runs = 0;
  };
  virtual ~Trials() = default;
  // It loads, and the inputs and features that it asks for are there. What it says is kept.
  virtual Result<std::string> loads(const Ctx& ctx, const Bundle& files) = 0;
  // One record for each row (objects of column and value).
  virtual Result<std::vector<codec::Json>> answer(const Ctx& ctx, const Bundle& files,
                                                  const std::vector<codec::Json>& rows) = 0;
  virtual Result<Latency> time(const Ctx& ctx, const Bundle& files) = 0;
};

}  // namespace slip::registry
