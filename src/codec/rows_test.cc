#include "codec/rows.h"

#include <algorithm>
#include <cstring>

#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <gtest/gtest.h>
#include <parquet/arrow/writer.h>

namespace slip::codec {
namespace {

RowBytes bytes_of(const std::string& text) {
  return {static_cast<int64_t>(text.size()),
          [&text](int64_t offset, std::span<char> out) -> Result<size_t> {
            const auto at = std::min(text.size(), static_cast<size_t>(offset));
            const size_t n = std::min({out.size(), text.size() - at, size_t{7}});  // Short reads.
            std::memcpy(out.data(), text.data() + at, n);
            return n;
          }};
}

std::string describe(const Result<RowSchema>& schema) {
  if (!schema.ok()) return schema.error().reason + ": " + schema.error().text;
  std::string out = std::to_string(schema->rows);
  for (const RowColumn& c : schema->columns)
    out += " " + c.name + ":" + c.type + (c.nullable ? "?" : "");
  return out;
}

std::string rows_of(RowFormat format, const std::string& text, int64_t rows_max = 100) {
  const RowSchema schema = scan_rows(format, bytes_of(text)).value();
  std::string out;
  const auto add = [&](const Json& row) -> Status {
    out += to_json(row) + "\n";
    return {};
  };
  each_row(format, bytes_of(text), schema.columns, rows_max, add).value();
  return out;
}

TEST(Rows, JsonlSchema) {
  struct Case {
    std::string text;
    std::string want;
  };
  const std::vector<Case> cases = {
      {R"({"a":1,"b":"x"})", "1 a:int64 b:string"},
      {"{\"a\":1}\n{\"a\":2.5}\n", "2 a:double"},
      {"{\"a\":1}\r\n\r\n{\"b\":true}\r\n", "2 a:int64? b:bool?"},
      {"{\"a\":null}\n{\"a\":\"x\"}", "2 a:string?"},
      {"{\"a\":1}\n{\"a\":\"x\"}", "2 a:json"},
      {R"({"a":[1],"b":{"c":2},"d":null})", "1 a:json b:json d:json?"},
      {"", "rows.empty: the file has no rows"},
      {"\n\n", "rows.empty: the file has no rows"},
      {"{}", "rows.columns: the file has no columns"},
      {"{\"a\":1}\n[1]", "rows.syntax: line 2: a line of JSONL is one object"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.text);
    EXPECT_EQ(describe(scan_rows(RowFormat::kJsonl, bytes_of(c.text))), c.want);
  }
  const Result<RowSchema> cut = scan_rows(RowFormat::kJsonl, bytes_of("{\"a\":1}\n{\"a\":"));
  EXPECT_EQ(cut.error().reason, "rows.syntax");
  EXPECT_TRUE(cut.error().text.starts_with("line 2: ")) << cut.error().text;
}

TEST(Rows, CsvSchema) {
  struct Case {
    std::string text;
    std::string want;
  };
  const std::vector<Case> cases = {
      {"a,b\n1,x\n", "1 a:int64 b:string"},
      {"a,b\r\n1,2.5\r\n2,3\r\n", "2 a:int64 b:double"},
      {"a\n1\n\n2", "2 a:int64"},
      {"a,b\n1,\n,true\n", "2 a:int64? b:bool?"},
      {"a\n\"1\"\n", "1 a:string"},
      {"\xef\xbb\xbf"
       "a\n1\n",
       "1 a:int64"},
      {"a,b\n,\n", "1 a:string? b:string?"},
      {"", "rows.empty: the file has no header"},
      {"a,b\n", "rows.empty: the file has no rows"},
      {"a,a\n1,2\n", "rows.columns: two columns are called `a`"},
      {"a,\n1,2\n", "rows.columns: a column of the header has no name"},
      {"a,b\n1\n", "rows.columns: line 2: 1 cells, the header has 2"},
      {"a\n\"x\n", "rows.syntax: line 2: a quoted cell does not end"},
      {"a\nx\"y\n", "rows.syntax: line 2: a quote inside a cell that is not quoted"},
      {"a\n\"x\"y\n", "rows.syntax: line 2: text behind a quoted cell"},
      {"a\n\xff\n", "rows.utf8: line 2: not UTF-8"},
      {"a\n\"1\n2\"\n\"x", "rows.syntax: line 4: a quoted cell does not end"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.text);
    EXPECT_EQ(describe(scan_rows(RowFormat::kCsv, bytes_of(c.text))), c.want);
  }
}

TEST(Rows, ValuesComeBackTyped) {
  EXPECT_EQ(rows_of(RowFormat::kCsv, "a,b,c\n1,2,\n-3,x,\"a \"\"q\"\",\n\"\n"),
            "{\"a\":1,\"b\":\"2\",\"c\":null}\n"
            "{\"a\":-3,\"b\":\"x\",\"c\":\"a \\\"q\\\",\\n\"}\n");
  EXPECT_EQ(rows_of(RowFormat::kJsonl, "{\"a\":1}\n{\"b\":[2]}\n"), "{\"a\":1}\n{\"b\":[2]}\n");
  EXPECT_EQ(rows_of(RowFormat::kJsonl, "{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n", 2),
            "{\"a\":1}\n{\"a\":2}\n");
  EXPECT_EQ(rows_of(RowFormat::kJsonl, "{\"a\":1}\n", 0), "");
}

TEST(Rows, OnlyTheWantedColumns) {
  const std::string text = "{\"a\":1,\"b\":2}\n";
  std::string out;
  const auto add = [&](const Json& row) -> Status {
    out += to_json(row);
    return {};
  };
  each_row(RowFormat::kJsonl, bytes_of(text), {{"b", "int64", false}}, 9, add).value();
  EXPECT_EQ(out, "{\"b\":2}");
}

TEST(Rows, ALineBeyondTheLimitIsRefused) {
  const std::string line = "{\"a\":\"" + std::string(kRowBytesMax, 'x') + "\"}";
  EXPECT_EQ(scan_rows(RowFormat::kJsonl, {static_cast<int64_t>(line.size()),
                                          [&](int64_t at, std::span<char> out) -> Result<size_t> {
                                            return line.copy(out.data(), out.size(),
                                                             static_cast<size_t>(at));
                                          }})
                .error()
                .reason,
            "rows.too_large");
}

std::string parquet_file() {
  arrow::StringBuilder words;
  arrow::Int32Builder numbers;
  arrow::DoubleBuilder scores;
  EXPECT_TRUE(words.AppendValues({"one", "two"}).ok());
  EXPECT_TRUE(numbers.AppendValues({1, 2}).ok());
  EXPECT_TRUE(scores.Append(0.5).ok());
  EXPECT_TRUE(scores.AppendNull().ok());
  const auto schema =
      arrow::schema({arrow::field("word", arrow::utf8()), arrow::field("n", arrow::int32()),
                     arrow::field("score", arrow::float64())});
  const auto table = arrow::Table::Make(
      schema,
      {words.Finish().ValueOrDie(), numbers.Finish().ValueOrDie(), scores.Finish().ValueOrDie()});
  const auto sink = arrow::io::BufferOutputStream::Create().ValueOrDie();
  EXPECT_TRUE(parquet::arrow::WriteTable(*table, arrow::default_memory_pool(), sink, 1).ok());
  return sink->Finish().ValueOrDie()->ToString();
}

TEST(Rows, Parquet) {
  const std::string file = parquet_file();
  EXPECT_EQ(describe(scan_rows(RowFormat::kParquet, bytes_of(file))),
            "2 word:string n:int64 score:double?");
  EXPECT_EQ(
      rows_of(RowFormat::kParquet, file),
      "{\"word\":\"one\",\"n\":1,\"score\":0.5}\n{\"word\":\"two\",\"n\":2,\"score\":null}\n");
  for (const std::string& bad : {std::string("PAR1 not really PAR1"), std::string(),
                                 file.substr(0, file.size() - 9), file.substr(4)}) {
    EXPECT_EQ(scan_rows(RowFormat::kParquet, bytes_of(bad)).error().reason, "rows.parquet");
  }
}

TEST(Rows, FormatsHaveNames) {
  for (const std::string_view name : {"jsonl", "csv", "parquet"})
    EXPECT_EQ(row_format_name(*parse_row_format(name)), name);
  EXPECT_FALSE(parse_row_format("xml").has_value());
}

}  // namespace
}  // namespace slip::codec
