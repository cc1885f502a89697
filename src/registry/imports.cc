#include "registry/imports.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "registry/check.h"
#include "registry/registry_internal.h"
#include "registry/registry_store.h"
#include "store/caller.h"
#include "sys/clock.h"
#include "sys/rng.h"

namespace slip::registry {
namespace {

constexpr int64_t kVersionMax = int64_t{1} << 31;
constexpr size_t kUserMax = 256;
constexpr std::string_view kReason = "imported";

// The first of `wanted` that `have` lacks or has otherwise; "" when none.
std::string differing_tag(const std::vector<Tag>& have, const std::vector<Tag>& wanted) {
  for (const Tag& tag : wanted) {
    const auto same = std::ranges::find_if(
        have, [&](const Tag& t) { return t.key == tag.key && t.value == tag.value; });
    if (same == have.end()) return concat({"tags.", tag.key});
  }
  return {};
}

std::string differing(const Model& have, const Model& wanted) {
  if (have.description.value_or("") != wanted.description.value_or("")) return "description";
  return differing_tag(have.tags, wanted.tags);
}

std::string differing(const Version& have, const Version& wanted) {
  if (have.source != wanted.source) return "source";
  if (have.location != wanted.location) return "location";
  if (have.run_id != wanted.run_id) return "run_id";
  if (have.user_id != wanted.user_id) return "user";
  if (have.created_ms != wanted.created_ms) return "creation_time";
  if (have.description.value_or("") != wanted.description.value_or("")) return "description";
  if (have.stage != wanted.stage) return "stage";
  for (const std::string& alias : wanted.aliases)
    if (std::ranges::find(have.aliases, alias) == have.aliases.end())
      return concat({"aliases.", alias});
  return differing_tag(have.tags, wanted.tags);
}

Status check_version(const Version& v) {
  TRY(check_model_name(v.model));
  if (v.number < 1 || v.number > kVersionMax)
    return invalid("model_version.number", "a version's number is 1 or more");
  TRY(check_length("source", v.source, kSourceMax));
  TRY(check_length("location", v.location, kSourceMax));
  TRY(check_length("run_id", v.run_id, kUserMax));
  TRY(check_length("user_id", v.user_id, kUserMax));
  TRY(check_length("run_link", v.run_link.value_or(""), kSourceMax));
  TRY(check_length("description", v.description.value_or(""), kDescriptionMax));
  for (const std::string& alias : v.aliases) TRY(check_alias(alias));
  return check_tags(v.tags);
}

}  // namespace

// One version on its way in.
struct Imports::Taking {
  store::Tx& tx;
  const Ctx& ctx;
  const Version& wanted;
  Model model;
  Version version;
  ImportOutcome out;
  int64_t now_ms = 0;

  // Something stays as it is.
  void leave(std::string what) {
    out.state = Imported::kDiffers;
    if (out.differing.empty()) out.differing = std::move(what);
  }
  Result<bool> guarded(const std::string& target) {
    return TRY(policy_for(tx, ctx, model, target)).has_value();
  }
  Status begin_tenure(int64_t from_ms) {
    if (version.stage == Stage::kNone) return {};
    Tenure tenure{.n = 0,
                  .stage = version.stage,
                  .version = version.number,
                  .from_ms = from_ms,
                  .to_ms = {},
                  .actor = ctx.actor_uid,
                  .reason = std::string(kReason),
                  .back_n = 0};
    return sql::begin_tenure(tx, ctx.project.text, model.uid, &tenure);
  }
};

Result<ImportOutcome> Imports::model(const Ctx& ctx, const Model& wanted, bool update) {
  TRY(check_model_name(wanted.name));
  TRY(check_length("description", wanted.description.value_or(""), kDescriptionMax));
  TRY(check_tags(wanted.tags));
  if (wanted.last_version < 0 || wanted.last_version > kVersionMax)
    return invalid("model.last_version", "a version's number is 1 or more");
  const Registry::Deps& deps = registry_.deps_;
  const std::string uid = new_uuid7(deps.clock, deps.rng).text();
  ImportOutcome out;
  TRY(deps.db.write([&](store::Tx& tx) -> Status {
    out = {};
    Model m = wanted;
    auto have = TRY(sql::find_model(tx, ctx.project.text, wanted.name));
    if (!have) {
      m.uid = uid;
      m.author = ctx.actor_uid;
      m.is_protected = false;
      m.tags = last_of_each_key(wanted.tags);
      TRY(sql::insert_model(tx, ctx.project.text, m));
      TRY(store::make_owner(tx, ctx, is_prompt(m.tags) ? "prompt" : "model", uid));
      out.state = Imported::kNew;
    } else {
      out.differing = is_prompt(have->tags) != is_prompt(m.tags) ? "kind" : differing(*have, m);
      const bool raised = have->last_version < wanted.last_version;
      if (out.differing.empty() && !raised) return {};
      const bool takes = update && out.differing != "kind";
      if (!out.differing.empty()) out.state = takes ? Imported::kUpdated : Imported::kDiffers;
      if (out.differing == "kind" || (!takes && !raised)) return {};
      have->last_version = std::max(have->last_version, wanted.last_version);
      if (takes) have->description = wanted.description;
      TRY(sql::update_model(tx, ctx.project.text, *have));
      for (const Tag& tag : wanted.tags)
        if (takes) TRY(sql::put_model_tag(tx, ctx.project.text, have->uid, tag));
      m = std::move(*have);
    }
    return deps.ledger.append(tx, ctx, model_event("registered_model.imported", m));
  }));
  return out;
}

Status Imports::insert(Taking* t) {
  const Registry::Deps& deps = registry_.deps_;
  Version& v = t->version;
  v = t->wanted;
  v.uid = new_uuid7(deps.clock, deps.rng).text();
  v.author = t->ctx.actor_uid;
  v.tags = last_of_each_key(t->wanted.tags);
  if (v.stage != Stage::kNone && TRY(t->guarded(v.stage.name))) {
    v.stage = Stage::kNone;
    t->leave("stage");
  }
  t->model.last_version = std::max(t->model.last_version, v.number);
  TRY(sql::update_model(t->tx, t->ctx.project.text, t->model));
  TRY(sql::insert_version(t->tx, t->ctx.project.text, t->model.uid, v));
  return t->begin_tenure(v.updated_ms);
}

Status Imports::change(Taking* t) {
  const std::string& project = t->ctx.project.text;
  const Version& wanted = t->wanted;
  Version& v = t->version;
  if (v.stage != wanted.stage) {
    const bool free = !TRY(t->guarded(v.stage.name)) && !TRY(t->guarded(wanted.stage.name));
    if (free) {
      TRY(sql::end_tenures(t->tx, project, t->model.uid, v.number, t->now_ms));
      v.stage = wanted.stage;
      TRY(t->begin_tenure(t->now_ms));
    } else {
      t->leave("stage");
    }
  }
  v.description = wanted.description;
  v.source = wanted.source;
  v.location = wanted.location;
  v.run_id = wanted.run_id;
  v.user_id = wanted.user_id;
  v.digest = wanted.digest;
  v.created_ms = wanted.created_ms;
  v.updated_ms = wanted.updated_ms;
  TRY(sql::update_version(t->tx, project, t->model.uid, v));
  TRY(sql::overwrite_version(t->tx, project, t->model.uid, v));
  for (const Tag& tag : wanted.tags)
    TRY(sql::put_version_tag(t->tx, project, t->model.uid, v.number, tag));
  return {};
}

Status Imports::set_aliases(Taking* t) {
  for (const std::string& alias : t->wanted.aliases) {
    const auto held =
        std::ranges::find_if(t->model.aliases, [&](const Alias& a) { return a.alias == alias; });
    const bool here = held != t->model.aliases.end();
    if (here && held->version == t->version.number) continue;
    const bool follows = t->model.is_protected && alias == kChampionAlias;
    // Somebody set it here, to another version.
    const bool taken = here && t->out.state == Imported::kNew;
    if (taken || follows || TRY(t->guarded("@" + alias))) {
      t->leave(concat({"aliases.", alias}));
      continue;
    }
    TRY(sql::put_alias(t->tx, t->ctx.project.text, t->model.uid, {alias, t->version.number},
                       {t->ctx.actor_uid, t->now_ms, kReason}));
  }
  return {};
}

Result<ImportOutcome> Imports::version(const Ctx& ctx, const Version& wanted, bool update) {
  TRY(check_version(wanted));
  Registry::Deps& deps = registry_.deps_;
  Version given = wanted;
  const auto stage = builtin_stage(wanted.stage.name);
  if (!stage) return invalid("stage.unknown", concat({"no stage '", wanted.stage.name, "'"}));
  given.stage = *stage;
  given.digest = TRY(deps.origins.digest(ctx, given.location));
  ImportOutcome out;
  TRY(deps.db.write([&](store::Tx& tx) -> Status {
    Taking t{.tx = tx, .ctx = ctx, .wanted = given, .model = {}, .version = {}, .out = {}};
    t.model = TRY(must_find_model(tx, ctx, given.model));
    t.now_ms = deps.clock.now_ms();
    const auto have = TRY(sql::find_version(tx, ctx.project.text, t.model, given.number));
    out = {};
    if (have) {
      t.version = *have;
      out.differing = differing(*have, given);
      if (out.differing.empty()) return {};
      out.state = Imported::kDiffers;
      if (!update) return {};
      t.out = {.state = Imported::kUpdated, .differing = {}};
      TRY(change(&t));
    } else {
      if (TRY(sql::was_version(tx, ctx.project.text, t.model.uid, given.number))) {
        out = {.state = Imported::kDiffers, .differing = "deleted"};
        return {};
      }
      t.out.state = Imported::kNew;
      TRY(insert(&t));
    }
    TRY(set_aliases(&t));
    if (t.out.differing.empty()) t.out.differing = out.differing;
    out = t.out;
    return deps.ledger.append(tx, ctx, version_event("model_version.imported", t.version));
  }));
  return out;
}

}  // namespace slip::registry
