#include "cli/predict.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "cli/rest.h"
#include "model/test_models.h"
#include "sys/clock.h"
#include "sys/executor.h"
#include "sys/process.h"
#include "sys/sim/sim_fs.h"

namespace slip::cli {
namespace {

class PredictCommand : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(disk_.make_dirs("/w").ok());
    put("/w/age.txt", model::test::lightgbm_text());
    put("/w/yes.onnx", model::test::onnx_classifier());
    put("/w/in.csv", "city,note,age\n1,a,0.6\n2,b,0.6\n,c,0.6\n1,d,\n");
    add_predict_command(commands_, {disk_, real_clock(), real_process(), real_executor()});
  }
  void put(const std::string& path, std::string_view text) {
    ASSERT_TRUE(write_file_atomic(disk_, path, text).ok());
  }
  std::string get(const std::string& path) {
    const Result<std::string> text = read_file(disk_, path, 1 << 20);
    return text.ok() ? text.value() : text.error().reason;
  }
  int run(const std::vector<std::string>& words) {
    said_.clear();
    Terminal terminal{[this](std::string_view t) { said_ += t; },
                      [this](std::string_view t) { said_ += t; }};
    return commands_.run(words, terminal);
  }

  sim::SimFs disk_{1};
  Commands commands_{{{"json", "", "Print JSON."}}};
  std::string said_;
};

TEST_F(PredictCommand, FeaturesByName) {
  EXPECT_EQ(run({"predict", "/w/age.txt", "/w/in.csv", "/w/out.csv"}), 0) << said_;
  EXPECT_EQ(get("/w/out.csv"), "prediction\n12.0\n24.0\n14.0\n12.0\n");
  EXPECT_EQ(said_.find("4 rows by 2 trees of lightgbm (regression, "), 0U) << said_;
  for (const char* kernel : {"scalar", "walk"}) {
    EXPECT_EQ(run({"predict", "/w/age.txt", "/w/in.csv", "/w/again.csv", "--kernel", kernel}), 0);
    EXPECT_EQ(get("/w/again.csv"), get("/w/out.csv"));
  }
}

TEST_F(PredictCommand, FeaturesByPlaceAndLabels) {
  put("/w/two.jsonl", "{\"a\": 1, \"b\": 1}\n{\"a\": 0, \"b\": 0}\n");
  EXPECT_EQ(run({"predict", "/w/yes.onnx", "/w/two.jsonl", "/w/out.jsonl", "--json"}), 0) << said_;
  EXPECT_NE(said_.find("\"library\": \"onnx\""), std::string::npos) << said_;
  const std::string out = get("/w/out.jsonl");
  EXPECT_NE(out.find("\"label\":\"yes\"}\n"), std::string::npos) << out;
  EXPECT_NE(out.find("\"prediction_no\":0.7310585"), std::string::npos) << out;
  EXPECT_EQ(
      run({"predict", "/w/yes.onnx", "/w/two.jsonl", "/w/raw.jsonl", "--raw", "--columns", "b, a"}),
      0);
  EXPECT_EQ(get("/w/raw.jsonl"), "{\"prediction\":3.0}\n{\"prediction\":0.0}\n");
}

TEST_F(PredictCommand, WhatIsNoUse) {
  put("/w/bad.txt", "tree\nversion=v4\n");
  put("/w/text.csv", "age,city\n1,Bonn\n");
  put("/w/one.csv", "age\n1\n");
  struct Case {
    std::vector<std::string> words;
    const char* reason;
  };
  const Case cases[] = {
      {{"predict", "/w/age.txt", "/w/in.csv"}, "usage.argument_missing"},
      {{"predict", "/w/age.txt", "/w/in.csv", "/w/out.xls"}, "usage.format"},
      {{"predict", "/w/age.txt", "/w/in.csv", "/w/out.csv", "--kernel", "gpu"}, "trees.kernel"},
      {{"predict", "/w/bad.txt", "/w/in.csv", "/w/out.csv"}, "model.field"},
      {{"predict", "/w/in.csv", "/w/in.csv", "/w/out.csv"}, "model.syntax"},
      {{"predict", "/w/age.txt", "/w/text.csv", "/w/out.csv"}, "predict.column_type"},
      {{"predict", "/w/age.txt", "/w/one.csv", "/w/out.csv"}, "predict.columns"},
      {{"predict", "/w/yes.onnx", "/w/one.csv", "/w/out.csv"}, "predict.columns"},
      {{"predict", "/w/age.txt", "/w/in.csv", "/w/out.csv", "--columns", "age"}, "predict.columns"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(run(c.words), 2) << said_;
    EXPECT_NE(said_.find(c.reason), std::string::npos) << c.reason << ": " << said_;
    EXPECT_NE(get("/w/out.csv").find("not_found"), std::string::npos) << "nothing is left behind";
  }
  EXPECT_EQ(run({"predict", "/w/none.txt", "/w/in.csv", "/w/out.csv"}), 3) << said_;
}

}  // namespace
}  // namespace slip::cli
