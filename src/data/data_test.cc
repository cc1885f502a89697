#include "data/data.h"

#include <gtest/gtest.h>

#include "core/ledger/ledger.h"
#include "sys/clock.h"
#include "sys/rng.h"
#include "test/store/dbs.h"
#include "test/store/mem_blobs.h"

namespace slip::data {
namespace {

class DataTest : public test::DbTest {
 protected:
  void SetUp() override {
    std::vector<store::Migration> steps;
    for (const auto& all : {ledger::migrations(), migrations()})
      steps.insert(steps.end(), all.begin(), all.end());
    migrated(steps);
    events = std::make_unique<ledger::Ledger>(ledger::Ledger::Deps{db(), real_clock(), real_rng()});
    data = std::make_unique<Data>(Data::Deps{db(), *events, blobs, real_clock(), real_rng()});
  }
  Result<Version> commit(const std::string& name, std::string_view text,
                         codec::RowFormat format = codec::RowFormat::kJsonl) {
    auto draft = blobs.create().value();
    draft->write(text).value();
    return data->commit(ctx, {.name = name, .format = format, .message = "m"}, std::move(draft));
  }
  size_t event_count() {
    while (events->number_pending().value() > 0) {}
    return events->list({.limit = 1000}).value().size();
  }

  Ctx ctx;
  test::MemBlobs blobs;
  std::unique_ptr<ledger::Ledger> events;
  std::unique_ptr<Data> data;
};
SLIP_EVERY_DB(DataTest);

TEST_P(DataTest, VersionsAreNumberedAndTheSameBytesAreTheSameVersion) {
  const Version first = commit("d", "{\"a\":1}\n").value();
  EXPECT_EQ(first.number, 1);
  EXPECT_EQ(first.parent_number, 0);
  EXPECT_EQ(first.rows, 1);
  EXPECT_EQ(first.digest, codec::sha256("{\"a\":1}\n").text());
  EXPECT_EQ(commit("d", "{\"a\":1}\n").value().uid, first.uid);
  EXPECT_EQ(event_count(), 1U);
  const Version second = commit("d", "{\"a\":1}\n{\"a\":2}\n").value();
  EXPECT_EQ(second.number, 2);
  EXPECT_EQ(second.parent_number, 1);
  EXPECT_EQ(second.dataset_uid, first.dataset_uid);
  EXPECT_EQ(commit("other", "{\"a\":1}\n").value().number, 1);
  EXPECT_EQ(event_count(), 3U);
  EXPECT_EQ(data->versions(ctx, "d", 0, 10)->size(), 2U);
  EXPECT_EQ(data->versions(ctx, "d", 1, 10)->front().uid, second.uid);
  EXPECT_EQ(data->version(ctx, "d", 1)->columns, first.columns);
  const std::vector<Dataset> all = data->list(ctx, "", 10).value();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].name, "d");
  EXPECT_EQ(all[0].versions_count, 2);
  EXPECT_EQ(all[0].latest_version, 2);
}

TEST_P(DataTest, WhatCannotBeReadLeavesNothing) {
  EXPECT_EQ(commit("d", "{\"a\":").error().reason, "rows.syntax");
  EXPECT_EQ(commit("d", "").error().reason, "rows.empty");
  EXPECT_EQ(commit("d", "x", codec::RowFormat::kParquet).error().reason, "rows.parquet");
  for (const std::string& name : {std::string(), std::string("a b"), std::string(".."),
                                  std::string(kNameBytesMax + 1, 'x'), std::string("a/b")})
    EXPECT_EQ(commit(name, "{\"a\":1}").error().reason, "dataset.name") << name;
  EXPECT_EQ(data->find(ctx, "d").error().reason, "dataset.not_found");
  EXPECT_EQ(event_count(), 0U);
}

TEST_P(DataTest, RowsAndBytesComeBack) {
  const std::string text = "a,b\n1,x\n2,y\n";
  const Version v = commit("d", text, codec::RowFormat::kCsv).value();
  const auto reader = data->open(v).value();
  std::string back(static_cast<size_t>(reader->size()), '\0');
  EXPECT_EQ(reader->read_at(0, std::span(back.data(), back.size())).value(), text.size());
  EXPECT_EQ(back, text);
  std::string rows;
  const auto add = [&](const codec::Json& row) -> Status {
    rows += codec::to_json(row);
    return {};
  };
  data->each_row(v, {"a"}, 1, add).value();
  EXPECT_EQ(rows, "{\"a\":1}");
  EXPECT_EQ(data->each_row(v, {"c"}, 1, add).error().reason, "dataset.column");
  int marked = 0;
  data->mark([&](const store::Digest& digest) { marked += digest.text() == v.digest ? 1 : 0; })
      .value();
  EXPECT_EQ(marked, 1);
}

TEST_P(DataTest, ProjectsDontSeeEachOther) {
  commit("d", "{\"a\":1}").value();
  Ctx other = ctx;
  other.project.text = "elsewhere";
  EXPECT_EQ(data->find(other, "d").error().reason, "dataset.not_found");
  EXPECT_TRUE(data->list(other, "", 10)->empty());
  EXPECT_EQ(data->version(ctx, "d", 2).error().reason, "dataset_version.not_found");
}

}  // namespace
}  // namespace slip::data
