#include <algorithm>
#include <utility>

#include "base/text.h"
#include "registry/promotion.h"
#include "registry/registry.h"
#include "registry/registry_internal.h"
#include "registry/registry_search.h"
#include "registry/registry_store.h"
#include "sys/clock.h"
#include "sys/rng.h"

// Model versions: where their files are, tags, stages, files for serving.
namespace slip::registry {
namespace {

Status check_length(std::string_view what, std::string_view value, size_t max) {
  if (!is_utf8(value)) return invalid("registry.utf8", concat({"'", what, "' is not valid UTF-8"}));
  if (value.size() <= max || utf8_length(value) <= max) return {};
  return invalid("registry.too_long", concat({"'", what, "' exceeds the maximum length of ",
                                              std::to_string(max), " characters"}));
}

bool is_prompt(const std::vector<Tag>& tags) {
  return std::any_of(tags.begin(), tags.end(),
                     [](const Tag& t) { return t.key == "mlflow.prompt.is_prompt"; });
}

struct ModelUri {
  std::string name;
  int64_t number = 0;
};
// "models:/NAME/3"; empty for every other form.
std::optional<ModelUri> parse_models_uri(std::string_view source) {
  constexpr std::string_view kScheme = "models:/";
  if (!source.starts_with(kScheme)) return std::nullopt;
  source.remove_prefix(kScheme.size());
  const size_t slash = source.find('/');
  if (slash == source.npos) return std::nullopt;
  const auto number = parse_int(source.substr(slash + 1));
  if (!number) return std::nullopt;
  return ModelUri{.name = std::string(source.substr(0, slash)), .number = *number};
}

// Files of the machine that the server runs on are nobody's artifacts.
Status check_source(const NewVersion& wanted) {
  if (wanted.source.empty())
    return invalid("registry.missing",
                   "Missing value for required parameter 'source'. See the API docs for more "
                   "information about request parameters.");
  TRY(check_length("source", wanted.source, kSourceMax));
  const size_t colon = wanted.source.find(':');
  const bool has_scheme = colon != wanted.source.npos && colon > 1 &&
                          wanted.source.substr(0, colon).find('/') == std::string::npos;
  const bool local = !has_scheme || lower(wanted.source).starts_with("file:");
  if (!local || is_prompt(wanted.tags)) return {};
  return invalid("model_version.source",
                 concat({"Invalid model version source: '", wanted.source,
                         "'. To use a local path as a model version source, the run_id request "
                         "parameter has to be specified and the local path has to be contained "
                         "within the artifact directory of the run specified by the run_id."}));
}

}  // namespace

Result<Registry::Found> Registry::must_find(store::Tx& tx, const Ctx& ctx, const std::string& name,
                                            int64_t number) {
  Found out{.model = TRY(must_find_model(tx, ctx, name)), .version = {}};
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
  TRY(check_source(wanted));
  for (const Tag& tag : wanted.tags) {
    TRY(check_length("key", tag.key, kTagKeyMax));
    TRY(check_length("value", tag.value, kTagValueMax));
  }
  Version made;
  made.uid = new_uuid7(deps_.clock, deps_.rng).text();
  made.model = wanted.model;
  made.source = wanted.source;
  made.run_id = wanted.run_id;
  made.run_link = wanted.run_link;
  made.description = wanted.description;
  made.logged_model_id = wanted.logged_model_id;
  made.author = ctx.actor_uid;
  made.tags = wanted.tags;
  if (const auto copied = parse_models_uri(wanted.source)) {
    const Version from = TRY(get_version(ctx, copied->name, copied->number));
    made.location = from.location;
    made.digest = from.digest;
    if (made.run_id.empty()) made.run_id = from.run_id;
    if (made.logged_model_id.empty()) made.logged_model_id = from.logged_model_id;
  } else if (!is_prompt(wanted.tags)) {
    const Origins::Located located = TRY(deps_.origins.locate(ctx, wanted.source));
    made.location = located.location;
    if (made.run_id.empty()) made.run_id = located.run_id;
    made.digest = TRY(deps_.origins.digest(ctx, made.location));
  }
  if (made.location.empty()) made.location = wanted.source;

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
    draft.body = codec::Json::object({{"source", out.source}, {"run_id", out.run_id}});
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
    if (found.model.is_protected && found.version.stage == Stage::kProduction)
      return forbidden("model.protected", concat({"Model ", name, " is protected and version ",
                                                  std::to_string(number), " holds Production"}));
    found.version.updated_ms = deps_.clock.now_ms();
    TRY(end_tenures(tx, ctx, found, number));
    TRY(sql::delete_version(tx, ctx.project.text, found.model.uid, found.version));
    return deps_.ledger.append(tx, ctx, version_event("model_version.deleted", found.version));
  });
}

Status Registry::set_version_tag(const Ctx& ctx, const std::string& name, int64_t number,
                                 const Tag& tag) {
  if (tag.key.empty())
    return invalid("registry.missing",
                   "Missing value for required parameter 'key'. See the API docs for more "
                   "information about request parameters.");
  TRY(check_length("key", tag.key, kTagKeyMax));
  TRY(check_length("value", tag.value, kTagValueMax));
  return change_version(ctx, name, number, [&](store::Tx& tx, Found& found) -> Status {
    return sql::put_version_tag(tx, ctx.project.text, found.model.uid, number, tag);
  });
}

Status Registry::delete_version_tag(const Ctx& ctx, const std::string& name, int64_t number,
                                    const std::string& key) {
  return change_version(ctx, name, number, [&](store::Tx& tx, Found& found) -> Status {
    return sql::drop_version_tag(tx, ctx.project.text, found.model.uid, number, key);
  });
}

Result<Page<Version>> Registry::search_versions(const Ctx& ctx, const Query& query) {
  sql::Search search = TRY(compile_version_search(query));
  const std::string identity =
      concat({"model versions\n", query.filter, "\n", join(query.order_by, "\n")});
  search.after = TRY(search::parse_page_token(query.page_token, identity, search.keys));
  Page<Version> out;
  std::vector<search::Bound> last;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out.items = TRY(sql::search_versions(tx, ctx.project.text, search, &last));
    return {};
  }));
  if (static_cast<int64_t>(out.items.size()) > search.limit) {
    out.items.pop_back();
    out.next_page_token = search::make_page_token(identity, last);
  }
  return out;
}

Result<std::vector<Version>> Registry::latest_versions(const Ctx& ctx, const std::string& name,
                                                       const std::vector<Stage>& stages) {
  const std::vector<Stage> all = {Stage::kNone, Stage::kStaging, Stage::kProduction,
                                  Stage::kArchived};
  std::vector<Version> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out.clear();
    const Model model = TRY(must_find_model(tx, ctx, name));
    for (const Stage stage : stages.empty() ? all : stages) {
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
                                    Stage stage, bool archive_existing) {
  if (archive_existing && stage != Stage::kStaging && stage != Stage::kProduction)
    return invalid("stage.not_active",
                   concat({"Model version transition cannot archive existing model versions "
                           "because '",
                           stage_name(stage),
                           "' is not an Active stage. Valid stages are Staging, Production"}));
  const Model model = TRY(get_model(ctx, name));
  if (model.is_protected && stage == Stage::kProduction) {
    Result<Version> promoted = promote(ctx, name, number);
    if (promoted.ok() || promoted.error().code != Code::kConflict) return promoted;
    return forbidden("model.protected",
                     concat({"Model ", name, " is protected: ", promoted.error().text}));
  }
  Version out;
  TRY(change_version(ctx, name, number, [&](store::Tx& tx, Found& found) -> Status {
    const std::string& project = ctx.project.text;
    const int64_t now = deps_.clock.now_ms();
    out = found.version;
    const int64_t back_n =
        stage == Stage::kProduction ? TRY(sql::open_production(tx, project, found.model.uid)) : 0;
    if (found.model.is_protected &&
        (stage == Stage::kProduction || out.stage == Stage::kProduction))
      return forbidden("model.protected", concat({"Model ", name,
                                                  " is protected: only a promotion or a rollback "
                                                  "moves what holds Production"}));
    if (archive_existing)
      for (const int64_t other : TRY(sql::in_stage(tx, project, found.model.uid, stage)))
        if (other != number) TRY(archive(tx, ctx, found.model, other));
    const Stage before = out.stage;
    out.updated_ms = now;
    out.stage = stage;
    TRY(sql::update_version(tx, project, found.model.uid, out));
    if (before == stage) return {};
    TRY(end_tenures(tx, ctx, found, number));
    if (stage != Stage::kNone) {
      Tenure tenure{.n = 0,
                    .stage = stage,
                    .version = number,
                    .from_ms = now,
                    .to_ms = {},
                    .actor = ctx.actor_uid,
                    .reason = "",
                    .back_n = back_n};
      TRY(sql::begin_tenure(tx, project, found.model.uid, &tenure));
    }
    ledger::Draft draft = version_event("model_version.stage_changed", out);
    draft.body = codec::Json::object({{"from", stage_name(before)}, {"to", stage_name(stage)}});
    return deps_.ledger.append(tx, ctx, draft);
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
