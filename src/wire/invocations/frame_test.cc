#include "wire/invocations/frame.h"

#include <cmath>

#include <gtest/gtest.h>

#include "codec/table.h"

namespace slip::wire::invocations {
namespace {

using serving::DataType;
using serving::Signature;
using serving::Tensor;

Signature text_model() {
  Signature s;
  s.inputs = {{"text", DataType::kBytes, {-1, 1}}};
  return s;
}
Signature wide_model() {
  Signature s;
  s.inputs = {{"x", DataType::kFp32, {-1, 3}}};
  return s;
}

Result<std::vector<Tensor>> tensors(const std::string& json, const Signature& signature) {
  return to_tensors(TRY(parse_json_input(json)), signature);
}

TEST(Invocations, TablesAndTensorsBecomeTheModelsInputs) {
  const std::vector<std::string> texts = {"a", "b"};
  for (const char* body :
       {R"({"dataframe_split":{"columns":["text"],"index":[0,1],"data":[["a"],["b"]]}})",
        R"({"dataframe_records":[{"text":"a"},{"text":"b"}]})",
        R"({"dataframe_split":{"columns":["other name"],"data":[["a"],["b"]]}})",
        R"({"instances":[{"text":"a"},{"text":"b"}]})", R"({"instances":[["a"],["b"]]})",
        R"({"inputs":{"text":[["a"],["b"]]}})", R"({"inputs":["a","b"]})"}) {
    SCOPED_TRACE(body);
    const Result<std::vector<Tensor>> t = tensors(body, text_model());
    ASSERT_TRUE(t.ok()) << t.error().text;
    EXPECT_EQ((*t)[0].strings, texts);
    EXPECT_EQ((*t)[0].shape, (std::vector<int64_t>{2, 1}));
  }
  const std::vector<Tensor> wide =
      tensors(R"({"dataframe_split":{"columns":["a","b","c"],"data":[[1,2.5,null],[4,5,NaN]]}})",
              wide_model())
          .value();
  EXPECT_EQ(wide[0].shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(wide[0].number(1), 2.5);
  EXPECT_TRUE(std::isnan(wide[0].number(2)));
}

TEST(Invocations, WhatDoesNotFitIsRefused) {
  struct Case {
    const char* body;
    const char* reason;
  };
  const Case cases[] = {
      {"[]", "invocations.body"},
      {"{}", "invocations.body"},
      {R"({"inputs":["a"],"instances":["a"]})", "invocations.body"},
      {R"({"dataframe_split":{"columns":["text"]}})", "invocations.body"},
      {R"({"dataframe_split":{"columns":["text"],"data":[["a","b"]]}})", "invocations.body"},
      {R"({"dataframe_records":[{"text":"a"},{"other":"b"}]})", "invocations.body"},
      {R"({"dataframe_records":[{"text":"a"},7]})", "invocations.body"},
      {R"({"dataframe_split":{"columns":["p","q"],"data":[["a","b"]]}})", "invocations.columns"},
      {R"({"inputs":{"other":["a"]}})", "invocations.columns"},
      {R"({"inputs":[["a"],["b","c"]]})", "invocations.body"},
      {R"({"inputs":[1]})", "invocations.value"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.body);
    const Result<std::vector<Tensor>> t = tensors(c.body, text_model());
    ASSERT_FALSE(t.ok());
    EXPECT_EQ(t.error().reason, c.reason);
  }
}

TEST(Invocations, ATruthValueIsZeroOrOne) {
  Signature flag;
  flag.inputs = {{"on", DataType::kBool, {-1}}};
  const std::vector<Tensor> t = tensors(R"({"inputs":[true,0,1.0]})", flag).value();
  EXPECT_EQ(t[0].data, std::string({1, 0, 1}));
  for (const char* body : {R"({"inputs":[2]})", R"({"inputs":[-1]})", R"({"inputs":[0.5]})"})
    EXPECT_EQ(tensors(body, flag).error().reason, "invocations.value") << body;
}

TEST(Invocations, CsvIsReadWithQuotesAndLineBreaks) {
  const Input in = parse_csv_input("text,n\r\n\"a \"\"b\"\",\nc\",1\nplain,2.5\n").value();
  EXPECT_EQ(in.frame.columns, (std::vector<std::string>{"text", "n"}));
  ASSERT_EQ(in.frame.rows, 2);
  EXPECT_EQ(in.frame.values[0][0].as_string(), "a \"b\",\nc");
  EXPECT_EQ(in.frame.values[1][1].as_double(), 2.5);
  EXPECT_FALSE(parse_csv_input("").ok());
  EXPECT_FALSE(parse_csv_input("a\n\"x").ok());
  EXPECT_FALSE(parse_csv_input("a,b\n1\n").ok());
}

TEST(Invocations, PredictionsAreRecordsForTablesAndListsForTensors) {
  Tensor label;
  label.name = "label";
  label.type = DataType::kBytes;
  label.shape = {2};
  label.strings = {"x", "y"};
  Tensor p;
  p.name = "p";
  p.shape = {2, 2};
  const float values[] = {0.1F, 0.9F, 1, 0};
  p.data.assign(reinterpret_cast<const char*>(values), sizeof values);
  EXPECT_EQ(codec::to_json(to_predictions({label, p}, true, 2).value()),
            R"([{"label":"x","p":[0.1,0.9]},{"label":"y","p":[1.0,0.0]}])");
  EXPECT_EQ(codec::to_json(to_predictions({label, p}, false, 0).value()),
            R"({"label":["x","y"],"p":[[0.1,0.9],[1.0,0.0]]})");
  Tensor count;
  count.name = "n";
  count.type = DataType::kUint64;
  count.shape = {2};
  const uint64_t counts[] = {7, uint64_t{1} << 63};
  count.data.assign(reinterpret_cast<const char*>(counts), sizeof counts);
  EXPECT_EQ(codec::to_json(to_predictions({count}, false, 0).value()),
            R"({"n":[7,9223372036854775808.0]})");
}

TEST(InvocationsFrame, ParquetIsATable) {
  codec::Table table = codec::make_table({codec::make_field("a", codec::ColumnType::kInt64),
                                          codec::make_field("b", codec::ColumnType::kDouble),
                                          codec::make_field("c", codec::ColumnType::kText)});
  table.rows = 2;
  for (const int64_t v : {1, 2}) table.columns[0].add_i64(v);
  table.columns[1].add_f64(0.5);
  table.columns[1].add_null();
  for (const char* v : {"x", "y"}) table.columns[2].add_text(v);
  std::string file;
  const auto sink = codec::text_sink(&file);
  auto writer = codec::make_table_writer(codec::Format::kParquet, table.schema, *sink).value();
  writer->write(table).value();
  writer->finish().value();
  const Input input = parse_parquet_input(file).value();
  EXPECT_TRUE(input.is_table);
  EXPECT_EQ(input.frame.rows, 2);
  EXPECT_EQ(input.frame.columns, (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(input.frame.values[0][1].as_int(), 2);
  EXPECT_TRUE(input.frame.values[1][1].is_null());
  EXPECT_EQ(input.frame.values[2][0].as_string(), "x");
  for (const std::string& bad :
       {std::string(), std::string("PAR1"), file.substr(0, file.size() / 2)})
    EXPECT_EQ(parse_parquet_input(bad).error().reason, "invocations.body");
}

}  // namespace
}  // namespace slip::wire::invocations
