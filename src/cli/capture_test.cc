#include "cli/capture.h"

#include <gtest/gtest.h>

#include "cli/repro.h"
#include "cli/tracked.h"
#include "codec/hash.h"

namespace slip::cli {
namespace {

using codec::Json;
using namespace std::string_literals;

TEST(CaptureParts, VariablesThatDecideAboutBitsAndNoSecrets) {
  const std::string all =
      "PYTHONHASHSEED=0\0OMP_NUM_THREADS=1\0HOME=/h\0TF_API_KEY=k\0TORCH_X=a=b\0broken\0"
      "PYTHONHASHSEEDS=1\0OMP_BAD=\xff\0"s;
  EXPECT_EQ(determinism_of(all),
            (Texts{{"OMP_NUM_THREADS", "1"}, {"PYTHONHASHSEED", "0"}, {"TORCH_X", "a=b"}}));
  EXPECT_TRUE(determinism_of("").empty());
}

TEST(CaptureParts, TheMachineFromWhatTheKernelSays) {
  const Json m = machine_of("Linux x86_64\n",
                            "processor\t: 0\nmodel name\t: A CPU\nflags\t\t: fpu avx  avx2\n\n"
                            "processor\t: 1\nmodel name\t: B\nflags\t\t: none\n",
                            2);
  EXPECT_EQ(codec::to_json(m), R"({"os":"linux","arch":"x86_64","cpu_model":"A CPU","cpus":2,)"
                               R"("cpu_flags":["avx","avx2","fpu"]})");
  EXPECT_EQ(codec::to_json(machine_of("", "", 1)),
            R"({"os":"","arch":"","cpu_model":"","cpus":1,"cpu_flags":[]})");
}

TEST(CaptureParts, LockFilesByName) {
  for (const char* name : {"uv.lock", "poetry.lock", "pdm.lock", "requirements.txt",
                           "requirements-dev.txt", "conda-lock.yml", "environment.yml"})
    EXPECT_TRUE(is_lock_file(name)) << name;
  for (const char* name : {"lock", "requirements", "my-requirements.txt", "Cargo.lock", ""})
    EXPECT_FALSE(is_lock_file(name)) << name;
}

TEST(CaptureParts, PasswordsOfAddressesStayOut) {
  struct Case {
    const char* url;
    const char* bare;
  };
  const Case cases[] = {{"https://u:p@h/x.git", "https://h/x.git"},
                        {"https://u:p@q@h", "https://h"},
                        {"https://h/x@1", "https://h/x@1"},
                        {"git@h:x.git", "git@h:x.git"},
                        {"", ""}};
  for (const Case& c : cases) EXPECT_EQ(without_password(c.url), c.bare);
}

TEST(CaptureParts, PackagesAreNamedByTheirDigest) {
  const Json probe =
      codec::parse_json(R"({"interpreter":{"version":"3.11.2"},"packages":["a==1","b==2"]})")
          .value();
  const Json e = environment_of(probe, {}, "sha256:c");
  EXPECT_EQ(text_of(e, "packages_sha256"), codec::sha256("a==1\nb==2\n").hex());
  EXPECT_EQ(*e.find("packages_count"), Json(2));
  EXPECT_EQ(text_of(e, "container_digest"), "sha256:c");
  const Json none = environment_of(Json::object({{"interpreter", Json()}}), {}, "");
  EXPECT_EQ(text_of(none, "packages"), "");
  EXPECT_EQ(text_of(none, "packages_sha256"), "");
}

TEST(CaptureParts, TagsAreWhatOneSearchesBy) {
  const Json record =
      codec::parse_json(
          R"({"command":["python","t.py"],"code":{"commit":"c","branch":"","remote":"r",)"
          R"("dirty":true,"patch_sha256":"p"},"environment":{"interpreter":{"version":"3.11.2"},)"
          R"("packages_sha256":"s","container_digest":""}})")
          .value();
  EXPECT_EQ(capture_tags(record), (Texts{{"mlflow.source.git.commit", "c"},
                                         {"mlflow.source.git.repoURL", "r"},
                                         {"mlflow.source.name", "python"},
                                         {"mlflow.source.type", "LOCAL"},
                                         {"slipway.capture", "slipway.capture/1"},
                                         {"slipway.code.dirty", "true"},
                                         {"slipway.code.patch_sha256", "p"},
                                         {"slipway.command", "python t.py"},
                                         {"slipway.environment.packages_sha256", "s"},
                                         {"slipway.environment.python", "3.11.2"}}));
}

TEST(CaptureParts, WhatAnInstallerTakes) {
  EXPECT_EQ(installable("a==1\n# local: own==1\npip==24.0\npipx==1\n\nb @ https://h/b.whl\n"),
            "a==1\npipx==1\nb @ https://h/b.whl\n");
}

TEST(CaptureParts, OutputsLieBelowTheDirectory) {
  EXPECT_TRUE(check_outputs({"model.bin", "out/a b.json", "..name"}).ok());
  for (const char* path : {"", "/tmp/x", "../x", "a/../../x", "a//b", "./x", "x/"})
    EXPECT_EQ(check_outputs({path}).error().reason, "usage.output") << path;
}

}  // namespace
}  // namespace slip::cli
