#include <arrow/api.h>
#include <arrow/compute/api.h>
#include <arrow/compute/initialize.h>
#include <arrow/io/memory.h>
#include <gtest/gtest.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/writer.h>

#include "test/link/link.h"

namespace slip::link {
namespace {

std::shared_ptr<arrow::Array> words() {
  arrow::StringBuilder builder;
  EXPECT_TRUE(builder.AppendValues({"alpha-17", "beta", "gamma-4"}).ok());
  return builder.Finish().ValueOrDie();
}

}  // namespace

void check_arrow() {
  ASSERT_TRUE(arrow::compute::Initialize().ok());
  arrow::compute::MatchSubstringOptions options("^[a-z]+-\\d+$");
  auto done = arrow::compute::CallFunction("match_substring_regex", {words()}, &options);
  ASSERT_TRUE(done.ok()) << done.status().ToString();
  auto matches = std::static_pointer_cast<arrow::BooleanArray>(done->make_array());
  ASSERT_EQ(matches->length(), 3);
  EXPECT_TRUE(matches->Value(0));
  EXPECT_FALSE(matches->Value(1));
  EXPECT_TRUE(matches->Value(2));
}

void check_parquet() {
  auto schema = arrow::schema({arrow::field("word", arrow::utf8())});
  auto table = arrow::Table::Make(schema, {words()});
  auto sink = arrow::io::BufferOutputStream::Create().ValueOrDie();
  auto compressed =
      parquet::WriterProperties::Builder().compression(parquet::Compression::ZSTD)->build();
  auto status =
      parquet::arrow::WriteTable(*table, arrow::default_memory_pool(), sink, 2, compressed);
  ASSERT_TRUE(status.ok()) << status.ToString();
  auto source = std::make_shared<arrow::io::BufferReader>(sink->Finish().ValueOrDie());
  auto reader = parquet::arrow::OpenFile(source, arrow::default_memory_pool());
  ASSERT_TRUE(reader.ok()) << reader.status().ToString();
  auto back = (*reader)->ReadTable();
  ASSERT_TRUE(back.ok()) << back.status().ToString();
  EXPECT_TRUE((*back)->Equals(*table));
}

}  // namespace slip::link
