#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "base/text.h"
#include "serving/feature_lookup.h"
#include "serving/model_config.h"
#include "serving/table_rows.h"

namespace slip::serving {
namespace {

using codec::Column;
using codec::ColumnType;
using codec::Field;

Error bad_rule(std::string_view text) { return invalid("lookup.rule", std::string(text)); }

const Field* find_field(const std::vector<Field>& fields, std::string_view name) {
  const auto at = std::ranges::find(fields, name, &Field::name);
  return at == fields.end() ? nullptr : &*at;
}

Column column_from(const Tensor& t) {
  Column out;
  out.type = column_type_of(t.type);
  if (out.type == ColumnType::kText) out.offsets.push_back(0);
  for (int64_t i = 0; i < t.elements(); ++i) {
    if (out.type == ColumnType::kText)
      out.add_text(t.strings[static_cast<size_t>(i)]);
    else if (out.type == ColumnType::kBool)
      out.add_bool(t.number(i) != 0);
    else if (out.type == ColumnType::kDouble)
      out.add_f64(t.number(i));
    else
      out.add_i64(t.integer(i));
  }
  return out;
}

// Nulls of a column of numbers become this one.
Column filled(const Column& from, double number) {
  Column out;
  out.type = from.type;
  for (int64_t i = 0; i < from.n; ++i) {
    if (from.type == ColumnType::kDouble)
      out.add_f64(from.is_null(i) ? number : from.f64(i));
    else if (from.type == ColumnType::kInt64)
      out.add_i64(from.is_null(i) ? static_cast<int64_t>(number) : from.i64(i));
    else
      out.add_bool(from.is_null(i) ? number != 0 : from.boolean(i));
  }
  return out;
}

bool takes_one_wide(const Signature& s) {
  return s.inputs.size() == 1 && is_wide(s.inputs.front());
}

bool takes_one_a_row(const TensorSpec& spec) {
  return (spec.shape.size() == 1 || spec.shape.size() == 2) && !is_wide(spec);
}

class JoinedModel final : public Model {
 public:
  JoinedModel(std::unique_ptr<Model> inner, std::shared_ptr<const FeatureLookup> lookup,
              LookupRules rules)
      : inner_(std::move(inner)), lookup_(std::move(lookup)), rules_(std::move(rules)) {}

  Status plan();
  const Signature& signature() const override { return signature_; }
  Result<std::vector<Tensor>> run(std::span<const Tensor> inputs,
                                  std::span<const std::string> outputs) const override;

 private:
  Status plan_columns(const TensorSpec& spec, std::vector<std::string>* columns);
  Status check_used(const std::vector<std::string>& reads);
  Result<int64_t> rows_of(std::span<const Tensor> inputs) const;
  Result<FeatureLookup::Found> find(std::span<const Tensor> inputs, int64_t rows) const;
  Result<Tensor> judge(FeatureLookup::Found* found, int64_t rows) const;
  Result<std::vector<Tensor>> lay(FeatureLookup::Found found, std::span<const Tensor> inputs,
                                  int64_t rows) const;

  std::unique_ptr<Model> inner_;
  std::shared_ptr<const FeatureLookup> lookup_;
  LookupRules rules_;
  Signature signature_;
  Signature mapped_;  // Of the model's inputs, those that are laid together here.
  std::vector<Field> schema_;
  std::vector<std::string> single_;  // Inputs with a value a row that columns are made of.
  std::vector<size_t> used_;         // Of lookup_->gives().
  std::vector<bool> refuses_null_;   // Likewise: by rule, or as its input has no missing value.
  std::optional<RowMapper> mapper_;
};

// A model's one wide input: its columns by name, or the service's features in their order.
Status JoinedModel::plan_columns(const TensorSpec& spec, std::vector<std::string>* columns) {
  *columns = spec.columns;
  if (columns->empty()) {
    if (rules_.version == 0)
      return bad_rule(
          "feature_service: the model doesn't name its columns, so the version of the "
          "service decides their order: NAME@VERSION");
    for (const Field& f : lookup_->gives()) columns->push_back(f.name);
  }
  for (const std::string& name : *columns) {
    if (find_field(schema_, name) != nullptr) continue;
    signature_.inputs.push_back({.name = name, .type = spec.type, .shape = {-1}});
    schema_.push_back(codec::make_field(name, column_type_of(spec.type)));
    single_.push_back(name);
  }
  mapped_.inputs.push_back(spec);
  return {};
}

Status JoinedModel::check_used(const std::vector<std::string>& reads) {
  const std::vector<Field>& gives = lookup_->gives();
  for (size_t i = 0; i < gives.size(); ++i)
    if (std::ranges::find(reads, gives[i].name) != reads.end()) used_.push_back(i);
  if (used_.empty())
    return bad_rule(
        concat({"feature_service: no feature of `", rules_.service, "` is an input of the model"}));
  refuses_null_.assign(gives.size(), rules_.missing == LookupRules::Missing::kRefuse);
  for (const TensorSpec& spec : mapped_.inputs)
    for (const size_t i : used_)
      if (rules_.missing == LookupRules::Missing::kNull && !is_real(spec.type) &&
          (takes_one_wide(inner_->signature()) || spec.name == gives[i].name))
        refuses_null_[i] = true;
  for (const size_t i : used_) {
    const ColumnType type = gives[i].type;
    const bool number =
        type == ColumnType::kDouble || type == ColumnType::kInt64 || type == ColumnType::kBool;
    if (rules_.missing != LookupRules::Missing::kNumber) continue;
    if (!number || (type != ColumnType::kDouble && rules_.number != std::floor(rules_.number)))
      return bad_rule(concat({"feature_missing: that number can't stand for `", gives[i].name,
                              "`, which is ", gives[i].type_name}));
  }
  return {};
}

Status JoinedModel::plan() {
  const Signature& own = inner_->signature();
  signature_.platform = own.platform;
  signature_.max_batch = own.max_batch;
  signature_.waits = own.waits || lookup_->waits();
  signature_.inputs = lookup_->asks();
  schema_ = lookup_->gives();
  for (const TensorSpec& ask : lookup_->asks()) {
    if (find_field(schema_, ask.name) != nullptr) continue;
    schema_.push_back(codec::make_field(ask.name, column_type_of(ask.type)));
    single_.push_back(ask.name);
  }
  std::vector<std::string> columns;
  if (takes_one_wide(own)) {
    TRY(plan_columns(own.inputs.front(), &columns));
  } else {
    for (const TensorSpec& spec : own.inputs) {
      if (takes_one_a_row(spec) && find_field(schema_, spec.name) != nullptr) {
        mapped_.inputs.push_back(spec);
        continue;
      }
      if (signature_.input(spec.name) != nullptr)
        return bad_rule(concat({"the key `", spec.name, "` is an input of another shape, too"}));
      signature_.inputs.push_back(spec);
    }
  }
  mapper_ = TRY(RowMapper::make(mapped_, schema_, columns));
  TRY(check_used(mapper_->reads()));
  signature_.outputs = own.outputs;
  if (own.output(kFeatureStatus) != nullptr)
    return bad_rule("the model has an output `feature_status` of its own");
  signature_.outputs.push_back(
      {.name = std::string(kFeatureStatus), .type = DataType::kBytes, .shape = {-1}});
  for (const TensorSpec& spec : mapped_.inputs) signature_.looked_up.push_back(spec.name);
  return {};
}

Result<int64_t> JoinedModel::rows_of(std::span<const Tensor> inputs) const {
  int64_t rows = -1;
  for (const Tensor& t : inputs) {
    if (std::ranges::find(single_, t.name) == single_.end()) continue;
    if (rows >= 0 && t.rows() != rows)
      return invalid("tensor.shape", concat({"input `", t.name, "` has ", std::to_string(t.rows()),
                                             " rows, and others ", std::to_string(rows)}));
    rows = t.rows();
  }
  if (rows >= 0) return rows;
  return inputs.empty() ? 1 : inputs.front().rows();
}

Result<FeatureLookup::Found> JoinedModel::find(std::span<const Tensor> inputs, int64_t rows) const {
  std::vector<const Tensor*> asked;
  for (const TensorSpec& ask : lookup_->asks())
    asked.push_back(&*std::ranges::find(inputs, ask.name, &Tensor::name));
  return lookup_->find(asked, rows, rules_.stale == LookupRules::Stale::kUse);
}

// What the rules say of what isn't present; the marks of each row.
Result<Tensor> JoinedModel::judge(FeatureLookup::Found* found, int64_t rows) const {
  Tensor marks;
  marks.name = kFeatureStatus;
  marks.type = DataType::kBytes;
  marks.shape = {rows};
  marks.strings.resize(static_cast<size_t>(rows));
  for (const size_t f : used_) {
    const std::string& name = lookup_->gives()[f].name;
    for (size_t row = 0; row < marks.strings.size(); ++row) {
      const FeatureState state = found->states[f][row];
      if (state == FeatureState::kPresent) continue;
      const bool old_refused =
          state == FeatureState::kStale && rules_.stale == LookupRules::Stale::kRefuse;
      if (old_refused ||
          (refuses_null_[f] && found->rows.columns[f].is_null(static_cast<int64_t>(row))))
        return invalid("lookup.refused",
                       concat({"row ", std::to_string(row + 1), ": the feature `", name, "` is ",
                               feature_state_name(state), ", which the model refuses"}));
      std::string& mark = marks.strings[row];
      mark += concat({mark.empty() ? "" : ",", name, "=", feature_state_name(state)});
    }
    Column& column = found->rows.columns[f];
    if (column.nulls > 0 && rules_.missing == LookupRules::Missing::kNumber)
      column = filled(column, rules_.number);
  }
  return marks;
}

Result<std::vector<Tensor>> JoinedModel::lay(FeatureLookup::Found found,
                                             std::span<const Tensor> inputs, int64_t rows) const {
  codec::Table table = std::move(found.rows);
  table.rows = rows;
  for (const std::string& name : single_) {
    const Tensor& t = *std::ranges::find(inputs, name, &Tensor::name);
    table.schema.push_back(codec::make_field(name, column_type_of(t.type)));
    table.columns.push_back(column_from(t));
  }
  return mapper_->tensors(table);
}

Result<std::vector<Tensor>> JoinedModel::run(std::span<const Tensor> inputs,
                                             std::span<const std::string> outputs) const {
  TRY(check_inputs(signature_, inputs));
  TRY(check_outputs(signature_, outputs));
  const int64_t rows = TRY(rows_of(inputs));
  FeatureLookup::Found found = TRY(find(inputs, rows));
  const Tensor marks = TRY(judge(&found, rows));
  const std::vector<Tensor> laid = TRY(lay(std::move(found), inputs, rows));
  std::vector<Tensor> all = laid;
  for (const Tensor& t : inputs)
    if (inner_->signature().input(t.name) != nullptr && mapped_.input(t.name) == nullptr)
      all.push_back(t);
  std::vector<std::string> wanted;
  for (const std::string& name : outputs)
    if (name != kFeatureStatus) wanted.push_back(name);
  // Only the marks are wanted: the model runs all the same, so that its errors are seen.
  if (wanted.empty() && !outputs.empty()) wanted.push_back(signature_.outputs.front().name);
  std::vector<Tensor> ran = TRY(inner_->run(all, wanted));
  std::vector<Tensor> out;
  if (outputs.empty()) {
    out = std::move(ran);
    out.push_back(marks);
  }
  size_t at = 0;
  for (const std::string& name : outputs)
    out.push_back(name == kFeatureStatus ? marks : std::move(ran[at++]));
  out.insert(out.end(), laid.begin(), laid.end());
  return out;
}

}  // namespace

std::string_view feature_state_name(FeatureState state) {
  constexpr std::array<std::string_view, 4> kNames = {"PRESENT", "NULL_VALUE", "NOT_FOUND",
                                                      "OUTSIDE_MAX_AGE"};
  return kNames[static_cast<size_t>(state)];
}

Result<std::optional<LookupRules>> lookup_rules(const ModelConfig& config) {
  const std::string* service = config.parameter("feature_service");
  const std::string* missing = config.parameter("feature_missing");
  const std::string* stale = config.parameter("feature_stale");
  if (service == nullptr || service->empty()) {
    if (missing != nullptr || stale != nullptr)
      return bad_rule("feature_missing and feature_stale need a feature_service");
    return std::optional<LookupRules>();
  }
  LookupRules out;
  const size_t at = service->rfind('@');
  out.service = service->substr(0, at);
  if (at != service->npos) {
    const std::optional<int64_t> version = parse_int(std::string_view(*service).substr(at + 1));
    if (!version || *version < 1 || out.service.empty())
      return bad_rule("feature_service: NAME or NAME@VERSION is wanted");
    out.version = *version;
  }
  if (missing != nullptr && *missing == "refuse") {
    out.missing = LookupRules::Missing::kRefuse;
  } else if (missing != nullptr && *missing != "null") {
    const std::optional<double> number = parse_double(*missing);
    if (!number || !std::isfinite(*number) || std::abs(*number) >= 0x1p53)
      return bad_rule("feature_missing: `null`, `refuse` or a number is wanted");
    out.missing = LookupRules::Missing::kNumber;
    out.number = *number;
  }
  if (stale != nullptr && *stale == "use")
    out.stale = LookupRules::Stale::kUse;
  else if (stale != nullptr && *stale == "refuse")
    out.stale = LookupRules::Stale::kRefuse;
  else if (stale != nullptr && *stale != "null")
    return bad_rule("feature_stale: `null`, `use` or `refuse` is wanted");
  return std::optional<LookupRules>(std::move(out));
}

Result<std::unique_ptr<Model>> with_features(std::unique_ptr<Model> model,
                                             std::shared_ptr<const FeatureLookup> lookup,
                                             LookupRules rules) {
  auto out = std::make_unique<JoinedModel>(std::move(model), std::move(lookup), std::move(rules));
  TRY(out->plan());
  return std::unique_ptr<Model>(std::move(out));
}

}  // namespace slip::serving
