#include <algorithm>
#include <utility>

#include "base/text.h"
#include "registry/check.h"
#include "registry/claims.h"
#include "registry/registry.h"
#include "registry/registry_internal.h"
#include "registry/registry_search.h"
#include "registry/registry_store.h"
#include "sys/clock.h"
#include "sys/rng.h"

// Registered models, their tags and aliases.
namespace slip::registry {
namespace {

Error name_taken(std::string_view name, bool by_prompt, bool for_prompt) {
  const std::string_view holder = by_prompt ? "prompt" : "registered model";
  const std::string_view wanted = for_prompt ? "prompt" : "registered model";
  if (by_prompt == for_prompt)
    return exists("model.exists", concat({for_prompt ? "Prompt" : "Registered Model",
                                          " (name=", name, ") already exists."}));
  return exists("model.exists",
                concat({"Tried to create a ", wanted, " with name '", name,
                        "', but the name is already taken by a ", holder,
                        ". MLflow does not allow creating a model and a prompt with the same "
                        "name."}));
}

}  // namespace

Error no_model(std::string_view name) {
  return not_found("model.not_found", concat({"Registered Model with name=", name, " not found"}));
}

Error no_version(std::string_view name, int64_t number) {
  return not_found(
      "model_version.not_found",
      concat({"Model Version (name=", name, ", version=", std::to_string(number), ") not found"}));
}

Result<Model> must_find_model(store::Tx& tx, const Ctx& ctx, std::string_view name) {
  auto found = TRY(sql::find_model(tx, ctx.project.text, name));
  if (!found) return no_model(name);
  return std::move(*found);
}

ledger::Draft model_event(std::string_view verb, const Model& model) {
  ledger::Draft draft;
  draft.verb = std::string(verb);
  draft.subject = {.kind = "registered_model",
                   .uid = model.uid,
                   .name = model.name,
                   .version = {},
                   .digest = {}};
  return draft;
}

ledger::Draft version_event(std::string_view verb, const Version& v) {
  ledger::Draft draft;
  draft.verb = std::string(verb);
  draft.subject = {.kind = "model_version",
                   .uid = v.uid,
                   .name = v.model,
                   .version = std::to_string(v.number),
                   .digest = v.digest};
  return draft;
}

Result<Model> Registry::create_model(const Ctx& ctx, const std::string& name,
                                     const std::optional<std::string>& description,
                                     const std::vector<Tag>& tags) {
  TRY(check_model_name(name));
  if (description) TRY(check_length("description", *description, kDescriptionMax));
  TRY(check_tags(tags));
  const std::string uid = new_uuid7(deps_.clock, deps_.rng).text();
  Model out;
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    if (const auto found = TRY(sql::find_model(tx, ctx.project.text, name)))
      return name_taken(name, is_prompt(found->tags), is_prompt(tags));
    out = Model();
    out.uid = uid;
    out.name = name;
    out.description = description;
    out.author = ctx.actor_uid;
    out.created_ms = out.updated_ms = deps_.clock.now_ms();
    out.tags = last_of_each_key(tags);
    TRY(sql::insert_model(tx, ctx.project.text, out));
    TRY(store::make_owner(tx, ctx, is_prompt(tags) ? "prompt" : "model", uid));
    ledger::Draft draft = model_event("registered_model.created", out);
    draft.body = Told(is_prompt(out.tags)).maybe("description", description).tags(out.tags).body();
    return deps_.ledger.append(tx, ctx, draft);
  }));
  return out;
}

Result<Model> Registry::get_model(const Ctx& ctx, const std::string& name) {
  Model out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out = TRY(must_find_model(tx, ctx, name));
    return {};
  }));
  return out;
}

Result<std::map<std::string, std::string>> Registry::model_names(
    const Ctx& ctx, std::span<const std::string> uids) {
  std::map<std::string, std::string> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out = TRY(sql::model_names(tx, ctx.project.text, uids, readable_models(ctx)));
    return {};
  }));
  return out;
}

Result<Model> Registry::describe_model(const Ctx& ctx, const std::string& name,
                                       const std::string& description) {
  TRY(check_length("description", description, kDescriptionMax));
  Model out;
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    out = TRY(must_find_model(tx, ctx, name));
    out.description = description;
    out.updated_ms = deps_.clock.now_ms();
    TRY(sql::update_model(tx, ctx.project.text, out));
    return deps_.ledger.append(tx, ctx, model_event("registered_model.described", out));
  }));
  return out;
}

Result<Model> Registry::rename_model(const Ctx& ctx, const std::string& name,
                                     const std::string& to) {
  if (trim(to).empty())
    return invalid("model.name", "Missing value for required parameter 'new_name'.");
  TRY(check_model_name(to));
  Model out;
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    out = TRY(must_find_model(tx, ctx, name));
    if (name == to) return {};
    if (TRY(sql::find_model(tx, ctx.project.text, to)))
      return exists("model.exists", concat({"Registered Model (name=", to, ") already exists."}));
    out.name = to;
    out.updated_ms = deps_.clock.now_ms();
    TRY(sql::update_model(tx, ctx.project.text, out));
    TRY(sql::touch_versions(tx, ctx.project.text, out));
    ledger::Draft draft = model_event("registered_model.renamed", out);
    draft.body = codec::Json::object({{"from", name}});
    return deps_.ledger.append(tx, ctx, draft);
  }));
  return out;
}

Status Registry::delete_model(const Ctx& ctx, const std::string& name) {
  return deps_.db.write([&](store::Tx& tx) -> Status {
    const Model model = TRY(must_find_model(tx, ctx, name));
    for (const Version& v : TRY(sql::list_versions(tx, ctx.project.text, model)))
      TRY(may_go(tx, ctx, model, v));
    TRY(refuse_held_model(tx, ctx.project.text, model));
    const int64_t now = deps_.clock.now_ms();
    for (const Version& v : TRY(sql::list_versions(tx, ctx.project.text, model)))
      TRY(sql::end_tenures(tx, ctx.project.text, model.uid, v.number, now));
    TRY(sql::delete_model(tx, ctx.project.text, model, now));
    return deps_.ledger.append(tx, ctx, model_event("registered_model.deleted", model));
  });
}

Status Registry::set_model_tag(const Ctx& ctx, const std::string& name, const Tag& tag) {
  TRY(check_tag(tag));
  return deps_.db.write([&](store::Tx& tx) -> Status {
    const Model model = TRY(must_find_model(tx, ctx, name));
    TRY(sql::put_model_tag(tx, ctx.project.text, model.uid, tag));
    ledger::Draft draft = model_event("registered_model_tag.set", model);
    draft.body = Told(is_prompt(model.tags)).text("key", tag.key).text("value", tag.value).body();
    return deps_.ledger.append(tx, ctx, draft);
  });
}

Status Registry::delete_model_tag(const Ctx& ctx, const std::string& name, const std::string& key) {
  return deps_.db.write([&](store::Tx& tx) -> Status {
    const Model model = TRY(must_find_model(tx, ctx, name));
    TRY(sql::drop_model_tag(tx, ctx.project.text, model.uid, key));
    ledger::Draft draft = model_event("registered_model_tag.deleted", model);
    draft.body = Told(is_prompt(model.tags)).text("key", key).body();
    return deps_.ledger.append(tx, ctx, draft);
  });
}

Result<Page<Model>> Registry::search_models(const Ctx& ctx, const Query& query) {
  const search::PageQuery page = TRY(compile_model_search(ctx, query));
  Page<Model> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out = TRY(sql::search_models(tx, ctx.project.text, page));
    return {};
  }));
  return out;
}

Status Registry::set_alias(const Ctx& ctx, const std::string& name, const std::string& alias,
                           int64_t number) {
  TRY(check_alias(alias));
  bool guarded = false;
  TRY(change_version(ctx, name, number, [&](store::Tx& tx, Found& found) -> Status {
    if (found.model.is_protected && alias == kChampionAlias &&
        found.version.stage != Stage::kProduction)
      return forbidden("model.protected",
                       concat({"Model ", name, " is protected: its alias '", kChampionAlias,
                               "' follows Production; promote the version instead"}));
    guarded = TRY(policy_for(tx, ctx, found.model, "@" + alias)).has_value();
    if (guarded) return {};
    for (const Alias& a : found.model.aliases)
      if (a.alias == alias && a.version == number) return {};
    TRY(sql::put_alias(tx, ctx.project.text, found.model.uid, {alias, number},
                       {.actor = ctx.actor_uid, .now_ms = deps_.clock.now_ms()}));
    ledger::Draft draft = version_event("model_alias.set", found.version);
    draft.body = Told(is_prompt(found.model.tags)).text("alias", alias).body();
    return deps_.ledger.append(tx, ctx, draft);
  }));
  if (guarded)
    TRY(or_protected(name,
                     promote_to(ctx, name, number,
                                {.name = "@" + alias, .reason = "", .archive_existing = false})));
  return {};
}

Status Registry::delete_alias(const Ctx& ctx, const std::string& name, const std::string& alias) {
  return deps_.db.write([&](store::Tx& tx) -> Status {
    const Model model = TRY(must_find_model(tx, ctx, name));
    const Alias* found = nullptr;
    for (const Alias& a : model.aliases)
      if (a.alias == alias) found = &a;
    if (!found) return {};
    if (model.is_protected && alias == kChampionAlias)
      return forbidden("model.protected", concat({"Model ", name, " is protected: its alias '",
                                                  kChampionAlias, "' follows Production"}));
    if (TRY(policy_for(tx, ctx, model, "@" + alias)))
      return forbidden("model.protected", concat({"Model ", name, " is protected: its alias '",
                                                  alias, "' is set by requests"}));
    TRY(sql::drop_alias(tx, ctx.project.text, model.uid, alias, deps_.clock.now_ms()));
    ledger::Draft draft = model_event("model_alias.deleted", model);
    draft.body = Told(is_prompt(model.tags)).text("alias", alias).body();
    draft.body.set("version", found->version);
    return deps_.ledger.append(tx, ctx, draft);
  });
}

Result<Version> Registry::find_alias(const Ctx& ctx, const std::string& name,
                                     const std::string& alias) {
  std::optional<Version> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    const Model model = TRY(must_find_model(tx, ctx, name));
    int64_t number = 0;
    for (const Alias& a : model.aliases)
      if (a.alias == alias) number = a.version;
    if (iequals(alias, "latest"))
      for (int64_t n = model.last_version; n > 0 && !out; --n)
        out = TRY(sql::find_version(tx, ctx.project.text, model, n));
    else if (number > 0)
      out = TRY(sql::find_version(tx, ctx.project.text, model, number));
    return {};
  }));
  if (!out)
    return not_found("model_alias.not_found",
                     concat({"Registered model alias ", alias, " not found."}));
  return std::move(*out);
}

}  // namespace slip::registry
