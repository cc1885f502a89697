#include "tracking/purge.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "base/text.h"
#include "core/ledger/ledger.h"
#include "sys/clock.h"
#include "tracking/artifact_store.h"
#include "tracking/artifacts.h"
#include "tracking/experiment_store.h"
#include "tracking/pending.h"
#include "tracking/purge_store.h"
#include "tracking/run_store.h"

namespace slip::tracking {
namespace {

using sql::Candidate;
using sql::Phase;

constexpr int64_t kPlanPage = 1'000;
constexpr int64_t kGravesAtOnce = 50;
constexpr std::array kPurgePhases = {Phase::kRuns, Phase::kModels, Phase::kTraces,
                                     Phase::kExperiments};
constexpr int64_t kPhases = 5;  // Then what hung on the purged.

Status check_days(std::string_view name, const std::optional<int64_t>& days, int64_t least) {
  if (!days || (*days >= least && *days <= kRetentionDaysMax)) return {};
  return invalid("retention.days", concat({name, " is ", std::to_string(least), " to ",
                                           std::to_string(kRetentionDaysMax), " days"}));
}

// The tree of the object's own files; nothing when its address names somebody else's, as a trace's
// tag may.
std::optional<std::string> own_base(const std::string& uri, std::string_view uid) {
  const auto path = proxied_path(uri);
  if (!path) return std::nullopt;
  const Result<ArtifactPath> where = parse_artifact_path(*path);
  if (!where.ok() || !where->rest.empty()) return std::nullopt;
  if (!where->base.ends_with(concat({uid, "/artifacts"}))) return std::nullopt;
  return where->base;
}

// "3:uid": where a purge stands.
struct Place {
  int64_t phase = 0;
  std::string after;
};
std::string text_of(const Place& p) { return concat({std::to_string(p.phase), ":", p.after}); }
Place place_of(const std::string& cursor) {
  const size_t colon = cursor.find(':');
  if (colon == cursor.npos) return {};
  return {parse_int(cursor.substr(0, colon)).value_or(0), cursor.substr(colon + 1)};
}

bool concerns(const PurgeSpec& spec, Phase phase) {
  if (phase == Phase::kExpire) return spec.by_rules;
  return spec.run_ids.empty() || phase == Phase::kRuns;
}

ledger::Draft purged_event(const Candidate& c, const PurgeSpec& spec) {
  ledger::Draft draft;
  draft.verb = c.kind + ".purged";
  draft.subject = {.kind = c.kind, .uid = c.uid, .name = c.name, .version = {}, .digest = {}};
  draft.reason = spec.reason;
  draft.body = codec::Json::object(
      {{"experiment_id", std::to_string(c.experiment_id)}, {"deleted_ms", c.since_ms}});
  return draft;
}

ledger::Draft traces_event(int64_t experiment_id, const std::vector<codec::Json>& ids,
                           const PurgeSpec& spec) {
  ledger::Draft draft;
  draft.verb = "trace.purged";
  draft.subject = {.kind = "experiment",
                   .uid = std::to_string(experiment_id),
                   .name = {},
                   .version = {},
                   .digest = {}};
  draft.reason = spec.reason;
  draft.body = codec::Json::object({{"traces", static_cast<int64_t>(ids.size())}});
  draft.body.set("ids", codec::Json::array(ids));
  return draft;
}

}  // namespace

Result<RetentionRule> Purge::set_rule(const Ctx& ctx, RetentionRule rule) {
  TRY(check_days("deleted_days", rule.deleted_days, 0));
  TRY(check_days("runs_days", rule.runs_days, 1));
  TRY(check_days("traces_days", rule.traces_days, 1));
  if (!rule.deleted_days && !rule.runs_days && !rule.traces_days)
    return invalid("retention.days", "a rule names deleted_days, runs_days or traces_days");
  rule.actor_uid = ctx.actor_uid;
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    rule.updated_ms = deps_.clock.now_ms();
    const bool whole = rule.experiment_id == kWholeProject;
    if (!whole && rule.experiment_id != 0 &&
        !TRY(sql::find_experiment(tx, ctx.project.text, rule.experiment_id)))
      return not_found(
          "experiment.not_found",
          concat({"No Experiment with id=", std::to_string(rule.experiment_id), " exists"}));
    TRY(sql::put_rule(tx, ctx.project.text, rule));
    ledger::Draft draft;
    draft.verb = "retention.set";
    draft.subject = {.kind = whole ? "project" : "experiment",
                     .uid = whole ? ctx.project.text : std::to_string(rule.experiment_id),
                     .name = {},
                     .version = {},
                     .digest = {}};
    draft.body = codec::Json::object();
    if (rule.deleted_days) draft.body.set("deleted_days", *rule.deleted_days);
    if (rule.runs_days) draft.body.set("runs_days", *rule.runs_days);
    if (rule.traces_days) draft.body.set("traces_days", *rule.traces_days);
    return deps_.ledger.append(tx, ctx, draft);
  }));
  return rule;
}

Status Purge::drop_rule(const Ctx& ctx, int64_t experiment_id) {
  return deps_.db.write([&](store::Tx& tx) -> Status {
    if (!TRY(sql::drop_rule(tx, ctx.project.text, experiment_id)))
      return not_found("retention.not_found", "There is no such retention rule");
    const bool whole = experiment_id == kWholeProject;
    ledger::Draft draft;
    draft.verb = "retention.dropped";
    draft.subject = {.kind = whole ? "project" : "experiment",
                     .uid = whole ? ctx.project.text : std::to_string(experiment_id),
                     .name = {},
                     .version = {},
                     .digest = {}};
    return deps_.ledger.append(tx, ctx, draft);
  });
}

Result<std::vector<RetentionRule>> Purge::rules(const Ctx& ctx) {
  std::vector<RetentionRule> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out = TRY(sql::rules(tx, ctx.project.text));
    return {};
  }));
  return out;
}

Result<std::vector<std::string>> Purge::projects_with_rules() {
  std::vector<std::string> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out = TRY(sql::projects_with_rules(tx));
    return {};
  }));
  return out;
}

Status Purge::check(const Ctx& ctx, const PurgeSpec& spec) {
  if (spec.older_than_ms && *spec.older_than_ms < 0)
    return invalid("gc.older_than", "older_than_ms is not negative");
  if (static_cast<int64_t>(spec.run_ids.size() + spec.experiment_ids.size()) > kPurgeNamesMax)
    return invalid("gc.too_many", concat({"name at most ", std::to_string(kPurgeNamesMax),
                                          " experiments and runs"}));
  return deps_.db.read([&](store::Tx& tx) -> Status {
    for (const int64_t id : spec.experiment_ids)
      if (!TRY(sql::find_experiment(tx, ctx.project.text, id)))
        return not_found("experiment.not_found",
                         concat({"No Experiment with id=", std::to_string(id), " exists"}));
    for (const std::string& id : spec.run_ids)
      if (!TRY(sql::find_run_ref(tx, ctx.project.text, id)))
        return not_found("run.not_found", concat({"Run with id=", id, " not found"}));
    return {};
  });
}

Result<std::string> Purge::blocked(store::Tx& tx, const std::string& project, const Candidate& c) {
  if (!c.hold.empty()) return concat({"legal hold ", c.hold});
  if (!claims_ || (c.kind != "run" && c.kind != "logged_model")) return std::string();
  const bool run = c.kind == "run";
  return claims_->claimant(tx, project,
                           {.run_id = run ? c.uid : std::string(),
                            .model_id = run ? std::string() : c.uid,
                            .uri = c.uri});
}

namespace {

// What a plan has seen so far.
struct Survey {
  PurgePlan plan;
  std::map<int64_t, int64_t> parts;  // Of each experiment: how many would be purged.
  std::set<std::string> runs;        // Named ones that are candidates.
  std::vector<std::string> trees;    // Roots.
};

PurgePlan::Item item_of(const Candidate& c, std::string why) {
  return {.kind = c.kind,
          .uid = c.uid,
          .name = c.name,
          .since_ms = c.since_ms,
          .blocked = std::move(why)};
}

void add_blocked(PurgePlan* plan, PurgePlan::Item item) {
  ++plan->blocked_count;
  if (static_cast<int64_t>(plan->blocked.size()) < kPlanListedMax)
    plan->blocked.push_back(std::move(item));
}

Status survey(store::Tx& tx, const std::string& project, const Candidate& c, Survey* s) {
  ++s->plan.objects[c.kind];
  if (c.kind != "experiment") ++s->parts[c.experiment_id];
  if (static_cast<int64_t>(s->plan.items.size()) < kPlanListedMax)
    s->plan.items.push_back(item_of(c, ""));
  const auto base = own_base(c.uri, c.uid);
  if (!base) return {};
  if (static_cast<int64_t>(s->trees.size()) >= kPlanTreesMax) {
    ++s->plan.bytes_uncounted;
    return {};
  }
  if (const auto root = TRY(sql::find_root(tx, project, *base))) s->trees.push_back(*root);
  return {};
}

}  // namespace

Result<PurgePlan> Purge::plan(const Ctx& ctx, const PurgeSpec& spec) {
  TRY(check(ctx, spec));
  const std::string& project = ctx.project.text;
  Survey s;
  const auto look = [&](store::Tx& tx, const Candidate& c) -> Status {
    if (c.kind == "run") s.runs.insert(c.uid);
    std::string why = TRY(blocked(tx, project, c));
    if (const int64_t left = c.parts - s.parts[c.experiment_id];
        c.kind == "experiment" && why.empty() && left > 0)
      why = concat({"still keeps ", std::to_string(left), " runs, models or traces"});
    if (why.empty()) return survey(tx, project, c, &s);
    add_blocked(&s.plan, item_of(c, std::move(why)));
    return {};
  };
  for (const Phase phase : kPurgePhases) {
    if (!concerns(spec, phase)) continue;
    sql::Sieve sieve{.phase = phase, .now_ms = deps_.clock.now_ms(), .after = {}, .uids = {}};
    sieve.limit = kPlanPage;
    for (bool more = true; more;) {
      if (ctx.cancelled()) return unavailable("gc.cancelled", "nobody waits for the plan");
      TRY(deps_.db.read([&](store::Tx& tx) -> Status {
        const std::vector<Candidate> found = TRY(sql::candidates(tx, project, spec, sieve));
        for (const Candidate& c : found) TRY(look(tx, c));
        more = static_cast<int64_t>(found.size()) == sieve.limit;
        if (more) sieve.after = found.back().uid;
        return {};
      }));
    }
  }
  for (const std::string& id : spec.run_ids)
    if (!s.runs.contains(id))
      add_blocked(&s.plan, {.kind = "run",
                            .uid = id,
                            .name = {},
                            .since_ms = 0,
                            .blocked = "not deleted, or not for long enough"});
  for (const std::string& root : s.trees)
    TRY(store::tree::scan(deps_.blobs, TRY(codec::parse_sha256(root)), "", "",
                          [&](const store::tree::Entry& e) {
                            s.plan.bytes += e.size;
                            return true;
                          }));
  return std::move(s.plan);
}

Status Purge::begin(store::Tx& tx, const Ctx& ctx, const std::string& uid, const PurgeSpec& spec) {
  const PurgeRun run{.uid = uid,
                     .state = {},
                     .actor_uid = ctx.actor_uid,
                     .reason = spec.reason,
                     .started_ms = deps_.clock.now_ms(),
                     .ended_ms = 0,
                     .purged = {}};
  return sql::insert_purge(tx, ctx.project.text, run);
}

Status Purge::remove_head(store::Tx& tx, const Ctx& ctx, const Candidate& c,
                          const PurgeSpec& spec) {
  const std::string& project = ctx.project.text;
  if (!TRY(sql::drop_head(tx, project, c))) return {};
  ledger::Draft draft = purged_event(c, spec);
  if (const auto base = own_base(c.uri, c.uid))
    if (const auto root = TRY(sql::drop_tree(tx, project, *base)))
      draft.before_digest = concat({"sha256:", *root});
  TRY(sql::bury(tx, project, c));
  if (c.kind == "experiment") {
    TRY(sql::remember_id(tx, project, c.experiment_id));
    TRY(sql::drop_rule(tx, project, c.experiment_id));
  }
  if (c.kind == "trace") return {};  // Told together.
  return deps_.ledger.append(tx, ctx, draft);
}

// Into the bin, not away: whoever misses it has the time of the bin to restore it.
Status Purge::expire(store::Tx& tx, const Ctx& ctx, const Candidate& c) {
  TRY(tx.exec("UPDATE run SET lifecycle = 1, deleted_ms = ? WHERE run_n = ? AND lifecycle = 0",
              {deps_.clock.now_ms(), c.n}));
  ledger::Draft draft;
  draft.verb = "run.deleted";
  draft.subject = {.kind = "run", .uid = c.uid, .name = c.name, .version = {}, .digest = {}};
  draft.body = codec::Json::object({{"by", "retention"}});
  return deps_.ledger.append(tx, ctx, draft);
}

// Candidates are found by reading, so that a long search holds no writer, and looked at again where
// they are removed.
Result<std::string> Purge::step_objects(const Ctx& ctx, const std::string& uid,
                                        const PurgeSpec& spec, const sql::Sieve& sieve) {
  const std::string& project = ctx.project.text;
  sql::Sieve again = sieve;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    again.uids.clear();
    for (const Candidate& c : TRY(sql::candidates(tx, project, spec, sieve)))
      again.uids.push_back(c.uid);
    return {};
  }));
  if (again.uids.empty()) return std::string();
  if (sieve.phase == Phase::kRuns) TRY(pending_.settle_all());  // Counted while they are known.
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    int64_t gone = 0;
    std::map<int64_t, std::vector<codec::Json>> traces;
    for (const Candidate& c : TRY(sql::candidates(tx, project, spec, again))) {
      if (sieve.phase == Phase::kExperiments && c.parts > 0) continue;
      if (!TRY(blocked(tx, project, c)).empty()) continue;
      TRY(sieve.phase == Phase::kExpire ? expire(tx, ctx, c) : remove_head(tx, ctx, c, spec));
      if (c.kind == "trace") traces[c.experiment_id].emplace_back(c.uid);
      ++gone;
    }
    for (const auto& [experiment, ids] : traces)
      TRY(deps_.ledger.append(tx, ctx, traces_event(experiment, ids, spec)));
    if (gone == 0) return {};
    TRY(begin(tx, ctx, uid, spec));  // One that rules have started is written down when it acts.
    const bool expired = sieve.phase == Phase::kExpire;
    return sql::count_purged(tx, project, uid, expired ? "expired_run" : sql::kind_of(sieve.phase),
                             gone);
  }));
  if (static_cast<int64_t>(again.uids.size()) < sieve.limit) return std::string();
  return again.uids.back();
}

Status Purge::remove_files(const Ctx& ctx, const std::string& uri) {
  const auto drop = [](const LocalFiles& files, const std::string& path) -> Status {
    const Status removed = files.remove(path);
    if (!removed.ok() && removed.error().code != Code::kNotFound) return removed;
    return {};
  };
  if (deps_.roots.local)
    if (const auto path = deps_.roots.local.relative(uri); path && !path->empty())
      TRY(drop(deps_.roots.local, *path));
  if (!deps_.roots.destination) return {};
  const auto path = proxied_path(uri);
  if (!path) return {};
  const ArtifactPath where = TRY(parse_artifact_path(*path));
  return where.base.empty() ? Status() : drop(deps_.roots.destination, mirror_path(ctx, where));
}

// True while there is more.
Result<bool> Purge::step_leftovers(const Ctx& ctx, const std::string& uid, const PurgeSpec& spec) {
  const std::string& project = ctx.project.text;
  const bool on_disk = deps_.roots.local || deps_.roots.destination;
  std::optional<sql::Leftover> first;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    first = TRY(sql::next_leftover(tx, project));
    return {};
  }));
  if (!first) return false;
  if (on_disk && !first->uri.empty() && first->uri.ends_with(concat({first->uid, "/artifacts"})))
    TRY(remove_files(ctx, first->uri));
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    int64_t rows = 0;
    for (int64_t i = 0; i < (on_disk ? 1 : kGravesAtOnce) && rows < kPurgeRowsAtOnce; ++i) {
      const auto grave = TRY(sql::next_leftover(tx, project));
      if (!grave || (on_disk && grave->uid != first->uid)) break;
      const int64_t room = kPurgeRowsAtOnce - rows;
      const int64_t gone = TRY(sql::drop_parts(tx, project, *grave, room));
      if (gone < room) TRY(sql::drop_leftover(tx, project, *grave));
      rows += gone;
    }
    if (rows == 0) return {};
    TRY(begin(tx, ctx, uid, spec));
    return sql::count_purged(tx, project, uid, "row", rows);
  }));
  return true;
}

Result<std::string> Purge::step(const Ctx& ctx, const std::string& uid, const PurgeSpec& spec,
                                const std::string& cursor) {
  Place place = place_of(cursor);
  while (place.phase < kPhases && !concerns(spec, static_cast<Phase>(place.phase)))
    place = {place.phase + 1, ""};
  if (place.phase >= kPhases) {
    if (TRY(step_leftovers(ctx, uid, spec))) return text_of({kPhases, ""});
    TRY(deps_.db.write([&](store::Tx& tx) -> Status {
      return sql::end_purge(tx, ctx.project.text, uid, deps_.clock.now_ms());
    }));
    return std::string();
  }
  const sql::Sieve sieve{.phase = static_cast<Phase>(place.phase),
                         .now_ms = deps_.clock.now_ms(),
                         .after = place.after,
                         .uids = {}};
  std::string after = TRY(step_objects(ctx, uid, spec, sieve));
  if (after.empty()) ++place.phase;
  return text_of({place.phase, std::move(after)});
}

Result<std::vector<PurgeRun>> Purge::runs(const Ctx& ctx, std::string_view before, int64_t limit) {
  std::vector<PurgeRun> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out = TRY(sql::purges(tx, ctx.project.text, before, limit));
    return {};
  }));
  return out;
}

Result<PurgeRun> Purge::run(const Ctx& ctx, const std::string& uid) {
  std::optional<PurgeRun> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out = TRY(sql::find_purge(tx, ctx.project.text, uid));
    return {};
  }));
  if (!out) return not_found("gc.not_found", concat({"No purge '", uid, "'"}));
  return std::move(*out);
}

Status Purge::discard_all(const Ctx& ctx) {
  for (int64_t n = 1; n > 0;)
    TRY(deps_.db.write([&](store::Tx& tx) -> Status {
      n = TRY(sql::discard(tx, ctx.project.text, deps_.clock.now_ms(), kPurgeRowsAtOnce));
      return {};
    }));
  return {};
}

Result<std::optional<hold::Object>> Purge::find_object(store::Tx& tx, const std::string& project,
                                                       const hold::Reference& ref) {
  std::optional<hold::Object> out;
  const auto take = [&](const store::Row& row) {
    out = hold::Object{.kind = ref.kind, .uid = row.str(0), .name = row.str(1)};
  };
  if (ref.kind == "run")
    TRY(tx.first("SELECT run_id, name FROM run WHERE project = ? AND run_id = ?",
                 {project, ref.name}, take));
  else if (ref.kind == "logged_model")
    TRY(tx.first("SELECT model_id, name FROM logged_model WHERE project = ? AND model_id = ?",
                 {project, ref.name}, take));
  else if (ref.kind == "trace")
    TRY(
        tx.first("SELECT trace_id, COALESCE(name, '') FROM trace WHERE project = ?"
                 " AND trace_id = ?",
                 {project, ref.name}, take));
  if (ref.kind != "experiment") return out;
  auto found = TRY(sql::find_experiment(tx, project, std::string_view(ref.name)));
  const std::optional<int64_t> id = parse_int(ref.name);
  if (!found && id) found = TRY(sql::find_experiment(tx, project, *id));
  if (found)
    out = hold::Object{.kind = ref.kind, .uid = std::to_string(found->id), .name = found->name};
  return out;
}

}  // namespace slip::tracking
