#include "features/compiled.h"

#include <algorithm>
#include <set>

#include "base/check.h"
#include "base/text.h"

namespace slip::features {
namespace {

using engine::Column;
using engine::Type;
using engine::expr::Program;
using engine::expr::Schema;

Result<Program> compile_named(std::string_view what, const std::string& text,
                              const Schema& schema) {
  Result<Program> made = engine::expr::compile(text, schema);
  if (!made.ok()) return std::move(made).error().within(what);
  return made;
}

FeatureType list_type(const FeatureType& item) {
  FeatureType out{.type = Type::kList, .item = item.type, .narrow = item.narrow};
  if (item.type == Type::kBool) {
    out.item = Type::kInt64;
    out.flags = true;
  }
  if (item.type == Type::kTimestampUs) out.item = Type::kInt64;
  if (item.type == Type::kBytes) out.item = Type::kText;
  return out;
}

FeatureType type_of_aggregate(window::Op op, const FeatureType& of) {
  const FeatureType real{.type = Type::kDouble};
  switch (op) {
    case window::Op::kCount:
    case window::Op::kDistinct:
      return {.type = Type::kInt64};
    case window::Op::kSum:
      return of.type == Type::kDouble ? real : FeatureType{.type = Type::kInt64};
    case window::Op::kMin:
    case window::Op::kMax:
    case window::Op::kFirst:
    case window::Op::kLast:
      return of;
    case window::Op::kLastK:
    case window::Op::kTopK:
      return list_type(of);
    case window::Op::kHistogram:
      return {.type = Type::kText};
    case window::Op::kAny:
    case window::Op::kAll:
      return {.type = Type::kBool};
    case window::Op::kListSum:
    case window::Op::kListMean:
      return list_type(real);
    default:
      return real;
  }
}

Status resolve_keys(const std::map<std::string, FeatureField>& entities, CompiledView* out) {
  const View& view = out->view();
  out->join_keys = view.join_keys;
  for (const std::string& name : view.entities) {
    const auto found = entities.find(name);
    if (found == entities.end())
      return invalid("feature.join_key", concat({"no Entity '", name, "'"}));
    const bool known =
        std::any_of(out->join_keys.begin(), out->join_keys.end(),
                    [&](const FeatureField& f) { return f.name == found->second.name; });
    if (!known) out->join_keys.push_back(found->second);
  }
  for (const FeatureField& key : out->join_keys) {
    if (key.type.type == Type::kList || key.type.type == Type::kDouble)
      return invalid("feature.join_key",
                     concat({"key ", key.name, ": ", key.type.text(), " is no type of a key"}));
    if (out->source.find(key.name) == nullptr) {
      if (!view.inline_source)
        return invalid("feature.join_key", concat({"the source ", out->source_name,
                                                   " has no column for the key '", key.name, "'"}));
      out->source.columns.push_back(key);
    }
    for (size_t i = 0; i < out->source.columns.size(); ++i)
      if (out->source.columns[i].name == key.name) out->key_columns.push_back(i);
  }
  return {};
}

Status compile_rows(CompiledView* out) {
  for (const FeatureField& f : out->source.columns)
    out->schema.push_back({.name = f.name, .type = f.type.expr()});
  out->schema.push_back({.name = out->source.event_time, .type = engine::expr::kTimestampType});
  for (const RowFeature& r : out->view().row)
    out->row.push_back(TRY(compile_named(r.name, r.expression, out->schema)));
  if (out->view().filter.empty()) return {};
  out->filter = TRY(compile_named("filter", out->view().filter, out->schema));
  if (out->filter->output_type().type != Type::kBool)
    return invalid("expr.type", "filter: true or false is wanted");
  return {};
}

Status compile_plain(CompiledView* out) {
  for (const std::string& name : out->view().columns) {
    const FeatureField* column = out->source.find(name);
    if (column == nullptr)
      return invalid("feature.column",
                     concat({"the source ", out->source_name, " has no column '", name, "'"}));
    out->features.push_back(*column);
  }
  for (size_t i = 0; i < out->row.size(); ++i)
    out->features.push_back({out->view().row[i].name, type_of_expr(out->row[i].output_type())});
  return {};
}

// Where `of` lies in a record; the record gets it when it hasn't yet.
Result<uint32_t> record_column(const std::string& of, CompiledView* out, FeatureType* type) {
  const size_t n = out->source.columns.size();
  size_t place = SIZE_MAX;
  if (of.empty()) place = out->key_columns.front();  // A count of events: a key is never null.
  for (size_t i = 0; i < n && place == SIZE_MAX; ++i)
    if (out->source.columns[i].name == of) place = i;
  for (size_t i = 0; i < out->row.size(); ++i)
    if (out->view().row[i].name == of) place = n + i;
  if (place == SIZE_MAX)
    return invalid("feature.column", concat({"no column or row feature '", of, "'"}));
  *type =
      place < n ? out->source.columns[place].type : type_of_expr(out->row[place - n].output_type());
  const auto known = std::find(out->record_columns.begin(), out->record_columns.end(), place);
  if (known == out->record_columns.end()) {
    out->record_columns.push_back(place);
    return static_cast<uint32_t>(out->record_columns.size() - 1);
  }
  return static_cast<uint32_t>(known - out->record_columns.begin());
}

// Sums of texts are refused here and not row by row.
Status check_types(const std::vector<window::Aggregate>& aggregates, const CompiledView& view) {
  for (size_t i = 0; i < aggregates.size(); ++i) {
    const AggregateFeature& a = view.view().aggregates[i];
    const size_t at = view.record_columns[aggregates[i].column];
    const size_t n = view.source.columns.size();
    const FeatureType of =
        at < n ? view.source.columns[at].type : type_of_expr(view.row[at - n].output_type());
    window::Datum sample;
    switch (of.type) {
      case Type::kBool:
        sample = true;
        break;
      case Type::kInt64:
      case Type::kTimestampUs:
        sample = int64_t{1};
        break;
      case Type::kDouble:
        sample = 1.0;
        break;
      case Type::kText:
      case Type::kBytes:
        sample = std::string("a");
        break;
      case Type::kList:
        sample = std::vector<double>{1.0};
        break;
    }
    Result<window::Kernel> kernel = window::kernel_of(a.aggregate.op, a.aggregate.params);
    if (!kernel.ok()) return std::move(kernel).error().within(a.name);
    if (!window::fits(*kernel, window::init(*kernel), sample))
      return invalid("feature.aggregate",
                     concat({a.name, ": no such aggregate of a column of type ", of.text()}));
  }
  return {};
}

Status compile_windows(CompiledView* out) {
  std::vector<window::Aggregate> aggregates;
  for (const AggregateFeature& a : out->view().aggregates) {
    window::Aggregate made = a.aggregate;
    FeatureType of;
    Result<uint32_t> column = record_column(a.of, out, &of);
    if (!column.ok()) return std::move(column).error().within(a.name);
    made.column = *column;
    aggregates.push_back(made);
    out->features.push_back({a.name, type_of_aggregate(made.op, of)});
  }
  TRY(check_types(aggregates, *out));
  window::Options options;
  options.lateness_us = out->view().lateness_us;
  out->plan = TRY(window::Plan::compile(std::move(aggregates), options));
  return {};
}

Status check_unique(const CompiledView& view) {
  std::set<std::string_view> seen;
  for (const FeatureField& key : view.join_keys) seen.insert(key.name);
  for (const FeatureField& f : view.features)
    if (!seen.insert(f.name).second)
      return invalid("feature.duplicate",
                     concat({"two features or keys are called '", f.name, "'"}));
  return {};
}

Cell cell_of_datum(const window::Datum& datum) {
  if (const auto* b = std::get_if<bool>(&datum)) return *b;
  if (const auto* i = std::get_if<int64_t>(&datum)) return *i;
  if (const auto* d = std::get_if<double>(&datum)) return *d;
  if (const auto* s = std::get_if<std::string>(&datum)) return *s;
  if (const auto* v = std::get_if<std::vector<double>>(&datum)) return *v;
  return {};
}

Cell list_of(const std::vector<window::Datum>& items, Type item) {
  std::vector<int64_t> ints;
  std::vector<double> reals;
  std::vector<std::string> texts;
  for (const window::Datum& d : items) {
    if (const auto* b = std::get_if<bool>(&d)) ints.push_back(*b ? 1 : 0);
    if (const auto* i = std::get_if<int64_t>(&d)) ints.push_back(*i);
    if (const auto* r = std::get_if<double>(&d)) reals.push_back(*r);
    if (const auto* s = std::get_if<std::string>(&d)) texts.push_back(*s);
  }
  if (item == Type::kDouble) return reals;
  if (item == Type::kText) return texts;
  return ints;
}

codec::Json json_of_datum(const window::Datum& d) {
  const Cell cell = cell_of_datum(d);
  return json_of_cell(cell, FeatureType{});
}

}  // namespace

std::optional<size_t> CompiledView::find(std::string_view feature) const {
  for (size_t i = 0; i < features.size(); ++i)
    if (features[i].name == feature) return i;
  return std::nullopt;
}

FeatureType type_of_expr(const engine::expr::ValueType& type) {
  return {.type = type.type, .item = type.item};
}

Result<CompiledView> compile_view(const Definition& definition, const Source& source,
                                  const std::map<std::string, FeatureField>& entities) {
  CompiledView out;
  out.name = definition.name;
  out.version = definition.version;
  out.definition = definition;
  out.digest = definition.digest();
  out.source_name = definition.view.source;
  out.source = source;
  TRY(resolve_keys(entities, &out));
  TRY(compile_rows(&out));
  TRY(definition.view.windowed() ? compile_windows(&out) : compile_plain(&out));
  TRY(check_unique(out));
  return out;
}

std::vector<size_t> inputs_of(const Program& program, const Schema& schema) {
  std::vector<size_t> out;
  for (const engine::expr::Field& f : program.inputs())
    for (size_t i = 0; i < schema.size(); ++i)
      if (schema[i].name == f.name) out.push_back(i);
  return out;
}

Transform::Transform(ViewPtr view) : view_(std::move(view)) {
  for (const Program& p : view_->row) row_.emplace_back(p);
  if (view_->filter) filter_.emplace(*view_->filter);
}

Result<Transform::Output> Transform::run(std::span<const Column> columns, const Column& event) {
  const CompiledView& v = *view_;
  CHECK(columns.size() == v.source.columns.size());
  Output out;
  std::vector<Column> all(columns.begin(), columns.end());
  all.push_back(event);
  const auto evaluate = [&](const Program& p, engine::expr::Evaluator& e,
                            engine::Values* values) -> Status {
    std::vector<Column> in;
    for (const size_t i : inputs_of(p, v.schema)) in.push_back(all[i]);
    return e.evaluate(in, event.n, values);
  };
  out.wanted.assign(static_cast<size_t>(event.n), true);
  out.excluded.assign(static_cast<size_t>(event.n), false);
  if (filter_) {
    engine::Values passes = filter_->make_output();
    TRY(evaluate(*v.filter, *filter_, &passes));
    const Column c = passes.view();
    for (int64_t i = 0; i < event.n; ++i) {
      out.wanted[static_cast<size_t>(i)] = !c.is_null(i) && c.boolean(i);
      out.excluded[static_cast<size_t>(i)] = !c.is_null(i) && !c.boolean(i);
    }
  }
  out.row.reserve(row_.size());
  for (size_t i = 0; i < row_.size(); ++i) {
    engine::Values& values = out.row.emplace_back(row_[i].make_output());
    Status done = evaluate(v.row[i], row_[i], &values);
    if (!done.ok()) return std::move(done).error().within(v.view().row[i].name);
  }
  for (const engine::Values& values : out.row) all.push_back(values.view());
  const size_t base = v.source.columns.size() + 1;  // Of row features in `all`.
  if (v.plan) {
    for (const size_t place : v.record_columns)
      out.columns.push_back(all[place < v.source.columns.size() ? place : place + 1]);
    return out;
  }
  for (const std::string& name : v.view().columns)
    for (size_t i = 0; i < v.source.columns.size(); ++i)
      if (v.source.columns[i].name == name) out.columns.push_back(columns[i]);
  for (size_t i = 0; i < out.row.size(); ++i) out.columns.push_back(all[base + i]);
  return out;
}

Cell cell_of_answer(const CompiledView& view, size_t feature, const window::Answer& answer) {
  if (answer.overflow) return {};
  const FeatureType& type = view.features[feature].type;
  const window::Op op = view.view().aggregates[feature].aggregate.op;
  if (op == window::Op::kHistogram) {
    codec::Json out = codec::Json::object();
    for (const auto& [value, n] : answer.entries) {
      const codec::Json key = json_of_datum(value);
      out.set(key.is_string() ? key.as_string() : codec::to_json(key), n);
    }
    return codec::to_json(out);
  }
  if (op == window::Op::kListSum || op == window::Op::kListMean) {
    const auto* v = std::get_if<std::vector<double>>(&answer.value);
    return v ? Cell(*v) : Cell();
  }
  if (type.type == Type::kList) {
    if (!answer.entries.empty()) {
      std::vector<window::Datum> items;
      for (const auto& [value, n] : answer.entries) items.push_back(value);
      return list_of(items, type.item);
    }
    return list_of(answer.items, type.item);
  }
  return cell_of_datum(answer.value);
}

Result<CompiledOnDemand> compile_on_demand(const Definition& definition,
                                           std::span<const FeatureType> inputs) {
  CompiledOnDemand out;
  out.name = definition.name;
  out.version = definition.version;
  out.digest = definition.digest();
  out.definition = definition.on_demand;
  CHECK(inputs.size() == out.definition.inputs.size());
  out.input_types.assign(inputs.begin(), inputs.end());
  for (size_t i = 0; i < inputs.size(); ++i)
    out.schema.push_back({.name = out.definition.inputs[i].name, .type = inputs[i].expr()});
  for (const FeatureField& f : out.definition.request)
    out.schema.push_back({.name = concat({"request.", f.name}), .type = f.type.expr()});
  out.features = out.definition.outputs;
  for (const RowFeature& r : out.definition.features) {
    Program program = TRY(compile_named(r.name, r.expression, out.schema));
    out.features.push_back({r.name, type_of_expr(program.output_type())});
    out.programs.push_back(std::move(program));
  }
  return out;
}

}  // namespace slip::features
