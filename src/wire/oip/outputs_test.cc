#include "wire/oip/outputs.h"

#include <cmath>
#include <cstring>

#include <gtest/gtest.h>

#include "wire/oip/regions.h"

namespace slip::wire::oip {
namespace {

using serving::DataType;
using serving::Tensor;

template <class T>
Tensor tensor(DataType type, std::vector<int64_t> shape, const std::vector<T>& values) {
  Tensor t;
  t.name = "y";
  t.type = type;
  t.shape = std::move(shape);
  t.data.assign(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
  return t;
}

using Texts = std::vector<std::string>;

TEST(OipOutputs, TheHighestClassesOfEachRow) {
  const Tensor scores =
      tensor<float>(DataType::kFp32, {2, 3}, {0.1F, 0.7F, 0.2F, 5, 5, std::nanf("")});
  const Tensor by_row = classify(scores, {.count = 2, .by_row = true}).value();
  EXPECT_EQ(by_row.shape, (std::vector<int64_t>{2, 2}));
  EXPECT_EQ(by_row.strings, (Texts{"0.700000:1", "0.200000:2", "5.000000:0", "5.000000:1"}));
  const Texts labels = {"a", "b", "c"};
  const Tensor whole = classify(scores, {.count = 10, .labels = &labels}).value();
  EXPECT_EQ(whole.shape, std::vector<int64_t>{6});
  EXPECT_EQ(whole.strings, (Texts{"5.000000:3", "5.000000:4", "0.700000:1:b", "0.200000:2:c",
                                  "0.100000:0:a", "nan:5"}));
}

TEST(OipOutputs, WholeNumbersStayWhole) {
  const Tensor scores = tensor<int64_t>(DataType::kInt64, {1, 2}, {9007199254740993, -4});
  EXPECT_EQ(classify(scores, {.count = 2, .by_row = true}).value().strings,
            (Texts{"9007199254740993:0", "-4:1"}));
  const Tensor none = tensor<int32_t>(DataType::kInt32, {0, 2}, {});
  EXPECT_EQ(classify(none, {.count = 2, .by_row = true}).value().shape,
            (std::vector<int64_t>{0, 0}));
  Tensor texts = none;
  texts.type = DataType::kBytes;
  EXPECT_EQ(classify(texts, {.count = 1}).error().reason, "infer.classification");
}

TEST(OipRegions, AreOffUnlessTheOperatorSaysOtherwise) {
  Regions off(false);
  EXPECT_EQ(off.add("a", "/k", 0, 8).error().reason, "shared_memory.off");
  EXPECT_EQ(off.remove("a").error().reason, "shared_memory.off");
  off.remove("").value();  // Clients tidy up before they begin.
  EXPECT_TRUE(off.list("").value().empty());
  EXPECT_EQ(off.find("a", 0, 8).error().reason, "shared_memory.off");
}

TEST(OipRegions, KeysAndNamesAreChecked) {
  Regions regions(true);
  for (const char* key : {"", "/", "///", "/a/b", "../a", "/triton_python_backend_shm_region_1"})
    EXPECT_EQ(regions.add("a", key, 0, 8).error().reason, "shared_memory.key") << key;
  EXPECT_EQ(regions.add("", "/k", 0, 8).error().reason, "shared_memory.name");
  EXPECT_EQ(regions.add(std::string(2000, 'n'), "/k", 0, 8).error().reason, "shared_memory.name");
  EXPECT_EQ(regions.add("a", "/slipway-test-nobody", 0, 8).error().reason, "shared_memory.open");
  EXPECT_EQ(regions.list("a").error().reason, "shared_memory.unknown");
  EXPECT_EQ(regions.find("a", 0, 8).error().reason, "shared_memory.unknown");
  regions.remove("a").value();
}

}  // namespace
}  // namespace slip::wire::oip
