#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "contract/checker.h"
#include "contract/kernels.h"
#include "contract/physical.h"

// The inside of a Checker, in two files: prepare.cc makes the checks and finds their columns,
// checker.cc runs them. One thread.
namespace slip::contract {

class Checker::Run {
 public:
  Run(const Contract& contract, const Object& object, CheckOptions options)
      : contract_(contract), object_(object), options_(std::move(options)) {}

  void prepare(std::span<const FieldFact> fields);
  Status add(std::span<const engine::Column> columns, int64_t rows);
  Result<Report> finish();

 private:
  struct ColumnRun {
    const Property* property = nullptr;
    int column = -1;  // Of a batch.
    size_t kind_check = 0;
    RuleSet set;
  };
  struct KeyRun {
    std::vector<int> columns;
    std::vector<size_t> checks;  // Several, when one key is asked for twice.
    std::unique_ptr<DistinctCounter> counter;
  };
  struct ForeignRun {
    size_t check = 0;
    std::vector<int> columns;
    const engine::Keys* keys = nullptr;
    std::string target;
  };
  struct TimeRun {
    size_t check = 0;
    SlaKind kind = SlaKind::kFreshness;
    double value = 0;
    std::string unit;
    int first = -1;
    int second = -1;  // A latency between two times of a row.
    Reading reading;
    Reading second_reading;
    Extremes extremes;
  };
  struct SqlRun {
    size_t check = 0;
    std::string query;
  };
  struct Found {
    const FieldFact* field = nullptr;
    int column = -1;
  };

  Found find(const Property& property) const;
  size_t add_check(Check check);
  size_t add_check(std::string_view property, std::string_view name, const std::string& pointer);
  void prepare_property(const Property& property);
  void prepare_fields(const Property& property, const Found& found);
  void physical(const Property& property, const Found& found);
  void timezone(const Property& property, const Found& found);
  void unexpected(std::span<const FieldFact> fields);
  void prepare_quality(const Quality& quality, const Property* property);
  void prepare_object();
  void key(const std::vector<std::string>& names, size_t check);
  void foreign(const Relationship& relationship);
  void sla(const Sla& sla);
  bool time_column(std::string_view element, int* column, Reading* reading) const;

  Status check_batch(std::span<const engine::Column> columns, int64_t rows) const;
  void evaluate(ColumnRun* c, const engine::Column& column, int64_t rows);
  void evaluate_cells(ColumnRun* c, const engine::Column& column, int64_t rows);
  void sample(const Rule& rule, const engine::Column& column, int64_t from, int64_t n);
  void note(size_t check, int64_t row, const Cell& cell, std::string why);
  static std::vector<engine::Column> choose(std::span<const engine::Column> columns,
                                            const std::vector<int>& which);
  Status add_keys(KeyRun* k, std::span<const engine::Column> columns, int64_t rows);
  Status finish_keys();
  void look_up(ForeignRun* f, std::span<const engine::Column> columns, int64_t rows);
  void add_times(TimeRun* t, std::span<const engine::Column> columns, int64_t rows);
  void judge(CheckResult* result);
  void judge_time(const TimeRun& t, CheckResult* result) const;
  void run_sql(const SqlRun& s, CheckResult* result) const;

  const Contract& contract_;
  const Object& object_;
  const CheckOptions options_;
  std::vector<FieldFact> fields_;
  std::vector<const FieldFact*> readable_;
  std::vector<CheckResult> results_;
  std::vector<ColumnRun> columns_;
  std::vector<KeyRun> keys_;
  std::vector<ForeignRun> foreign_;
  std::vector<TimeRun> times_;
  std::vector<SqlRun> sql_;
  std::vector<uint32_t> found_;
  codec::Json scratch_;
  int64_t rows_ = 0;
};

}  // namespace slip::contract
