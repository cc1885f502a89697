#include "core/scan/scan.h"

#include <gtest/gtest.h>

#include "core/scan/globals.h"
#include "test/gen/corpus.h"

namespace slip::scan {
namespace {

Report scan(std::string_view name, std::string bytes, const Limits& limits = {}) {
  const auto source = codec::text_source(std::move(bytes));
  return scan_file(name, *source, limits).value();
}

// Each file of the corpus says by its name what it is: hostile-, unknown- or benign-. They were
// written by pickle, joblib, numpy, sklearn, onnx and zipfile, or by hand where those refuse. Run
// from the root of the repository.
TEST(Scan, TheCorpusIsJudgedAsItIsNamed) {
  size_t files = 0;
  for (const auto& [name, bytes] : gen::corpus("scan")) {
    SCOPED_TRACE(name);
    const Report report = scan(name, bytes);
    const std::string_view wanted = name.starts_with("hostile-")   ? "dangerous"
                                    : name.starts_with("unknown-") ? "unknown"
                                                                   : "clean";
    std::string found;
    for (const Finding& f : report.findings) found += f.code + " " + f.detail + "; ";
    EXPECT_EQ(verdict_name(report.verdict), wanted) << report.kind << ": " << found;
    ++files;
  }
  EXPECT_GE(files, 60U);
}

TEST(Scan, GlobalsAreAllowedNotForbidden) {
  struct Case {
    const char* module;
    const char* name;
    Verdict verdict;
  };
  const Case cases[] = {
      {"os", "system", Verdict::kDangerous},
      {"posix", "system", Verdict::kDangerous},
      {"os.path", "join", Verdict::kDangerous},
      {"builtins", "eval", Verdict::kDangerous},
      {"builtins", "getattr", Verdict::kDangerous},
      {"__builtin__", "apply", Verdict::kDangerous},
      {"builtins", "list", Verdict::kClean},
      {"operator", "attrgetter", Verdict::kDangerous},
      {"functools", "partial", Verdict::kDangerous},
      {"numpy", "ndarray", Verdict::kClean},
      {"numpy", "load", Verdict::kDangerous},
      {"numpy", "float64", Verdict::kClean},
      {"numpy.core.multiarray", "_reconstruct", Verdict::kClean},
      {"numpy.testing._private.utils", "runstring", Verdict::kDangerous},
      {"sklearn.linear_model._logistic", "LogisticRegression", Verdict::kClean},
      {"sklearn.utils", "load", Verdict::kUnknown},
      {"sklearn.externals.joblib", "Memory", Verdict::kDangerous},
      {"sklearn.tree", "Tree.fit", Verdict::kDangerous},
      {"mypackage", "Model", Verdict::kUnknown},
      {"osmosis", "Thing", Verdict::kUnknown},  // No part of `os`.
  };
  for (const Case& c : cases)
    EXPECT_EQ(judge_global(c.module, c.name), c.verdict) << c.module << "." << c.name;
}

TEST(Scan, BoundsAreFindingsNotHangs) {
  Limits small;
  small.opcodes = 100;
  Report report = scan("m.pkl", "\x80\x02" + std::string(1000, 'N') + ".", small);
  EXPECT_EQ(report.verdict, Verdict::kUnknown);
  EXPECT_EQ(report.findings.at(0).code, "scan.limit");
  small = {};
  small.stack = 100;
  report = scan("m.pkl", "\x80\x02" + std::string(1000, 'N') + ".", small);
  EXPECT_EQ(report.verdict, Verdict::kUnknown);
  // Says where inside an archive.
  report = scan("x", gen::corpus("scan")["hostile-torch.pt"]);
  EXPECT_EQ(report.kind, "zip");
  EXPECT_EQ(report.findings.at(0).where, "archive/data.pkl");
}

TEST(Scan, AnErrorOfReadingIsNoVerdict) {
  class Broken final : public codec::ByteSource {
    int64_t size() const override { return 100; }
    Result<size_t> read_at(int64_t, std::span<char>) override {
      return unavailable("store.io", "the disk is gone");
    }
  } broken;
  EXPECT_EQ(scan_file("x", broken).error().reason, "store.io");
}

}  // namespace
}  // namespace slip::scan
