#include "engine/expr/expr.h"

#include "test/fuzz/fuzz.h"

namespace slip::engine::expr {
namespace {

const Schema& schema() {
  static const Schema one = {{"i", kIntType},        {"x", kDoubleType},
                             {"t", kTextType},       {"b", kBoolType},
                             {"ts", kTimestampType}, {"l", list_of(Type::kDouble)},
                             {"z", kBytesType}};
  return one;
}

// Row 0 has values, row 1 nulls.
Values column_of(const Field& f) {
  Values v(f.type.type, f.type.item);
  if (f.type.type == Type::kBool) v.add_bool(true);
  if (f.type.type == Type::kDouble) v.add_f64(-2.5);
  if (f.type.type == Type::kInt64 || f.type.type == Type::kTimestampUs) v.add_i64(77);
  if (f.type.type == Type::kText || f.type.type == Type::kBytes) v.add_text("a\xc3\xa4 1%");
  if (f.type.type == Type::kList) v.end_list();
  v.add_null();
  return v;
}

}  // namespace
}  // namespace slip::engine::expr

// What compiles prints as itself and computes without harm; bytes are a zone file, too.
SLIP_FUZZ(expr) {
  namespace e = slip::engine::expr;
  const auto zone = e::Zone::from_tzif(slip::fuzz::as_text(data));
  if (zone.ok()) (void)zone->to_utc(zone->offset_at(4102444800));
  const auto program = e::compile(slip::fuzz::as_text(data), e::schema());
  if (!program.ok()) return;
  const auto again = e::compile(program->text(), e::schema());
  CHECK(again.ok() && again->hash() == program->hash());
  std::vector<slip::engine::Values> values;
  for (const auto& f : program->inputs()) values.push_back(e::column_of(f));
  std::vector<slip::engine::Column> columns;
  for (const auto& v : values) columns.push_back(v.view());
  e::Evaluator evaluator(*program);
  auto out = evaluator.make_output();
  slip::ignore(evaluator.evaluate(columns, 2, &out), "a row may fail");
}
