#include "features/file_batches.h"

#include <utility>

#include "base/text.h"

namespace slip::features {
namespace {

constexpr std::string_view kDeletedColumn = "_deleted";
constexpr FeatureType kTime{.type = engine::Type::kTimestampUs};
constexpr FeatureType kFlag{.type = engine::Type::kBool};

Error at_row(Error error, int64_t row, std::string_view name) {
  return std::move(error).within(concat({"row ", std::to_string(row), ", ", name}));
}

Status take_times(const codec::Column& from, std::string_view name, int64_t first_row,
                  engine::Values* to) {
  for (int64_t i = 0; i < from.n; ++i) {
    Result<Cell> cell = cell_of_column(from, i, kTime);
    if (!cell.ok()) return at_row(std::move(cell).error(), first_row + i, name);
    add_cell(to, *cell);
  }
  return {};
}

// The double that is nearest, or the integer.
Result<Cell> cell_of_decimal(const codec::Column& from, int64_t row, const FeatureType& type) {
  const bool number = type.type == engine::Type::kDouble || type.type == engine::Type::kInt64;
  if (from.is_null(row) || !number) return cell_of_column(from, row, type);
  if (const std::optional<int64_t> whole = parse_int(from.text(row))) return fit(*whole, type);
  const std::optional<double> real = parse_double(from.text(row));
  if (!real) return invalid("feature.value", concat({from.text(row), " is no number"}));
  return fit(*real, type);
}

}  // namespace

Result<FileBatches::Places> FileBatches::places_of(const std::vector<codec::Field>& fields,
                                                   const Source& source) {
  Places out;
  size_t i = 0;  // Batches have the readable ones alone.
  for (const codec::Field& field : fields) {
    const std::string& name = source.name_of(field.name);
    const bool time = name == source.event_time || name == source.created_time;
    const FeatureField* column = source.find(name);
    if (!field.readable && (time || column != nullptr))
      return invalid("feature.column",
                     concat({"column '", name, "' is ", field.type_name, ", which is not read"}));
    if (!field.readable) continue;
    if (name == source.event_time) out.event = i;
    if (!source.created_time.empty() && name == source.created_time) out.created = i;
    if (name == kDeletedColumn) out.deleted = i;
    if (column != nullptr) {
      out.columns.emplace_back(i, static_cast<size_t>(column - source.columns.data()));
      out.decimal.push_back(field.type_name.starts_with("decimal"));
    }
    ++i;
  }
  if (out.event == SIZE_MAX)
    return invalid("feature.time", concat({"the file has no column '", source.event_time, "'"}));
  return out;
}

FileBatches::FileBatches(codec::TableReader& rows, Source source, Places places)
    : rows_(&rows), source_(std::move(source)), places_(std::move(places)) {
  for (const auto& [from, to] : places_.columns) schema_.push_back(source_.columns[to]);
}

Result<FileBatches> FileBatches::open(codec::TableReader& rows, const Source& source) {
  Places places = TRY(places_of(rows.schema(), source));
  return FileBatches(rows, source, std::move(places));
}

Result<std::optional<Batch>> FileBatches::next() {
  const std::optional<codec::Table> table = TRY(rows_->next());
  if (!table) return std::optional<Batch>();
  first_row_ = next_row_;
  next_row_ += table->rows;
  Batch out = make_batch(schema_);
  for (size_t c = 0; c < schema_.size(); ++c) {
    const codec::Column& from = table->columns[places_.columns[c].first];
    for (int64_t i = 0; i < table->rows; ++i) {
      Result<Cell> cell = places_.decimal[c] ? cell_of_decimal(from, i, schema_[c].type)
                                             : cell_of_column(from, i, schema_[c].type);
      if (!cell.ok()) return at_row(std::move(cell).error(), first_row_ + i, schema_[c].name);
      add_cell(&out.columns[c], *cell);
    }
  }
  TRY(take_times(table->columns[places_.event], source_.event_time, first_row_, &out.event));
  if (places_.created != SIZE_MAX)
    TRY(take_times(table->columns[places_.created], source_.created_time, first_row_,
                   &out.created));
  else
    for (int64_t i = 0; i < table->rows; ++i) out.created.add_null();
  for (int64_t i = 0; places_.deleted != SIZE_MAX && i < table->rows; ++i) {
    const Result<Cell> cell = cell_of_column(table->columns[places_.deleted], i, kFlag);
    if (!cell.ok())
      return at_row(invalid("feature.value", "true or false is wanted"), first_row_ + i,
                    kDeletedColumn);
    out.deleted.add_bool(!is_null(*cell) && std::get<bool>(*cell));
  }
  return std::optional(std::move(out));
}

Batch wanted_rows(const Batch& batch, int64_t first_row,
                  const std::function<bool(int64_t row)>& wanted) {
  Batch out = make_batch(batch.schema);
  for (int64_t i = 0; i < batch.rows(); ++i) {
    if (!wanted(first_row + i)) continue;
    for (size_t c = 0; c < out.columns.size(); ++c)
      out.columns[c].add_from(batch.columns[c].view(), i);
    out.event.add_from(batch.event.view(), i);
    out.created.add_from(batch.created.view(), i);
    if (batch.deleted.size() > 0) out.deleted.add_bool(batch.is_deleted(i));
  }
  return out;
}

}  // namespace slip::features
