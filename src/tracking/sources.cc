#include "tracking/sources.h"

#include <optional>
#include <string_view>
#include <utility>

#include "base/text.h"
#include "tracking/location.h"
#include "tracking/tracking.h"

namespace slip::tracking {
namespace {

constexpr std::string_view kLoggedModelPrefix = "m-";

Error refused(std::string_view source, std::string_view why) {
  return invalid("model_version.source",
                 concat({"Invalid model version source: '", source, "'. ", why}));
}

// The run or the logged model that a source must belong to.
struct Owner {
  std::string_view parameter;       // Its name in a request.
  bool named = false;               // The caller said which.
  std::optional<std::string> root;  // Absent when there is no such thing.
  std::string run_id;
};

Error outside(const SourceClaim& claim, const Owner& owner) {
  return refused(claim.source, concat({"The ", owner.parameter,
                                       " request parameter must identify the resource that "
                                       "contains the source."}));
}

Result<Owner> owner_of(Tracking& tracking, const Ctx& ctx, const SourceClaim& claim) {
  Owner out{.parameter = "run_id", .named = !claim.run_id.empty(), .root = {}, .run_id = {}};
  out.run_id = claim.run_id;
  const auto missing = [](const Error& e) { return e.code == Code::kNotFound; };
  if (!claim.model_id.empty()) {
    out.parameter = "model_id";
    out.named = true;
    const auto model = tracking.models.get(ctx, claim.model_id);
    if (!model.ok() && !missing(model.error())) return model.error();
    if (model.ok()) out.root = model->artifact_uri;
    if (model.ok() && out.run_id.empty()) out.run_id = model->source_run_id;
  } else if (out.named) {
    const auto run = tracking.runs.get(ctx, claim.run_id);
    if (!run.ok() && !missing(run.error())) return run.error();
    if (run.ok()) out.root = run->artifact_uri;
  }
  return out;
}

// Relative forms could reach out of the place that a prefix of the text promises.
Status check_absolute(const std::string& source) {
  const std::string plain = fully_decoded(source);
  bool good = plain.find('\0') == plain.npos && split_uri(plain).path.starts_with('/');
  for (const std::string_view part : split(plain, '/')) good = good && part != "..";
  const std::string path = split_uri(plain).path;
  for (const std::string_view part : split(path, '/')) good = good && part != ".";
  if (good) return {};
  return refused(source,
                 "If supplying a source as an http, https, local file path, ftp, objectstore, or "
                 "mlflow-artifacts uri, an absolute path must be provided without relative path "
                 "references present. Please provide an absolute path.");
}

bool is_here(std::string_view host) {
  return host.empty() || host == "." || host.starts_with("localhost") ||
         host.starts_with("127.0.0.1");
}

Result<SourceFound> find_local(const SourceClaim& claim, const Owner& owner) {
  if (!is_here(split_uri(claim.source).host))
    return invalid("model_version.remote_file",
                   concat({claim.source,
                           " is not a valid remote uri. For remote access on windows, "
                           "please consider using a different scheme such as SMB (e.g. "
                           "smb://<hostname>/<path>)."}));
  if (owner.named && !owner.root) return outside(claim, owner);
  if (owner.root && is_local_uri(*owner.root) &&
      lies_below(local_path(claim.source), local_path(*owner.root)))
    return SourceFound{.location = claim.source, .run_id = owner.run_id};
  return refused(owner.root ? local_path(claim.source) : claim.source,
                 concat({"To use a local path as a model version source, the ", owner.parameter,
                         " request parameter has to be specified and the local path "
                         "has to be contained within the artifact directory of the "
                         "run specified by the ",
                         owner.parameter, "."}));
}

// runs:/ID/path. A run that is not ours keeps its address.
Result<SourceFound> find_in_run(const SourceClaim& claim, const Owner& owner,
                                std::string_view path) {
  const size_t slash = path.find('/', 1);
  const std::string_view run_id = path.substr(1, slash == path.npos ? path.npos : slash - 1);
  if (!claim.model_id.empty() || run_id.empty() || run_id != claim.run_id)
    return outside(claim, owner);
  SourceFound out{.location = claim.source, .run_id = claim.run_id};
  if (!owner.root) return out;
  out.location = *owner.root;
  if (slash == path.npos) return out;
  TRY(parse_artifact_path(path.substr(slash + 1)));
  out.location = below_uri(out.location, path.substr(slash + 1));
  return out;
}

}  // namespace

Result<SourceFound> find_source(Tracking& tracking, const Ctx& ctx, const SourceClaim& claim) {
  const Owner owner = TRY(owner_of(tracking, ctx, claim));
  if (is_local_uri(claim.source)) return find_local(claim, owner);
  TRY(check_absolute(claim.source));
  const UriParts parts = split_uri(claim.source);
  if ((parts.scheme == "runs" || parts.scheme == "models") && !parts.host.empty())
    return outside(claim, owner);
  if (parts.scheme == "runs") return find_in_run(claim, owner, parts.path);
  if (parts.scheme == "models") {
    const std::string_view id = std::string_view(parts.path).substr(1);
    if (!id.starts_with(kLoggedModelPrefix) || id != claim.model_id)
      return outside(claim,
                     Owner{.parameter = "model_id", .named = false, .root = {}, .run_id = {}});
    if (owner.root) return SourceFound{.location = *owner.root, .run_id = owner.run_id};
    return not_found("logged_model.not_found",
                     concat({"Logged model with ID '", id, "' not found."}));
  }
  if (is_proxied_uri(claim.source) && (!owner.root || !lies_below(claim.source, *owner.root)))
    return outside(claim, owner);
  return SourceFound{.location = claim.source, .run_id = owner.run_id};
}

}  // namespace slip::tracking
