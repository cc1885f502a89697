#include "cli/runs_diff.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace slip::cli {
namespace {

using codec::Json;

RunSide side(std::string_view run, std::string_view capture = "null", std::string packages = "") {
  return {.run = codec::parse_json(run).value(),
          .capture = codec::parse_json(capture).value(),
          .packages = std::move(packages)};
}

std::string text(const std::vector<Json>& rows) {
  std::string out;
  for (const Json& row : rows)
    out += concat({row.find("section")->as_string(), " ", row.find("name")->as_string(), " ",
                   codec::to_json(*row.find("a")), " ", codec::to_json(*row.find("b")), "\n"});
  return out;
}

TEST(RunsDiff, SaysEachValueThatIsNotTheSame) {
  const RunSide a = side(
      R"({"run_id":"1","name":"x","params":{"lr":"0.1","same":"s"},
          "metrics":{"auc":0.5,"nan":"NaN"},
          "tags":{"mlflow.runName":"x","team":"a","slipway.command":"c",
          "mlflow.source.name":"c"}})",
      R"({"command":["python","t.py"],"directory":"","code":{"commit":"c1","patch_sha256":"",
          "left_out":[]},"environment":{"interpreter":{"version":"3.11.2"},"container_digest":"",
          "locks":[{"path":"uv.lock","sha256":"l1"}]},
          "machine":{"arch":"x86_64","cpu_flags":["avx","avx2"]},
          "determinism":{"PYTHONHASHSEED":"0"},
          "data":[{"path":"d.csv","sha256":"1"}],"outputs":[{"path":"m","sha256":"1"}],
          "exit":{"code":0,"signal":0}})",
      "numpy==1.26.0\npkg @ https://h/p.whl\n# local: own==1\nx==1\n");
  const RunSide b = side(
      R"({"run_id":"2","name":"y","params":{"lr":"0.2","same":"s"},
          "metrics":{"auc":0.5,"nan":"NaN"},
          "tags":{"mlflow.runName":"y","slipway.command":"d",
          "mlflow.source.name":"d"}})",
      R"({"command":["python","t.py"],"directory":"","code":{"commit":"c1","patch_sha256":"p",
          "left_out":[]},"environment":{"interpreter":{"version":"3.11.2"},"container_digest":"",
          "locks":[{"path":"uv.lock","sha256":"l2"}]},
          "machine":{"arch":"x86_64","cpu_flags":["avx","fma"]},"determinism":{},
          "data":[{"path":"d.csv","sha256":"2"}],"outputs":[{"path":"m","sha256":"1"}],
          "exit":{"code":0,"signal":0}})",
      "numpy==2.0.0\npkg @ https://h/p.whl\n# local: own==2\n");
  EXPECT_EQ(text(diff_runs(a, b)), R"(params lr "0.1" "0.2"
tags team "a" null
code patch_sha256 null "p"
environment PYTHONHASHSEED "0" null
environment cpu_flags ["avx2"] ["fma"]
environment lock uv.lock "l1" "l2"
packages # local: own "1" "2"
packages numpy "1.26.0" "2.0.0"
packages x "1" null
data d.csv "1" "2"
)");
  EXPECT_TRUE(diff_runs(a, a).empty());
}

TEST(RunsDiff, ARunWithoutARecordHasNothingThere) {
  const char* run = R"({"params":{},"metrics":{"m":1},"tags":{}})";
  EXPECT_TRUE(diff_runs(side(run), side(run)).empty());
  const RunSide known = side(run, R"({"code":{"commit":"c"},"exit":{"code":1,"signal":0}})");
  EXPECT_EQ(text(diff_runs(side(run), known)),
            "code commit null \"c\"\nexit code null 1\nexit signal null 0\n");
}

}  // namespace
}  // namespace slip::cli
