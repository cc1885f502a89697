#include <cmath>

#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <arrow/util/float16.h>
#include <gtest/gtest.h>
#include <parquet/arrow/writer.h>

#include "codec/row_groups.h"
#include "codec/table.h"

// Parquet as others write it: every type that is read, and those that are refused.
namespace slip::codec {
namespace {

template <class Builder, class T>
std::shared_ptr<arrow::Array> array(const std::shared_ptr<arrow::DataType>& type,
                                    std::initializer_list<std::optional<T>> values) {
  std::unique_ptr<arrow::ArrayBuilder> any;
  EXPECT_TRUE(arrow::MakeBuilder(arrow::default_memory_pool(), type, &any).ok());
  auto& builder = static_cast<Builder&>(*any);
  for (const auto& v : values) EXPECT_TRUE((v ? builder.Append(*v) : builder.AppendNull()).ok());
  return builder.Finish().ValueOrDie();
}

std::string parquet_of(const std::shared_ptr<arrow::Array>& values) {
  auto schema = arrow::schema({arrow::field("v", values->type())});
  auto sink = arrow::io::BufferOutputStream::Create().ValueOrDie();
  const auto keep_types = parquet::ArrowWriterProperties::Builder().store_schema()->build();
  const auto table = arrow::Table::Make(schema, {values});
  EXPECT_TRUE(parquet::arrow::WriteTable(*table, arrow::default_memory_pool(), sink, 1024,
                                         parquet::default_writer_properties(), keep_types)
                  .ok());
  return sink->Finish().ValueOrDie()->ToString();
}

Result<Table> read(const std::shared_ptr<arrow::Array>& values, ReadOptions options = {}) {
  const auto source = text_source(parquet_of(values));
  const auto reader = TRY(open_table(Format::kParquet, *source, std::move(options)));
  std::optional<Table> out = TRY(reader->next());
  CHECK(out);
  return std::move(*out);
}

TEST(ArrowTable, ReadsNumbersOfEverySize) {
  const auto check = [](const std::shared_ptr<arrow::Array>& values, const char* name) {
    SCOPED_TRACE(name);
    const Table t = read(values).value();
    EXPECT_EQ(t.schema[0].type, ColumnType::kInt64);
    EXPECT_EQ(t.schema[0].type_name, name);
    ASSERT_EQ(t.rows, 2);
    EXPECT_EQ(t.columns[0].i64(0), 7);
    EXPECT_TRUE(t.columns[0].is_null(1));
  };
  check(array<arrow::Int8Builder, int8_t>(arrow::int8(), {7, {}}), "int8");
  check(array<arrow::UInt16Builder, uint16_t>(arrow::uint16(), {7, {}}), "uint16");
  check(array<arrow::Int32Builder, int32_t>(arrow::int32(), {7, {}}), "int32");
  check(array<arrow::UInt64Builder, uint64_t>(arrow::uint64(), {7, {}}), "uint64");
  const auto large = array<arrow::UInt64Builder, uint64_t>(arrow::uint64(), {1, UINT64_MAX});
  EXPECT_EQ(read(large).error().reason, "table.range");
  EXPECT_NE(read(large).error().text.find("row 2"), std::string::npos);
  const Table real = read(array<arrow::FloatBuilder, float>(arrow::float32(), {0.5F})).value();
  EXPECT_EQ(real.columns[0].f64(0), 0.5);
}

TEST(ArrowTable, ReadsTimesAsMicroseconds) {
  const auto time = [](arrow::TimeUnit::type unit, int64_t v) {
    return array<arrow::TimestampBuilder, int64_t>(arrow::timestamp(unit), {v});
  };
  EXPECT_EQ(read(time(arrow::TimeUnit::MILLI, 5)).value().columns[0].i64(0), 5000);
  EXPECT_EQ(read(time(arrow::TimeUnit::MICRO, -5)).value().columns[0].i64(0), -5);
  EXPECT_EQ(read(time(arrow::TimeUnit::NANO, 7000)).value().columns[0].i64(0), 7);
  EXPECT_EQ(read(time(arrow::TimeUnit::NANO, 7001)).error().reason, "table.range");
  EXPECT_EQ(read(time(arrow::TimeUnit::MILLI, INT64_MAX)).error().reason, "table.range");
  const Table day = read(array<arrow::Date32Builder, int32_t>(arrow::date32(), {2})).value();
  EXPECT_EQ(day.columns[0].i64(0), 2 * 86'400'000'000);
  EXPECT_EQ(day.schema[0].type, ColumnType::kTimestampUs);
}

TEST(ArrowTable, ReadsTextsAndCategories) {
  const Table large =
      read(array<arrow::LargeStringBuilder, std::string>(arrow::large_utf8(), {"a", {}})).value();
  EXPECT_EQ(large.columns[0].text(0), "a");
  EXPECT_EQ(large.columns[0].nulls, 1);
  const auto words = array<arrow::StringBuilder, std::string>(arrow::utf8(), {"x", "yy"});
  const auto indexes = array<arrow::Int8Builder, int8_t>(arrow::int8(), {1, {}, 0, 1});
  const auto type = arrow::dictionary(arrow::int8(), arrow::utf8());
  const auto categories = arrow::DictionaryArray::FromArrays(type, indexes, words).ValueOrDie();
  const Table t = read(categories).value();
  EXPECT_EQ(t.schema[0].type, ColumnType::kText);
  EXPECT_EQ(t.columns[0].text(0), "yy");
  EXPECT_TRUE(t.columns[0].is_null(1));
  EXPECT_EQ(t.columns[0].text(2), "x");
}

TEST(ArrowTable, ReadsViewsNamedTypesAndHalves) {
  const Table view =
      read(array<arrow::StringViewBuilder, std::string>(arrow::utf8_view(), {"a", {}})).value();
  EXPECT_EQ(view.schema[0].type, ColumnType::kText);
  EXPECT_EQ(view.columns[0].text(0), "a");
  EXPECT_TRUE(view.columns[0].is_null(1));
  const Table bytes =
      read(array<arrow::BinaryViewBuilder, std::string>(arrow::binary_view(), {"\xff"})).value();
  EXPECT_EQ(bytes.schema[0].type, ColumnType::kBytes);
  EXPECT_EQ(bytes.columns[0].text(0), "\xff");
  const auto half = arrow::util::Float16::FromFloat(0.5F).bits();
  const Table real =
      read(array<arrow::HalfFloatBuilder, uint16_t>(arrow::float16(), {half, {}})).value();
  EXPECT_EQ(real.schema[0].type, ColumnType::kDouble);
  EXPECT_EQ(real.columns[0].f64(0), 0.5);
}

TEST(ArrowTable, ExactlyWhatOurTypesDoNotHold) {
  ReadOptions exact;
  exact.nanoseconds = exact.decimals = true;
  const auto times = array<arrow::TimestampBuilder, int64_t>(
      arrow::timestamp(arrow::TimeUnit::NANO), {-1, {}, 7000, 7001, INT64_MIN});
  const Table t = read(times, exact).value();
  EXPECT_EQ(t.columns[0].i64(0), -1);
  EXPECT_EQ(t.columns[0].i64(2), 7);
  EXPECT_EQ(t.columns[0].i64(3), 7);
  EXPECT_EQ(t.columns[0].i64(4), INT64_MIN / 1000 - 1);
  EXPECT_EQ(t.columns[0].fine, (std::vector<int16_t>{999, 0, 0, 1, 192}));
  EXPECT_TRUE(read(array<arrow::Date32Builder, int32_t>(arrow::date32(), {2}), exact)
                  .value()
                  .columns[0]
                  .fine.empty());

  const auto decimal = [](std::string_view text) {
    return arrow::Decimal128::FromString(text).ValueOrDie();
  };
  const auto numbers = array<arrow::Decimal128Builder, arrow::Decimal128>(
      arrow::decimal128(20, 2), {decimal("1.20"), decimal("-3.00"), {}, decimal("0.00")});
  EXPECT_EQ(read(numbers).value().columns.size(), 0U);  // Listed and not read.
  const Table d = read(numbers, exact).value();
  EXPECT_EQ(d.schema[0].type_name, "decimal128(20, 2)");
  EXPECT_EQ(d.columns[0].text(0), "1.2");
  EXPECT_EQ(d.columns[0].text(1), "-3");
  EXPECT_TRUE(d.columns[0].is_null(2));
  EXPECT_EQ(d.columns[0].text(3), "0");

  ReadOptions bits;
  bits.as_bits = {"v"};
  const auto large = array<arrow::UInt64Builder, uint64_t>(arrow::uint64(), {1, UINT64_MAX});
  EXPECT_EQ(read(large, bits).value().columns[0].i64(1), -1);
}

TEST(ArrowTable, ListsNestedColumnsWithoutReadingThem) {
  auto values = std::make_shared<arrow::Int64Builder>();
  arrow::ListBuilder lists(arrow::default_memory_pool(), values);
  ASSERT_TRUE(lists.Append().ok() && values->Append(1).ok() && lists.Append().ok());
  const auto source = text_source(parquet_of(lists.Finish().ValueOrDie()));
  const auto reader = open_table(Format::kParquet, *source).value();
  ASSERT_EQ(reader->schema().size(), 1u);
  EXPECT_FALSE(reader->schema()[0].readable);
  const std::optional<Table> batch = reader->next().value();
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->rows, 2);
  EXPECT_TRUE(batch->columns.empty());
  EXPECT_EQ(open_table(Format::kParquet, *source, {.columns = {"v"}}).error().reason,
            "table.unsupported");
}

TEST(ArrowTable, ListsAreTextWhenTheyAreAskedFor) {
  const auto doubles = std::make_shared<arrow::DoubleBuilder>();
  arrow::ListBuilder lists(arrow::default_memory_pool(), doubles);
  ASSERT_TRUE(lists.Append().ok() &&
              doubles->AppendValues(std::vector<double>{0.5, -0.0, std::nan("")}).ok());
  ASSERT_TRUE(lists.AppendNull().ok() && lists.Append().ok() && doubles->AppendNull().ok());
  ASSERT_TRUE(lists.AppendEmptyValue().ok());
  const auto texts = std::make_shared<arrow::StringBuilder>();
  arrow::ListBuilder words(arrow::default_memory_pool(), texts);
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(words.Append().ok() && texts->Append("a\"b").ok());
  const auto table = arrow::Table::Make(
      arrow::schema({arrow::field("v", lists.type()), arrow::field("w", words.type())}),
      {lists.Finish().ValueOrDie(), words.Finish().ValueOrDie()});
  const auto out = arrow::io::BufferOutputStream::Create().ValueOrDie();
  ASSERT_TRUE(parquet::arrow::WriteTable(*table, arrow::default_memory_pool(), out).ok());
  const auto source = text_source(out->Finish().ValueOrDie()->ToString());
  ReadOptions options;
  options.nested = true;
  const auto reader = open_table(Format::kParquet, *source, options).value();
  const std::optional<Table> batch = reader->next().value();
  ASSERT_TRUE(batch && batch->columns.size() == 2);
  EXPECT_EQ(batch->columns[0].text(0), "[0.5,-0.0,NaN]");
  EXPECT_TRUE(batch->columns[0].is_null(1));
  EXPECT_EQ(batch->columns[0].text(2), "[null]");
  EXPECT_EQ(batch->columns[0].text(3), "[]");
  EXPECT_EQ(batch->columns[1].text(0), R"(["a\"b"])");
}

TEST(ArrowTable, StructsAndMapsAreTextToo) {
  const auto age = std::make_shared<arrow::Int64Builder>();
  const auto names = std::make_shared<arrow::StringBuilder>();
  const auto tags = std::make_shared<arrow::ListBuilder>(arrow::default_memory_pool(), names);
  const auto person =
      arrow::struct_({arrow::field("age", age->type()), arrow::field("tags", tags->type())});
  arrow::StructBuilder people(person, arrow::default_memory_pool(), {age, tags});
  ASSERT_TRUE(people.Append().ok() && age->Append(7).ok() && tags->Append().ok() &&
              names->Append("a\"b").ok());
  ASSERT_TRUE(people.AppendNull().ok());
  ASSERT_TRUE(people.Append().ok() && age->AppendNull().ok() && tags->AppendEmptyValue().ok());
  const auto keys = std::make_shared<arrow::StringBuilder>();
  const auto flags = std::make_shared<arrow::BooleanBuilder>();
  arrow::MapBuilder map(arrow::default_memory_pool(), keys, flags);
  ASSERT_TRUE(map.Append().ok() && keys->Append("x").ok() && flags->Append(true).ok());
  ASSERT_TRUE(map.Append().ok());
  ASSERT_TRUE(map.Append().ok() && keys->Append("y").ok() && flags->AppendNull().ok() &&
              keys->Append("z").ok() && flags->Append(false).ok());
  const auto type = map.type();
  const auto table =
      arrow::Table::Make(arrow::schema({arrow::field("v", person), arrow::field("w", type)}),
                         {people.Finish().ValueOrDie(), map.Finish().ValueOrDie()});
  const auto out = arrow::io::BufferOutputStream::Create().ValueOrDie();
  ASSERT_TRUE(parquet::arrow::WriteTable(*table, arrow::default_memory_pool(), out).ok());
  const auto source = text_source(out->Finish().ValueOrDie()->ToString());
  ReadOptions options;
  options.nested = true;
  options.batch_rows = 2;  // The second batch begins inside the arrays.
  const auto reader = open_table(Format::kParquet, *source, options).value();
  std::vector<std::vector<std::string>> got(2);
  while (const std::optional<Table> batch = reader->next().value())
    for (size_t c = 0; c < 2; ++c)
      for (int64_t i = 0; i < batch->rows; ++i)
        got[c].emplace_back(batch->columns[c].is_null(i) ? "null" : batch->columns[c].text(i));
  EXPECT_EQ(got[0], (std::vector<std::string>{R"({"age":7,"tags":["a\"b"]})", "null",
                                              R"({"age":null,"tags":[]})"}));
  EXPECT_EQ(got[1], (std::vector<std::string>{R"({"x":true})", "{}", R"({"y":null,"z":false})"}));
}

// Three row groups; the second has no values, hence no bounds.
TEST(ArrowTable, RowGroupsAndTheirBounds) {
  const auto unit = arrow::timestamp(arrow::TimeUnit::NANO);
  arrow::Int64Builder ids;
  arrow::TimestampBuilder times(unit, arrow::default_memory_pool());
  for (int64_t i = 0; i < 6; ++i) {
    const bool none = i == 2 || i == 3;
    ASSERT_TRUE((none ? ids.AppendNull() : ids.Append(10 * i)).ok());
    ASSERT_TRUE((none ? times.AppendNull() : times.Append(i * 1000 - 1500)).ok());
  }
  const auto table = arrow::Table::Make(
      arrow::schema({arrow::field("id", arrow::int64()), arrow::field("t", unit)}),
      {ids.Finish().ValueOrDie(), times.Finish().ValueOrDie()});
  const auto out = arrow::io::BufferOutputStream::Create().ValueOrDie();
  const auto properties =
      parquet::WriterProperties::Builder().version(parquet::ParquetVersion::PARQUET_2_6)->build();
  ASSERT_TRUE(
      parquet::arrow::WriteTable(*table, arrow::default_memory_pool(), out, 2, properties).ok());
  const auto source = text_source(out->Finish().ValueOrDie()->ToString());
  const std::vector<std::string> columns = {"id", "t"};
  const std::vector<RowGroup> groups = parquet_row_groups(*source, columns).value();
  ASSERT_EQ(groups.size(), 3U);
  EXPECT_EQ(groups[2].first_row, 4);
  EXPECT_EQ(groups[2].bounds[0]->min, 40);
  EXPECT_EQ(groups[2].bounds[0]->max, 50);
  EXPECT_FALSE(groups[1].bounds[0] || groups[1].bounds[1]);
  EXPECT_EQ(groups[0].bounds[1]->min, -2);  // -1500 ns, outwards.
  EXPECT_EQ(groups[0].bounds[1]->max, 0);   // -500 ns.
  EXPECT_EQ(groups[2].bounds[1]->max, 4);   // 3500 ns.
  const std::vector<std::string> none = {"x"};
  EXPECT_EQ(parquet_row_groups(*source, none).error().reason, "table.column");
  const auto bad = text_source("PAR1 is not enough");
  EXPECT_EQ(parquet_row_groups(*bad, none).error().reason, "table.syntax");

  ReadOptions options;
  options.columns = {"id"};
  options.groups = {2, 0};
  const auto reader = open_table(Format::kParquet, *source, options).value();
  std::vector<int64_t> seen;
  while (const std::optional<Table> batch = reader->next().value())
    for (int64_t i = 0; i < batch->rows; ++i) seen.push_back(batch->columns[0].i64(i));
  EXPECT_EQ(seen, (std::vector<int64_t>{40, 50, 0, 10}));
}

}  // namespace
}  // namespace slip::codec
