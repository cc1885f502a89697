#include "codec/arrow_shape.h"

#include <gtest/gtest.h>

#include "codec/table.h"
#include "test/gen/dice.h"

namespace slip::codec {
namespace {

std::string stream(int64_t batches, int64_t rows) {
  std::string out;
  const auto sink = text_sink(&out);
  const std::vector<Field> fields = {make_field("i", ColumnType::kInt64),
                                     make_field("t", ColumnType::kText),
                                     make_field("at", ColumnType::kTimestampUs)};
  const auto writer = make_table_writer(Format::kArrow, fields, *sink).value();
  for (int64_t b = 0; b < batches; ++b) {
    Table table = make_table(fields);
    for (int64_t i = 0; i < rows; ++i) {
      table.columns[0].add_i64(i);
      table.columns[1].add_text("text");
      table.columns[2].add_null();
    }
    table.rows = rows;
    EXPECT_TRUE(writer->write(table).ok());
  }
  EXPECT_TRUE(writer->finish().ok());
  return out;
}

TEST(ArrowShapeTest, NamesTypesRows) {
  const ArrowShape shape = arrow_shape(stream(3, 5)).value();
  EXPECT_EQ(shape.rows, 15);
  EXPECT_EQ(shape.columns, (std::vector<ArrowShape::Column>{
                               {"i", "int64"}, {"t", "string"}, {"at", "timestamp[us, tz=UTC]"}}));
  EXPECT_EQ(arrow_shape(stream(0, 0)).value().rows, 0);
}

TEST(ArrowShapeTest, WhatIsNoStreamIsRefused) {
  EXPECT_EQ(arrow_shape("").error().reason, "table.syntax");
  EXPECT_EQ(arrow_shape("hello, this is no stream at all").error().code, Code::kInvalid);
  const std::string whole = stream(2, 100);
  for (uint64_t seed = 1; seed <= 300; ++seed) {  // Bytes that lie: an error or a shape, no crash.
    auto dice = gen::Dice::seeded(seed);
    std::string broken = whole.substr(0, dice.one_in(3) ? dice.below(whole.size()) : whole.size());
    for (uint64_t n = dice.below(4); n > 0 && !broken.empty(); --n)
      broken[dice.below(broken.size())] = static_cast<char>(dice.below(256));
    const Result<ArrowShape> shape = arrow_shape(broken);
    if (shape.ok()) {
      EXPECT_GE(shape->rows, 0) << seed;
    }
  }
}

}  // namespace
}  // namespace slip::codec
