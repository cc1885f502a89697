#include "bundle/bundle.h"

#include <cmath>
#include <cstring>

#include <gtest/gtest.h>

#include "base/text.h"
#include "codec/hash.h"
#include "model/model.h"
#include "model/onnx_write.h"
#include "model/test_models.h"

namespace slip::bundle {
namespace {

using codec::Json;
using serving::Tensor;

TEST(Tar, GivesBackWhatWasPacked) {
  const Files files = {{"a", ""}, {"ort/b.wasm", std::string(1025, 'x')}, {"c.json", "{}"}};
  EXPECT_EQ(unpack(pack(files)).value(), files);
  EXPECT_EQ(pack(files).size() % 512, 0U);
}

TEST(Tar, RefusesWhatIsNoBundle) {
  const std::string whole = pack({{"a.txt", "hello"}});
  for (size_t n = 0; n < whole.size() - 1024; ++n)
    EXPECT_FALSE(unpack(whole.substr(0, n)).ok()) << n;
  std::string link = whole, twice = pack({{"a.txt", "hello"}});
  link[156] = '2';
  EXPECT_EQ(unpack(link).error().reason, "bundle.archive");
  twice.insert(0, whole.substr(0, 1024));
  EXPECT_EQ(unpack(twice).error().reason, "bundle.archive");
  for (const char* name : {"../a", "/a", "a/../b", "a//b", "", "./a", "a b", "a\\b"})
    EXPECT_FALSE(plain_name(name)) << name;
  for (const std::string& name : {std::string(100, 'a'), std::string("../x")})
    EXPECT_EQ(unpack(pack({{name, "x"}})).error().reason, "bundle.archive");
  EXPECT_TRUE(plain_name("ort/ort.wasm.bundle.min.mjs"));
}

Source source_of(std::string bytes, Target target) {
  Source out;
  out.target = target;
  out.project = "default";
  out.model = "risk";
  out.version = 3;
  out.digest = "sha256:00";
  out.bytes = std::move(bytes);
  out.tool = "slipway test";
  out.library = []() -> Result<std::string> { return "library"; };
  return out;
}

struct Made {
  sign::Signer signer{codec::Ed25519Key::generate()};
  std::map<std::string, std::string> keys = {{signer.keyid(), signer.public_pem()}};
};

TEST(Bundle, HoldsForEveryTarget) {
  const Made m;
  const std::string models[] = {model::test::lightgbm_text(), model::test::xgboost_json(),
                                model::test::xgboost_ubj(), model::test::onnx_regressor()};
  for (const std::string& bytes : models)
    for (const Target target : {Target::kOnnx, Target::kWeb, Target::kCabi}) {
      if (target != Target::kCabi && bytes == models[3]) continue;  // Not a whole graph of ONNX.
      const Files files = make(source_of(bytes, target), m.signer).value();
      const Verified seen = verify(files, m.keys).value();
      EXPECT_EQ(seen.keyid, m.signer.keyid());
      EXPECT_EQ(seen.rows, kGoldenRows);
      EXPECT_EQ(seen.parity.outside, 0) << target_name(target);
      EXPECT_EQ(seen.parity.flips, 0);
      EXPECT_FALSE(seen.runtime);
      EXPECT_EQ(files, make(source_of(bytes, target), m.signer).value());
    }
}

TEST(Bundle, SaysWhenItIsAnother) {
  const Made m, other;
  const Files good = make(source_of(model::test::lightgbm_text(), Target::kCabi), m.signer).value();
  EXPECT_EQ(verify(good, other.keys).error().reason, "envelope.unknown_key");
  for (const auto& [name, bytes] : good) {
    Files bad = good;
    bad[name] += " ";
    if (name == kEnvelope) continue;
    EXPECT_EQ(verify(bad, m.keys).error().reason, "bundle.digest") << name;
    bad.erase(name);
    EXPECT_EQ(verify(bad, m.keys).error().reason, "bundle.file") << name;
  }
  Files more = good;
  more["x"] = "";
  EXPECT_EQ(verify(more, m.keys).error().reason, "bundle.file");
  Files without = good;
  without.erase(std::string(kEnvelope));
  EXPECT_EQ(verify(without, m.keys).error().reason, "bundle.file");
}

TEST(Bundle, TakesTheBrowsersRuntimeAndNoOther) {
  const Made m;
  Files files = make(source_of(model::test::xgboost_json(), Target::kWeb), m.signer).value();
  files["ort/ort.wasm.bundle.min.mjs"] = "something else";
  EXPECT_EQ(verify(files, m.keys).error().reason, "bundle.digest");
}

TEST(Bundle, AsksForWhatItsThresholdIsOf) {
  const Made m;
  Source s = source_of(model::test::xgboost_ubj(), Target::kCabi);
  s.threshold = 0.5;
  const Verified seen = verify(make(s, m.signer).value(), m.keys).value();
  EXPECT_GT(seen.parity.decisions, 0);
  s.threshold_output = "nothing";
  EXPECT_EQ(make(s, m.signer).error().reason, "export.threshold");
}

TEST(Golden, TakesRequestsThatFit) {
  const auto model = serving::load_model(model::test::lightgbm_text()).value();
  Tensor in;
  in.name = "input";
  in.shape = {2, 2};
  in.data.resize(16);
  Tensor key = in;
  key.name = "card";
  Tensor narrow = in;
  narrow.shape = {4, 1};
  const Golden g = make_golden(*model, nullptr, {{key, in}, {narrow}, {in}}, 1).value();
  EXPECT_EQ(g.from, "traffic");
  EXPECT_EQ(g.rows, 4);
  EXPECT_EQ(g.inputs.size(), 1U);
  const Golden back = read_golden(codec::to_json(golden_json(g))).value();
  EXPECT_EQ(back.inputs[0].data, g.inputs[0].data);
  EXPECT_EQ(back.outputs[0].data, g.outputs[0].data);
}

TEST(Golden, RefusesBrokenTensors) {
  const auto one = [](std::string_view tensor) {
    return concat({R"({"rows":1,"from":"x","outputs":[],"inputs":[{"name":"a",)", tensor, "}]}"});
  };
  const std::string bad[] = {"{}",
                             "[]",
                             R"({"rows":1,"from":"x","inputs":[],"outputs":3})",
                             one(R"("datatype":"FP32","shape":[2],"base64":"AAAA")"),
                             one(R"("datatype":"FP31","shape":[],"base64":"")"),
                             one(R"("datatype":"BYTES","shape":[1],"texts_base64":[])"),
                             one(R"("datatype":"FP32","shape":[-2],"base64":"")")};
  for (const std::string& text : bad) EXPECT_FALSE(read_golden(text).ok()) << text;
}

Tensor floats(std::vector<float> values) {
  Tensor t;
  t.name = "y";
  t.shape = {static_cast<int64_t>(values.size())};
  t.data.resize(values.size() * sizeof(float));
  std::memcpy(t.data.data(), values.data(), t.data.size());
  return t;
}

TEST(Golden, CountsDifferencesAndDecisions) {
  const float nan = std::nanf("");
  const Decision d{"y", 0, 0.5};
  const Parity p =
      compare({floats({0.1F, 0.9F, nan, 0.5F, 2})}, {floats({0.1F, 0.2F, nan, 0.4F, 2})}, {}, &d)
          .value();
  EXPECT_EQ(p.values, 5);
  EXPECT_EQ(p.outside, 2);
  EXPECT_NEAR(p.abs, 0.7, 1e-6);
  EXPECT_EQ(p.flips, 1);  // 0.5 lies on the threshold: it doesn't decide.
  EXPECT_FALSE(compare({floats({1})}, {floats({1, 2})}, {}, nullptr).ok());
  EXPECT_FALSE(compare({floats({1})}, {}, {}, nullptr).ok());
}

TEST(OnnxWriter, IsReadBackAsTheSameTrees) {
  // Trees without sets and zeros stand alone in their graph, which our own reader knows.
  const model::Model model = model::read_model(model::test::xgboost_ubj()).value();
  model::Model plain = model;
  plain.forest.link = trees::Link::kIdentity;
  plain.forest.classifier = false;
  const std::string written = model::write_onnx(plain).value();
  const model::Model back = model::read_onnx(written).value();
  EXPECT_EQ(back.forest.features, model.forest.features);
  EXPECT_EQ(back.forest.trees.size(), model.forest.trees.size() + model.forest.base.size());
}

TEST(OnnxWriter, RefusesByName) {
  model::Model m = model::read_model(model::test::lightgbm_text()).value();
  model::Model linear = m, probit = m, wide = m;
  linear.forest.linear_leaves.resize(linear.forest.leaves.size());
  EXPECT_EQ(model::write_onnx(linear).error().reason, "export.linear_leaves");
  probit.forest.link = trees::Link::kProbit;
  EXPECT_EQ(model::write_onnx(probit).error().reason, "export.link");
  wide.forest.sets[0].bits.resize(model::kCategoryCellsMax / 32);
  EXPECT_EQ(model::write_onnx(wide).error().reason, "export.categories_too_wide");
  m.forest.sets[0].rule = trees::SetRule::kExact;
  EXPECT_EQ(model::write_onnx(m).error().reason, "export.sets");
}

}  // namespace
}  // namespace slip::bundle
