#include "features/kept_objects.h"

#include "base/text.h"
#include "codec/hash.h"
#include "core/ledger/ledger.h"
#include "sys/clock.h"

namespace slip::features {
namespace {

Result<std::string> content_of(std::string_view base64) {
  std::optional<std::string> bytes = from_base64(base64);
  if (!bytes) return corrupt("feature.kept", "an object that was kept is damaged");
  return std::move(*bytes);
}

ledger::Draft event_of(std::string_view verb, const std::string& kind, const std::string& name) {
  ledger::Draft out;
  out.verb = verb;
  out.subject.kind = "feature_kept";
  out.subject.uid = out.subject.name = concat({kind, ":", name});
  return out;
}

}  // namespace

Status KeptObjects::put(const Ctx& ctx, const std::string& kind, const std::string& name,
                        const std::string& content) {
  if (content.size() > kKeptBytesMax)
    return exhausted("feature.kept",
                     concat({"an object has at most ", format_size(kKeptBytesMax)}));
  return deps_.db.write([&](store::Tx& tx) -> Status {
    int64_t bytes = 0;
    TRY(tx.first(
        "SELECT COALESCE(SUM(LENGTH(content)), 0) FROM feature_kept WHERE project = ?"
        " AND kind = ? AND name <> ?",
        {ctx.project.text, kind, name}, [&](const store::Row& row) { bytes = row.i64(0); }));
    if (bytes + static_cast<int64_t>(content.size()) > kKeptOfProjectMax)
      return exhausted("feature.kept",
                       concat({"the project's objects of kind ", kind, " are too large"}));
    TRY(
        tx.exec("INSERT INTO feature_kept (project, kind, name, content, updated_ms)"
                " VALUES (?, ?, ?, ?, ?) ON CONFLICT (project, kind, name) DO UPDATE SET"
                " content = excluded.content, updated_ms = excluded.updated_ms",
                {ctx.project.text, kind, name, to_base64(content), deps_.clock.now_ms()}));
    ledger::Draft event = event_of("feature_kept.saved", kind, name);
    event.subject.digest = concat({"sha256:", codec::sha256(content).hex()});
    return deps_.ledger.append(tx, ctx, event);
  });
}

Result<std::vector<std::string>> KeptObjects::list(const Ctx& ctx, const std::string& kind) {
  std::vector<std::string> out;
  TRY(deps_.db.read([&](store::Tx& tx) {
    return tx.each("SELECT content FROM feature_kept WHERE project = ? AND kind = ? ORDER BY name",
                   {ctx.project.text, kind},
                   [&](const store::Row& row) { out.emplace_back(row.text(0)); });
  }));
  for (std::string& content : out) content = TRY(content_of(content));
  return out;
}

Result<std::optional<std::string>> KeptObjects::find(const Ctx& ctx, const std::string& kind,
                                                     const std::string& name) {
  std::optional<std::string> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    TRY(tx.first("SELECT content FROM feature_kept WHERE project = ? AND kind = ? AND name = ?",
                 {ctx.project.text, kind, name},
                 [&](const store::Row& row) { out.emplace(row.text(0)); }));
    return {};
  }));
  if (out) out = TRY(content_of(*out));
  return out;
}

Result<bool> KeptObjects::remove(const Ctx& ctx, const std::string& kind, const std::string& name) {
  int64_t gone = 0;
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    gone = TRY(tx.exec("DELETE FROM feature_kept WHERE project = ? AND kind = ? AND name = ?",
                       {ctx.project.text, kind, name}));
    if (gone == 0) return {};
    return deps_.ledger.append(tx, ctx, event_of("feature_kept.removed", kind, name));
  }));
  return gone > 0;
}

Status KeptObjects::remove_all(const Ctx& ctx) {
  return deps_.db.write([&](store::Tx& tx) -> Status {
    const int64_t gone =
        TRY(tx.exec("DELETE FROM feature_kept WHERE project = ?", {ctx.project.text}));
    if (gone == 0) return {};
    return deps_.ledger.append(tx, ctx, event_of("feature_kept.removed", "all", ctx.project.text));
  });
}

}  // namespace slip::features
