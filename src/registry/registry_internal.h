#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/ledger/ledger.h"
#include "registry/promotion.h"
#include "registry/registry.h"

// What the files of this module share.
namespace slip::registry {

struct Registry::Found {
  Model model;
  Version version;
};

struct Registry::Weighed {
  Version version;
  Policy policy;
  std::optional<Request> request;
  std::vector<std::string> authors;
  int64_t champion = 0;
  std::vector<Waiver> waivers;
  std::optional<Review> review;
  int64_t now_ms = 0;

  Candidate candidate() const {
    return {.version = version,
            .policy = policy,
            .request = request ? &*request : nullptr,
            .authors = authors,
            .champion = champion,
            .waivers = waivers,
            .review = review,
            .now_ms = now_ms};
  }
};

Error no_model(std::string_view name);
Error no_version(std::string_view name, int64_t number);
Result<Model> must_find_model(store::Tx& tx, const Ctx& ctx, std::string_view name);

// UTF-8 of at most kCommentMax bytes, else kInvalid `WHAT.comment`.
Status check_comment(std::string_view what, std::string_view text);

// A stage of the model in its own spelling. kInvalid `stage.unknown`, naming those there are.
Result<Stage> stage_of(store::Tx& tx, const Ctx& ctx, const Model& model, std::string_view text);
// A stage, or "@alias" as it is written.
Result<std::string> target_of(store::Tx& tx, const Ctx& ctx, const Model& model,
                              std::string_view text);
// What it takes to enter the target; nothing: the target is free. Production of a protected model
// without a written policy has the default one.
Result<std::optional<Policy>> policy_for(store::Tx& tx, const Ctx& ctx, const Model& model,
                                         const std::string& target);
// What a request for a target without policy asks for: one approval.
Policy unwritten_policy(const std::string& target);
// Another version than this one holds the stage; never of an alias.
Result<bool> is_shared(store::Tx& tx, const Ctx& ctx, const Model& model, int64_t version,
                       const std::string& target);
Result<Standing> standing_of(store::Tx& tx, const Ctx& ctx, const Model& model,
                             const Version& version, const std::string& target);
// kForbidden `model.protected` when the version holds a protected stage or alias.
Status may_go(store::Tx& tx, const Ctx& ctx, const Model& model, const Version& version);

// What is missing for a protected target, as MLflow's own endpoints answer it: kForbidden
// `model.protected` with the reason.
template <class T>
Result<T> or_protected(const std::string& model, Result<T> result) {
  if (result.ok() || result.error().code != Code::kConflict) return result;
  return forbidden("model.protected", "Model " + model + " is protected: " + result.error().text);
}

// Events. The subject of a version's event carries the model's name and the version's number.
ledger::Draft model_event(std::string_view verb, const Model& model);
ledger::Draft version_event(std::string_view verb, const Version& version);
// What the body of an event keeps of texts that may be larger than an event: their beginning, and
// then "truncated": true. With "prompt": true when it is about one.
class Told {
 public:
  explicit Told(bool of_prompt);
  Told& text(std::string_view key, std::string_view value);
  Told& maybe(std::string_view key, const std::optional<std::string>& value);
  Told& tags(const std::vector<Tag>& tags);
  codec::Json body();

 private:
  std::string fitting(std::string_view value);
  codec::Json body_;
  size_t left_bytes_;
  bool truncated_ = false;
};

}  // namespace slip::registry
