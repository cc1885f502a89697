#include "wire/native/verdicts.h"

#include <array>
#include <utility>

#include "base/text.h"
#include "registry/attest.h"
#include "registry/check.h"
#include "registry/policy_json.h"
#include "wire/native/native.h"

namespace slip::wire::native {
namespace {

using codec::Json;
using registry::Governance;

constexpr size_t kLookedAtMax = 200;  // Principals, for who could act instead.

void copy(const Json& from, std::string_view field, std::string_view to, Json* out) {
  if (const Json* value = from.find(field)) out->set(std::string(to), *value);
}

// The numbers of a comparison, under the same names for a whole check and for a slice.
void add_numbers(const Json& from, Json* out) {
  for (const std::string_view field : {"difference", "lower", "upper"})
    copy(from, field, field, out);
  copy(from, "p_worse", "p", out);
  copy(from, "rows", "n", out);
}

Json slices_of(const Json& evidence) {
  Json out = Json::array();
  const Json* slices = evidence.find("slices");
  if (!slices || !slices->is_array()) return out;
  for (const Json& slice : slices->items()) {
    Json row = Json::object();
    for (const std::string_view field : {"slice", "state", "value", "champion_value"})
      copy(slice, field, field, &row);
    add_numbers(slice, &row);
    out.push(std::move(row));
  }
  return out;
}

// Which bytes were looked at: the holdout and what each model said of it.
Json files_of(const Json& evidence) {
  Json out = Json::array();
  for (const std::string_view role : {"holdout", "candidate", "champion"}) {
    const Json* pin = evidence.find(role);
    if (!pin || !pin->is_object()) continue;
    Json file = Json::object({{"role", role}});
    copy(*pin, "dataset", "dataset", &file);
    // Predictions name the model's version too.
    copy(*pin, pin->find("dataset_version") ? "dataset_version" : "version", "version", &file);
    copy(*pin, "digest", "digest", &file);
    out.push(std::move(file));
  }
  return out;
}

// The newest that wasn't taken back; one that has ended is shown as that.
Json waiver_of(const RequestsApp& app, const Governance::Explanation& told,
               const std::string& check) {
  Json out;
  for (const registry::Waiver& w : told.waivers)
    if (w.check == check && w.revoked_ms == 0)
      out = Json::object({{"uid", w.uid},
                          {"reason", w.reason},
                          {"actor", app.auth.label(w.actor)},
                          {"expires_ms", w.expires_ms},
                          {"in_force", w.expires_ms > told.now_ms}});
  return out;
}

Json signature_of(const Ctx& ctx, const registry::Version& v, const registry::CheckResult& r,
                  const std::map<std::string, std::string>& keys) {
  const registry::Attestation seen = registry::attest(r, v.gate->digest, keys);
  Json out = Json::object({{"keyid", seen.keyid},
                           {"payload_type", seen.payload_type},
                           {"digest", seen.digest},
                           {"verified", seen.verified}});
  if (!seen.verified) out.set("reason", seen.reason);
  const std::string path =
      at(concat({"/models/", percent_encode(v.model), "/versions/", std::to_string(v.number),
                 "/gate/envelope?check=", percent_encode(r.check.name())}));
  out.set("envelope_url", concat({"/~", ctx.project.text, path}));
  return out;
}

Result<registry::Caller> caller_on(const RequestsApp& app, const Ctx& ctx,
                                   const registry::Model& model) {
  const std::string_view kind =
      registry::is_prompt(model.tags) ? "prompt_version" : "model_version";
  const auth::Role role = TRY(app.auth.role_on(ctx, kind, model.uid));
  return registry::Caller{.uid = ctx.actor_uid,
                          .kind = ctx.actor_kind,
                          .may_edit = role >= auth::Role::kEdit,
                          .may_manage = role >= auth::Role::kManage};
}

}  // namespace

Json check_json(const registry::CheckResult& r) {
  Json out = registry::check_json(r.check);
  out.set("value", r.value ? Json(*r.value) : Json());
  if (r.threshold) out.set("threshold", *r.threshold);
  if (r.champion_version > 0) out.set("champion_version", r.champion_version);
  if (r.champion_value) out.set("champion_value", *r.champion_value);
  out.set("passed", r.passed);
  out.set("detail", r.detail);
  out.set("signed", !r.envelope.empty());
  const Result<Json> evidence = codec::parse_json(r.evidence);
  if (!evidence.ok()) return out;
  for (const std::string_view field : {"test", "rule", "slice_alpha"})
    copy(*evidence, field, field, &out);
  add_numbers(*evidence, &out);
  copy(*evidence, "runs", "n", &out);
  if (evidence->find("slices")) out.set("slices", slices_of(*evidence));
  if (Json files = files_of(*evidence); !files.items().empty()) out.set("files", std::move(files));
  out.set("evidence", *evidence);
  return out;
}

Result<Json> checks_json(const RequestsApp& app, const Ctx& ctx,
                         const Governance::Explanation& told) {
  Json out = Json::array();
  if (!told.version.gate) return out;
  std::map<std::string, std::string> keys;
  if (app.keys)
    for (const sign::PublicKey& key : TRY(app.keys())) keys[key.keyid] = key.public_pem;
  for (const registry::CheckResult& r : told.version.gate->checks) {
    Json row = check_json(r);
    if (Json waiver = waiver_of(app, told, r.check.name()); !waiver.is_null())
      row.set("waiver", std::move(waiver));
    if (!r.envelope.empty()) row.set("signature", signature_of(ctx, told.version, r, keys));
    out.push(std::move(row));
  }
  return out;
}

Result<Json> actions_json(const RequestsApp& app, const Ctx& ctx,
                          const Governance::Explanation& told) {
  const registry::Model model = TRY(app.registry.get_model(ctx, told.version.model));
  const registry::Caller caller = TRY(caller_on(app, ctx, model));
  std::vector<registry::Caller> others;
  const std::vector<auth::Principal> principals = TRY(app.auth.principals());
  for (const auth::Principal& p : principals) {
    if (others.size() >= kLookedAtMax) break;
    Ctx theirs;
    theirs.actor_uid = p.uid;
    theirs.actor_kind = p.kind;
    theirs.project = ctx.project;
    registry::Caller other = TRY(caller_on(app, theirs, model));
    if (other.may_edit) others.push_back(std::move(other));
  }
  Json out = Json::array();
  for (const registry::Action& action : told.actions(caller, others)) {
    Json item = Json::object({{"action", registry::action_name(action.kind)},
                              {"to", told.policy.target},
                              {"allowed", action.allowed},
                              {"detail", action.detail}});
    if (!action.allowed) {
      item.set("reason", action.reason);
      Json who = Json::array();
      for (const std::string& uid : action.who) who.push(app.auth.label(uid));
      item.set("who", std::move(who));
    }
    if (action.kind == registry::ActionKind::kRollback && action.allowed)
      item.set("back_to", told.standing.back_to);
    out.push(std::move(item));
  }
  return out;
}

}  // namespace slip::wire::native
