#include "app/trials.h"

#include <algorithm>
#include <utility>

#include "app/model_source.h"
#include "base/budget.h"
#include "base/text.h"
#include "serving/serving.h"
#include "sys/clock.h"
#include "wire/invocations/frame.h"

namespace slip::app {
namespace {

constexpr int kTimedRuns = 200;
constexpr int64_t kTimedNsMax = 2'000'000'000;
constexpr double kNsPerMs = 1e6;

std::string inputs_of(const serving::Signature& signature) {
  std::string out;
  for (const serving::TensorSpec& input : signature.inputs)
    out += concat({out.empty() ? "" : ", ", input.name, " ", serving::data_type_name(input.type)});
  return out;
}

double quantile_ms(const std::vector<int64_t>& sorted_ns, double q) {
  const auto last = static_cast<double>(sorted_ns.size() - 1);
  return static_cast<double>(sorted_ns[static_cast<size_t>(q * last + 0.5)]) / kNsPerMs;
}

// Cells of a batch at the end of a table of the same columns.
void append(const codec::Table& batch, codec::Table* to) {
  for (size_t c = 0; c < batch.columns.size(); ++c) {
    const codec::Column& from = batch.columns[c];
    codec::Column& out = to->columns[c];
    for (int64_t i = 0; i < from.n; ++i) {
      if (from.is_null(i)) {
        out.add_null();
        continue;
      }
      switch (from.type) {
        case codec::ColumnType::kBool:
          out.add_bool(from.boolean(i));
          break;
        case codec::ColumnType::kInt64:
        case codec::ColumnType::kTimestampUs:
          out.add_i64(from.i64(i));
          break;
        case codec::ColumnType::kDouble:
          out.add_f64(from.f64(i));
          break;
        case codec::ColumnType::kText:
        case codec::ColumnType::kBytes:
          out.add_text(from.text(i));
          break;
      }
    }
  }
  to->rows += batch.rows;
}

}  // namespace

struct ServedTrials::Loaded {
  Budget::Lease lease;
  std::unique_ptr<serving::Model> model;
};

Result<ServedTrials::Loaded> ServedTrials::load(const registry::Bundle& files) {
  const store::tree::Entry file = TRY(servable_file(files));
  Loaded out;
  out.lease = TRY(deps_.budget.reserve(Share::kModels, 3 * file.size));
  const std::string bytes = TRY(deps_.blobs.get(file.digest, serving::kModelBytesMax));
  out.model = TRY(serving::load_model(bytes));
  return out;
}

Result<std::string> ServedTrials::loads(const Ctx&, const registry::Bundle& files) {
  const Result<Loaded> loaded = load(files);
  if (loaded.ok()) {
    TRY(serving::warm_up(*loaded->model));
    return concat({"loads and runs; takes ", inputs_of(loaded->model->signature())});
  }
  if (loaded.error().reason != "model_version.not_servable") return loaded.error();
  for (const store::tree::Entry& entry : files.entries) TRY(deps_.blobs.open(entry.digest));
  return concat(
      {std::to_string(files.entries.size()), " files are here; no model among them to run"});
}

Result<std::vector<codec::Json>> ServedTrials::answer(const Ctx&, const registry::Bundle& files,
                                                      const std::vector<codec::Json>& rows) {
  const Loaded loaded = TRY(load(files));
  // Rows that name different columns are asked apart: each as a client would send it.
  std::vector<codec::Json> out;
  for (const codec::Json& row : rows) {
    codec::Json records = codec::Json::array();
    records.push(row);
    const wire::invocations::Input input = TRY(wire::invocations::parse_json_input(
        codec::to_json(codec::Json::object({{"dataframe_records", std::move(records)}}))));
    const std::vector<serving::Tensor> tensors =
        TRY(wire::invocations::to_tensors(input, loaded.model->signature()));
    const std::vector<serving::Tensor> outputs = TRY(loaded.model->run(tensors, {}));
    const codec::Json predictions =
        TRY(wire::invocations::to_predictions(outputs, true, input.frame.rows));
    if (!predictions.is_array() || predictions.items().size() != 1)
      return internal("trials.answer", "one row was asked, another number answered");
    out.push_back(predictions.items().front());
  }
  return out;
}

Result<registry::Trials::Latency> ServedTrials::time(const Ctx&, const registry::Bundle& files) {
  const Loaded loaded = TRY(load(files));
  TRY(serving::warm_up(*loaded.model));
  std::vector<int64_t> took;
  int64_t spent = 0;
  while (static_cast<int>(took.size()) < kTimedRuns && spent < kTimedNsMax) {
    const int64_t begun = deps_.clock.steady_ns();
    TRY(serving::warm_up(*loaded.model));
    took.push_back(deps_.clock.steady_ns() - begun);
    spent += took.back();
  }
  std::sort(took.begin(), took.end());
  return Latency{.p50_ms = quantile_ms(took, 0.5),
                 .p90_ms = quantile_ms(took, 0.9),
                 .p95_ms = quantile_ms(took, 0.95),
                 .p99_ms = quantile_ms(took, 0.99),
                 .runs = static_cast<int64_t>(took.size())};
}

Result<registry::Holdouts::Rows> DatasetHoldouts::read(const Ctx& ctx, const std::string& dataset,
                                                       int64_t version,
                                                       const std::vector<std::string>& columns,
                                                       int64_t rows_max) {
  const data::Version found = TRY(data_.version(ctx, dataset, version));
  TRY(auth_.check(ctx, auth::Role::kRead, "dataset", found.dataset_uid));
  Rows out;
  out.digest = found.digest;
  if (columns.empty()) return out;
  if (found.rows > rows_max)
    return exhausted("gate.holdout_rows",
                     concat({dataset, " has more than ", std::to_string(rows_max), " rows"}));
  const std::unique_ptr<codec::TableReader> reader = TRY(data_.rows(found, {.columns = columns}));
  bool begun = false;
  while (std::optional<codec::Table> batch = TRY(reader->next())) {
    if (!begun) out.table = codec::make_table(batch->schema);
    begun = true;
    append(*batch, &out.table);
  }
  return out;
}

}  // namespace slip::app
