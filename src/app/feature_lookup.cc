#include "app/feature_lookup.h"

#include <algorithm>

#include "base/text.h"
#include "features/read_plan.h"

namespace slip::app {
namespace {

using engine::Type;
using features::Cell;
using features::FeatureField;
using features::FeatureType;
using features::ReadStatus;
using serving::DataType;
using serving::FeatureState;
using serving::Tensor;

// Times are asked for as RFC 3339.
Result<DataType> tensor_type(const FeatureField& field) {
  switch (field.type.type) {
    case Type::kBool:
      return DataType::kBool;
    case Type::kInt64:
      return field.type.narrow ? DataType::kInt32 : DataType::kInt64;
    case Type::kDouble:
      return field.type.narrow ? DataType::kFp32 : DataType::kFp64;
    case Type::kText:
    case Type::kBytes:
    case Type::kTimestampUs:
      return DataType::kBytes;
    case Type::kList:
      break;
  }
  return unsupported("lookup.unavailable", concat({"`", field.name, "` is ", field.type.text(),
                                                   ", and a request has one value a row"}));
}

Result<Cell> cell_of(const Tensor& t, int64_t row, const FeatureType& type) {
  if (t.type == DataType::kBytes) {
    const std::string& text = t.strings[static_cast<size_t>(row)];
    if (type.type != Type::kTimestampUs) return Cell(text);
    return Cell(TRY(features::parse_time_us(text)));
  }
  if (t.type == DataType::kBool) return Cell(t.number(row) != 0);
  if (serving::is_real(t.type)) return Cell(t.number(row));
  return Cell(t.integer(row));
}

FeatureState state_of(ReadStatus status) {
  switch (status) {
    case ReadStatus::kPresent:
      return FeatureState::kPresent;
    case ReadStatus::kNullValue:
      return FeatureState::kNull;
    case ReadStatus::kNotFound:
      return FeatureState::kNotFound;
    case ReadStatus::kOutsideMaxAge:
      return FeatureState::kStale;
  }
  return FeatureState::kNotFound;
}

class StoreLookup final : public serving::FeatureLookup {
 public:
  StoreLookup(features::Features& features, std::string project,
              std::shared_ptr<const features::Shelf> shelf, features::ReadPlan plan)
      : features_(features), project_(std::move(project)) {
    planned_.with([&](Planned& p) {
      p = {std::move(shelf), std::make_shared<const features::ReadPlan>(std::move(plan))};
    });
  }

  Status describe() {
    const auto plan = planned_.with([](const Planned& p) { return p.plan; });
    service_ = plan->service;
    version_ = plan->service_version;
    waits_ = features_.reads_elsewhere() || plan->waits();
    for (const std::vector<FeatureField>* fields : {&plan->keys, &plan->request})
      for (const FeatureField& f : *fields) {
        if (std::ranges::find(asks_, f.name, &serving::TensorSpec::name) != asks_.end()) continue;
        const auto type = TRY(tensor_type(f));
        asks_.push_back({.name = f.name, .type = type, .shape = {-1}});
        fields_.push_back(f);
      }
    for (const features::ReadPlan::Out& out : plan->outs) {
      codec::Field& field =
          gives_.emplace_back(codec::make_field(out.name, features::column_type_of(out.type)));
      if (out.type.type != Type::kList) continue;
      field.readable = false;  // No value a row.
      field.type_name = out.type.text();
    }
    return {};
  }

  const std::vector<serving::TensorSpec>& asks() const override { return asks_; }
  const std::vector<codec::Field>& gives() const override { return gives_; }
  bool waits() const override { return waits_; }

  Result<Found> find(std::span<const Tensor* const> asked, int64_t rows, bool old) const override {
    const std::shared_ptr<const features::ReadPlan> plan = TRY(plan_now());
    features::RequestColumns request;
    request.rows = rows;
    for (size_t i = 0; i < asked.size(); ++i) {
      std::vector<Cell>& cells = request.columns[fields_[i].name];
      cells.reserve(static_cast<size_t>(rows));
      for (int64_t row = 0; row < rows; ++row)
        cells.push_back(TRY(cell_of(*asked[i], row, fields_[i].type)));
    }
    Ctx ctx;
    ctx.project.text = project_;
    features::OnlineReply reply;
    TRY(features_.serve(ctx, *plan, request, &reply));
    features::OnlineReply stale;
    if (old && any_stale(reply)) TRY(features_.read(*plan, request, {.ignore_ttl = true}, &stale));
    return made_of(*plan, reply, stale, rows);
  }

 private:
  struct Planned {
    std::shared_ptr<const features::Shelf> shelf;
    std::shared_ptr<const features::ReadPlan> plan;
  };

  // Anew whenever something was applied; versions never change what they mean.
  Result<std::shared_ptr<const features::ReadPlan>> plan_now() const {
    std::shared_ptr<const features::Shelf> shelf = features_.catalog().shelf(project_);
    Planned now = planned_.with([](const Planned& p) { return p; });
    if (now.shelf == shelf) return now.plan;
    Result<features::ReadPlan> plan = features::plan_service(*shelf, service_, version_, false);
    if (!plan.ok())
      return unavailable(
          "lookup.unavailable",
          concat({"the service `", service_, "` can't be read any more: ", plan.error().text}));
    now = {std::move(shelf), std::make_shared<const features::ReadPlan>(std::move(*plan))};
    planned_.with([&](Planned& p) { p = now; });
    return now.plan;
  }

  static bool any_stale(const features::OnlineReply& reply) {
    for (size_t c = 0; c < reply.statuses.size(); ++c)
      for (const ReadStatus s : reply.statuses[c])
        if (s == ReadStatus::kOutsideMaxAge) return true;
    return false;
  }

  Found made_of(const features::ReadPlan& plan, const features::OnlineReply& reply,
                const features::OnlineReply& stale, int64_t rows) const {
    Found out{.rows = codec::make_table(gives_), .states = {}};
    out.rows.rows = rows;
    out.states.resize(plan.outs.size());
    for (size_t c = 0; c < plan.outs.size(); ++c) {
      for (size_t row = 0; row < static_cast<size_t>(rows); ++row) {
        const FeatureState state = state_of(reply.statuses[c][row]);
        const bool known = state == FeatureState::kPresent;
        const bool aged = state == FeatureState::kStale && stale.values.size() > 0;
        const Cell& cell = aged ? stale.values[c][row] : reply.values[c][row];
        features::add_to_column(&out.rows.columns[c], known || aged ? cell : Cell(),
                                plan.outs[c].type);
        out.states[c].push_back(state);
      }
    }
    return out;
  }

  features::Features& features_;
  const std::string project_;
  std::string service_;
  int64_t version_ = 0;
  bool waits_ = false;
  std::vector<serving::TensorSpec> asks_;
  std::vector<FeatureField> fields_;  // Of asks_.
  std::vector<codec::Field> gives_;
  mutable sys::Guarded<Planned> planned_;
};

}  // namespace

Result<std::shared_ptr<const serving::FeatureLookup>> StoreLookups::open(const std::string& project,
                                                                         const std::string& service,
                                                                         int64_t version) {
  std::shared_ptr<const features::Shelf> shelf = features_.catalog().shelf(project);
  features::ReadPlan plan = TRY(features::plan_service(*shelf, service, version, false));
  auto out = std::make_shared<StoreLookup>(features_, project, std::move(shelf), std::move(plan));
  TRY(out->describe());
  return std::shared_ptr<const serving::FeatureLookup>(std::move(out));
}

}  // namespace slip::app
