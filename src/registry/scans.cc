#include <algorithm>
#include <utility>

#include "base/text.h"
#include "core/scan/scan.h"
#include "registry/registry_internal.h"
#include "registry/registry_store.h"
#include "registry/request_store.h"
#include "store/blob_files.h"
#include "sys/clock.h"

// What the scanner says of a version's files, kept by their digest: equal bytes are scanned once.
namespace slip::registry {
namespace {

using codec::Json;

constexpr size_t kFindingsMax = 500;  // Kept of one version.

Json finding_json(const std::string& path, const scan::Finding& f) {
  Json out = Json::object({{"file", path},
                           {"severity", scan::verdict_name(f.severity)},
                           {"code", f.code},
                           {"detail", f.detail}});
  if (!f.where.empty()) out.set("where", f.where);
  return out;
}

Registry::Scan decode(const sql::ScanRow& row) {
  const auto verdict = static_cast<scan::Verdict>(std::clamp<int64_t>(row.verdict, 0, 2));
  return {.verdict = std::string(scan::verdict_name(verdict)),
          .report = row.report,
          .scanned_ms = row.scanned_ms};
}

}  // namespace

Result<Registry::Scan> Registry::find_scan(const Ctx& ctx, const std::string& name,
                                           int64_t number) {
  const Version version = TRY(get_version(ctx, name, number));
  const std::string digest = TRY(digest_of(ctx, version));
  std::optional<sql::ScanRow> row;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    row = TRY(sql::scan(tx, ctx.project.text, digest));
    return {};
  }));
  return row ? decode(*row) : Scan();
}

Result<Registry::Scan> Registry::scan(const Ctx& ctx, const std::string& name, int64_t number) {
  const Bundle bundle = TRY(open_bundle(ctx, name, number));
  const std::string& digest = bundle.version.digest;
  std::optional<sql::ScanRow> row;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    row = TRY(sql::scan(tx, ctx.project.text, digest));
    return {};
  }));
  if (row && row->scanner == scan::kScannerVersion) return decode(*row);
  Json files = Json::array();
  Json findings = Json::array();
  auto worst = scan::Verdict::kClean;
  for (const store::tree::Entry& entry : bundle.entries) {
    store::BlobSource source(TRY(deps_.blobs.open(entry.digest)));
    const scan::Report report = TRY(scan::scan_file(entry.path, source));
    worst = std::max(worst, report.verdict);
    files.push(Json::object({{"file", entry.path},
                             {"kind", report.kind},
                             {"verdict", scan::verdict_name(report.verdict)}}));
    for (const scan::Finding& f : report.findings)
      if (findings.items().size() < kFindingsMax) findings.push(finding_json(entry.path, f));
  }
  sql::ScanRow made{.scanner = scan::kScannerVersion,
                    .verdict = static_cast<int64_t>(worst),
                    .report = "",
                    .scanned_ms = deps_.clock.now_ms()};
  made.report = codec::to_json(
      Json::object({{"files", std::move(files)}, {"findings", std::move(findings)}}));
  TRY(change_version(ctx, name, number, [&](store::Tx& tx, Found& found) -> Status {
    TRY(sql::put_scan(tx, ctx.project.text, digest, made));
    ledger::Draft draft = version_event("model_version.scanned", found.version);
    draft.decision = scan::verdict_name(worst);
    draft.subject.digest = digest;
    return deps_.ledger.append(tx, ctx, draft);
  }));
  return decode(made);
}

}  // namespace slip::registry
