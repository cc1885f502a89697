#include <utility>

#include "base/text.h"
#include "registry/registry.h"
#include "registry/registry_internal.h"
#include "registry/registry_search.h"
#include "registry/registry_store.h"
#include "sys/clock.h"
#include "sys/rng.h"

// Registered models, their tags and aliases.
namespace slip::registry {
namespace {

Status check_length(std::string_view what, std::string_view value, size_t max) {
  if (!is_utf8(value)) return invalid("registry.utf8", concat({"'", what, "' is not valid UTF-8"}));
  if (value.size() <= max || utf8_length(value) <= max) return {};
  return invalid("registry.too_long", concat({"'", what, "' exceeds the maximum length of ",
                                              std::to_string(max), " characters"}));
}

Status check_tag(const Tag& tag) {
  if (tag.key.empty())
    return invalid("registry.missing",
                   "Missing value for required parameter 'key'. See the API docs for more "
                   "information about request parameters.");
  TRY(check_length("key", tag.key, kTagKeyMax));
  return check_length("value", tag.value, kTagValueMax);
}

Status check_model_name(std::string_view name) {
  if (trim(name).empty()) return invalid("model.name", "Registered model name cannot be empty.");
  if (name.find_first_of("/:") != name.npos)
    return invalid("model.name", concat({"Invalid name: '", name,
                                         "'. Registered model name cannot contain '/' or ':'."}));
  return check_length("name", name, kModelNameMax);
}

bool all_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == text.npos;
}

Status check_alias(std::string_view alias) {
  if (alias.empty())
    return invalid("model_alias.name", "Registered model alias name cannot be empty.");
  TRY(check_length("alias", alias, kAliasMax));
  for (const char c : alias) {
    const bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '_' || c == '-' || static_cast<unsigned char>(c) >= 0x80;
    if (!word)
      return invalid("model_alias.name",
                     concat({"Invalid alias name: '", alias,
                             "'. Names may only contain alphanumerics, underscores (_) and dashes "
                             "(-)."}));
  }
  if (iequals(alias, "latest"))
    return invalid("model_alias.name", "'latest' alias name (case insensitive) is reserved.");
  if ((alias.front() == 'v' || alias.front() == 'V') && all_digits(alias.substr(1)))
    return invalid("model_alias.name", concat({"Version alias name '", alias, "' is reserved."}));
  return {};
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
  for (const Tag& tag : tags) TRY(check_tag(tag));
  const std::string uid = new_uuid7(deps_.clock, deps_.rng).text();
  Model out;
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    if (TRY(sql::find_model(tx, ctx.project.text, name)))
      return exists("model.exists", concat({"Registered Model (name=", name, ") already exists."}));
    out = Model();
    out.uid = uid;
    out.name = name;
    out.description = description;
    out.author = ctx.actor_uid;
    out.created_ms = out.updated_ms = deps_.clock.now_ms();
    out.tags = tags;
    TRY(sql::insert_model(tx, ctx.project.text, out));
    return deps_.ledger.append(tx, ctx, model_event("registered_model.created", out));
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
    ledger::Draft draft = model_event("registered_model.renamed", out);
    draft.body = codec::Json::object({{"from", name}});
    return deps_.ledger.append(tx, ctx, draft);
  }));
  return out;
}

Status Registry::delete_model(const Ctx& ctx, const std::string& name) {
  return deps_.db.write([&](store::Tx& tx) -> Status {
    const Model model = TRY(must_find_model(tx, ctx, name));
    if (model.is_protected &&
        !TRY(sql::in_stage(tx, ctx.project.text, model.uid, Stage::kProduction)).empty())
      return forbidden("model.protected",
                       concat({"Model ", name, " is protected and a version holds Production"}));
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
    return sql::put_model_tag(tx, ctx.project.text, model.uid, tag);
  });
}

Status Registry::delete_model_tag(const Ctx& ctx, const std::string& name, const std::string& key) {
  return deps_.db.write([&](store::Tx& tx) -> Status {
    const Model model = TRY(must_find_model(tx, ctx, name));
    return sql::drop_model_tag(tx, ctx.project.text, model.uid, key);
  });
}

Result<Page<Model>> Registry::search_models(const Ctx& ctx, const Query& query) {
  sql::Search search = TRY(compile_model_search(query));
  const std::string identity =
      concat({"registered models\n", query.filter, "\n", join(query.order_by, "\n")});
  search.after = TRY(search::parse_page_token(query.page_token, identity, search.keys));
  Page<Model> out;
  std::vector<search::Bound> last;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out.items = TRY(sql::search_models(tx, ctx.project.text, search, &last));
    return {};
  }));
  if (static_cast<int64_t>(out.items.size()) > search.limit) {
    out.items.pop_back();
    out.next_page_token = search::make_page_token(identity, last);
  }
  return out;
}

Status Registry::set_alias(const Ctx& ctx, const std::string& name, const std::string& alias,
                           int64_t number) {
  TRY(check_alias(alias));
  return change_version(ctx, name, number, [&](store::Tx& tx, Found& found) -> Status {
    if (found.model.is_protected && alias == kChampionAlias &&
        found.version.stage != Stage::kProduction)
      return forbidden("model.protected",
                       concat({"Model ", name, " is protected: its alias '", kChampionAlias,
                               "' follows Production; promote the version instead"}));
    for (const Alias& a : found.model.aliases)
      if (a.alias == alias && a.version == number) return {};
    TRY(sql::put_alias(tx, ctx.project.text, found.model.uid, {alias, number}));
    ledger::Draft draft = version_event("model_alias.set", found.version);
    draft.body = codec::Json::object({{"alias", alias}});
    return deps_.ledger.append(tx, ctx, draft);
  });
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
    TRY(sql::drop_alias(tx, ctx.project.text, model.uid, alias));
    ledger::Draft draft = model_event("model_alias.deleted", model);
    draft.body = codec::Json::object({{"alias", alias}, {"version", found->version}});
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
