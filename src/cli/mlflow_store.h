#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "codec/json.h"
#include "store/foreign.h"

// MLflow's own SQL store (the schema of 3.17.2), read only, as the JSON items that our import
// routes take. Experiments have the numbers that they have there. One workspace of it. One thread.
namespace slip::cli {

class MlflowStore {
 public:
  using Each = std::function<Status(codec::Json item)>;

  // kInvalid `migrate.no_mlflow` for a database without its tables, `migrate.schema` for another
  // version of them, `migrate.workspace` when it has none of that name.
  static Result<MlflowStore> open(const std::string& source, std::string workspace);

  Result<std::vector<codec::Json>> experiments();
  Result<std::vector<std::string>> run_ids();  // By start.
  Result<codec::Json> run(const std::string& id);
  // {"key", "value", "timestamp_ms", "step"}: by key, in the order of histories. Not a number: NaN.
  Status each_point(const std::string& run_id, const Each& each);

  Result<std::vector<codec::Json>> logged_models();
  // As points, with "run_id" and, where there is one, "dataset_name" and "dataset_digest".
  Result<std::vector<codec::Json>> model_metrics(const std::string& model_id);

  Result<std::vector<codec::Json>> registered_models();
  Result<std::vector<codec::Json>> versions(const std::string& model);  // Not those it deleted.

  Result<std::vector<std::string>> trace_ids();  // By time.
  // {"info": MLflow's TraceInfo, "experiment_id", "artifacts", "links": [{"kind", "target"}]}: to
  // the "run" of an id, the "prompt" NAME/VERSION.
  Result<codec::Json> trace(const std::string& id);
  // As MLflow writes spans down: each value of "attributes" is JSON text.
  Result<std::vector<codec::Json>> spans(const std::string& trace_id);

  // What it has and nobody asks for here: table, rows.
  struct Rest {
    std::string_view table;
    std::string_view why;
    int64_t rows = 0;
  };
  Result<std::vector<Rest>> rest();

 private:
  MlflowStore(std::unique_ptr<store::ForeignDb> db, std::string workspace)
      : db_(std::move(db)), workspace_(std::move(workspace)) {}
  Status check();
  using OnRow = std::function<void(const store::Row&)>;
  Status each(std::string_view sql, const std::vector<std::string>& args, const OnRow& on_row);
  // {key: value} of two columns.
  Result<codec::Json> pairs(std::string_view sql, const std::vector<std::string>& args);
  Result<codec::Json> datasets_of(const std::string& run_id);
  Result<codec::Json> assessments_of(const std::string& trace_id);

  std::unique_ptr<store::ForeignDb> db_;
  std::string workspace_;
};

}  // namespace slip::cli
