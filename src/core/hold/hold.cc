#include "core/hold/hold.h"

#include <array>
#include <optional>

#include "base/text.h"
#include "base/uuid.h"
#include "core/ledger/ledger.h"
#include "sys/clock.h"
#include "sys/rng.h"

namespace slip::hold {
namespace {

constexpr std::string_view kTables = R"sql(
CREATE TABLE legal_hold (
  project TEXT NOT NULL, uid TEXT NOT NULL, kind TEXT NOT NULL, object_uid TEXT NOT NULL,
  name TEXT NOT NULL, reason TEXT NOT NULL, actor TEXT NOT NULL, created_ms BIGINT NOT NULL,
  released_ms BIGINT, released_by TEXT NOT NULL, release_reason TEXT NOT NULL,
  PRIMARY KEY (project, uid));
CREATE INDEX legal_hold_open ON legal_hold (project, kind, object_uid) WHERE released_ms IS NULL;
)sql";

constexpr std::array<store::Migration, 1> kMigrations = {{{"hold", 1, kTables}}};

constexpr std::string_view kColumns =
    "SELECT uid, kind, object_uid, name, reason, actor, created_ms, released_ms, released_by,"
    " release_reason FROM legal_hold WHERE project = ? AND ";

Hold decode(const store::Row& row) {
  Hold h;
  h.uid = row.str(0);
  h.object = {.kind = row.str(1), .uid = row.str(2), .name = row.str(3)};
  h.reason = row.str(4);
  h.actor_uid = row.str(5);
  h.created_ms = row.i64(6);
  h.released_ms = row.i64(7);
  h.released_by = row.str(8);
  h.release_reason = row.str(9);
  return h;
}

// Who holds or releases says why: that is what an auditor reads first.
Status check_reason(const std::string& reason) {
  if (trim(reason).empty()) return invalid("hold.reason", "a hold, and its release, need a reason");
  if (reason.size() > kReasonBytesMax || !is_utf8(reason))
    return invalid("hold.reason", concat({"a reason is UTF-8 of at most ",
                                          std::to_string(kReasonBytesMax), " bytes"}));
  return {};
}

ledger::Draft event(std::string_view verb, const Hold& h, const std::string& reason) {
  ledger::Draft draft;
  draft.verb = std::string(verb);
  draft.subject = {.kind = h.object.kind,
                   .uid = h.object.uid,
                   .name = h.object.name,
                   .version = {},
                   .digest = {}};
  draft.reason = reason;
  draft.body = codec::Json::object({{"hold", h.uid}});
  return draft;
}

}  // namespace

Result<Reference> parse_reference(std::string_view text) {
  Reference out;
  if (text.size() > kObjectBytesMax || !is_utf8(text))
    return invalid("hold.object", "the object's name is too long or no UTF-8");
  const size_t colon = text.find(':');
  if (text == "project") return Reference{.kind = "project", .name = {}};
  if (colon == text.npos || colon == 0 || colon + 1 == text.size())
    return invalid("hold.object", concat({"'", text, "' is no KIND:NAME"}))
        .with_hint("for example run:ID, experiment:NAME, model:NAME@3, or project");
  out.kind = text.substr(0, colon);
  std::string_view name = text.substr(colon + 1);
  const size_t at = name.rfind('@');
  if (at != name.npos && (out.kind == "model" || out.kind == "model_version")) {
    const std::optional<int64_t> version = parse_int(name.substr(at + 1));
    if (!version || *version < 1)
      return invalid("hold.object", concat({"'", text, "' names no version by its number"}));
    out.version = *version;
    name = name.substr(0, at);
  }
  out.name = name;
  return out;
}

Result<Hold> Holds::place(const Ctx& ctx, Objects& objects, const Reference& ref,
                          const std::string& reason) {
  TRY(check_reason(reason));
  const std::string uid = new_uuid7(deps_.clock, deps_.rng).text();
  Hold out;
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    const std::string& project = ctx.project.text;
    out = Hold();
    out.uid = uid;
    if (ref.kind == "project")
      out.object = {.kind = "project", .uid = project, .name = project};
    else
      out.object = TRY(objects.find(tx, project, ref));
    out.reason = reason;
    out.actor_uid = ctx.actor_uid;
    out.created_ms = deps_.clock.now_ms();
    int64_t open = 0;
    TRY(tx.first("SELECT COUNT(*) FROM legal_hold WHERE project = ? AND released_ms IS NULL",
                 {project}, [&](const store::Row& row) { open = row.i64(0); }));
    if (open >= kOpenMax)
      return exhausted("hold.too_many", concat({"a project has at most ", std::to_string(kOpenMax),
                                                " holds: hold what contains them"}));
    TRY(
        tx.exec("INSERT INTO legal_hold (project, uid, kind, object_uid, name, reason, actor,"
                " created_ms, released_by, release_reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?, '', '')",
                {project, out.uid, out.object.kind, out.object.uid, out.object.name, out.reason,
                 out.actor_uid, out.created_ms}));
    return deps_.ledger.append(tx, ctx, event("hold.placed", out, reason));
  }));
  return out;
}

Result<Hold> Holds::release(const Ctx& ctx, const std::string& uid, const std::string& reason) {
  TRY(check_reason(reason));
  Hold out;
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    std::optional<Hold> found;
    TRY(tx.first(concat({kColumns, "uid = ?"}), {ctx.project.text, uid},
                 [&](const store::Row& row) { found = decode(row); }));
    if (!found) return not_found("hold.not_found", concat({"No hold '", uid, "'"}));
    out = std::move(*found);
    if (out.released_ms != 0)
      return conflict("hold.released", concat({"Hold ", uid, " is released already"}));
    out.released_ms = deps_.clock.now_ms();
    out.released_by = ctx.actor_uid;
    out.release_reason = reason;
    TRY(
        tx.exec("UPDATE legal_hold SET released_ms = ?, released_by = ?, release_reason = ?"
                " WHERE project = ? AND uid = ?",
                {out.released_ms, out.released_by, reason, ctx.project.text, uid}));
    return deps_.ledger.append(tx, ctx, event("hold.released", out, reason));
  }));
  return out;
}

Result<std::vector<Hold>> Holds::list(const Ctx& ctx, std::string_view after, int64_t limit,
                                      bool released) {
  std::vector<Hold> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out.clear();
    return tx.each(concat({kColumns, "uid > ?", released ? "" : " AND released_ms IS NULL",
                           " ORDER BY uid LIMIT CAST(? AS BIGINT)"}),
                   {ctx.project.text, after, std::min(limit, kListMax)},
                   [&](const store::Row& row) { out.push_back(decode(row)); });
  }));
  return out;
}

std::string holder_sql(std::string_view project, std::string_view condition) {
  return concat({"COALESCE((SELECT MIN(h.uid) FROM legal_hold h WHERE h.project = ", project,
                 " AND h.released_ms IS NULL AND (h.kind = 'project' OR ", condition, ")), '')"});
}

Error held(std::string_view what, std::string_view hold_uid) {
  return conflict("hold.held", concat({what, " is under legal hold ", hold_uid}))
      .with_hint("`slipway hold list` tells why; it is kept until the hold is released");
}

Status refuse_held(store::Tx& tx, std::string_view project, std::span<const Object> objects) {
  std::string condition = "1 = 0";
  std::vector<store::Value> args = {project};
  for (const Object& o : objects) {
    condition += " OR (h.kind = ? AND h.object_uid = ?)";
    args.emplace_back(std::string_view(o.kind));
    args.emplace_back(std::string_view(o.uid));
  }
  std::string uid;
  TRY(tx.each(concat({"SELECT ", holder_sql("?", condition)}), args,
              [&](const store::Row& row) { uid = row.str(0); }));
  if (uid.empty()) return {};
  const bool named = !objects.empty();
  return held(named ? concat({objects.front().kind, " ", objects.front().name}) : "the project",
              uid);
}

std::span<const store::Migration> migrations() { return kMigrations; }

}  // namespace slip::hold
