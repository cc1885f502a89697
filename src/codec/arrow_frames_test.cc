#include "codec/arrow_frames.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace slip::codec {
namespace {

std::string stream_of(const std::vector<int64_t>& batches) {
  Field number{.name = "n", .type = ColumnType::kInt64, .type_name = "int64"};
  Field word{.name = "w", .type = ColumnType::kText, .type_name = "string"};
  std::string out;
  const auto sink = text_sink(&out);
  const auto writer = make_table_writer(Format::kArrow, {number, word}, *sink).value();
  int64_t n = 0;
  for (const int64_t rows : batches) {
    Table t = make_table({number, word});
    for (int64_t i = 0; i < rows; ++i) {
      t.columns[0].add_i64(n++);
      t.columns[1].add_text("w" + std::to_string(n));
    }
    t.rows = rows;
    EXPECT_TRUE(writer->write(t).ok());
  }
  EXPECT_TRUE(writer->finish().ok());
  return out;
}

TEST(ArrowFrames, ApartAndTogetherAgainAreTheSameBytes) {
  for (const auto& batches : {std::vector<int64_t>{}, {1}, {0}, {5, 1000, 3}}) {
    const std::string stream = stream_of(batches);
    const auto source = text_source(stream);
    const auto frames = ArrowFrames::open(*source).value();
    std::string again;
    size_t count = 0;
    for (;; ++count) {
      auto frame = frames->next();
      ASSERT_TRUE(frame.ok()) << frame.error().text;
      if (!*frame) break;
      again += arrow_message((*frame)->head, (*frame)->body);
    }
    again += arrow_end();
    EXPECT_EQ(count, batches.size() + 1);  // The schema comes first.
    EXPECT_TRUE(again == stream);
  }
}

TEST(ArrowFrames, HeadsOfAnyLengthArePadded) {
  EXPECT_EQ(arrow_message("abc", "xy").size(), 8U + 8U + 2U);
  EXPECT_EQ(arrow_message("12345678", "").size(), 16U);
  EXPECT_EQ(arrow_message("", "").substr(0, 8), arrow_end());
}

TEST(ArrowFrames, WhatIsCutOffIsSaid) {
  const std::string stream = stream_of({100});
  for (size_t cut = 1; cut < stream.size() - 8; cut += 7) {
    const auto source = text_source(stream.substr(0, cut));
    const auto frames = ArrowFrames::open(*source).value();
    Result<std::optional<ArrowFrame>> frame = frames->next();
    while (frame.ok() && *frame) frame = frames->next();
    if (!frame.ok()) {
      EXPECT_EQ(frame.error().code, Code::kInvalid) << cut;
    }
  }
  const auto source = text_source("neither arrow nor anything");
  const auto frames = ArrowFrames::open(*source).value();
  EXPECT_FALSE(frames->next().ok());
}

}  // namespace
}  // namespace slip::codec
