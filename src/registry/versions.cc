#include <algorithm>
#include <utility>

#include "base/text.h"
#include "codec/regex.h"
#include "registry/check.h"
#include "registry/claims.h"
#include "registry/promotion.h"
#include "registry/registry.h"
#include "registry/registry_internal.h"
#include "registry/registry_search.h"
#include "registry/registry_store.h"
#include "registry/request_store.h"
#include "sys/clock.h"
#include "sys/rng.h"

// Model versions: where their files are, tags, stages, files for serving.
namespace slip::registry {
namespace {

// "models:/NAME/3", "models:/NAME/Production", "models:/NAME/latest", "models:/NAME@alias"; empty
// for every other form, logged models ("models:/m-…") among them.
struct ModelUri {
  std::string name;
  std::string which;
  bool by_alias = false;
};
std::optional<ModelUri> parse_models_uri(std::string_view source) {
  constexpr std::string_view kScheme = "models:/";
  if (!source.starts_with(kScheme)) return std::nullopt;
  source.remove_prefix(kScheme.size());
  const size_t cut = source.find_first_of("/@");
  if (cut == source.npos || cut == 0 || cut + 1 == source.size()) return std::nullopt;
  const std::string_view which = source.substr(cut + 1);
  if (which.find('/') != which.npos) return std::nullopt;
  return ModelUri{.name = std::string(source.substr(0, cut)),
                  .which = std::string(which),
                  .by_alias = source[cut] == '@'};
}

Result<Version> referenced(Registry& registry, const Ctx& ctx, const ModelUri& uri) {
  if (uri.by_alias || iequals(uri.which, "latest"))
    return registry.find_alias(ctx, uri.name, uri.which);
  if (const auto number = parse_int(uri.which)) return registry.get_version(ctx, uri.name, *number);
  const Stage stage{uri.which};
  std::vector<Version> held = TRY(registry.latest_versions(ctx, uri.name, {stage}));
  if (!held.empty()) return std::move(held.front());
  return not_found("model_version.not_found", concat({"No versions of model with name '", uri.name,
                                                      "' and stage '", uri.which, "' found"}));
}

// A copy has the bytes, the run and the logged model of the version that it names.
Status copy_origin(Registry& registry, const Ctx& ctx, const ModelUri& uri, Version* made) {
  const auto refused = [&](std::string_view why) {
    return invalid("model_version.source",
                   concat({"Invalid model version source: '", made->source, "'. ", why}));
  };
  if (is_prompt(TRY(registry.get_model(ctx, uri.name)).tags))
    return refused("Prompt versions cannot be used as model version sources.");
  const Version from = TRY(referenced(registry, ctx, uri));
  if ((!made->run_id.empty() && made->run_id != from.run_id) ||
      (!made->logged_model_id.empty() && made->logged_model_id != from.logged_model_id))
    return refused(
        "The run_id and model_id request parameters must match the referenced model version.");
  made->source = concat({"models:/", uri.name, "/", std::to_string(from.number)});
  made->location = from.location;
  made->digest = from.digest;
  made->run_id = from.run_id;
  made->logged_model_id = from.logged_model_id;
  return {};
}

}  // namespace

Result<Registry::Found> Registry::must_find(store::Tx& tx, const Ctx& ctx, const std::string& name,
                                            int64_t number) {
  auto model = TRY(sql::find_model(tx, ctx.project.text, name));
  if (!model) return no_version(name, number);
  Found out{.model = std::move(*model), .version = {}};
  auto version = TRY(sql::find_version(tx, ctx.project.text, out.model, number));
  if (!version) return no_version(name, number);
  out.version = std::move(*version);
  return out;
}

Status Registry::change_version(const Ctx& ctx, const std::string& name, int64_t number,
                                const std::function<Status(store::Tx&, Found&)>& body) {
  return deps_.db.write([&](store::Tx& tx) -> Status {
    Found found = TRY(must_find(tx, ctx, name, number));
    return body(tx, found);
  });
}

Result<Version> Registry::create_version(const Ctx& ctx, const NewVersion& wanted) {
  const bool of_prompt = is_prompt(wanted.tags);
  if (deps_.sources && !wanted.source.empty() && !deps_.sources->found_in(wanted.source))
    return invalid("model_version.source",
                   concat({"Invalid model version source: '", wanted.source, "'."}));
  TRY(check_source(wanted.source, of_prompt));
  TRY(check_model_name(wanted.model));
  TRY(check_tags(wanted.tags));
  Version made;
  made.uid = new_uuid7(deps_.clock, deps_.rng).text();
  made.model = wanted.model;
  made.source = wanted.source;
  made.run_id = wanted.run_id;
  made.run_link = wanted.run_link;
  made.description = wanted.description;
  made.logged_model_id = wanted.logged_model_id;
  made.author = ctx.actor_uid;
  made.tags = last_of_each_key(wanted.tags);
  if (of_prompt) {
    made.location = wanted.source;
  } else if (const auto copied = parse_models_uri(wanted.source)) {
    TRY(copy_origin(*this, ctx, *copied, &made));
  } else {
    const Origins::Located located = TRY(deps_.origins.locate(ctx, wanted));
    made.location = located.location;
    made.run_id = located.run_id;
    made.digest = TRY(deps_.origins.digest(ctx, made.location));
  }

  Version out;
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    Model model = TRY(must_find_model(tx, ctx, wanted.model));
    out = made;
    out.number = ++model.last_version;
    out.created_ms = out.updated_ms = model.updated_ms = deps_.clock.now_ms();
    TRY(sql::update_model(tx, ctx.project.text, model));
    TRY(sql::insert_version(tx, ctx.project.text, model.uid, out));
    ledger::Draft draft = version_event("model_version.created", out);
    draft.after_digest = out.digest;
    draft.body = Told(of_prompt)
                     .text("source", out.source)
                     .text("run_id", out.run_id)
                     .maybe("description", out.description)
                     .tags(out.tags)
                     .body();
    return deps_.ledger.append(tx, ctx, draft);
  }));
  return out;
}

Result<Version> Registry::get_version(const Ctx& ctx, const std::string& name, int64_t number) {
  Version out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out = TRY(must_find(tx, ctx, name, number)).version;
    return {};
  }));
  return out;
}

Result<std::vector<Version>> Registry::list_versions(const Ctx& ctx, const std::string& name) {
  std::vector<Version> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    const Model model = TRY(must_find_model(tx, ctx, name));
    out = TRY(sql::list_versions(tx, ctx.project.text, model));
    return {};
  }));
  return out;
}

Result<Version> Registry::describe_version(const Ctx& ctx, const std::string& name, int64_t number,
                                           const std::optional<std::string>& description) {
  if (description) TRY(check_length("description", *description, kDescriptionMax));
  Version out;
  TRY(change_version(ctx, name, number, [&](store::Tx& tx, Found& found) -> Status {
    found.version.description = description;
    found.version.updated_ms = deps_.clock.now_ms();
    out = found.version;
    TRY(sql::update_version(tx, ctx.project.text, found.model.uid, found.version));
    return deps_.ledger.append(tx, ctx, version_event("model_version.described", found.version));
  }));
  return out;
}

Status Registry::delete_version(const Ctx& ctx, const std::string& name, int64_t number) {
  return change_version(ctx, name, number, [&](store::Tx& tx, Found& found) -> Status {
    TRY(may_go(tx, ctx, found.model, found.version));
    TRY(refuse_held_version(tx, ctx.project.text, found.model, found.version));
    found.version.updated_ms = deps_.clock.now_ms();
    TRY(sql::end_tenures(tx, ctx.project.text, found.model.uid, number, found.version.updated_ms));
    TRY(sql::delete_version(tx, ctx.project.text, found.model.uid, found.version));
    found.model.updated_ms = found.version.updated_ms;
    TRY(sql::update_model(tx, ctx.project.text, found.model));
    return deps_.ledger.append(tx, ctx, version_event("model_version.deleted", found.version));
  });
}

Status Registry::set_version_tag(const Ctx& ctx, const std::string& name, int64_t number,
                                 const Tag& tag) {
  TRY(check_tag(tag));
  return change_version(ctx, name, number, [&](store::Tx& tx, Found& found) -> Status {
    TRY(sql::put_version_tag(tx, ctx.project.text, found.model.uid, number, tag));
    ledger::Draft draft = version_event("model_version_tag.set", found.version);
    draft.body =
        Told(is_prompt(found.model.tags)).text("key", tag.key).text("value", tag.value).body();
    return deps_.ledger.append(tx, ctx, draft);
  });
}

Status Registry::delete_version_tag(const Ctx& ctx, const std::string& name, int64_t number,
                                    const std::string& key) {
  return change_version(ctx, name, number, [&](store::Tx& tx, Found& found) -> Status {
    TRY(sql::drop_version_tag(tx, ctx.project.text, found.model.uid, number, key));
    ledger::Draft draft = version_event("model_version_tag.deleted", found.version);
    draft.body = Told(is_prompt(found.model.tags)).text("key", key).body();
    return deps_.ledger.append(tx, ctx, draft);
  });
}

Result<Page<Version>> Registry::search_versions(const Ctx& ctx, const Query& query) {
  const search::PageQuery page = TRY(compile_version_search(ctx, query));
  Page<Version> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out = TRY(sql::search_versions(tx, ctx.project.text, page));
    return {};
  }));
  return out;
}

Result<std::vector<Version>> Registry::latest_versions(const Ctx& ctx, const std::string& name,
                                                       const std::vector<Stage>& stages) {
  std::vector<Version> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out.clear();
    const Model model = TRY(must_find_model(tx, ctx, name));
    std::vector<Stage> wanted;
    for (const Stage& stage : stages) wanted.push_back(TRY(stage_of(tx, ctx, model, stage.name)));
    if (stages.empty()) {
      wanted = {Stage::kNone, Stage::kStaging, Stage::kProduction, Stage::kArchived};
      for (std::string& own : TRY(sql::stages(tx, {ctx.project.text, model.uid})))
        wanted.push_back(Stage{std::move(own)});
    }
    for (const Stage& stage : wanted) {
      const auto number = TRY(sql::latest_in_stage(tx, ctx.project.text, model.uid, stage));
      if (!number) continue;
      auto version = TRY(sql::find_version(tx, ctx.project.text, model, *number));
      if (version) out.push_back(std::move(*version));
    }
    return {};
  }));
  return out;
}

Result<Version> Registry::set_stage(const Ctx& ctx, const std::string& name, int64_t number,
                                    const Stage& stage, bool archive_existing) {
  const std::optional<Stage> builtin = builtin_stage(stage.name);
  if (archive_existing && builtin && *builtin != Stage::kStaging && *builtin != Stage::kProduction)
    return invalid(
        "stage.not_active",
        concat({"Model version transition cannot archive existing model versions "
                "because '",
                builtin->name, "' is not an Active stage. Valid stages are Staging, Production"}));
  Stage wanted;
  bool guarded = false;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    const Model model = TRY(must_find_model(tx, ctx, name));
    wanted = TRY(stage_of(tx, ctx, model, stage.name));
    guarded = TRY(policy_for(tx, ctx, model, wanted.name)).has_value();
    return {};
  }));
  if (guarded)
    return or_protected(
        name,
        promote_to(ctx, name, number,
                   {.name = wanted.name, .reason = "", .archive_existing = archive_existing}));
  Version out;
  TRY(change_version(ctx, name, number, [&](store::Tx& tx, Found& found) -> Status {
    const auto leaving = TRY(policy_for(tx, ctx, found.model, found.version.stage.name));
    if ((leaving && leaving->rollback_plan) || TRY(policy_for(tx, ctx, found.model, wanted.name)))
      return forbidden("model.protected",
                       concat({"Model ", name,
                               " is protected: only a promotion or a rollback "
                               "moves what holds ",
                               leaving ? found.version.stage.name : wanted.name}));
    const int64_t back_n = TRY(sql::open_tenure(tx, ctx.project.text, found.model.uid, wanted));
    TRY(move_stage(tx, ctx, &found, wanted,
                   {.reason = "", .back_n = back_n, .archive_existing = archive_existing}));
    out = found.version;
    return {};
  }));
  return out;
}

Result<Bundle> Registry::open_bundle(const Ctx& ctx, const std::string& name, int64_t number) {
  Bundle out;
  out.version = TRY(get_version(ctx, name, number));
  if (out.version.digest.empty()) out.version.digest = TRY(digest_of(ctx, out.version));
  if (out.version.digest.empty())
    return not_found("model_version.no_files",
                     concat({"Version ", std::to_string(number), " of ", name,
                             " has no files here: its source is ", out.version.source}));
  out.root = TRY(codec::parse_sha256(out.version.digest));
  TRY(store::tree::scan(deps_.blobs, out.root, "", "", [&](const store::tree::Entry& e) {
    out.entries.push_back(e);
    return true;
  }));
  for (const store::tree::Entry& e : out.entries)
    if (e.path == "MLmodel") out.mlmodel = TRY(deps_.blobs.get(e.digest, kMlmodelBytesMax));
  return out;
}

Status Registry::mark(const std::function<void(const store::Digest&)>& keep) {
  std::vector<std::string> digests;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    digests.clear();
    return sql::each_digest(tx, [&](std::string_view text) { digests.emplace_back(text); });
  }));
  for (const std::string& text : digests)
    TRY(store::tree::mark(deps_.blobs, TRY(codec::parse_sha256(text)), keep));
  return {};
}

}  // namespace slip::registry
