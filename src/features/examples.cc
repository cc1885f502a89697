#include "features/examples.h"

#include <cmath>
#include <map>

#include "base/text.h"
#include "features/batch.h"
#include "features/compiled.h"
#include "features/online.h"
#include "features/packed.h"

namespace slip::features {
namespace {

using codec::Json;

struct Known {
  std::map<std::string, Source> sources;
  std::map<std::string, FeatureField> entities;
};

Result<Batch> batch_of(const CompiledView& view, const Json& events) {
  Batch out = make_batch(view.source.columns);
  static constexpr FeatureType kTime{.type = engine::Type::kTimestampUs};
  for (size_t i = 0; i < events.items().size(); ++i) {
    const Json& row = events.items()[i];
    const std::string where = concat({"event ", std::to_string(i)});
    if (!row.is_object()) return invalid("feature.field", concat({where, ": {column: value}"}));
    for (const auto& [name, value] : row.members())
      if (view.source.find(name) == nullptr && name != view.source.event_time)
        return invalid("feature.column", concat({where, ": no column '", name, "'"}));
    for (size_t c = 0; c < out.schema.size(); ++c) {
      const Json* value = row.find(out.schema[c].name);
      Result<Cell> cell = cell_of_json(value != nullptr ? *value : Json(), out.schema[c].type);
      if (!cell.ok())
        return std::move(cell).error().within(concat({where, ", ", out.schema[c].name}));
      add_cell(&out.columns[c], *cell);
    }
    const Json* time = row.find(view.source.event_time);
    Result<Cell> at = cell_of_json(time != nullptr ? *time : Json(), kTime);
    if (!at.ok()) return std::move(at).error().within(where);
    if (is_null(*at))
      return invalid("feature.time", concat({where, ": no ", view.source.event_time}));
    add_cell(&out.event, *at);
    out.created.add_null();
  }
  return out;
}

bool equal(const Cell& a, const Cell& b) {
  const auto* x = std::get_if<double>(&a);
  const auto* y = std::get_if<double>(&b);
  if (x != nullptr && y != nullptr) return *x == *y || (std::isnan(*x) && std::isnan(*y));
  return a == b;
}

std::string show(const Cell& cell, const FeatureType& type) {
  return codec::to_json(json_of_cell(cell, type), 0, codec::NonFinite::kToken);
}

// All events are of one entity: the first event's key.
Result<ExampleResult> run_one(const ViewPtr& view, const Example& example) {
  ExampleResult out;
  out.view = view->name;
  out.name = example.name;
  const int64_t at_us = TRY(parse_time_us(example.at));
  const Batch batch = TRY(batch_of(*view, example.events));
  const std::vector<engine::Values> values = columns_as(batch, view->source.columns);
  std::vector<engine::Column> columns;
  for (const engine::Values& v : values) columns.push_back(v.view());
  const engine::Column event = batch.event.view();
  const Transform::Output made = TRY(Transform(view).run(columns, event));
  Online online;
  std::string asked;
  for (int64_t i = 0; i < batch.rows(); ++i) {
    std::string key;
    for (const size_t k : view->key_columns)
      if (!append_key(&key, columns[k], i))
        return invalid("feature.null_key",
                       concat({"event ", std::to_string(i), ": a key is null"}));
    if (i == 0) asked = key;
    if (!made.wanted[static_cast<size_t>(i)]) continue;
    const Online::Arrival arrival{.event_us = event.i64(i),
                                  .created_us = event.i64(i),
                                  .ingest_us = event.i64(i),
                                  .seq = i + 1,
                                  .deleted = false};
    TRY(online.apply(*view, key, arrival, made.columns, i));
  }
  std::vector<size_t> all;
  for (size_t i = 0; i < view->features.size(); ++i) all.push_back(i);
  EntityRead got;
  TRY(online.read(*view, asked, {.features = all, .now_us = at_us, .ignore_ttl = false}, &got));
  for (const auto& [name, expected] : example.expect.members()) {
    const std::optional<size_t> i = view->find(name);
    if (!i) return invalid("feature.column", concat({"expect: no feature '", name, "'"}));
    const FeatureType& type = view->features[*i].type;
    const Cell wanted = TRY(cell_of_json(expected, type));
    if (!equal(wanted, got.cells[*i]))
      out.wrong.push_back(
          concat({name, ": expected ", show(wanted, type), ", got ", show(got.cells[*i], type)}));
  }
  return out;
}

}  // namespace

Result<std::vector<ExampleResult>> run_examples(const std::vector<Definition>& definitions) {
  Known known;
  for (const Definition& d : definitions) {
    if (d.kind == Kind::kSource) known.sources[d.name] = d.source;
    if (d.kind == Kind::kEntity) known.entities[d.name] = d.entity.join_key;
  }
  std::vector<ExampleResult> out;
  for (const Definition& d : definitions) {
    if (d.kind != Kind::kView || d.view.tests.empty()) continue;
    const auto source = known.sources.find(d.view.source);
    if (!d.view.inline_source && source == known.sources.end())
      return invalid("feature.reference", concat({"FeatureView ", d.name, ": no Source '",
                                                  d.view.source, "' in these files"}));
    Result<CompiledView> made = compile_view(
        d, d.view.inline_source ? *d.view.inline_source : source->second, known.entities);
    if (!made.ok()) return std::move(made).error().within(concat({"FeatureView ", d.name}));
    const auto view = std::make_shared<const CompiledView>(std::move(*made));
    for (size_t i = 0; i < d.view.tests.size(); ++i) {
      const std::string where = concat({"FeatureView ", d.name, ", test ", std::to_string(i + 1)});
      Result<ExampleResult> one = run_one(view, d.view.tests[i]);
      if (!one.ok()) return std::move(one).error().within(where);
      if (one->name.empty()) one->name = std::to_string(i + 1);
      out.push_back(std::move(*one));
    }
  }
  return out;
}

}  // namespace slip::features
