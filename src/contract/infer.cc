#include "contract/infer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "base/text.h"
#include "contract/distinct.h"
#include "contract/kernels.h"

namespace slip::contract {
namespace {

using codec::Json;
using engine::Column;
using engine::Type;

constexpr size_t kValueBytesMax = 100;  // Longer texts are no names of things.
constexpr std::array<std::string_view, 5> kForms = {"uuid", "email", "ipv4", "ipv6", "uri"};

struct TimeShape {
  Logical logical;
  std::string_view format;  // "" for ISO 8601.
};
constexpr std::array kTimeShapes = {TimeShape{Logical::kDate, "yyyy-MM-dd"},
                                    TimeShape{Logical::kTimestamp, ""},
                                    TimeShape{Logical::kTime, "HH:mm:ss"}};

}  // namespace

struct Inference::Guess {
  FieldFact field;
  int64_t nulls = 0;
  Extremes ints;
  double low = INFINITY;
  double high = -INFINITY;
  bool nan = false;
  std::set<std::string, std::less<>> values;
  bool many = false;
  std::vector<bool> forms = std::vector<bool>(kForms.size(), true);
  std::vector<bool> times = std::vector<bool>(kTimeShapes.size(), true);
  std::vector<TimeFormat> formats;
  std::unique_ptr<DistinctCounter> keys;

  explicit Guess(const FieldFact& fact) : field(fact) {
    for (const TimeShape& shape : kTimeShapes)
      formats.push_back(shape.format.empty() ? TimeFormat::iso(false)
                                             : TimeFormat::compile(shape.format).value());
  }

  void see_text(std::string_view text, size_t values_max) {
    many = many || text.size() > kValueBytesMax;
    if (!many && !values.contains(text)) values.emplace(text);
    if (values.size() > values_max) {
      many = true;
      values.clear();
    }
    for (size_t i = 0; i < forms.size(); ++i)
      if (forms[i]) forms[i] = has_form(kForms[i], text);
    for (size_t i = 0; i < times.size(); ++i)
      if (times[i]) times[i] = formats[i].parse(text).has_value();
  }
  void see_real(double v) {
    nan = nan || !std::isfinite(v);
    low = std::min(low, v);
    high = std::max(high, v);
  }
  void add(const Column& column, size_t values_max) {
    nulls += count_nulls(column, 0, column.n);
    if (column.type == Type::kInt64 || column.type == Type::kTimestampUs)
      return widen(&ints, column);
    for (int64_t i = 0; i < column.n; ++i) {
      if (column.is_null(i)) continue;
      if (column.type == Type::kText) see_text(column.text(i), values_max);
      if (column.type == Type::kDouble) see_real(column.f64(i));
    }
  }
};

Inference::Inference(std::span<const FieldFact> fields, InferOptions options)
    : options_(std::move(options)) {
  for (const FieldFact& f : fields) guesses_.push_back(std::make_unique<Guess>(f));
}
Inference::~Inference() = default;

Status Inference::add(std::span<const Column> columns, int64_t rows) {
  size_t column = 0;
  for (const auto& guess : guesses_) {
    if (!guess->field.readable) continue;
    if (column == columns.size()) return invalid("contract.batch", "a batch lacks columns");
    const Column& c = columns[column++];
    guess->add(c, options_.values_max);
    const bool key = c.type == Type::kInt64 || c.type == Type::kText;
    if (!key) continue;
    if (guess->keys == nullptr && rows_ == 0) {
      DistinctOptions distinct;
      distinct.memory_bytes = options_.memory_bytes / static_cast<int64_t>(guesses_.size());
      distinct.samples = 1;
      guess->keys = std::make_unique<DistinctCounter>(std::span(&c, 1), distinct);
    }
    if (guess->keys == nullptr) continue;
    TRY(guess->keys->add(std::span(&c, 1), rows, rows_));
    if (guess->keys->repeats() > 0 || !guess->keys->complete()) guess->keys = nullptr;
  }
  rows_ += rows;
  return {};
}

Json Inference::property(const Guess& g) const {
  Json out = Json::object({{"name", g.field.name}});
  const bool seen = rows_ > g.nulls;
  Logical logical = Logical::kNone;
  Json limits = Json::object();
  if (!g.field.readable) {
    const std::string_view type = g.field.type_name;
    if (type.starts_with("list") || type.starts_with("large_list")) logical = Logical::kArray;
    if (type.starts_with("struct")) logical = Logical::kObject;
  } else if (g.field.type == Type::kBool) {
    logical = Logical::kBoolean;
  } else if (g.field.type == Type::kInt64) {
    logical = Logical::kInteger;
    if (options_.ranges && seen) limits.set("minimum", g.ints.low).set("maximum", g.ints.high);
  } else if (g.field.type == Type::kDouble) {
    logical = Logical::kNumber;
    const bool ranged = options_.ranges && seen && !g.nan;
    if (ranged) limits.set("minimum", g.low), limits.set("maximum", g.high);
  } else if (g.field.type == Type::kTimestampUs) {
    logical = g.field.type_name.starts_with("date") ? Logical::kDate : Logical::kTimestamp;
  } else if (g.field.type == Type::kText && g.field.type_name != "json") {
    logical = Logical::kString;
    for (size_t i = 0; i < kForms.size() && seen; ++i)
      if (g.forms[i] && limits.members().empty()) limits.set("format", kForms[i]);
    for (size_t i = 0; i < kTimeShapes.size() && seen && limits.members().empty(); ++i) {
      if (!g.times[i]) continue;
      logical = kTimeShapes[i].logical;
      if (!kTimeShapes[i].format.empty()) limits.set("format", kTimeShapes[i].format);
      break;
    }
  }
  if (logical != Logical::kNone) out.set("logicalType", logical_name(logical));
  if (!options_.loose && !g.field.type_name.empty()) out.set("physicalType", g.field.type_name);
  if (!limits.members().empty()) out.set("logicalTypeOptions", std::move(limits));
  if (g.field.readable && rows_ > 0 && g.nulls == 0) out.set("required", true);
  if (g.keys != nullptr && rows_ > 1 && g.nulls == 0) out.set("unique", true);
  const bool values = logical == Logical::kString && !g.many && seen && g.keys == nullptr &&
                      static_cast<int64_t>(g.values.size()) * options_.rows_per_value <= rows_;
  if (!values) return out;
  std::vector<Json> list;
  for (const std::string& v : g.values) list.emplace_back(v);
  out.set("quality",
          Json::array({Json::object(
              {{"metric", "invalidValues"},
               {"arguments", Json::object({{"validValues", Json::array(std::move(list))}})},
               {"mustBe", 0}})}));
  return out;
}

Json Inference::finish() {
  std::vector<Json> properties;
  for (const auto& guess : guesses_) properties.push_back(property(*guess));
  std::vector<Json> objects;
  objects.push_back(Json::object({{"name", options_.name},
                                  {"logicalType", "object"},
                                  {"properties", Json::array(std::move(properties))}}));
  return new_document(options_.name, std::move(objects));
}

Json new_document(std::string_view id, std::vector<Json> objects) {
  return Json::object({{"apiVersion", "v3.1.0"},
                       {"kind", "DataContract"},
                       {"id", id},
                       {"name", id},
                       {"version", "1.0.0"},
                       {"status", "draft"},
                       {"schema", Json::array(std::move(objects))}});
}

}  // namespace slip::contract
