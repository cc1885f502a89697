#include "codec/table.h"

#include <cmath>

#include <gtest/gtest.h>

#include "base/text.h"
#include "test/gen/json.h"

namespace slip::codec {
namespace {

std::string schema_text(const std::vector<Field>& schema) {
  std::string out;
  for (const Field& f : schema)
    out += (out.empty() ? "" : " ") + f.name + ":" + f.type_name + (f.nullable ? "?" : "");
  return out;
}

std::string cell_text(const Column& c, int64_t row) {
  if (c.is_null(row)) return "-";
  switch (c.type) {
    case ColumnType::kBool:
      return c.boolean(row) ? "T" : "F";
    case ColumnType::kInt64:
    case ColumnType::kTimestampUs:
      return std::to_string(c.i64(row));
    case ColumnType::kDouble:
      return format_double(c.f64(row));
    default:
      return "'" + std::string(c.text(row)) + "'";
  }
}

// "schema | row | row".
Result<std::string> read_all(Format format, const std::string& bytes, ReadOptions options = {}) {
  const auto source = text_source(bytes);
  const auto reader = TRY(open_table(format, *source, std::move(options)));
  std::string out = schema_text(reader->schema());
  while (const std::optional<Table> batch = TRY(reader->next())) {
    for (int64_t row = 0; row < batch->rows; ++row) {
      out += " |";
      for (const Column& c : batch->columns) out += " " + cell_text(c, row);
    }
  }
  return out;
}

TEST(Table, ReadsCsv) {
  struct Case {
    const char* text;
    const char* want;
  };
  const Case cases[] = {
      {"a,b\n1,x\n2,y\n", "a:int64 b:string | 1 'x' | 2 'y'"},
      {"a,b\r\n1,x\r\n2,y", "a:int64 b:string | 1 'x' | 2 'y'"},
      {"\xef\xbb\xbf"
       "a\n1\n",
       "a:int64 | 1"},
      {"a,b,c,d\n1,true,1.5,\n,,2,\n", "a:int64? b:bool? c:double d:string? | 1 T 1.5 - | - - 2 -"},
      {"a\n007\n8\n", "a:string | '007' | '8'"},
      {"a\n1\n2.5\n1e3\n", "a:double | 1 | 2.5 | 1000"},
      {"a\n9223372036854775807\n", "a:int64 | 9223372036854775807"},
      {"a\n9223372036854775808\n", "a:string | '9223372036854775808'"},
      {"a\n1\nx\n", "a:string | '1' | 'x'"},
      {"a\ntrue\n1\n", "a:string | 'true' | '1'"},
      {"a\nnan\ninf\n", "a:string | 'nan' | 'inf'"},
      {"a\n-0\n+1\n", "a:string | '-0' | '+1'"},
      {"a,b\n\"x, \"\"y\"\"\nz\",1\n", "a:string b:int64 | 'x, \"y\"\nz' 1"},
      {"a,b\n\"\",1\n,2\n", "a:string? b:int64 | '' 1 | - 2"},
      {"a,b\n\"1\",2\n\n", "a:int64 b:int64 | 1 2"},
      {"\"a\",\"b\"\n\"1\",\"x\"\n\"\",\"\"\n", "a:int64? b:string | 1 'x' | - ''"},
      {"a\n1\n\n2\n", "a:int64? | 1 | - | 2"},
      {"a,b\n", "a:string? b:string?"},
      {"a b, c \n1,2\n", "a b:int64 c:int64 | 1 2"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.text);
    const Result<std::string> got = read_all(Format::kCsv, c.text);
    EXPECT_EQ(got.ok() ? *got : got.error().text, c.want);
  }
}

TEST(Table, ReadsJsonLines) {
  struct Case {
    const char* text;
    const char* want;
  };
  const Case cases[] = {
      {"{\"a\":1,\"b\":\"x\"}\n{\"a\":2,\"b\":\"y\"}\n", "a:int64 b:string | 1 'x' | 2 'y'"},
      {"{\"a\":1}\r\n\n{\"b\":true}", "a:int64? b:bool? | 1 - | - T"},
      {"{\"a\":1}\n{\"a\":2.5}\n{\"a\":null}", "a:double? | 1 | 2.5 | -"},
      {"{\"a\":[1,{\"b\":2}]}\n", "a:json | '[1,{\"b\":2}]'"},
      {"", ""},
      {"{}\n{}\n", " | |"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.text);
    const Result<std::string> got = read_all(Format::kJsonl, c.text);
    EXPECT_EQ(got.ok() ? *got : got.error().text, c.want);
  }
}

TEST(Table, RefusesMalformedFilesAndNamesTheLine) {
  struct Case {
    Format format;
    std::string text;
    const char* reason;
    const char* where;
  };
  const Case cases[] = {
      {Format::kCsv, "", "table.header", "no header"},
      {Format::kCsv, "a,a\n1,2\n", "table.header", "line 1: column 'a' occurs twice"},
      {Format::kCsv, "a,,b\n", "table.header", "no name"},
      {Format::kCsv, "a,b\n1,2\n3\n", "table.syntax", "line 3: the row has 1 cells"},
      {Format::kCsv, "a,b\n1,2,3\n", "table.syntax", "line 2: the row has 3 cells"},
      {Format::kCsv, "a\n\"x\ny\nz", "table.syntax", "line 2: a quoted cell has no end"},
      {Format::kCsv, "a,b\n\"x\"y,1\n", "table.syntax", "line 2: text follows"},
      {Format::kCsv, "a\n\xff\n", "table.encoding", "line 2"},
      {Format::kCsv, std::string("a\nx\0y\n", 6), "table.encoding", "line 2"},
      {Format::kCsv, "a\n" + std::string(kTableRecordBytesMax + 300'000, 'x'), "table.too_large",
       "line 2"},
      {Format::kJsonl, "{\"a\":1}\n[1]\n", "table.syntax", "line 2: a line of JSON lines"},
      {Format::kJsonl, "{\"a\":1}\n\n{\"a\":}\n", "table.syntax", "line 3: line 1, column 6"},
      {Format::kJsonl, "{\"a\":1}\n{\"a\":\"x\"}\n", "table.type", "line 2: 'a'"},
      {Format::kJsonl, "{\"a\":[]}\n{\"a\":\"x\"}\n", "table.type", "line 2: 'a'"},
      {Format::kJsonl, "{\"a\":true}\n{\"a\":1}\n", "table.type", "line 2: 'a'"},
      {Format::kJsonl, "{\"a\":18446744073709551615}\n", "table.syntax", "line 1"},
      {Format::kJsonl, "{\"\":1}\n", "table.header", "line 1"},
      {Format::kParquet, "", "table.syntax", ""},
      {Format::kParquet, "PAR1 this is none PAR1", "table.syntax", ""},
      {Format::kArrow, "neither", "table.syntax", ""},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.text.substr(0, 60));
    const Result<std::string> got = read_all(c.format, c.text);
    ASSERT_FALSE(got.ok()) << *got;
    EXPECT_EQ(got.error().reason, c.reason) << got.error().text;
    EXPECT_NE(got.error().text.find(c.where), std::string::npos) << got.error().text;
  }
  EXPECT_EQ(parse_format("xlsx").error().reason, "table.format");
  EXPECT_EQ(format_of_path("a/B.CSV"), Format::kCsv);
  EXPECT_EQ(format_of_path("a/b.txt"), std::nullopt);
}

TEST(Table, ReadsChosenColumnsInBatches) {
  std::string text = "a,b,c\n";
  for (int i = 0; i < 100; ++i) text += std::to_string(i) + ",x,y\n";
  const auto source = text_source(text);
  const auto reader =
      open_table(Format::kCsv, *source, {.columns = {"c", "a"}, .batch_rows = 30}).value();
  std::vector<int64_t> sizes;
  while (const std::optional<Table> batch = reader->next().value()) {
    sizes.push_back(batch->rows);
    ASSERT_EQ(batch->columns.size(), 2u);
    EXPECT_EQ(batch->find("a")->n, batch->rows);
    EXPECT_EQ(batch->find("b"), nullptr);
  }
  EXPECT_EQ(sizes, (std::vector<int64_t>{30, 30, 30, 10}));
  EXPECT_EQ(read_all(Format::kCsv, text, {.columns = {"zz"}}).error().reason, "table.column");
}

TEST(Table, CsvGivesTextWhereItIsWanted) {
  const auto source = text_source("a,b\n1,2\n,3\n4.50,x\n");
  ReadOptions options;
  options.as_text = {"a", "none"};
  const auto reader = open_table(Format::kCsv, *source, options).value();
  const Table got = reader->next().value().value();
  EXPECT_EQ(reader->schema()[0].type, ColumnType::kText);
  EXPECT_EQ(got.find("a")->text(2), "4.50");
  EXPECT_TRUE(got.find("a")->is_null(1));
}

// ---- written and read again

Table any_table(gen::Dice& dice, Format format) {
  std::vector<Field> schema;
  const uint64_t types = format == Format::kCsv || format == Format::kJsonl ? 4 : 6;
  for (uint64_t i = 0; i <= dice.below(5); ++i) {
    Field f;
    f.name = "c" + std::to_string(i);
    f.type = static_cast<ColumnType>(dice.below(types));
    schema.push_back(f);
  }
  Table out = make_table(schema);
  out.rows = static_cast<int64_t>(1 + dice.below(40));
  for (Column& c : out.columns) {
    const bool nulls = dice.one_in(2);
    for (int64_t row = 0; row < out.rows; ++row) {
      if (nulls && row > 0 && dice.one_in(3)) {
        c.add_null();
        continue;
      }
      switch (c.type) {
        case ColumnType::kBool:
          c.add_bool(dice.one_in(2));
          break;
        case ColumnType::kInt64:
        case ColumnType::kTimestampUs:
          c.add_i64(static_cast<int64_t>(dice.below(UINT64_MAX)) >> dice.below(60));
          break;
        case ColumnType::kDouble:
          c.add_f64(static_cast<double>(dice.below(1'000'000)) / 64 - 0.5);
          break;
        default:
          c.add_text("t" + gen::text(dice));
      }
    }
  }
  return out;
}

TEST(Table, WhatIsWrittenReadsBackTheSame) {
  for (const Format format : {Format::kParquet, Format::kArrow, Format::kCsv, Format::kJsonl}) {
    for (uint64_t seed = 1; seed <= 40; ++seed) {
      SCOPED_TRACE(std::string(format_name(format)) + " seed " + std::to_string(seed));
      gen::Dice dice = gen::Dice::seeded(seed);
      const Table table = any_table(dice, format);
      std::string bytes;
      const auto sink = text_sink(&bytes);
      const auto writer = make_table_writer(format, table.schema, *sink).value();
      ASSERT_TRUE(writer->write(table).ok());
      ASSERT_TRUE(writer->write(table).ok());
      ASSERT_TRUE(writer->finish().ok());
      const auto source = text_source(bytes);
      const auto reader = open_table(format, *source).value();
      int64_t rows = 0;
      while (const std::optional<Table> batch = reader->next().value()) {
        for (size_t i = 0; i < table.columns.size(); ++i) {
          ASSERT_EQ(batch->schema[i].type, table.schema[i].type) << batch->schema[i].name;
          for (int64_t row = 0; row < batch->rows; ++row)
            ASSERT_EQ(cell_text(batch->columns[i], row),
                      cell_text(table.columns[i], (rows + row) % table.rows));
        }
        rows += batch->rows;
      }
      ASSERT_EQ(rows, 2 * table.rows);
      ASSERT_EQ(check_table(format, *source).value().rows, rows);
    }
  }
}

// Cut anywhere or with a byte changed, a file is refused or read; nothing worse.
TEST(Table, DamagedFilesDoNoHarm) {
  for (const Format format : {Format::kParquet, Format::kArrow}) {
    gen::Dice dice = gen::Dice::seeded(11);
    const Table table = any_table(dice, format);
    std::string bytes;
    const auto sink = text_sink(&bytes);
    const auto writer = make_table_writer(format, table.schema, *sink).value();
    ASSERT_TRUE(writer->write(table).ok() && writer->finish().ok());
    for (int i = 0; i < 300; ++i) {
      std::string bad = bytes;
      if (dice.one_in(4))
        bad.resize(dice.below(bad.size()));
      else
        bad[dice.below(bad.size())] = static_cast<char>(dice.below(256));
      const auto source = text_source(bad);
      const Result<TableFacts> got = check_table(format, *source);
      EXPECT_TRUE(got.ok() || got.error().code != Code::kInternal) << got.error().text;
    }
  }
}

}  // namespace
}  // namespace slip::codec
