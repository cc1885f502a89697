#include "base/text.h"
#include "tracking/artifact_store.h"
#include "tracking/artifacts.h"

// Whose the files of a path are, for whoever decides who may touch them.
namespace slip::tracking {
namespace {

std::string_view next_part(std::string_view* path) {
  const size_t slash = path->find('/');
  const std::string_view part = path->substr(0, slash);
  path->remove_prefix(slash == path->npos ? path->size() : slash + 1);
  return part;
}

// Below an experiment's own root: <run>/…, models/<id>/…, traces/<id>/….
std::string_view kind_below(std::string_view rest) {
  const std::string_view first = next_part(&rest);
  if (first.empty()) return "experiment";
  if (first == "models") return "logged_model";
  return first == "traces" ? "trace" : "run";
}

}  // namespace

Result<std::optional<ArtifactOwner>> Artifacts::owner(const Ctx& ctx, std::string_view path) {
  const ArtifactPath where = TRY(parse_artifact_path(path));
  if (!where.base.empty()) {
    const std::vector<std::string_view> parts = split(where.base, '/');
    const std::string_view id = parts[parts.size() - 2];
    std::optional<sql::Keeper> keeper;
    TRY(deps_.db.read([&](store::Tx& tx) -> Status {
      keeper = TRY(sql::find_keeper(tx, ctx.project.text, id));
      return {};
    }));
    // An id that somebody put into a path of their own choosing proves nothing.
    if (keeper && TRY(is_tree_of(keeper->uri, where.base)))
      return std::optional(ArtifactOwner{keeper->kind, keeper->experiment_id});
  }
  std::string rest = where.base;
  if (!where.rest.empty()) rest.append(rest.empty() ? "" : "/").append(where.rest);
  std::string_view left = rest;
  const std::optional<int64_t> id = parse_int(next_part(&left));
  if (!id || *id < 0) return std::optional<ArtifactOwner>();
  return std::optional(ArtifactOwner{kind_below(left), *id});
}

Result<bool> Artifacts::is_tree_of(std::string_view uri, std::string_view base) {
  const auto path = proxied_path(uri);
  if (!path) return false;
  const ArtifactPath own = TRY(parse_artifact_path(*path));
  return own.base == base && own.rest.empty();
}

}  // namespace slip::tracking
