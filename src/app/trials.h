#pragma once

#include "core/auth/auth.h"
#include "data/data.h"
#include "registry/registry.h"
#include "serving/model.h"
#include "store/blobs.h"

namespace slip {
class Budget;
class Clock;
}  // namespace slip

// What gates and rollback plans of the registry ask of its neighbours.
namespace slip::app {

// Runs a version's ONNX file as serving would: the same runtime, the same mapping of rows to
// tensors. Each call loads the file, counted against the budget, and lets it go.
class ServedTrials final : public registry::Trials {
 public:
  struct Deps {
    store::Blobs& blobs;
    Budget& budget;
    Clock& clock;
  };
  explicit ServedTrials(Deps deps) : deps_(deps) {}

  // A version that isn't ONNX loads elsewhere: then its files are there and readable.
  Result<std::string> loads(const Ctx& ctx, const registry::Bundle& files) override;
  Result<std::vector<codec::Json>> answer(const Ctx& ctx, const registry::Bundle& files,
                                          const std::vector<codec::Json>& rows) override;
  // One row of zeros, again and again.
  Result<Latency> time(const Ctx& ctx, const registry::Bundle& files) override;

 private:
  struct Loaded;
  Result<Loaded> load(const registry::Bundle& files);
  Deps deps_;
};

// Only what the caller may read: a gate shows figures of the rows.
class DatasetHoldouts final : public registry::Holdouts {
 public:
  DatasetHoldouts(data::Data& data, const auth::Auth& auth) : data_(data), auth_(auth) {}
  Result<Rows> read(const Ctx& ctx, const std::string& dataset, int64_t version,
                    const std::vector<std::string>& columns, int64_t rows_max) override;

 private:
  data::Data& data_;
  const auth::Auth& auth_;
};

}  // namespace slip::app
