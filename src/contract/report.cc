#include "contract/report.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace slip::contract {

using codec::Json;

std::string_view verdict_name(Verdict verdict) {
  constexpr std::array<std::string_view, 3> kNames = {"passed", "failed", "not_evaluated"};
  return kNames[static_cast<size_t>(verdict)];
}

bool Report::ok() const {
  return std::ranges::none_of(results, [](const CheckResult& r) {
    return r.verdict == Verdict::kFailed && r.check.severity == Severity::kError;
  });
}

int64_t Report::count(Verdict verdict) const {
  return std::ranges::count(results, verdict, &CheckResult::verdict);
}

Json to_json(const Report& report) {
  std::vector<Json> lines;
  for (const CheckResult& r : report.results) {
    Json line = Json::object({{"property", r.check.property},
                              {"check", r.check.name},
                              {"verdict", verdict_name(r.verdict)},
                              {"severity", severity_name(r.check.severity)}});
    if (!r.check.id.empty()) line.set("id", r.check.id);
    if (!r.check.title.empty()) line.set("title", r.check.title);
    if (r.verdict != Verdict::kNotEvaluated) {
      line.set("measured", r.measured);
      line.set("threshold", r.threshold);
      line.set("count", r.count);
    }
    if (!r.why.empty()) line.set("why", r.why);
    std::vector<Json> samples;
    for (const Sample& s : r.samples)
      samples.push_back(Json::object({{"row", s.row}, {"value", s.value}, {"reason", s.reason}}));
    if (!samples.empty()) line.set("samples", Json::array(std::move(samples)));
    line.set("pointer", r.check.pointer);
    lines.push_back(std::move(line));
  }
  return Json::object({{"contract", report.contract},
                       {"version", report.version},
                       {"object", report.object},
                       {"rows", report.rows},
                       {"ok", report.ok()},
                       {"passed", report.count(Verdict::kPassed)},
                       {"failed", report.count(Verdict::kFailed)},
                       {"not_evaluated", report.count(Verdict::kNotEvaluated)},
                       {"checks", Json::array(std::move(lines))}});
}

std::string to_text(const Report& report) {
  std::string out;
  for (const CheckResult& r : report.results) {
    if (r.verdict == Verdict::kPassed) continue;
    const bool failed = r.verdict == Verdict::kFailed;
    const bool soft = failed && r.check.severity != Severity::kError;
    out += concat({soft     ? severity_name(r.check.severity)
                   : failed ? "failed"
                            : "not evaluated",
                   "  ", report.object, r.check.property.empty() ? "" : ".", r.check.property, "  ",
                   r.check.name});
    if (!r.check.title.empty()) out += concat({" (", r.check.title, ")"});
    if (!r.why.empty()) out += concat({": ", r.why});
    if (failed && r.why.empty())
      out += concat({": ", format_double(r.measured), ", wanted ", r.threshold});
    out += '\n';
    for (const Sample& s : r.samples)
      out += concat({"    row ", std::to_string(s.row), ": ", s.value, " ", s.reason, "\n"});
  }
  out += concat({report.object, ": ", std::to_string(report.rows), " rows, ",
                 std::to_string(report.count(Verdict::kPassed)), " checks passed, ",
                 std::to_string(report.count(Verdict::kFailed)), " failed, ",
                 std::to_string(report.count(Verdict::kNotEvaluated)), " not evaluated\n"});
  return out;
}

}  // namespace slip::contract
